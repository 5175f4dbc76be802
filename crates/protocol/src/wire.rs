//! A cursor over borrowed bytes: the primitive types of the protocol and of record batches.
//!
//! Every read checks what is left; a failed read leaves the position undefined and the caller gives up.
//! Nothing allocates.
//!
//! Source: <https://kafka.apache.org/protocol#protocol_types>; varints as in protocol buffers.

use bytes::{BufMut, BytesMut};

/// A read that could not be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// More bytes were needed than are left.
    #[error("more bytes needed than are left")]
    Truncated,
    /// A varint goes on after its last possible byte.
    #[error("varint is too long")]
    Varint,
}

/// Reads big-endian values from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// Bytes not read yet.
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, WireError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(crate) fn i8(&mut self) -> Result<i8, WireError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    pub(crate) fn i16(&mut self) -> Result<i16, WireError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, WireError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// Unsigned varint of at most 5 bytes. Bits above 32 in the last byte are dropped, as Kafka does.
    pub(crate) fn unsigned_varint(&mut self) -> Result<u32, WireError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::Varint)
    }

    /// Zigzag varint of at most 5 bytes.
    pub(crate) fn varint(&mut self) -> Result<i32, WireError> {
        let zigzag = self.unsigned_varint()?;
        Ok((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()))
    }

    /// Zigzag varint of at most 10 bytes.
    pub(crate) fn varlong(&mut self) -> Result<i64, WireError> {
        let mut zigzag = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            zigzag |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()));
            }
        }
        Err(WireError::Varint)
    }
}

/// Appends an unsigned varint.
pub(crate) fn put_unsigned_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Appends a zigzag varint.
pub(crate) fn put_varint(out: &mut BytesMut, value: i32) {
    put_unsigned_varint(out, ((value << 1) ^ (value >> 31)).cast_unsigned());
}

/// Appends a zigzag varlong.
pub(crate) fn put_varlong(out: &mut BytesMut, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        out.put_u8((zigzag & 0x7f) as u8 | 0x80);
        zigzag >>= 7;
    }
    out.put_u8(zigzag as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_at_their_edges() {
        for value in [0, 1, -1, 63, 64, -64, -65, 8191, 8192, i32::MAX, i32::MIN] {
            let mut out = BytesMut::new();
            put_varint(&mut out, value);
            assert_eq!(Reader::new(&out).varint(), Ok(value));
        }
        for value in [0, 1, -1, i64::from(i32::MAX) + 1, i64::MAX, i64::MIN] {
            let mut out = BytesMut::new();
            put_varlong(&mut out, value);
            assert_eq!(Reader::new(&out).varlong(), Ok(value));
        }
        for value in [0, 127, 128, u32::MAX] {
            let mut out = BytesMut::new();
            put_unsigned_varint(&mut out, value);
            assert_eq!(Reader::new(&out).unsigned_varint(), Ok(value));
        }
    }

    #[test]
    fn endless_and_cut_varints_fail() {
        assert_eq!(Reader::new(&[0xff; 5]).unsigned_varint(), Err(WireError::Varint));
        assert_eq!(
            Reader::new(&[0xff; 4]).unsigned_varint(),
            Err(WireError::Truncated)
        );
        assert_eq!(Reader::new(&[0xff; 10]).varlong(), Err(WireError::Varint));
        assert_eq!(Reader::new(&[0xff; 9]).varlong(), Err(WireError::Truncated));
    }
}
