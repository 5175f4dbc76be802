//! The payload's CRC-32C, without reading the payload again where that can be avoided.
//!
//! A Kafka batch carries, in bytes 17 to 20, the CRC-32C of its bytes from 21 on, and it was verified
//! when the batch arrived. The CRC of two strings of bytes follows from their CRCs and the length of the
//! second, so the payload's CRC needs only each batch's first 21 bytes and that number. It also says
//! more than a fresh pass would: bytes that changed in memory after they arrived do not match it.
//!
//! Combining costs about the same whatever the length, a pass costs in proportion: small batches are
//! simply passed over.

use super::run::Batch;

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

/// The CRC of everything so far followed by `batch`.
pub(super) fn append(crc: u32, batch: &Batch) -> u32 {
    match own_crc(batch) {
        Some(own) if batch.len() >= COMBINE_BYTES_MIN => {
            let crc = crc32c::crc32c_append(crc, &batch.head[..UNCOVERED]);
            crc32c_combine(crc, own, (batch.len() - UNCOVERED) as u64)
        }
        _ => crc32c::crc32c_append(crc32c::crc32c_append(crc, &batch.head), &batch.rest),
    }
}

fn own_crc(batch: &Batch) -> Option<u32> {
    if batch.head.len() < UNCOVERED {
        return None;
    }
    let stored = batch.head.get(CRC_AT..)?.first_chunk()?;
    Some(u32::from_be_bytes(*stored))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn batch(fill: u8, bytes: usize, split: usize) -> Batch {
        let mut batch: Vec<u8> = (0..bytes).map(|i| (i as u8).wrapping_mul(31) ^ fill).collect();
        let crc = crc32c::crc32c(&batch[UNCOVERED..]);
        batch[CRC_AT..UNCOVERED].copy_from_slice(&crc.to_be_bytes());
        let mut head = Bytes::from(batch);
        let rest = head.split_off(split.clamp(UNCOVERED, bytes));
        Batch {
            records: 1,
            head,
            rest,
        }
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
            for batch in &batches {
                crc = append(crc, batch);
                plain.extend_from_slice(&batch.head);
                plain.extend_from_slice(&batch.rest);
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
                let batch = batch(fill, bytes, split);
                crc = append(crc, &batch);
                plain.extend_from_slice(&batch.head);
                plain.extend_from_slice(&batch.rest);
            }
            prop_assert_eq!(crc, crc32c::crc32c(&plain));
        }
    }
}
