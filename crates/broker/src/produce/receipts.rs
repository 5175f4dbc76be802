//! What the next segment's footer says of the segments before it.
//!
//! A receipt records what a segment was given at commit; together with `settled_through` it makes the
//! bucket alone enough to rebuild the log. Receipts wait here until a segment is sealed. If an
//! incarnation ends before that, whoever fences it finds the same in the metastore.

use esker_metastore::SegmentReply;
use esker_storage::segment::{Receipt, Receipts};
use parking_lot::Mutex;

use super::seal::SealedSegment;

/// Receipts that no footer carries yet. Bounded by the segments that may be sealed and not committed.
#[derive(Default)]
pub(super) struct PendingReceipts(Mutex<Receipts>);

impl PendingReceipts {
    /// A segment was committed with this reply, which has an entry for each run that was offered.
    pub(super) fn committed(&self, segment: &SealedSegment, reply: &SegmentReply) {
        let mut runs = vec![Vec::new(); segment.run_count];
        for (run, pieces) in segment.runs.iter().zip(&reply.runs) {
            if let Some(place) = runs.get_mut(run.index) {
                place.clone_from(pieces);
            }
        }
        let mut pending = self.0.lock();
        pending.receipts.push(Receipt { seq: segment.id.seq, runs });
        pending.settled_through = segment.id.seq;
    }

    /// A segment will never be committed. Segments are settled in seal order.
    pub(super) fn settled(&self, seq: u64) {
        self.0.lock().settled_through = seq;
    }

    /// How far everything is settled.
    pub(super) fn settled_through(&self) -> u64 {
        self.0.lock().settled_through
    }

    /// Takes what the next footer carries.
    pub(super) fn take(&self) -> Receipts {
        let mut pending = self.0.lock();
        Receipts { settled_through: pending.settled_through, receipts: std::mem::take(&mut pending.receipts) }
    }
}
