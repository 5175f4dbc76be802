//! One connection to a broker: requests one after the other, each in the newest version that both sides
//! know, each with a deadline. After any error but a refusal the connection is not used again.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use esker_protocol::client::{self, ClientRequest};
use esker_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use esker_protocol::{ErrorCode, StrBytes, api_key, versions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ClientError;
use crate::failure::io_reason;

/// What we call ourselves to brokers.
const CLIENT_ID: &str = "esker";
/// Most bytes of one response; asked-for fetches are smaller.
const RESPONSE_BYTES_MAX: i32 = 256 * 1024 * 1024;
/// First version of ApiVersions that names the client's software, and old enough for every broker.
const API_VERSIONS: i16 = 3;
/// Newer versions name topics by id only, which this client does not keep.
const PRODUCE_MAX: i16 = 12;
const FETCH_MAX: i16 = 12;

/// A connection whose API versions are known.
pub(crate) struct Connection {
    stream: TcpStream,
    address: String,
    deadline: Duration,
    versions: BTreeMap<i16, (i16, i16)>,
    correlation_id: i32,
}

impl Connection {
    /// Connects to `host:port` and asks what the broker can do: each of these steps may take `share`. `deadline` is for
    /// each request later on.
    pub(crate) async fn open(
        address: &str,
        share: Duration,
        deadline: Duration,
    ) -> Result<Self, ClientError> {
        let failed = |reason: String| ClientError::Connect {
            address: address.to_owned(),
            reason,
        };
        let stream = tokio::time::timeout(share, TcpStream::connect(address))
            .await
            .map_err(|_| failed(format!("no answer within {} s", share.as_secs_f32())))?
            .map_err(|error| failed(io_reason(&error)))?;
        stream
            .set_nodelay(true)
            .map_err(|error| failed(io_reason(&error)))?;
        let mut connection = Self {
            stream,
            address: address.to_owned(),
            deadline,
            versions: BTreeMap::new(),
            correlation_id: 0,
        };
        connection.learn_versions(share).await?;
        Ok(connection)
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn call<R: ClientRequest>(&mut self, body: &R) -> Result<R::Response, ClientError> {
        let version = self.version_of::<R>()?;
        self.call_version(version, body, self.deadline).await
    }

    /// The same with another deadline than that of the connection.
    pub(crate) async fn call_within<R: ClientRequest>(
        &mut self,
        body: &R,
        deadline: Duration,
    ) -> Result<R::Response, ClientError> {
        let version = self.version_of::<R>()?;
        self.call_version(version, body, deadline).await
    }

    async fn call_version<R: ClientRequest>(
        &mut self,
        version: i16,
        body: &R,
        deadline: Duration,
    ) -> Result<R::Response, ClientError> {
        let frame = self.exchange(version, body, deadline).await?;
        let (_, response) = client::decode_response::<R>(version, frame)
            .map_err(|error| self.malformed(error.to_string()))?;
        Ok(response)
    }

    async fn learn_versions(&mut self, share: Duration) -> Result<(), ClientError> {
        let body = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("esker-cli"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let frame = self.exchange(API_VERSIONS, &body, share).await?;
        let refused = ErrorCode::UnsupportedVersion.code().to_be_bytes();
        let response = if frame.get(4..6) == Some(refused.as_slice()) {
            self.call_version(0, &ApiVersionsRequest::default(), share)
                .await?
        } else {
            client::decode_response::<ApiVersionsRequest>(API_VERSIONS, frame)
                .map_err(|error| self.malformed(error.to_string()))?
                .1
        };
        let ApiVersionsResponse {
            error_code, api_keys, ..
        } = response;
        ClientError::check(error_code, || format!("{}: ApiVersions", self.address), None)?;
        self.versions = api_keys
            .iter()
            .map(|api| (api.api_key, (api.min_version, api.max_version)))
            .collect();
        Ok(())
    }

    /// The newest version of an API that both sides know.
    pub(crate) fn version_of<R: ClientRequest>(&self) -> Result<i16, ClientError> {
        let unsupported = || ClientError::Unsupported {
            address: self.address.clone(),
            api: api_name::<R>(),
        };
        let ours = versions::range(R::KEY).ok_or_else(unsupported)?;
        let most = match R::KEY {
            api_key::PRODUCE => PRODUCE_MAX,
            api_key::FETCH => FETCH_MAX,
            _ => ours.max,
        };
        let (theirs_min, theirs_max) = *self.versions.get(&R::KEY).ok_or_else(unsupported)?;
        let version = most.min(theirs_max);
        if version < ours.min.max(theirs_min) || !versions::is_served(R::KEY, version) {
            return Err(unsupported());
        }
        Ok(version)
    }

    async fn exchange<R: ClientRequest>(
        &mut self,
        version: i16,
        body: &R,
        deadline: Duration,
    ) -> Result<Bytes, ClientError> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let header = client::request_header::<R>(version, self.correlation_id, CLIENT_ID);
        let request = client::encode_request(&header, body)
            .map_err(|error| ClientError::Input(format!("cannot send {}: {error}", api_name::<R>())))?;
        match tokio::time::timeout(deadline, self.round_trip(&request)).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::TimedOut {
                address: self.address.clone(),
                api: api_name::<R>(),
                waited: deadline,
            }),
        }
    }

    async fn round_trip(&mut self, request: &[u8]) -> Result<Bytes, ClientError> {
        let address = self.address.clone();
        let lost = |error: std::io::Error| ClientError::Lost {
            reason: match error.kind() {
                std::io::ErrorKind::UnexpectedEof => "closed by the broker".to_owned(),
                _ => io_reason(&error),
            },
            address: address.clone(),
        };
        self.stream.write_all(request).await.map_err(lost)?;
        let size = self.stream.read_i32().await.map_err(lost)?;
        if !(4..=RESPONSE_BYTES_MAX).contains(&size) {
            return Err(self.malformed(format!("a response of {size} bytes; is this a Kafka listener?")));
        }
        let mut frame = BytesMut::zeroed(usize::try_from(size).unwrap_or_default());
        self.stream.read_exact(&mut frame).await.map_err(lost)?;
        if client::correlation_id(&frame) != Some(self.correlation_id) {
            return Err(self.malformed("it answers another request".to_owned()));
        }
        Ok(frame.freeze())
    }

    fn malformed(&self, reason: String) -> ClientError {
        ClientError::Malformed {
            address: self.address.clone(),
            reason,
        }
    }
}

fn api_name<R: ClientRequest>() -> &'static str {
    versions::api_name(R::KEY).unwrap_or("this request")
}
