//! The least of Kafka's protocol: a connection that asked for ApiVersions once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);
/// ApiVersions, version 0, correlation id 7, no client id: 10 bytes after the length.
const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
/// More than any list of APIs.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Connects and asks; the connection is left open. `None` unless the answer was a success.
pub(crate) fn connect(to: SocketAddr) -> Option<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.write_all(&API_VERSIONS).ok()?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let length = usize::try_from(i32::from_be_bytes(length)).ok()?;
    let mut answer = vec![0; length.min(ANSWER_BYTES_MAX)];
    stream.read_exact(&mut answer).ok()?;
    // Correlation id, then the error code.
    (answer.get(..6)? == [0, 0, 0, 7, 0, 0]).then_some(stream)
}
