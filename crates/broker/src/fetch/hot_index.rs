//! The hot index: the recent extents of each partition, in memory, so that the tail is read without a
//! query.
//!
//! What holds: the extents of a partition are contiguous; the index is never jumped. Where this agent
//! does not know what lies between, it forgets the older part rather than leave a hole. The high
//! watermark it reports never goes back within an agent's life.

use std::collections::VecDeque;

use esker_metastore::{Extent, Head};
use esker_model::PartitionKey;
use esker_model::collections::FixedMap;
use parking_lot::Mutex;

/// Recent extents per partition.
#[derive(Default)]
pub struct HotIndex {
    partitions: Mutex<FixedMap<PartitionKey, Recent>>,
}

#[derive(Default)]
struct Recent {
    extents: VecDeque<Extent>,
    head: Option<Head>,
}

impl HotIndex {
    /// Makes committed extents of one partition visible, ascending by offset, with the head that the
    /// commit left, and wakes those who wait for them. Only to be called after the epoch gate.
    pub fn publish(&self, partition: PartitionKey, extents: &[Extent], head: Head) {
        let mut partitions = self.partitions.lock();
        let recent = partitions.entry(partition).or_default();
        recent.extents.extend(extents.iter().copied());
        recent.head = Some(head);
    }
}
