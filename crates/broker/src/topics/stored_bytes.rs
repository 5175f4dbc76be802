//! How many bytes of batches partitions have stored.
//!
//! The metastore adds up what it knows by extents, and what a manifest lists it knows as one number. That is bounded:
//! for a request it looks at [`EXTENTS_MIN`] extents of each partition, and at [`EXTENTS_MORE`] of those together that
//! have more. A partition with more extents outside its manifest than its share of them has no size. Bytes below the log
//! start count until they are dropped.

use esker_metastore::{Metastore, MetastoreError};
use esker_model::PartitionKey;

/// Extents of each partition that are looked at in any case.
const EXTENTS_MIN: usize = 512;

/// Extents that one statement looks at.
const EXTENTS_AT_ONCE: usize = 65_536;

/// Extents that are looked at of partitions that have more than [`EXTENTS_MIN`], together.
const EXTENTS_MORE: usize = 16 * EXTENTS_AT_ONCE;

const _: () = assert!(EXTENTS_MIN <= EXTENTS_AT_ONCE);

/// The sizes of partitions in bytes, in their order; `None` where it cannot be told: the partition is gone, it has too
/// many extents, or these are just being rearranged.
pub(crate) async fn of(
    metastore: &dyn Metastore,
    partitions: &[PartitionKey],
) -> Result<Vec<Option<u64>>, MetastoreError> {
    let mut sizes = ask(metastore, partitions, EXTENTS_MIN).await?;
    let (places, again): (Vec<usize>, Vec<PartitionKey>) = sizes
        .iter()
        .zip(partitions)
        .enumerate()
        .filter(|(_, (size, _))| size.is_none())
        .map(|(place, (_, partition))| (place, *partition))
        .unzip();
    let share = share(again.len());
    if share > EXTENTS_MIN {
        let more = ask(metastore, &again, share).await?;
        for (place, size) in places.into_iter().zip(more) {
            if let Some(slot) = sizes.get_mut(place) {
                *slot = size;
            }
        }
    }
    Ok(sizes)
}

/// How many extents are looked at of each of so many partitions that have more than others.
fn share(partitions: usize) -> usize {
    EXTENTS_MORE
        .checked_div(partitions)
        .map_or(0, |share| share.min(EXTENTS_AT_ONCE))
}

async fn ask(
    metastore: &dyn Metastore,
    partitions: &[PartitionKey],
    extents_max: usize,
) -> Result<Vec<Option<u64>>, MetastoreError> {
    let mut sizes = Vec::with_capacity(partitions.len());
    for part in partitions.chunks(EXTENTS_AT_ONCE / extents_max) {
        sizes.extend(metastore.stored_bytes(part, extents_max).await?);
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_at_is_bounded() {
        for partitions in [1, 2, 16, 17, 200, 2_048, 10_000, 10_000_000] {
            let share = share(partitions);
            assert!(share <= EXTENTS_AT_ONCE && share * partitions <= EXTENTS_MORE);
            assert!(partitions > 200 || share > EXTENTS_MIN, "{partitions}");
        }
        assert_eq!(share(0), 0);
    }
}
