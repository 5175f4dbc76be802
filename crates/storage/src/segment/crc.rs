//! The payload's CRC-32C, without reading the payload again where that can be avoided.
//!
//! A Kafka batch carries, in bytes 17 to 20, the CRC-32C of its bytes from 21 on, and it was verified
//! when the batch arrived. The CRC of two strings of bytes follows from their CRCs and the length of the
//! second, so the payload's CRC needs only each batch's first 21 bytes and that number. It also says
//! more than a fresh pass would: bytes that changed in memory after they arrived do not match it.
//!
//! Combining costs about the same whatever the length, a pass costs in proportion: small batches are
//! simply passed over.

use bytes::Bytes;

/// Bytes of a batch in front of what its own CRC covers (KIP-98's batch format).
pub(super) const UNCOVERED: usize = 21;
const CRC_AT: usize = 17;

/// Batches shorter than this are passed over instead: about where the two cost the same.
const COMBINE_BYTES_MIN: usize = 8 * 1024;

/// CRC-32C's polynomial, lowest power in the top bit.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// x to the 2^k, modulo the polynomial.
const POWERS: [u32; 32] = powers();

/// The product of two polynomials modulo CRC-32C's.
const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = 1u32 << 31;
    while bit != 0 {
        // Masks instead of branches: the bits are as good as random.
        product ^= b & (((a & bit != 0) as u32).wrapping_neg());
        b = (b >> 1) ^ (POLYNOMIAL & (b & 1).wrapping_neg());
        bit >>= 1;
    }
    product
}

const fn powers() -> [u32; 32] {
    let mut table = [1u32 << 30; 32];
    let mut k = 1;
    while k < 32 {
        table[k] = multiply(table[k - 1], table[k - 1]);
        k += 1;
    }
    table
}

/// The CRC-32C of `a` followed by `b`, from their CRCs and the length of `b` in bytes.
pub fn crc32c_combine(crc_a: u32, crc_b: u32, bytes_b: u64) -> u32 {
    let mut shifted = crc_a;
    // Eight bits per byte: start at x to the 2^3. Powers repeat after 2^31 - 1 doublings at most, and no
    // object is that long.
    let mut power = 3;
    let mut left = bytes_b;
    while left != 0 {
        if left & 1 == 1 {
            shifted = multiply(POWERS[power & 31], shifted);
        }
        left >>= 1;
        power += 1;
    }
    shifted ^ crc_b
}

/// The CRC of everything so far followed by a batch: `head` is the first of it, at least [`UNCOVERED`] bytes if it has as
/// many.
pub(super) fn append(crc: u32, head: &[u8], rest: &[Bytes]) -> u32 {
    let bytes = head.len() + rest.iter().map(Bytes::len).sum::<usize>();
    match own_crc(head) {
        Some(own) if bytes >= COMBINE_BYTES_MIN => {
            let crc = crc32c::crc32c_append(crc, &head[..UNCOVERED]);
            crc32c_combine(crc, own, (bytes - UNCOVERED) as u64)
        }
        _ => {
            let append = |crc, slice: &Bytes| crc32c::crc32c_append(crc, slice);
            rest.iter().fold(crc32c::crc32c_append(crc, head), append)
        }
    }
}

fn own_crc(head: &[u8]) -> Option<u32> {
    let stored = head.get(CRC_AT..UNCOVERED)?.first_chunk()?;
    Some(u32::from_be_bytes(*stored))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A batch whose first bytes end there, and the rest in two slices.
    fn batch(fill: u8, bytes: usize, split: usize) -> (Bytes, [Bytes; 2]) {
        let mut batch: Vec<u8> = (0..bytes).map(|i| (i as u8).wrapping_mul(31) ^ fill).collect();
        let crc = crc32c::crc32c(&batch[UNCOVERED..]);
        batch[CRC_AT..UNCOVERED].copy_from_slice(&crc.to_be_bytes());
        let mut head = Bytes::from(batch);
        let mut rest = head.split_off(split.clamp(UNCOVERED, bytes));
        let end = rest.split_off(rest.len() / 3);
        (head, [rest, end])
    }

    #[test]
    fn combining_equals_a_plain_pass_around_every_length_that_matters() {
        for bytes in [
            22,
            61,
            1000,
            COMBINE_BYTES_MIN - 1,
            COMBINE_BYTES_MIN,
            COMBINE_BYTES_MIN + 1,
            1 << 20,
        ] {
            let batches = [batch(1, bytes, bytes), batch(2, bytes + 3, 61), batch(3, 99, 22)];
            let mut plain = Vec::new();
            let mut crc = 0;
            for (head, rest) in &batches {
                crc = append(crc, head, rest);
                plain.extend_from_slice(head);
                plain.extend_from_slice(&rest.concat());
            }
            assert_eq!(crc, crc32c::crc32c(&plain), "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn combine_equals_the_crc_of_the_whole(a in prop::collection::vec(any::<u8>(), 0..300), b in prop::collection::vec(any::<u8>(), 0..5000)) {
            let whole = [a.clone(), b.clone()].concat();
            let combined = crc32c_combine(crc32c::crc32c(&a), crc32c::crc32c(&b), b.len() as u64);
            prop_assert_eq!(combined, crc32c::crc32c(&whole));
            prop_assert_eq!(combined, crc32c::crc32c_combine(crc32c::crc32c(&a), crc32c::crc32c(&b), b.len()));
        }

        #[test]
        fn appending_batches_equals_a_plain_pass(sizes in prop::collection::vec((22usize..40_000, any::<u8>(), 0usize..200), 1..12)) {
            let mut plain = Vec::new();
            let mut crc = 0;
            for (bytes, fill, split) in sizes {
                let (head, rest) = batch(fill, bytes, split);
                crc = append(crc, &head, &rest);
                plain.extend_from_slice(&head);
                plain.extend_from_slice(&rest.concat());
            }
            prop_assert_eq!(crc, crc32c::crc32c(&plain));
        }
    }
}
