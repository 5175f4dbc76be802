//! Answers, before and after they are HTTP.

mod body;

use std::sync::Arc;

use hyper::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, SERVER,
};
use hyper::{Method, Response, StatusCode};

pub(crate) use body::{Piece, ReplyBody, Shape};

use crate::counts::Counts;
use crate::error::S3Error;
use crate::xml::Xml;

/// What is said, if it is not an error.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<Piece>,
    /// The size that is stated instead of the body's, for HEAD.
    pub(crate) stated_bytes: Option<u64>,
}

const XML: HeaderValue = HeaderValue::from_static("application/xml");

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub(crate) fn xml(document: String) -> Self {
        Self {
            headers: vec![(CONTENT_TYPE, XML)],
            body: vec![Piece::Memory(document.into())],
            ..Self::new(200)
        }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            self.headers.push((name, value));
        }
        self
    }

    /// An entity tag, in its quotes.
    pub(crate) fn etag(self, etag: &str) -> Self {
        self.header(hyper::header::ETAG, &format!("\"{etag}\""))
    }
}

/// The part of an answer that is the same for all.
pub(crate) struct Frame<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) request_id: String,
    pub(crate) shape: Shape,
    pub(crate) counts: &'a Arc<Counts>,
}

fn error_reply(err: &S3Error, frame: &Frame<'_>) -> Reply {
    let document = Xml::error_document(|xml| {
        xml.text("Code", &err.code);
        xml.text("Message", &err.message);
        xml.text("Resource", frame.path);
        xml.text("RequestId", &frame.request_id);
    });
    let mut reply = match err.status {
        304 => Reply::new(304),
        status => Reply {
            status,
            ..Reply::xml(document)
        },
    };
    if let Some(seconds) = err.retry_after_s {
        reply = reply.header(RETRY_AFTER, &seconds.to_string());
    }
    if let Some(bytes) = err.object_bytes {
        reply = reply.header(CONTENT_RANGE, &format!("bytes */{bytes}"));
    }
    reply
}

/// Makes HTTP of it.
pub(crate) fn respond(answer: Result<Reply, S3Error>, frame: &Frame<'_>) -> Response<ReplyBody> {
    let is_error = answer.is_err();
    let mut reply = answer.unwrap_or_else(|err| error_reply(&err, frame));
    if *frame.method == Method::HEAD {
        reply.body.clear();
    }
    // An error is told as it is.
    let shape = if is_error {
        Shape::default()
    } else {
        frame.shape.clone()
    };
    let body = ReplyBody::new(reply.body, shape, Arc::clone(frame.counts));
    let bytes = reply.stated_bytes.unwrap_or(body.bytes());
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in reply.headers {
        headers.append(name, value);
    }
    if !matches!(reply.status, 204 | 304) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    headers.insert(SERVER, HeaderValue::from_static("esker-s3-server"));
    if let Ok(id) = HeaderValue::from_str(&frame.request_id) {
        headers.insert(HeaderName::from_static("x-amz-request-id"), id);
    }
    response
}
