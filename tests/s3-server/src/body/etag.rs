//! Entity tags: what an object's bytes come to.

use std::fmt::Write;

use crc_fast::{CrcAlgorithm, Digest};
use md5::Md5;
use sha2::Digest as _;

/// How entity tags are made. Both have 32 hexadecimal digits, depend on nothing but the bytes, and get a
/// suffix `-N` on an object of N parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EtagKind {
    /// CRC-64/NVME and the length: nearly free.
    #[default]
    Crc64,
    /// MD5, as S3 has it without KMS; costs more CPU than everything else this server does.
    Md5,
}

pub(super) enum Etag {
    Crc64(Box<Digest>),
    Md5(Md5),
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Etag {
    pub(super) fn new(kind: EtagKind) -> Self {
        match kind {
            EtagKind::Crc64 => Self::Crc64(Box::new(Digest::new(CrcAlgorithm::Crc64Nvme))),
            EtagKind::Md5 => Self::Md5(Md5::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc64(digest) => digest.update(bytes),
            Self::Md5(digest) => digest.update(bytes),
        }
    }

    pub(super) fn finish(self, bytes: u64) -> String {
        match self {
            Self::Crc64(digest) => format!("{:016x}{bytes:016x}", digest.finalize()),
            Self::Md5(digest) => hex(&digest.finalize()),
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

impl EtagKind {
    /// The entity tag of an object that was uploaded in parts: the hash of their tags, and their number.
    pub(crate) fn of_parts<'a>(self, etags: impl Iterator<Item = &'a str>, bytes: u64) -> String {
        let mut etag = Etag::new(self);
        let mut parts = 0;
        for one in etags {
            etag.update(&unhex(one));
            parts += 1;
        }
        format!("{}-{parts}", etag.finish(bytes))
    }
}
