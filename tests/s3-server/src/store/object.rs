//! What is kept about an object, and the conditions that a request puts on it.

use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES,
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
};

use super::blob::Blob;
use crate::error::S3Error;
use crate::time;

/// An object. It is never changed, only replaced.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) bytes: u64,
    /// Without the quotes.
    pub(crate) etag: String,
    pub(crate) modified_ms: u64,
    pub(crate) about: About,
    pub(crate) blobs: Arc<[Blob]>,
}

/// What a client said about an object and gets back with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct About {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The name of the `x-amz-checksum-…` header, and its value.
    pub(crate) checksum: Option<(String, String)>,
}

const KEPT: [HeaderName; 6] = [
    CACHE_CONTROL,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_TYPE,
    EXPIRES,
];

impl About {
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let mut kept = Vec::new();
        for (name, value) in headers {
            if name == CONTENT_ENCODING {
                kept.extend(without_aws_chunked(value).map(|value| (name.clone(), value)));
            } else if KEPT.contains(name) || name.as_str().starts_with("x-amz-meta-") {
                kept.push((name.clone(), value.clone()));
            }
        }
        Self {
            headers: kept,
            checksum: None,
        }
    }
}

/// `aws-chunked` belongs to the request, not to the object.
fn without_aws_chunked(value: &HeaderValue) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let rest: Vec<_> = text
        .split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty() && *one != "aws-chunked")
        .collect();
    (!rest.is_empty())
        .then(|| HeaderValue::from_str(&rest.join(",")).ok())
        .flatten()
}

/// The conditions in a request's headers (RFC 9110 §13), as far as S3 has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
    if_modified_since_s: Option<u64>,
    if_unmodified_since_s: Option<u64>,
}

fn header(headers: &HeaderMap, prefix: &str, name: &HeaderName) -> Option<String> {
    let value = headers.get(format!("{prefix}{name}"))?;
    Some(value.to_str().ok()?.trim().to_owned())
}

/// Whether a list of entity tags, or `*`, names this one. Weak tags are compared as strong ones.
fn names(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| {
        let one = one.strip_prefix("W/").unwrap_or(one);
        one == "*" || one.trim_matches('"') == etag
    })
}

impl Conditions {
    /// `prefix` is `x-amz-copy-source-` for those on the source of a copy.
    pub(crate) fn from_headers(headers: &HeaderMap, prefix: &str) -> Self {
        let date = |name| header(headers, prefix, &name).and_then(|text| time::parse_http_s(&text));
        Self {
            if_match: header(headers, prefix, &IF_MATCH),
            if_none_match: header(headers, prefix, &IF_NONE_MATCH),
            if_modified_since_s: date(IF_MODIFIED_SINCE),
            if_unmodified_since_s: date(IF_UNMODIFIED_SINCE),
        }
    }

    /// For reading: 412, or 304 where the client has it already.
    pub(crate) fn check_read(&self, object: &Object) -> Result<(), S3Error> {
        let modified_s = object.modified_ms / 1000;
        match (&self.if_match, self.if_unmodified_since_s) {
            (Some(list), _) if !names(list, &object.etag) => return Err(S3Error::precondition_failed()),
            (None, Some(since_s)) if modified_s > since_s => return Err(S3Error::precondition_failed()),
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since_s) {
            (Some(list), _) if names(list, &object.etag) => Err(S3Error::not_modified()),
            (None, Some(since_s)) if modified_s <= since_s => Err(S3Error::not_modified()),
            _ => Ok(()),
        }
    }

    /// For the source of a copy: like reading, but everything that does not hold is 412.
    pub(crate) fn check_source(&self, object: &Object) -> Result<(), S3Error> {
        self.check_read(object)
            .map_err(|_| S3Error::precondition_failed())
    }

    /// For writing, on the object that is there now.
    pub(crate) fn check_write(&self, current: Option<&Object>) -> Result<(), S3Error> {
        match self.if_none_match.as_deref() {
            Some("*") if current.is_some() => return Err(S3Error::precondition_failed()),
            Some("*") | None => {}
            Some(_) => return Err(S3Error::not_implemented("If-None-Match for writing but with *")),
        }
        match (&self.if_match, current) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(S3Error::no_such_key()),
            (Some(list), Some(object)) if names(list, &object.etag) => Ok(()),
            (Some(_), Some(_)) => Err(S3Error::precondition_failed()),
        }
    }
}
