//! Archive segments whose registration has an unknown outcome.
//!
//! What holds: nobody deletes one as long as its registration may still take effect. It cannot any more once no
//! partition of it stands where its extents begin: then it may go if it has no row. One that has a row, though it may be
//! released by now, is the metastore's to let go, when its time has come. Those that are still undecided when the
//! incarnation ends are left to the sweep.

use esker_metastore::{ArchivedPartition, MetastoreError};
use esker_model::{ObjectId, PartitionKey, SegmentId};
use tracing::debug;

use crate::upkeep::Upkeep;

/// Most that are remembered; what comes on top is left to the sweep.
const UNDECIDED_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Undecided(Vec<(SegmentId, Vec<(PartitionKey, i64)>)>);

impl Undecided {
    /// Remembers what was offered for an archive segment.
    pub(super) fn add(&mut self, id: SegmentId, partitions: &[ArchivedPartition]) {
        if self.0.len() < UNDECIDED_MAX {
            let begins = |one: &ArchivedPartition| Some((one.partition, one.extents.first()?.base_offset));
            self.0.push((id, partitions.iter().filter_map(begins).collect()));
        }
    }

    /// Finds out what became of them, and has the objects go that nothing needs. Those that a failure keeps from being
    /// looked at are looked at the next time.
    pub(super) async fn decide(&mut self, upkeep: &Upkeep) -> Result<(), MetastoreError> {
        let mut open = Vec::new();
        let mut outcome = Ok(());
        for (id, begins) in std::mem::take(&mut self.0) {
            let decided = match &outcome {
                Ok(()) => is_decided(upkeep, id, &begins).await,
                Err(_) => Ok(false),
            };
            if decided != Ok(true) {
                open.push((id, begins));
            }
            outcome = outcome.and(decided.map(|_| ()));
        }
        self.0 = open;
        outcome
    }
}

async fn is_decided(
    upkeep: &Upkeep,
    id: SegmentId,
    begins: &[(PartitionKey, i64)],
) -> Result<bool, MetastoreError> {
    let partitions: Vec<PartitionKey> = begins.iter().map(|(partition, _)| *partition).collect();
    let heads = upkeep.metastore.heads(&partitions).await?;
    let may_take_effect = begins
        .iter()
        .zip(heads)
        .any(|((_, base_offset), head)| head.is_some_and(|head| head.archived_to <= *base_offset));
    if may_take_effect {
        return Ok(false);
    }
    let registered = upkeep.metastore.registered(&[id]).await?;
    if registered == [false] {
        upkeep.leftovers.add([ObjectId::Segment(id)]);
    }
    debug!(segment = %id, ?registered, "found out what became of an archive segment");
    Ok(true)
}
