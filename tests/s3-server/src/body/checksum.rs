//! The checksums that a client may state about a body: `Content-MD5`, `x-amz-content-sha256`, and one of
//! `x-amz-checksum-…`, in a header or in the trailer of an aws-chunked body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest};
use hyper::HeaderMap;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::etag::hex;
use super::text;
use crate::error::S3Error;

const PREFIX: &str = "x-amz-checksum-";

enum State {
    Crc32(Box<Digest>),
    Crc64(Box<Digest>),
    Sha256(Sha256),
}

impl State {
    fn of(algorithm: &str) -> Option<Self> {
        let crc = |algorithm| Box::new(Digest::new(algorithm));
        match algorithm {
            "crc32" => Some(Self::Crc32(crc(CrcAlgorithm::Crc32IsoHdlc))),
            "crc32c" => Some(Self::Crc32(crc(CrcAlgorithm::Crc32Iscsi))),
            "crc64nvme" => Some(Self::Crc64(crc(CrcAlgorithm::Crc64Nvme))),
            "sha256" => Some(Self::Sha256(Sha256::new())),
            _ => None,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(digest) | Self::Crc64(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc32(digest) => (digest.finalize() as u32).to_be_bytes().to_vec(),
            Self::Crc64(digest) => digest.finalize().to_be_bytes().to_vec(),
            Self::Sha256(digest) => digest.finalize().to_vec(),
        }
    }
}

struct Stated {
    name: String,
    value: Option<String>,
    state: State,
}

/// What is stated about a body, computed while it comes.
pub(super) struct Checks {
    md5: Option<(Md5, Vec<u8>)>,
    sha256: Option<(Sha256, String)>,
    stated: Option<Stated>,
}

impl Checks {
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Self, S3Error> {
        let md5 = match text(headers, "content-md5") {
            None => None,
            Some(value) => {
                let digest = STANDARD.decode(value).ok().filter(|digest| digest.len() == 16);
                let digest = digest.ok_or_else(|| {
                    S3Error::new(400, "InvalidDigest", "Content-MD5 is not 16 bytes in base64.")
                })?;
                Some((Md5::new(), digest))
            }
        };
        // Anything else says that the payload is unsigned or comes in signed chunks.
        let sha256 = text(headers, "x-amz-content-sha256")
            .filter(|value| value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .map(|value| (Sha256::new(), value.to_ascii_lowercase()));
        Ok(Self {
            md5,
            sha256,
            stated: stated(headers)?,
        })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        if let Some((digest, _)) = &mut self.md5 {
            digest.update(bytes);
        }
        if let Some((digest, _)) = &mut self.sha256 {
            digest.update(bytes);
        }
        if let Some(stated) = &mut self.stated {
            stated.state.update(bytes);
        }
    }

    pub(super) fn stated_in_trailer(&mut self, name: &str, value: &str) {
        if let Some(stated) = self.stated.as_mut().filter(|stated| stated.name == name) {
            stated.value = Some(value.to_owned());
        }
    }

    /// Compares; returns the `x-amz-checksum-…` that was stated.
    pub(super) fn verify(self) -> Result<Option<(String, String)>, S3Error> {
        if let Some((digest, stated)) = self.md5
            && digest.finalize().as_slice() != stated
        {
            return Err(S3Error::bad_digest("Content-MD5"));
        }
        if let Some((digest, stated)) = self.sha256
            && hex(&digest.finalize()) != stated
        {
            return Err(S3Error::new(
                400,
                "XAmzContentSHA256Mismatch",
                "The body does not match its x-amz-content-sha256.",
            ));
        }
        let Some(Stated { name, value, state }) = self.stated else {
            return Ok(None);
        };
        let value = value.ok_or_else(|| {
            S3Error::new(400, "MalformedTrailerError", format!("The trailer lacks {name}."))
        })?;
        if STANDARD.encode(state.finish()) == value {
            Ok(Some((name, value)))
        } else {
            Err(S3Error::bad_digest(&name))
        }
    }
}

/// The one checksum that the headers state or announce for the trailer.
fn stated(headers: &HeaderMap) -> Result<Option<Stated>, S3Error> {
    let in_header = headers.iter().find_map(|(name, value)| {
        let state = State::of(name.as_str().strip_prefix(PREFIX)?)?;
        Some(Stated {
            name: name.as_str().to_owned(),
            value: Some(value.to_str().ok()?.to_owned()),
            state,
        })
    });
    if in_header.is_some() {
        return Ok(in_header);
    }
    let Some(announced) = text(headers, "x-amz-trailer") else {
        return Ok(None);
    };
    let name = announced.trim().to_ascii_lowercase();
    let state = name.strip_prefix(PREFIX).and_then(State::of);
    let state = state
        .ok_or_else(|| S3Error::not_implemented(&format!("checksum in a trailer called {announced}")))?;
    Ok(Some(Stated {
        name,
        value: None,
        state,
    }))
}
