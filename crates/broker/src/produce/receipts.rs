//! What the next segment's footer says of the segments before it.
//!
//! A receipt records what a segment was given at commit; together with `settled_through` it makes the
//! bucket alone enough to rebuild the log. Receipts wait here until a segment is sealed. If an
//! incarnation ends before that, whoever fences it finds the same in the metastore.
//!
//! What holds, whichever of this incarnation's objects reach the bucket: no footer there says of a
//! committed segment that it was never committed. So a footer's `settled_through` stays below every
//! receipt whose carrier may still be lost, and the receipts of a carrier that was lost are carried again.

use std::collections::BTreeMap;

use esker_metastore::SegmentReply;
use esker_storage::segment::{Receipt, Receipts};
use parking_lot::Mutex;

use super::seal::SealedSegment;

/// Receipts that no object in the bucket is known to carry. Bounded by the segments that may be sealed
/// and not committed.
#[derive(Default)]
pub(super) struct PendingReceipts(Mutex<State>);

#[derive(Default)]
struct State {
    settled_through: u64,
    /// For the next footer, ascending by seq.
    next: Vec<Receipt>,
    /// In the footers of segments that are not known to be in the bucket, by those segments' seq.
    carried: BTreeMap<u64, Vec<Receipt>>,
}

impl PendingReceipts {
    /// A segment was committed with this reply, which has an entry for each run that was offered.
    pub(super) fn committed(&self, segment: &SealedSegment, reply: &SegmentReply) {
        let mut runs = vec![Vec::new(); segment.run_count];
        for (run, pieces) in segment.runs.iter().zip(&reply.runs) {
            if let Some(place) = runs.get_mut(run.index) {
                place.clone_from(pieces);
            }
        }
        let mut state = self.0.lock();
        state.next.push(Receipt {
            seq: segment.id.seq,
            runs,
        });
        state.settled_through = segment.id.seq;
    }

    /// A segment surely will never be committed. Segments are settled in seal order.
    pub(super) fn settled(&self, seq: u64) {
        self.0.lock().settled_through = seq;
    }

    /// How far everything is settled.
    pub(super) fn settled_through(&self) -> u64 {
        self.0.lock().settled_through
    }

    /// Takes what the footer of segment `carrier` says.
    pub(super) fn take(&self, carrier: u64) -> Receipts {
        let mut state = self.0.lock();
        let in_doubt = state.carried.values().flatten().map(|receipt| receipt.seq).min();
        let settled_through =
            in_doubt.map_or(state.settled_through, |seq| state.settled_through.min(seq - 1));
        let receipts = std::mem::take(&mut state.next);
        if !receipts.is_empty() {
            state.carried.insert(carrier, receipts.clone());
        }
        Receipts {
            settled_through,
            receipts,
        }
    }

    /// Segment `carrier` is in the bucket, and so are the receipts in its footer.
    pub(super) fn landed(&self, carrier: u64) {
        self.0.lock().carried.remove(&carrier);
    }

    /// Segment `carrier` may never be in the bucket: its receipts go into the next footer as well.
    pub(super) fn lost(&self, carrier: u64) {
        let mut state = self.0.lock();
        if let Some(receipts) = state.carried.remove(&carrier) {
            state.next.extend(receipts);
            state.next.sort_unstable_by_key(|receipt| receipt.seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
    use uuid::Uuid;

    use super::super::traced::Traced;
    use super::*;

    fn commit(receipts: &PendingReceipts, seq: u64) {
        let id = SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::nil()),
            seq,
        };
        let segment = SealedSegment {
            id,
            object_bytes: 0,
            run_count: 0,
            runs: Vec::new(),
            last_number: 0,
            traced: Traced::sealed(esker_model::seams::Instant(std::time::Duration::ZERO), &[]),
        };
        receipts.committed(
            &segment,
            &SegmentReply {
                seq,
                runs: Vec::new(),
            },
        );
    }

    /// `settled_through` and the receipts in the footer of `carrier`.
    fn footer(receipts: &PendingReceipts, carrier: u64) -> (u64, Vec<u64>) {
        let taken = receipts.take(carrier);
        (
            taken.settled_through,
            taken.receipts.iter().map(|receipt| receipt.seq).collect(),
        )
    }

    #[test]
    fn each_receipt_is_carried_once_if_its_carrier_lands() {
        let receipts = PendingReceipts::default();
        assert_eq!(footer(&receipts, 1), (0, vec![]));
        commit(&receipts, 1);
        assert_eq!(footer(&receipts, 2), (1, vec![1]));
        receipts.landed(2);
        commit(&receipts, 2);
        receipts.settled(3);
        assert_eq!(footer(&receipts, 4), (3, vec![2]));
    }

    #[test]
    fn the_receipts_of_a_lost_carrier_are_carried_again() {
        let receipts = PendingReceipts::default();
        commit(&receipts, 1);
        assert_eq!(footer(&receipts, 3), (1, vec![1]));
        commit(&receipts, 2);
        receipts.lost(3);
        receipts.settled(3);
        assert_eq!(footer(&receipts, 4), (3, vec![1, 2]));
    }

    /// A crash may leave any of the objects on their way out of the bucket: those that are there must not
    /// deny what only the others tell.
    #[test]
    fn no_footer_settles_what_only_an_object_on_its_way_tells() {
        let receipts = PendingReceipts::default();
        commit(&receipts, 1);
        commit(&receipts, 2);
        assert_eq!(footer(&receipts, 5), (2, vec![1, 2]));
        commit(&receipts, 3);
        assert_eq!(footer(&receipts, 6), (0, vec![3]));
        receipts.landed(5);
        commit(&receipts, 4);
        assert_eq!(footer(&receipts, 7), (2, vec![4]));
        receipts.landed(6);
        receipts.landed(7);
        assert_eq!(footer(&receipts, 8), (4, vec![]));
        assert_eq!(receipts.settled_through(), 4);
    }
}
