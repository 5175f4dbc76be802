//! One GET over HTTP/1.1 without TLS: what a health check in a container and `esker cost` ask an agent's `admin_addr`.
//!
//! The connection is closed after the answer, which is bounded in size and time. Every failure is one sentence about the
//! address that was asked.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::failure::io_reason;
use crate::settings::address::Address;

/// Longest answer, in bytes: metrics of many topics are a few megabytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Asks `address` for `path`, for so long.
pub(crate) async fn get(address: &Address, path: &str, patience: Duration) -> Result<Answer, String> {
    match timeout(patience, ask(address, path)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!(
            "{address} did not answer within {} s",
            patience.as_secs()
        )),
    }
}

async fn ask(address: &Address, path: &str) -> Result<Answer, String> {
    let mut stream = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(|error| format!("cannot connect to {address}: {}", io_reason(&error)))?;
    let lost = |error: std::io::Error| format!("{address} ended the connection: {}", io_reason(&error));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: esker\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    let mut bytes = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(lost)?;
    if bytes.len() as u64 > ANSWER_BYTES_MAX {
        return Err(format!(
            "the answer of {address} is longer than an agent's could be"
        ));
    }
    parse(&bytes).ok_or_else(|| format!("{address} does not speak HTTP: is that an agent's admin_addr?"))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let body = bytes.get(end + 4..)?;
    let mut lines = head.split("\r\n");
    let mut status = lines.next()?.split(' ');
    if !status.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let status = status.next()?.parse().ok()?;
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
    let header = |name: &str| {
        headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    let body = if header("transfer-encoding").is_some_and(|how| how.eq_ignore_ascii_case("chunked")) {
        unchunk(body)?
    } else {
        let length = match header("content-length") {
            Some(length) => length.parse().ok()?,
            None => body.len(),
        };
        // Less than was promised is half an answer.
        body.get(..length)?.to_vec()
    };
    Some(Answer {
        status,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        let start = end + 2;
        if size == 0 {
            return Some(body);
        }
        let stop = start.checked_add(size)?;
        body.extend_from_slice(bytes.get(start..stop)?);
        bytes = bytes.get(stop.checked_add(2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_answers_of_both_kinds() {
        let plain = parse(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nabcdef").unwrap();
        assert_eq!((plain.status, plain.body.as_str()), (503, "abc"));
        let chunked =
            parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n")
                .unwrap();
        assert_eq!((chunked.status, chunked.body.as_str()), (200, "abc0123456789"));
        let closed = parse(b"HTTP/1.0 200 OK\r\n\r\nto the end").unwrap();
        assert_eq!(closed.body, "to the end");
    }

    #[test]
    fn half_answers_and_other_protocols_are_none() {
        for bytes in [
            &b""[..],
            b"220 mail ready\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc",
            b"HTTP/1.1 200 OK\r\nContent-Le",
        ] {
            assert_eq!(parse(bytes), None, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
