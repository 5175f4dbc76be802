//! A failed run fails its successors.
//!
//! When a run of an idempotent producer is not committed, the batches of the same (partition, producer)
//! that this agent had taken by then must not be committed either: their producer will send the failed
//! ones again, perhaps to another agent, and everything behind them too.
//!
//! What is remembered per pair is one number: all batches up to it have failed. Entries go when the
//! commit stage has passed that number, so there are never more than pairs with batches under way.

use esker_model::collections::FixedMap;
use esker_model::{PartitionKey, ProducerId};
use parking_lot::Mutex;

/// Pairs that failed, and up to which batch.
#[derive(Default)]
pub(super) struct Failures(Mutex<FixedMap<(PartitionKey, ProducerId), u64>>);

impl Failures {
    /// A run of this pair failed; so do its batches up to number `through`.
    pub(super) fn fail(&self, partition: PartitionKey, producer: ProducerId, through: u64) {
        let mut failed = self.0.lock();
        let known = failed.entry((partition, producer)).or_insert(through);
        *known = (*known).max(through);
    }

    /// Whether a batch with this number has failed with its predecessors.
    pub(super) fn has_failed(&self, partition: PartitionKey, producer: ProducerId, number: u64) -> bool {
        self.0
            .lock()
            .get(&(partition, producer))
            .is_some_and(|through| number <= *through)
    }

    /// All batches up to number `through` have their answer.
    pub(super) fn passed(&self, through: u64) {
        let mut failed = self.0.lock();
        if !failed.is_empty() {
            failed.retain(|_, number| *number > through);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use esker_model::TopicKey;

    #[test]
    fn fails_what_was_taken_before_and_nothing_later() {
        let failures = Failures::default();
        let partition = PartitionKey {
            topic: TopicKey(1),
            partition: 0,
        };
        failures.fail(partition, ProducerId(7), 10);
        failures.fail(partition, ProducerId(7), 8);
        assert!(failures.has_failed(partition, ProducerId(7), 10));
        assert!(!failures.has_failed(partition, ProducerId(7), 11));
        assert!(!failures.has_failed(partition, ProducerId(8), 1));
        failures.passed(9);
        assert!(failures.has_failed(partition, ProducerId(7), 10));
        failures.passed(10);
        assert!(!failures.has_failed(partition, ProducerId(7), 10));
    }
}
