//! Records that do not compress, with the time of their sending in front.

use crate::clock::monotonic_ns;

/// Of which records are cut: a prime step walks through it.
const POOL_BYTES: usize = 4 << 20;
const STEP: usize = 1_048_573;
/// The send time.
const HEAD_BYTES: usize = 8;

/// Makes values.
pub(super) struct Payload {
    pool: Vec<u8>,
    at: usize,
    value: Vec<u8>,
}

impl Payload {
    /// For values of `bytes`, at least the send time.
    pub(super) fn new(bytes: usize) -> Self {
        let bytes = bytes.clamp(HEAD_BYTES, POOL_BYTES / 2);
        // xorshift64: random enough that nothing finds a pattern in it.
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut pool = Vec::with_capacity(POOL_BYTES);
        while pool.len() < POOL_BYTES {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            pool.extend_from_slice(&state.to_le_bytes());
        }
        Self {
            pool,
            at: 0,
            value: vec![0; bytes],
        }
    }

    /// The next value, sent now.
    pub(super) fn next(&mut self) -> &[u8] {
        let length = self.value.len();
        self.at = (self.at + STEP) % (POOL_BYTES - length);
        if let Some(piece) = self.pool.get(self.at..self.at + length) {
            self.value.copy_from_slice(piece);
        }
        for (to, from) in self.value.iter_mut().zip(monotonic_ns().to_le_bytes()) {
            *to = from;
        }
        &self.value
    }
}

/// Microseconds since a value was sent; `None` if it is not one of ours.
pub(super) fn age_us(value: &[u8]) -> Option<u32> {
    let sent = u64::from_le_bytes(value.get(..HEAD_BYTES)?.try_into().ok()?);
    let age = monotonic_ns().checked_sub(sent)?;
    u32::try_from(age / 1000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_when_it_was_sent_and_differs_from_the_last() {
        let mut payload = Payload::new(1024);
        let first = payload.next().to_vec();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let age = age_us(&first).unwrap();
        assert!((20_000..2_000_000).contains(&age), "{age}");
        assert_ne!(payload.next()[8..], first[8..]);
        assert_eq!(first.len(), 1024);
        assert_eq!(age_us(&[1, 2]), None);
    }
}
