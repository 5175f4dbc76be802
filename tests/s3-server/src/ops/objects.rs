//! Objects: PUT, GET, HEAD, DELETE, and the deletion of many.

use hyper::HeaderMap;
use hyper::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, HeaderName, IF_RANGE, LAST_MODIFIED, RANGE};
use serde::Deserialize;

use super::range::{self, Wanted};
use super::{Effect, effect};
use crate::action::Action;
use crate::body::{Received, text};
use crate::error::S3Error;
use crate::reply::{Piece, Reply};
use crate::route::Call;
use crate::store::{About, Blob, Conditions, Object};
use crate::time;
use crate::xml::Xml;

/// S3's own limit.
const DELETIONS_MAX: usize = 1000;

pub(super) fn checksum(reply: Reply, checksum: Option<&(String, String)>) -> Reply {
    match checksum {
        Some((name, value)) => match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => reply.header(name, value),
            Err(_) => reply,
        },
        None => reply,
    }
}

pub(super) fn put(call: Call, headers: &HeaderMap, received: Received) -> Result<Effect, S3Error> {
    let conditions = Conditions::from_headers(headers, "");
    let about = About {
        checksum: received.checksum,
        ..About::from_headers(headers)
    };
    let (blob, etag) = (received.blob, received.etag);
    effect(move |shared| {
        let object = Object {
            bytes: blob.bytes(),
            etag: etag.clone(),
            modified_ms: time::now_ms(),
            about: about.clone(),
            blobs: [blob.clone()].into(),
        };
        shared.store.put(&call.bucket, &call.key, object, &conditions)?;
        Ok(checksum(Reply::new(200).etag(&etag), about.checksum.as_ref()))
    })
}

/// GET, and HEAD, which is the same without the body.
pub(super) fn get(call: Call, headers: &HeaderMap) -> Result<Effect, S3Error> {
    let conditions = Conditions::from_headers(headers, "");
    let range = text(headers, RANGE.as_str()).map(str::to_owned);
    let if_range = text(headers, IF_RANGE.as_str()).map(str::to_owned);
    let with_checksum =
        text(headers, "x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"));
    effect(move |shared| {
        let object = shared.store.get(&call.bucket, &call.key)?;
        conditions.check_read(&object)?;
        let range = range.as_deref().filter(|_| {
            if_range
                .as_deref()
                .is_none_or(|etag| etag.trim_matches('"') == object.etag)
        });
        let wanted = match range {
            Some(range) => range::wanted(range, object.bytes)?,
            None => Wanted::Whole,
        };
        let mut reply = match wanted {
            Wanted::Whole => Reply::new(200),
            Wanted::Part { first, end } => {
                let shown = format!("bytes {first}-{}/{}", end - 1, object.bytes);
                Reply::new(206).header(CONTENT_RANGE, &shown)
            }
        };
        let (first, end) = match wanted {
            Wanted::Whole => (0, object.bytes),
            Wanted::Part { first, end } => (first, end),
        };
        if call.action == Action::HeadObject {
            reply.stated_bytes = Some(end - first);
        } else {
            reply.body = pieces(&object, first, end);
        }
        reply.headers.extend(object.about.headers.iter().cloned());
        if !reply.headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
            reply = reply.header(CONTENT_TYPE, "binary/octet-stream");
        }
        reply = reply
            .etag(&object.etag)
            .header(LAST_MODIFIED, &time::http(object.modified_ms))
            .header(ACCEPT_RANGES, "bytes");
        let stated = object.about.checksum.as_ref();
        Ok(checksum(
            reply,
            stated.filter(|_| with_checksum && wanted == Wanted::Whole),
        ))
    })
}

/// The bytes from `first` to before `end`.
fn pieces(object: &Object, first: u64, end: u64) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(object.blobs.len());
    let mut begins = 0;
    for blob in object.blobs.iter() {
        let ends = begins + blob.bytes();
        let (from, to) = (first.max(begins), end.min(ends));
        if from < to {
            let (from, to) = (from - begins, to - begins);
            pieces.push(match blob {
                Blob::Memory(bytes) => Piece::Memory(bytes.slice(from as usize..to as usize)),
                Blob::File(file) => Piece::File {
                    file: file.clone(),
                    offset: from,
                    bytes: to - from,
                },
            });
        }
        begins = ends;
    }
    pieces
}

pub(super) fn delete(call: Call, headers: &HeaderMap) -> Result<Effect, S3Error> {
    let conditions = Conditions::from_headers(headers, "");
    effect(move |shared| {
        shared.store.delete(&call.bucket, &call.key, &conditions)?;
        Ok(Reply::new(204))
    })
}

/// The body of DeleteObjects.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Deletions {
    #[serde(rename = "Object", default)]
    objects: Vec<Deletion>,
    #[serde(rename = "Quiet", default)]
    quiet: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Deletion {
    #[serde(rename = "Key")]
    key: String,
}

impl Deletions {
    pub(crate) fn keys(&self) -> Vec<&str> {
        self.objects.iter().map(|object| object.key.as_str()).collect()
    }
}

pub(crate) fn parse_deletions(document: &[u8]) -> Result<Deletions, S3Error> {
    let deletions: Deletions = quick_xml::de::from_reader(document).map_err(|_| S3Error::malformed_xml())?;
    if deletions.objects.is_empty() || deletions.objects.len() > DELETIONS_MAX {
        return Err(S3Error::malformed_xml());
    }
    Ok(deletions)
}

pub(super) fn delete_many(call: Call, deletions: Deletions) -> Result<Effect, S3Error> {
    effect(move |shared| {
        shared.store.check_bucket(&call.bucket)?;
        let mut outcomes = Vec::with_capacity(deletions.objects.len());
        for Deletion { key } in &deletions.objects {
            outcomes.push((
                key,
                shared.store.delete(&call.bucket, key, &Conditions::default()),
            ));
        }
        Ok(Reply::xml(Xml::document("DeleteResult", |xml| {
            for (key, outcome) in outcomes {
                match outcome {
                    Ok(()) if deletions.quiet => {}
                    Ok(()) => xml.nested("Deleted", |xml| xml.text("Key", key)),
                    Err(err) => xml.nested("Error", |xml| {
                        xml.text("Key", key);
                        xml.text("Code", &err.code);
                        xml.text("Message", &err.message);
                    }),
                }
            }
        })))
    })
}
