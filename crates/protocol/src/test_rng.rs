//! A seeded generator for tests: the same seed gives the same bytes on every machine.

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct TestRng(u64);

impl TestRng {
    pub(crate) fn new(seed: u64) -> Self {
        TestRng(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn text(&mut self, max: usize) -> String {
        let n = self.below(max + 1);
        (0..n).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }

    /// Damages a few bytes: overwrites, flips, cuts, inserts, lengths at their extremes.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.below(4) {
            let n = bytes.len();
            if n == 0 {
                return bytes.push(self.next() as u8);
            }
            let at = self.below(n);
            match self.below(6) {
                0 => bytes[at] = self.next() as u8,
                1 => bytes[at] ^= 1 << self.below(8),
                2 => bytes.truncate(at),
                3 => bytes.insert(at, self.next() as u8),
                4 => {
                    let extreme: &[u8] = match self.below(4) {
                        0 => &[0x7f, 0xff, 0xff, 0xff],
                        1 => &[0xff, 0xff, 0xff, 0xff],
                        2 => &[0xff, 0xff, 0xff, 0xff, 0x0f],
                        _ => &[0x80, 0, 0, 0],
                    };
                    for (slot, byte) in bytes[at..].iter_mut().zip(extreme) {
                        *slot = *byte;
                    }
                }
                _ => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
            }
        }
    }
}
