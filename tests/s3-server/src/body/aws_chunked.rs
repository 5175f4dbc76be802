//! The `aws-chunked` coding: `HEX;chunk-signature=…\r\n` data `\r\n` …, a last chunk of no bytes, and then,
//! with `x-amz-trailer`, header lines. Signatures are passed over.
//!
//! A decoder takes bytes as they come, cut anywhere, and gives data as slices of them.

use bytes::{Buf, Bytes};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;

use super::text;
use crate::error::S3Error;

/// The longest line: a size and a signature, or one trailer.
const LINE_BYTES_MAX: usize = 4096;

/// Whether a request's body is coded so.
pub(super) fn is_used(headers: &HeaderMap) -> bool {
    let coded = headers.get_all(CONTENT_ENCODING).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|list| list.split(',').any(|one| one.trim() == "aws-chunked"))
    });
    coded || text(headers, "x-amz-content-sha256").is_some_and(|value| value.starts_with("STREAMING-"))
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum At {
    /// In the line before a chunk.
    #[default]
    Size,
    /// So many bytes of a chunk are left.
    Data(u64),
    /// In the line feed behind a chunk.
    AfterData,
    /// Behind the last chunk.
    Trailer,
}

/// A body being decoded.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    at: At,
    line: Vec<u8>,
    trailers: Vec<(String, String)>,
}

fn malformed() -> S3Error {
    S3Error::new(400, "InvalidRequest", "The aws-chunked body is malformed.")
}

impl Decoder {
    /// Takes from the front of `input`; returns the next data, or `None` when all of `input` is taken.
    pub(super) fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, S3Error> {
        while !input.is_empty() {
            match self.at {
                At::Data(left) => {
                    let bytes = left.min(input.len() as u64);
                    let data = input.split_to(bytes as usize);
                    self.at = match left - bytes {
                        0 => At::AfterData,
                        rest => At::Data(rest),
                    };
                    return Ok(Some(data));
                }
                At::Size => {
                    if let Some(line) = self.take_line(input)? {
                        let size = line.split(';').next().unwrap_or("").trim();
                        self.at = match u64::from_str_radix(size, 16).map_err(|_| malformed())? {
                            0 => At::Trailer,
                            bytes => At::Data(bytes),
                        };
                    }
                }
                At::AfterData => {
                    if let Some(line) = self.take_line(input)? {
                        if !line.is_empty() {
                            return Err(malformed());
                        }
                        self.at = At::Size;
                    }
                }
                At::Trailer => {
                    if let Some(line) = self.take_line(input)?
                        && let Some((name, value)) = line.split_once(':')
                    {
                        let trailer = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
                        self.trailers.push(trailer);
                    }
                }
            }
        }
        Ok(None)
    }

    fn take_line(&mut self, input: &mut Bytes) -> Result<Option<String>, S3Error> {
        let end = input.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(input.len());
        if self.line.len() + taken > LINE_BYTES_MAX {
            return Err(malformed());
        }
        self.line.extend_from_slice(&input[..taken]);
        input.advance(taken + usize::from(end.is_some()));
        if end.is_none() {
            return Ok(None);
        }
        let line = String::from_utf8(std::mem::take(&mut self.line)).map_err(|_| malformed())?;
        Ok(Some(line.trim_end_matches('\r').to_owned()))
    }

    /// Ends the body; returns its trailers, their names in lower case.
    pub(super) fn finish(mut self) -> Result<Vec<(String, String)>, S3Error> {
        if self.at != At::Trailer {
            return Err(S3Error::incomplete_body());
        }
        // Some clients leave out the line feed behind the last trailer.
        let rest = String::from_utf8(std::mem::take(&mut self.line)).map_err(|_| malformed())?;
        if let Some((name, value)) = rest.split_once(':') {
            self.trailers
                .push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(self.trailers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODED: &[u8] =
        b"5;chunk-signature=abc\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0;chunk-signature=d\r\n\
        x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:ff\r\n\r\n";

    #[test]
    fn a_body_cut_anywhere_comes_out_whole() {
        for cut in 1..CODED.len() {
            let mut decoder = Decoder::default();
            let mut data = Vec::new();
            for piece in CODED.chunks(cut) {
                let mut piece = Bytes::copy_from_slice(piece);
                while let Some(bytes) = decoder.decode(&mut piece).unwrap() {
                    data.extend_from_slice(&bytes);
                }
            }
            assert_eq!(data, b"hello 0123456789");
            let trailers = decoder.finish().unwrap();
            assert_eq!(
                trailers[0],
                ("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned())
            );
        }
    }

    #[test]
    fn broken_bodies_are_refused() {
        for coded in ["xyz\r\n", "2\r\nabc\r\n0\r\n\r\n"] {
            let mut decoder = Decoder::default();
            let mut bytes = Bytes::from(coded);
            let result =
                std::iter::from_fn(|| decoder.decode(&mut bytes).transpose()).collect::<Result<Vec<_>, _>>();
            assert!(result.is_err(), "{coded}");
        }
        let mut decoder = Decoder::default();
        let mut bytes = Bytes::from_static(b"5\r\nhel");
        while decoder.decode(&mut bytes).unwrap().is_some() {}
        assert_eq!(decoder.finish(), Err(S3Error::incomplete_body()));
    }
}
