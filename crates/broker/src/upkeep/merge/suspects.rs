//! Extents that could not be read, until they are given up or can be read after all.
//!
//! What holds: an extent is given up only if it could not be read in an earlier pass either, and was not read since. That
//! pass need not be the last one: an extent is not looked at while something before it keeps the round from it, and two
//! that take turns in that would never be given up. What is not looked at for [`REMEMBERED`] passes is forgotten, so there
//! are no more of them than so many passes look at.

use std::collections::BTreeMap;

use esker_metastore::Extent;
use esker_model::{PartitionKey, SegmentId};
use esker_storage::manifest::ListedSegment;

/// Passes after which a suspect is forgotten that was not looked at again.
const REMEMBERED: u64 = 4;

/// Of which partition, where, in which object.
type Suspect = (PartitionKey, i64, SegmentId);

fn suspect(partition: PartitionKey, extent: &Extent) -> Suspect {
    (partition, extent.base_offset, extent.segment)
}

/// By when they could not be read last.
#[derive(Default)]
pub(super) struct Suspects {
    pass: u64,
    noted: BTreeMap<Suspect, u64>,
}

impl Suspects {
    /// Another pass begins.
    pub(super) fn next_pass(&mut self) {
        self.pass += 1;
        let pass = self.pass;
        self.noted.retain(|_, noted| pass - *noted <= REMEMBERED);
    }

    /// Notes that an extent could not be read; returns whether it could not be read in an earlier pass either.
    pub(super) fn note(&mut self, partition: PartitionKey, extent: &Extent) -> bool {
        let before = self.noted.insert(suspect(partition, extent), self.pass);
        before.is_some_and(|noted| noted < self.pass)
    }

    /// Notes that an extent was read.
    pub(super) fn was_read(&mut self, partition: PartitionKey, extent: &Extent) {
        self.noted.remove(&suspect(partition, extent));
    }

    /// Whether some of a merged segment could not be read in the pass before.
    pub(super) fn has(&self, partition: PartitionKey, segment: &ListedSegment) -> bool {
        let from = (partition, segment.base_offset, segment.id);
        self.noted
            .range(from..)
            .take_while(|((of, at, _), _)| *of == partition && *at < segment.end_offset())
            .any(|((_, _, suspect), noted)| *suspect == segment.id && self.pass - *noted == 1)
    }
}
