//! How far apart those are who read the same history.
//!
//! Those are together who follow each other closely: what the first of them fetches is of use for the last, if it is kept
//! so long. What all of them want to have in memory at a time may be more than there is room for; then the first ones are
//! held, see [`super::super::together`].

use std::time::Duration;

use esker_metastore::Extent;
use esker_model::seams::Instant;

use super::super::plan::Wanted;
use super::super::read::ObjectPart;
use super::{Reader, Readers, Reads, place};

/// Who did not come for so long is not waited for.
const ACTIVE: Duration = Duration::from_secs(1);

/// Within these bounds nobody is held for longer than its last chunk took, so that it is at most half as fast as it could
/// be.
const HELD_MIN: Duration = Duration::from_millis(100);
pub(in crate::fetch) const HELD_MAX: Duration = Duration::from_secs(2);

/// Readers are together that are no further apart than so many times what there is room for of their partition. The
/// others will not be caught up with.
const REACH: u64 = 2;

/// One part of so many of the room is counted on. Chunks leave it by their last use: until the last reader comes to one, as
/// many behind it as before it were used later.
const USED_PART: u64 = 2;

/// What all active readers want to have in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spread {
    /// From the last reader that is together with others to the first, and the chunks in which they stand.
    bytes: u64,
    /// Partitions that are read.
    partitions: u64,
}

impl Reads {
    /// What a request reads that begins in this extent; nothing if its records are not archived.
    pub(in crate::fetch) fn of(wanted: &Wanted, first: &Extent) -> Option<Self> {
        let part = ObjectPart::of(first).filter(|part| part.key.is_history())?;
        let records = (first.end_offset - first.base_offset).max(1).unsigned_abs();
        Some(Self {
            partition: wanted.partition,
            from: wanted.from,
            record_bytes: (first.bytes / records).max(1),
            chunk: part.key,
            chunk_bytes: part.bytes,
        })
    }

    /// Bytes between a place of the partition and this one, about.
    fn apart(&self, from: i64) -> u64 {
        self.from.abs_diff(from).saturating_mul(self.record_bytes)
    }
}

impl Reader {
    fn is_active(&self, now: Instant) -> bool {
        now - self.seen < ACTIVE
    }
}

impl Readers {
    /// What the active ones want to have in memory.
    pub(super) fn measure_spread(&self, now: Instant) -> Spread {
        let active = || self.by_end.values().filter(|reader| reader.is_active(now));
        let mut partitions: Vec<_> = active().map(|reader| reader.reads.partition).collect();
        partitions.dedup();
        let mut spread = Spread {
            bytes: 0,
            partitions: partitions.len() as u64,
        };
        let reach = self.part_of(&spread).saturating_mul(REACH);
        let mut before: Option<&Reads> = None;
        for reader in active() {
            let reads = &reader.reads;
            let apart = before
                .filter(|before| before.partition == reads.partition)
                .map(|before| reads.apart(before.from))
                .filter(|apart| *apart <= reach);
            spread.bytes += apart.unwrap_or(reads.chunk_bytes.saturating_mul(2));
            before = Some(reads);
        }
        spread
    }

    /// Bytes that can be fetched from this place on without pushing out what those behind it have not read yet.
    pub(in crate::fetch) fn room_ahead(&self, reads: &Reads, now: Instant) -> u64 {
        if self.spread.bytes <= used(self.room) {
            return u64::MAX;
        }
        let part = self.part_of(&self.spread);
        match self.lead(reads, part.saturating_mul(REACH), now) {
            0 => u64::MAX,
            lead => used(part).saturating_sub(lead),
        }
    }

    /// Whether a reader does not get its next chunk, which is not in memory, because of those behind it. It is given to it
    /// all the same when it was refused for as long as the chunk before it took.
    pub(in crate::fetch) fn is_held(&mut self, reads: &Reads, now: Instant) -> bool {
        if self.room_ahead(reads, now) >= reads.chunk_bytes {
            return false;
        }
        let Some(own) = self.at(reads.partition, reads.from).map(|(own, _)| *own) else {
            return false;
        };
        self.by_end.get_mut(&own).is_some_and(|reader| {
            let held = *reader.held.get_or_insert(now);
            now - held < (held - reader.since).clamp(HELD_MIN, HELD_MAX)
        })
    }

