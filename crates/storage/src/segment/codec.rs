//! Numbers as the footer stores them: big-endian, and variable-length for counts and sizes.

use super::error::SegmentError;

/// Appends numbers to a buffer.
#[derive(Default)]
pub(crate) struct Encoder(pub(crate) Vec<u8>);

impl Encoder {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Seven bits per byte, lowest first; the top bit says that more follow.
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// Takes numbers from a section's body.
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    section: &'static str,
}

impl<'a> Decoder<'a> {
    /// Reads `bytes`; errors name `section`.
    pub(crate) fn new(bytes: &'a [u8], section: &'static str) -> Self {
        Self { rest: bytes, section }
    }

    pub(crate) fn malformed(&self, what: &'static str) -> SegmentError {
        SegmentError::Malformed {
            section: self.section,
            what,
        }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Result<&'a [u8], SegmentError> {
        match self.rest.split_at_checked(bytes) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.malformed("ends too early")),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], SegmentError> {
        match self.rest.split_first_chunk() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(self.malformed("ends too early")),
        }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, SegmentError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn i16(&mut self) -> Result<i16, SegmentError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, SegmentError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, SegmentError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, SegmentError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, SegmentError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, SegmentError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, SegmentError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.malformed("a number does not fit"))
    }

    /// A number of things that take at least `bytes_each` bytes each: never more than could follow.
    pub(crate) fn count(&mut self, bytes_each: usize) -> Result<usize, SegmentError> {
        let count = self.varint()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.remaining() / bytes_each.max(1) => Ok(count),
            _ => Err(self.malformed("counts more than it holds")),
        }
    }

    /// A size or count from 1 to `max`.
    pub(crate) fn positive(&mut self, max: u64) -> Result<u64, SegmentError> {
        match self.varint()? {
            0 => Err(self.malformed("a size is zero")),
            value if value <= max => Ok(value),
            _ => Err(self.malformed("a number does not fit")),
        }
    }

    pub(crate) fn end(self) -> Result<(), SegmentError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed("is followed by something else"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_and_refuse_what_does_not_fit() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut encoder = Encoder::default();
            encoder.varint(value);
            let mut decoder = Decoder::new(&encoder.0, "test");
            assert_eq!(decoder.varint(), Ok(value));
            assert_eq!(decoder.remaining(), 0);
        }
        for bytes in [
            &[0x80u8][..],
            &[0xff; 9],
            &[0xff; 10],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        ] {
            assert!(Decoder::new(bytes, "test").varint().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn counts_are_bounded_by_what_follows() {
        assert_eq!(Decoder::new(&[2, 0, 0, 0, 0], "test").count(2), Ok(2));
        assert!(Decoder::new(&[3, 0, 0, 0, 0], "test").count(2).is_err());
        assert!(
            Decoder::new(&[0xff, 0xff, 0xff, 0xff, 0x0f], "test")
                .count(1)
                .is_err()
        );
    }
}
