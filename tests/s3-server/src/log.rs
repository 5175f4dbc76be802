//! One line of JSON on stderr for each request, when it is over; for whoever asks afterwards what became of it.

use std::io::Write;
use std::time::Instant;

use hyper::http::request::Parts;
use serde_json::json;

use crate::time;

/// What is known of a request before it is over.
#[derive(Debug)]
pub(crate) struct Line {
    began: Instant,
    began_ms: u64,
    id: String,
    request: String,
    pub(crate) faults: Vec<&'static str>,
}

impl Line {
    pub(crate) fn new(id: &str, parts: &Parts) -> Self {
        Self {
            began: Instant::now(),
            began_ms: time::now_ms(),
            id: id.to_owned(),
            request: format!("{} {}", parts.method, parts.uri),
            faults: Vec::new(),
        }
    }

    /// `status` is 0 if there was no answer.
    pub(crate) fn write(&self, action: &str, status: u16) {
        let line = json!({
            "at_ms": self.began_ms,
            "took_ms": self.began.elapsed().as_millis() as u64,
            "id": self.id,
            "request": self.request,
            "action": action,
            "status": (status > 0).then_some(status),
            "faults": self.faults,
        });
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}
