//! How much one call merges.
//!
//! What holds: a call holds the heads of all its partitions while it forgets their extents, and their producers wait as
//! long. So it takes a bounded number of extents, and one partition at least, of which it takes no more either. After a
//! call that failed the next one is half as large: one that takes longer than the metastore lets it gets through in the
//! end. After one that did not it is twice as large again.

use std::collections::VecDeque;

use esker_metastore::MergeCandidate;

/// Extents of one call.
const EXTENTS_MAX: u64 = 4_096;

/// Extents of the smallest call.
const EXTENTS_MIN: u64 = 64;

/// Extents of one partition in one call.
const OF_ONE_MAX: u64 = 1_024;

/// The size of the next call.
pub(super) struct Size {
    extents: u64,
}

impl Default for Size {
    fn default() -> Self {
        Self { extents: EXTENTS_MAX }
    }
}

impl Size {
    /// Extents of the next call.
    pub(super) fn extents(&self) -> u64 {
        self.extents
    }

    /// Extents of one partition in it.
    pub(super) fn of_one(&self) -> u64 {
        self.extents.min(OF_ONE_MAX)
    }

    /// Takes the first candidates: as many as there is room for, and one at least.
    pub(super) fn take(
        &self,
        candidates: &mut VecDeque<MergeCandidate>,
        bytes_max: u64,
    ) -> Vec<MergeCandidate> {
        let (mut bytes, mut extents) = (0, 0);
        let mut taken = Vec::new();
        while let Some(next) = candidates.front() {
            bytes += next.bytes;
            extents += next.extents.min(self.of_one());
            if !taken.is_empty() && (bytes > bytes_max || extents > self.extents) {
                break;
            }
            taken.extend(candidates.pop_front());
        }
        taken
    }

    /// A call failed, perhaps because it was too large.
    pub(super) fn failed(&mut self) {
        self.extents = (self.extents / 2).max(EXTENTS_MIN);
    }

    /// A call got through.
    pub(super) fn succeeded(&mut self) {
        self.extents = (self.extents * 2).min(EXTENTS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use esker_model::{LogId, PartitionKey, TopicKey, TopicUuid};
    use uuid::Uuid;

    use super::*;

    /// Candidates with so many bytes and extents.
    fn candidates(of: &[(u64, u64)]) -> VecDeque<MergeCandidate> {
        let one = |(partition, (bytes, extents)): (usize, &(u64, u64))| MergeCandidate {
            partition: PartitionKey {
                topic: TopicKey(1),
                partition: partition as i32,
            },
            log: LogId {
                topic: TopicUuid(Uuid::from_u128(1)),
                partition: partition as i32,
            },
            is_due: true,
            bytes: *bytes,
            extents: *extents,
            has_dead: false,
        };
        of.iter().enumerate().map(one).collect()
    }

    /// How many candidates each call takes.
    fn calls(size: &Size, of: &[(u64, u64)]) -> Vec<usize> {
        let mut candidates = candidates(of);
        let mut calls = Vec::new();
        while !candidates.is_empty() {
            calls.push(size.take(&mut candidates, 1_000).len());
        }
        calls
    }

    #[test]
    fn a_call_takes_so_many_extents_and_bytes_and_one_partition_at_least() {
        let size = Size::default();
        assert_eq!(calls(&size, &[(10, 128); 256]), [32; 8]);
        // Of one with more a part is taken, and counts.
        assert_eq!(calls(&size, &[(10, 1 << 40); 9]), [4, 4, 1]);
        assert_eq!(calls(&size, &[(0, 0); 256]), [256]);
        assert_eq!(
            calls(&size, &[(600, 1), (400, 1), (1, 1), (5_000, 1), (1, 1)]),
            [2, 1, 1, 1]
        );
    }

    #[test]
    fn calls_become_smaller_until_one_gets_through() {
        let mut size = Size::default();
        size.failed();
        assert_eq!(calls(&size, &[(10, 128); 64]), [16; 4]);
        for _ in 0..20 {
            size.failed();
        }
        assert_eq!((size.extents(), size.of_one()), (EXTENTS_MIN, EXTENTS_MIN));
        assert_eq!(calls(&size, &[(10, 128); 2]), [1, 1]);
        for _ in 0..20 {
            size.succeeded();
        }
        assert_eq!((size.extents(), size.of_one()), (EXTENTS_MAX, OF_ONE_MAX));
    }
}
