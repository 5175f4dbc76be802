//! Bytes in several slices of memory, as they came from the network: cutting copies nothing.

use std::ops::Range;

use bytes::Bytes;

/// Bytes that lie in slices one after the other. No slice is empty.
#[derive(Clone, Debug, Default)]
pub struct Slices {
    slices: Vec<Bytes>,
    bytes: usize,
}

impl Slices {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The slices, in order.
    pub fn as_slices(&self) -> &[Bytes] {
        &self.slices
    }

    /// A part of it, given in bytes; `None` if it ends before that.
    pub fn cut(&self, range: Range<u64>) -> Option<Self> {
        if range.start > range.end || range.end > self.bytes as u64 {
            return None;
        }
        let (mut skip, mut left) = (range.start as usize, (range.end - range.start) as usize);
        let mut slices = Vec::with_capacity(1);
        for slice in &self.slices {
            if left == 0 {
                break;
            }
            if skip >= slice.len() {
                skip -= slice.len();
                continue;
            }
            let end = slice.len().min(skip.saturating_add(left));
            left -= end - skip;
            slices.push(slice.slice(skip..end));
            skip = 0;
        }
        Some(Self {
            slices,
            bytes: (range.end - range.start) as usize,
        })
    }

    /// All of it in one piece: copied, unless it is in one already.
    pub fn into_bytes(self) -> Bytes {
        match <[Bytes; 1]>::try_from(self.slices) {
            Ok([whole]) => whole,
            Err(slices) => slices.concat().into(),
        }
    }

    /// CRC-32C of all of it.
    pub fn crc32c(&self) -> u32 {
        let append = |crc, slice: &Bytes| crc32c::crc32c_append(crc, slice);
        self.slices.iter().fold(0, append)
    }
}

impl FromIterator<Bytes> for Slices {
    fn from_iter<I: IntoIterator<Item = Bytes>>(slices: I) -> Self {
        let slices: Vec<Bytes> = slices.into_iter().filter(|slice| !slice.is_empty()).collect();
        let bytes = slices.iter().map(Bytes::len).sum();
        Self { slices, bytes }
    }
}

impl From<Bytes> for Slices {
    fn from(bytes: Bytes) -> Self {
        Self::from_iter([bytes])
    }
}

impl PartialEq<Bytes> for Slices {
    fn eq(&self, other: &Bytes) -> bool {
        self.clone().into_bytes() == *other
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_cut_beyond_the_end() {
        let slices = Slices::from_iter(["ab", "", "cde"].map(Bytes::from));
        assert_eq!((slices.len(), slices.as_slices().len()), (5, 2));
        #[allow(clippy::reversed_empty_ranges)]
        let beyond = [0..6, 5..6, 6..6, 2..1, u64::MAX..u64::MAX];
        assert!(beyond.into_iter().all(|range| slices.cut(range).is_none()));
        assert!(slices.cut(5..5).is_some_and(|cut| cut.is_empty()));
        assert!(Slices::default().cut(0..0).is_some());
    }

    proptest! {
        #[test]
        fn a_cut_is_what_lies_there(
            sizes in prop::collection::vec(0usize..9, 0..9), from in 0usize..40, bytes in 0usize..40,
        ) {
            let whole: Vec<u8> = (0..sizes.iter().sum::<usize>() as u8).collect();
            let mut left = whole.as_slice();
            let take = |bytes: usize| {
                let (taken, rest) = left.split_at(bytes);
                left = rest;
                Bytes::copy_from_slice(taken)
            };
            let slices = Slices::from_iter(sizes.into_iter().map(take));
            prop_assert_eq!(slices.crc32c(), crc32c::crc32c(&whole));
            let cut = slices.cut(from as u64..(from + bytes) as u64);
            match whole.get(from..from + bytes) {
                Some(there) => {
                    let cut = cut.unwrap();
                    prop_assert_eq!(cut.len(), bytes);
                    prop_assert!(cut.as_slices().iter().all(|slice| !slice.is_empty()));
                    prop_assert_eq!(cut.into_bytes(), Bytes::copy_from_slice(there));
                }
                None => prop_assert!(cut.is_none()),
            }
        }
    }
}
