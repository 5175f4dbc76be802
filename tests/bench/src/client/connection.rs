//! A connection that asks one thing after the other, each in the newest version that Esker serves. Apache Kafka 4 has
//! them all.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use esker_protocol::client::{self, ClientRequest};
use esker_protocol::versions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::clock::monotonic_ns;

/// What members call themselves.
const CLIENT_ID: &str = "esker-bench";
/// More than anything takes that is measured here: a rebalance, a request for many topics.
const PATIENCE: Duration = Duration::from_secs(120);
/// More than any answer has.
const ANSWER_BYTES_MAX: i32 = 64 << 20;

/// An open connection. After an error it is of no use.
pub(super) struct Connection {
    stream: TcpStream,
    correlation_id: i32,
    sent_ns: u64,
    answered_ns: u64,
}

impl Connection {
    /// Connects to `host:port`.
    pub(super) async fn open(to: &str) -> Result<Self, String> {
        let failed = |err: &dyn std::fmt::Display| format!("cannot connect to {to}: {err}");
        let stream = tokio::time::timeout(PATIENCE, TcpStream::connect(to)).await;
        let stream = stream.map_err(|err| failed(&err))?.map_err(|err| failed(&err))?;
        stream.set_nodelay(true).map_err(|err| failed(&err))?;
        Ok(Self {
            stream,
            correlation_id: 0,
            sent_ns: 0,
            answered_ns: 0,
        })
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn call<R: ClientRequest>(&mut self, body: &R) -> Result<R::Response, String> {
        let name = versions::api_name(R::KEY).unwrap_or("a request");
        let failed = |err: &dyn std::fmt::Display| format!("{name}: {err}");
        let range = versions::range(R::KEY).ok_or_else(|| failed(&"Esker does not serve it"))?;
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let header = client::request_header::<R>(range.max, self.correlation_id, CLIENT_ID);
        let request = client::encode_request(&header, body).map_err(|err| failed(&err))?;
        self.sent_ns = monotonic_ns();
        let answer = tokio::time::timeout(PATIENCE, self.round_trip(&request)).await;
        let answer = answer.map_err(|err| failed(&err))?.map_err(|err| failed(&err))?;
        self.answered_ns = monotonic_ns();
        let (correlation_id, response) =
            client::decode_response::<R>(range.max, answer).map_err(|err| failed(&err))?;
        match correlation_id == self.correlation_id {
            true => Ok(response),
            false => Err(failed(&"the answer belongs to another request")),
        }
    }

    /// From sending the last request to the last byte of its answer, in nanoseconds; reading that is not in it.
    pub(super) fn last_ns(&self) -> u64 {
        self.answered_ns.saturating_sub(self.sent_ns)
    }

    async fn round_trip(&mut self, request: &[u8]) -> std::io::Result<Bytes> {
        self.stream.write_all(request).await?;
        let size = self.stream.read_i32().await?;
        if !(4..=ANSWER_BYTES_MAX).contains(&size) {
            return Err(std::io::Error::other(format!("an answer of {size} bytes")));
        }
        let mut answer = BytesMut::zeroed(usize::try_from(size).unwrap_or_default());
        self.stream.read_exact(&mut answer).await?;
        Ok(answer.freeze())
    }
}

/// What runs connections: one thread, so that a client takes no more than one processor.
pub(super) fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|err| format!("no runtime: {err}"))
}