    /// Bytes from the last of those who are together with this reader and behind it.
    fn lead(&self, reads: &Reads, reach: u64, now: Instant) -> u64 {
        let own = self.at(reads.partition, reads.from).map(|(own, _)| *own);
        let of_partition = self.by_end.range(place(reads.partition, i64::MIN));
        let mut others: Vec<i64> = of_partition
            .filter(|(place, reader)| Some(**place) != own && reader.is_active(now))
            .map(|(_, reader)| reader.reads.from)
            .filter(|from| *from < reads.from)
            .collect();
        others.sort_unstable_by(|a, b| b.cmp(a));
        let mut lead = 0;
        for from in others {
            let apart = reads.apart(from);
            if apart - lead > reach {
                break;
            }
            lead = apart;
        }
        lead
    }

    /// What there is room for of each partition.
    fn part_of(&self, spread: &Spread) -> u64 {
        self.room / spread.partitions.max(1)
    }
}

fn used(room: u64) -> u64 {
    room / USED_PART
}

#[cfg(test)]
mod tests {
    use esker_model::{ClusterEpoch, IncarnationId, PartitionKey, SegmentId, SegmentKind, TopicKey};
    use esker_storage::cache::CacheKey;
    use uuid::Uuid;

    use super::*;

    const SEGMENT: SegmentId = SegmentId {
        kind: SegmentKind::Archive,
        epoch: ClusterEpoch(1),
        incarnation: IncarnationId(Uuid::from_u128(1)),
        seq: 1,
    };

    fn reads(partition: i32, from: i64) -> Reads {
        Reads {
            partition: PartitionKey {
                topic: TopicKey(1),
                partition,
            },
            from,
            chunk: CacheKey::chunk(SEGMENT, from.unsigned_abs() / 50),
            record_bytes: 10,
            chunk_bytes: 1_000,
        }
    }

    fn at(ms: u64) -> Instant {
        Instant(Duration::from_millis(ms))
    }

    /// Room for 10,000 bytes; each has read 50 records from its place on, and all are looked at.
    fn readers(places: &[(i32, i64)]) -> Readers {
        let mut readers = Readers::new(10_000);
        for (partition, from) in places {
            readers.note(reads(*partition, *from), from + 50, at(0));
        }
        readers.spread = readers.measure_spread(at(0));
        readers
    }

    fn is_held(places: &[(i32, i64)], next: (i32, i64)) -> bool {
        readers(places).is_held(&reads(next.0, next.1), at(0))
    }

    #[test]
    fn who_is_ahead_is_held_if_there_is_no_room_for_what_lies_between() {
        // One partition: 5,000 bytes are 500 records, of which a chunk takes 100.
        assert!(is_held(&[(0, 0), (0, 200), (0, 400)], (0, 450)));
        assert!(!is_held(&[(0, 0), (0, 200), (0, 300)], (0, 350)));
        // Not those behind it, nor one that nobody knows.
        assert!(!is_held(&[(0, 0), (0, 200), (0, 400)], (0, 250)));
        assert!(!is_held(&[(0, 0), (0, 200), (0, 400)], (0, 500)));
        // Of two partitions there is room for half as much.
        let both = [(0, 0), (0, 200), (1, 0), (1, 200)];
        assert!(is_held(&both, (0, 250)) && is_held(&both, (1, 250)));
        // One has room where the other needs little.
        assert!(!is_held(&[(0, 0), (0, 100), (1, 0), (1, 10)], (0, 200)));
    }

    #[test]
    fn who_is_far_behind_or_gone_is_not_waited_for() {
        assert!(is_held(&[(0, 0), (0, 1_500)], (0, 1_550)));
        assert!(!is_held(&[(0, 0), (0, 2_500)], (0, 2_550)));
        let mut readers = readers(&[(0, 0), (0, 800)]);
        assert!(readers.is_held(&reads(0, 850), at(0)));
        assert!(!readers.is_held(&reads(0, 850), at(1_000)));
    }

    #[test]
    fn nobody_is_held_for_long() {
        let mut readers = readers(&[(0, 0), (0, 800)]);
        for (ms, held) in [(10, true), (109, true), (110, false), (500, false)] {
            assert_eq!(readers.is_held(&reads(0, 850), at(ms)), held, "{ms}");
        }
        // It takes 500 ms for its chunk, and is held as long before the next.
        let read_on = |readers: &mut Readers, from, ms| {
            readers.note(reads(0, from), from + 50, at(ms));
            readers.spread = readers.measure_spread(at(ms));
        };
        read_on(&mut readers, 850, 500);
        let mut ms = 1_000;
        read_on(&mut readers, 0, ms);
        while readers.is_held(&reads(0, 900), at(ms)) {
            ms += 50;
            read_on(&mut readers, 0, ms);
        }
        assert_eq!(ms, 1_500);
    }
}
