//! A request to a server on loopback that answers at once, and no more than that.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take. The servers asked here answer from memory, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(3);

/// Status and body of the answer; `None` if there is none.
pub(crate) fn ask(to: SocketAddr, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    ask_within(PATIENCE, to, method, path, body)
}

/// The same of a server that may take longer.
pub(crate) fn ask_within(
    patience: Duration,
    to: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&to, patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.set_write_timeout(Some(patience)).ok()?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split_whitespace().nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}

/// The same, where anything but success is no answer.
pub(crate) fn get(to: SocketAddr, path: &str) -> Option<String> {
    ask(to, "GET", path, "")
        .filter(|(status, _)| *status == 200)
        .map(|(_, body)| body)
}
