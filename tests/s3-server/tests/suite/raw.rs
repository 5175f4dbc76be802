//! Requests by hand: one connection each, every byte of them as the test has it.

use std::fmt::Write;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Target;
use super::sign::{encode, sign};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Request<'a> {
    target: &'a Target,
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = &self.body[..self.body.len().min(600)];
        write!(
            f,
            "{} {:?} {}",
            self.status,
            self.headers,
            String::from_utf8_lossy(body)
        )
    }
}

impl<'a> Request<'a> {
    /// `path` is encoded.
    pub fn new(target: &'a Target, method: &str, path: &str) -> Self {
        Self {
            target,
            method: method.to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((encode(name, true), encode(value, true)));
        self
    }

    /// `name` is in lower case.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// The bytes of the whole request.
    pub fn bytes(mut self) -> Vec<u8> {
        let host = self.target.endpoint.trim_start_matches("http://");
        self.headers.push(("host".to_owned(), host.to_owned()));
        if !self
            .headers
            .iter()
            .any(|(name, _)| name == "x-amz-content-sha256")
        {
            self = self.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        }
        self.query.sort();
        let query: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let query = query.join("&");
        sign(self.target, &self.method, &self.path, &query, &mut self.headers);
        let mut head = format!("{} {}?{query} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        write!(
            head,
            "content-length: {}\r\nconnection: close\r\n\r\n",
            self.body.len()
        )
        .unwrap();
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it and reads the answer; fails the test if there is none.
    pub async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        self.exchange()
            .await
            .unwrap_or_else(|| panic!("{what}: no answer"))
    }

    /// Sends it; `None` if the connection closes before a whole answer has come.
    pub async fn exchange(self) -> Option<Answer> {
        let host = self.target.endpoint.trim_start_matches("http://").to_owned();
        let is_head = self.method == "HEAD";
        let bytes = self.bytes();
        let exchange = async {
            let stream = TcpStream::connect(host).await.ok()?;
            let (mut read, mut write) = stream.into_split();
            // A server may answer before it has read everything.
            let sending = tokio::spawn(async move {
                let _ = write.write_all(&bytes).await;
                write
            });
            let mut answer = Vec::new();
            let _ = read.read_to_end(&mut answer).await;
            drop(sending.await);
            parse(&answer, is_head)
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .expect("an answer in time")
    }
}

fn parse(bytes: &[u8], is_head: bool) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer {
        status,
        headers,
        body: bytes[end + 4..].to_vec(),
    };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = unchunk(&answer.body)?;
    } else if let Some(length) = answer
        .header("content-length")
        .filter(|_| !is_head && status != 304)
        && length.parse() != Ok(answer.body.len())
    {
        return None;
    }
    Some(answer)
}

fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(end + 2..end + 2 + size)?);
        bytes = bytes.get(end + 4 + size..)?;
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn etag(&self) -> &str {
        self.header("etag").expect("an entity tag")
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The texts of all elements of this name, in their order.
    pub fn texts(&self, element: &str) -> Vec<String> {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        self.text()
            .split(&open)
            .skip(1)
            .map(|rest| unescape(rest.split(&close).next().unwrap()))
            .collect()
    }

    /// The text of the first element of this name; empty if there is none.
    pub fn first(&self, element: &str) -> String {
        self.texts(element).into_iter().next().unwrap_or_default()
    }

    /// Status and code of an error.
    pub fn error(&self) -> (u16, String) {
        (self.status, self.first("Code"))
    }

    /// Fails unless this is that error.
    pub fn is_error(&self, status: u16, code: &str) {
        assert_eq!(self.error(), (status, code.to_owned()), "{self:?}");
    }
}

fn unescape(text: &str) -> String {
    quick_xml::escape::unescape(text).unwrap().into_owned()
}
