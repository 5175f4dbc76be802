//! Which events show what stands at an offset.
//!
//! The rules work on runs that were put together; when something is wrong, the events that show it are
//! looked for again. That is slow, and rare.

use crate::event::{Partition, Records};
use crate::{History, What};

/// Most events that one question brings.
const EVENTS_MAX: usize = 6;

/// The first event for each record (client and number) that was read at an offset, and for each hash of a
/// batch that begins there.
pub(crate) fn readings(history: &History, partition: Partition, offset: i64) -> Vec<usize> {
    let mut known: Vec<(Records, Option<u64>)> = Vec::new();
    let mut events = Vec::new();
    for (at, event) in history.events.iter().enumerate() {
        let What::Fetched {
            partition: of, seen, ..
        } = &event.what
        else {
            continue;
        };
        let after = seen.partition_point(|seen| seen.base_offset <= offset);
        let Some(seen) = after.checked_sub(1).and_then(|last| seen.get(last)) else {
            continue;
        };
        if *of != partition || offset >= seen.base_offset.saturating_add(i64::from(seen.records.count)) {
            continue;
        }
        let record = Records {
            first: seen.records.first.wrapping_add_signed(offset - seen.base_offset),
            count: 1,
            ..seen.records
        };
        let hash = seen.batch_hash.filter(|_| seen.base_offset == offset);
        let is_new = !known
            .iter()
            .any(|(other, other_hash)| *other == record && (hash.is_none() || *other_hash == hash));
        if is_new && events.len() < EVENTS_MAX {
            known.push((record, hash));
            events.push(at);
        }
    }
    events
}
