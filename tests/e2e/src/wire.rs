//! A connection on which anything can be sent.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use esker_protocol::client::{self, ClientRequest};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of something that was sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// The connection is closed.
    Closed,
    /// This came.
    Answered(Bytes),
    /// Neither, in that time.
    Open,
}

/// A blocking connection.
pub struct Wire {
    /// The socket, for what is no request.
    pub stream: TcpStream,
    correlation: i32,
}

impl Wire {
    /// Connects.
    pub fn connect(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            correlation: 0,
        })
    }

    /// From an address of loopback, and with room for few bytes that were not read yet.
    pub fn connect_from(to: SocketAddr, last_number: u8, receive_bytes: u32) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(receive_bytes)?;
            socket.bind((IpAddr::V4(Ipv4Addr::new(127, 0, 0, last_number)), 0).into())?;
            socket.connect(to).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            correlation: 0,
        })
    }

    /// The next request of this connection, whole.
    pub fn frame<R: ClientRequest>(&mut self, version: i16, request: &R) -> Bytes {
        self.correlation += 1;
        encode(self.correlation, version, request)
    }

    /// Sends a request.
    pub fn send<R: ClientRequest>(&mut self, version: i16, request: &R) -> io::Result<()> {
        let frame = self.frame(version, request);
        self.stream.write_all(&frame)
    }

    /// Waits for the answer to the oldest request that has none.
    pub fn receive<R: ClientRequest>(&mut self, version: i16) -> io::Result<R::Response> {
        let frame = self.read_frame()?;
        let answer = client::decode_response::<R>(version, frame);
        answer
            .map(|(_, response)| response)
            .map_err(|err| io::Error::new(ErrorKind::InvalidData, err))
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: ClientRequest>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        self.send(version, request)?;
        self.receive::<R>(version)
    }

    /// The next frame, without its size.
    pub fn read_frame(&mut self) -> io::Result<Bytes> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let size = usize::try_from(i32::from_be_bytes(size)).map_err(io::Error::other)?;
        let mut frame = vec![0; size];
        self.stream.read_exact(&mut frame)?;
        Ok(frame.into())
    }

    /// Waits until it is closed or something comes.
    pub fn fate(&mut self, limit: Duration) -> Fate {
        let until = Instant::now() + limit;
        self.stream.set_read_timeout(Some(limit)).unwrap();
        let fate = match self.read_frame() {
            Ok(frame) => Fate::Answered(frame),
            Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Fate::Open,
            Err(_) => Fate::Closed,
        };
        assert!(Instant::now() < until + PATIENCE);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        fate
    }

    /// Sends as much as is taken at once; says how much.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_nonblocking(true)?;
        let pushed = match self.stream.write(bytes) {
            Err(err) if err.kind() == ErrorKind::WouldBlock => Ok(0),
            other => other,
        };
        self.stream.set_nonblocking(false)?;
        pushed
    }
}

/// A whole request as a client sends it.
pub fn encode<R: ClientRequest>(correlation: i32, version: i16, request: &R) -> Bytes {
    let header = client::request_header::<R>(version, correlation, "attack");
    client::encode_request(&header, request).unwrap()
}
