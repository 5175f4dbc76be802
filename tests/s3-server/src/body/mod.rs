//! A request's body on its way in: decoded, counted, checked and kept.
//!
//! Nothing refers to the bytes until all of them have come and every length and checksum that the client
//! stated has been found right.

mod aws_chunked;
mod checksum;
mod etag;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

pub use etag::EtagKind;

use crate::error::S3Error;
use crate::pace::Pace;
use crate::store::{Blob, BlobWriter, Store};
use aws_chunked::Decoder;
use checksum::Checks;
use etag::Etag;

/// S3's own limit for one PUT.
const BODY_BYTES_MAX: u64 = 5 << 30;
/// Bodies that are XML: 1000 keys of 1024 bytes, escaped.
const DOCUMENT_BYTES_MAX: u64 = 8 << 20;
/// A body that has come whole.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) blob: Blob,
    pub(crate) etag: String,
    /// The checksum that the client stated, as it stated it: header and value.
    pub(crate) checksum: Option<(String, String)>,
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn length(headers: &HeaderMap, name: &str) -> Result<Option<u64>, S3Error> {
    text(headers, name)
        .map(|value| {
            value.trim().parse().map_err(|_| {
                S3Error::invalid_argument(format!("{name} is {value:?}, which is not a number."))
            })
        })
        .transpose()
}

/// A body, and what its headers say about it.
pub(crate) struct Arriving<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Incoming,
    pub(crate) pace: Option<Pace>,
    pub(crate) bytes_in: &'a (dyn Fn(u64) + Sync),
}

impl Arriving<'_> {
    /// Takes the next bytes from the connection.
    async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|_| S3Error::incomplete_body())?;
            if let Ok(data) = frame.into_data() {
                (self.bytes_in)(data.len() as u64);
                if let Some(pace) = &mut self.pace {
                    tokio::time::sleep_until(pace.due(data.len() as u64)).await;
                }
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// Reads what is left of it and forgets it; an error if it does not come whole.
    pub(crate) async fn read_and_forget(&mut self) -> Result<(), S3Error> {
        while self.next().await?.is_some() {}
        Ok(())
    }

    /// Reads what is left of it, as far as it comes.
    pub(crate) async fn discard(&mut self) {
        let _ = self.read_and_forget().await;
    }

    /// Receives the body of an object or of a part.
    pub(crate) async fn keep(&mut self, store: &Store, etag_kind: EtagKind) -> Result<Received, S3Error> {
        let headers = self.headers;
        let chunked = aws_chunked::is_used(headers);
        let sent = length(headers, CONTENT_LENGTH.as_str())?;
        let expected = match length(headers, "x-amz-decoded-content-length")? {
            Some(decoded) if chunked => Some(decoded),
            _ if chunked => None,
            _ => sent,
        };
        if expected.is_none() && sent.is_none() && !headers.contains_key(TRANSFER_ENCODING) {
            return Err(S3Error::new(
                411,
                "MissingContentLength",
                "A PUT needs Content-Length.",
            ));
        }
        if expected.is_some_and(|bytes| bytes > BODY_BYTES_MAX) {
            return Err(S3Error::new(
                400,
                "EntityTooLarge",
                "One PUT takes at most 5 GiB.",
            ));
        }
        let mut sink = Sink {
            writer: store.writer(expected)?,
            etag: Etag::new(etag_kind),
            checks: Checks::from_headers(headers)?,
            written: 0,
        };
        let mut decoder = chunked.then(Decoder::default);
        while let Some(bytes) = self.next().await? {
            match &mut decoder {
                None => sink.write(&bytes).await?,
                Some(decoder) => {
                    let mut bytes = bytes;
                    while let Some(data) = decoder.decode(&mut bytes)? {
                        sink.write(&data).await?;
                    }
                }
            }
            if sink.written > BODY_BYTES_MAX {
                return Err(S3Error::new(
                    400,
                    "EntityTooLarge",
                    "One PUT takes at most 5 GiB.",
                ));
            }
        }
        if let Some(decoder) = decoder {
            for (name, value) in decoder.finish()? {
                sink.checks.stated_in_trailer(&name, &value);
            }
        }
        if expected.is_some_and(|bytes| bytes != sink.written) {
            return Err(S3Error::incomplete_body());
        }
        let checksum = sink.checks.verify()?;
        Ok(Received {
            blob: sink.writer.finish().await?,
            etag: sink.etag.finish(sink.written),
            checksum,
        })
    }

    /// Receives a body of XML.
    pub(crate) async fn document(&mut self) -> Result<Vec<u8>, S3Error> {
        let mut checks = Checks::from_headers(self.headers)?;
        let mut document = Vec::new();
        while let Some(bytes) = self.next().await? {
            checks.update(&bytes);
            document.extend_from_slice(&bytes);
            if document.len() as u64 > DOCUMENT_BYTES_MAX {
                return Err(S3Error::malformed_xml());
            }
        }
        checks.verify()?;
        Ok(document)
    }
}

struct Sink {
    writer: BlobWriter,
    etag: Etag,
    checks: Checks,
    written: u64,
}

impl Sink {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), S3Error> {
        self.etag.update(bytes);
        self.checks.update(bytes);
        self.written += bytes.len() as u64;
        self.writer.write(bytes).await
    }
}
