//! A small mutator for the runs on stable Rust: seeded, so that a failure repeats itself.
//!
//! It knows nothing of coverage. What it knows is what breaks decoders: lengths at their limits, cuts, repeated
//! parts, parts of other inputs, and the fields of Kafka's frames moved to other APIs and versions.

/// Numbers that follow from a seed.
pub struct Numbers(u64);

impl Numbers {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x5bd1_e995_9e37_79b9)
    }

    /// The next 64 bits (xorshift64*, Vigna 2016).
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.bits() >> 11).checked_rem(bound as u64).unwrap_or(0) as usize
    }
}

/// Values of one, two, four and eight bytes at which decoders turn.
const EDGES: [&[u8]; 15] = [
    &[0],
    &[1],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0xff, 0xff],
    &[0x7f, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x80, 0, 0, 0, 0, 0, 0, 0],
];

/// Inputs do not grow beyond this.
const BYTES_MAX: usize = 64 * 1024;

/// Changes `bytes` in a few places; `other` lends parts.
pub fn mutate(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    for _ in 0..=numbers.below(4) {
        change(bytes, other, numbers);
        bytes.truncate(BYTES_MAX);
    }
}

fn change(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len());
    match numbers.below(9) {
        0 => {
            let byte = numbers.bits() as u8;
            bytes.insert(at, byte);
        }
        1 => drop(bytes.drain(at..(at + 1 + numbers.below(8)).min(bytes.len()))),
        2 if numbers.below(4) == 0 => bytes.truncate(at),
        3 => {
            let edge = EDGES[numbers.below(EDGES.len())];
            overwrite(bytes, at, edge);
        }
        4 => {
            let edge = EDGES[numbers.below(EDGES.len())];
            bytes.splice(at..at, edge.iter().copied());
        }
        5 => {
            let part = part(bytes, numbers).to_vec();
            bytes.splice(at..at, part);
        }
        6 => {
            let part = part(other, numbers).to_vec();
            bytes.splice(at..at, part);
        }
        7 => {
            let part = part(other, numbers).to_vec();
            overwrite(bytes, at, &part);
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                match numbers.below(3) {
                    0 => *byte ^= 1 << numbers.below(8),
                    1 => *byte = byte.wrapping_add(1),
                    _ => *byte = byte.wrapping_sub(1),
                }
            }
        }
    }
}

fn part<'a>(of: &'a [u8], numbers: &mut Numbers) -> &'a [u8] {
    let from = numbers.below(of.len());
    let bytes = 1 + numbers.below(32);
    &of[from..of.len().min(from + bytes)]
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (byte, new) in bytes[at..].iter_mut().zip(with) {
        *byte = *new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_mutations() {
        let run = |seed| {
            let mut numbers = Numbers::new(seed);
            let mut bytes = b"some bytes to begin with".to_vec();
            for _ in 0..1000 {
                mutate(&mut bytes, b"other", &mut numbers);
            }
            bytes
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }

    #[test]
    fn nothing_is_too_short() {
        for seed in 0..500 {
            mutate(&mut Vec::new(), &[], &mut Numbers::new(seed));
        }
    }
}
