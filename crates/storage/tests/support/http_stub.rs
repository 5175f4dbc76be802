//! An HTTP server that answers as a test tells it to, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with one request.
#[derive(Clone)]
pub enum Answer {
    /// Sends a status, headers and a body.
    Say {
        status: u16,
        headers: &'static str,
        body: Vec<u8>,
    },
    /// Takes the request and closes the connection.
    Hang,
    /// Takes the request and says nothing, for ever.
    Silence,
}

pub fn say(status: u16, body: &str) -> Answer {
    Answer::Say {
        status,
        headers: "",
        body: body.as_bytes().to_vec(),
    }
}

pub fn code(status: u16, code: &str) -> Answer {
    say(
        status,
        &format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>"),
    )
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub line: String,
    pub headers: String,
    pub body: Vec<u8>,
}

pub struct Stub {
    pub endpoint: String,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    /// The answers to the requests, in order; the last one also to all that follow.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stub = Self {
            endpoint,
            answers: Arc::clone(&answers),
            requests: Arc::clone(&requests),
        };
        #[allow(clippy::disallowed_methods)]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&requests)));
            }
        });
        stub
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn answers_left(&self) -> usize {
        self.answers.lock().unwrap().len()
    }
}

async fn serve(
    mut stream: TcpStream,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<Request>>>,
) -> Option<()> {
    loop {
        let request = read_request(&mut stream).await?;
        requests.lock().unwrap().push(request);
        let answer = {
            let mut answers = answers.lock().unwrap();
            if answers.len() > 1 {
                answers.pop_front()?
            } else {
                answers.front()?.clone()
            }
        };
        match answer {
            Answer::Hang => return None,
            Answer::Silence => std::future::pending().await,
            Answer::Say {
                status,
                headers,
                body,
            } => {
                let head = format!(
                    "HTTP/1.1 {status} Status\r\n{headers}content-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(&body).await.ok()?;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut buffer = Vec::new();
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(buffer[..head].to_vec()).unwrap();
    let (line, headers) = text.split_once("\r\n").unwrap_or((&text, ""));
    let length: usize = headers
        .lines()
        .find_map(|header| {
            header
                .to_ascii_lowercase()
                .strip_prefix("content-length: ")
                .map(str::to_owned)
        })
        .map_or(0, |length| length.trim().parse().unwrap());
    let mut body = buffer.split_off(head + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request {
        line: line.to_owned(),
        headers: headers.to_owned(),
        body,
    })
}
