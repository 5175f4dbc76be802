//! Who reads history at the moment, how far ahead of each it is worth to fetch, and how far apart those are who read
//! the same.
//!
//! What holds: a reader is whoever goes on where a request for the same partition ended. How far is fetched ahead of it
//! doubles each time, so that a single look into the past costs little. Readers that have not come for
//! [`FORGOTTEN_AFTER`] are forgotten; at most [`READERS_MAX`] are known, and who comes beyond that is nobody yet.
//! Readers of one partition that stand at the same place are one, so that what is said here is about right, not exact.

mod apart;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use esker_model::PartitionKey;
use esker_model::seams::Instant;
use esker_storage::cache::CacheKey;
use parking_lot::Mutex;

pub(super) use apart::HELD_MAX;
use apart::Spread;

/// Bytes behind a reader that are fetched before it asks for them: what a bucket that takes 100 ms for a chunk must be
/// asked for at a time to give 160 MB/s.
pub(super) const WINDOW_BYTES_MAX: u64 = 16 << 20;

/// The same for a reader of whom it is not known yet that it goes on.
const WINDOW_BYTES_MIN: u64 = 2 << 20;

/// Readers that are known.
const READERS_MAX: usize = 4_096;

/// A reader that does not come for so long is gone, or so slow that it needs no help.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(5);

/// Between two looks at all of them.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Those of one agent.
pub(crate) type HistoryReaders = Mutex<Readers>;

/// Who reads history: by partition and the offset up to which they read.
pub(crate) struct Readers {
    /// Bytes of history that are kept in memory.
    room: u64,
    by_end: BTreeMap<(PartitionKey, i64), Reader>,
    looked: Option<Instant>,
    places: u64,
    spread: Spread,
}

/// What a request reads of a partition's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reads {
    pub partition: PartitionKey,
    /// Where it begins.
    pub from: i64,
    /// Bytes of a record there, about.
    pub record_bytes: u64,
    /// The chunk in which it stands.
    pub chunk: CacheKey,
    /// Bytes of it.
    pub chunk_bytes: u64,
}

struct Reader {
    /// What it read last.
    reads: Reads,
    window: u64,
    seen: Instant,
    /// Since when it stands in its chunk.
    since: Instant,
    /// Since when it is not given the next one, so that others come closer.
    held: Option<Instant>,
}

impl Readers {
    /// Nobody yet. `room`: bytes of history that are kept in memory.
    pub(crate) fn new(room: u64) -> Self {
        Self {
            room,
            by_end: BTreeMap::new(),
            looked: None,
            places: 0,
            spread: Spread::default(),
        }
    }

    /// In how many places of all partitions somebody read when it was looked last. Those that read the same are in one.
    pub(super) fn places(&self) -> u64 {
        self.places
    }

    fn count_places(&self) -> u64 {
        let mut before = None;
        let mut places = 0;
        for ((partition, end), reader) in &self.by_end {
            let same = before.is_some_and(|(other, to)| other == *partition && reader.reads.from < to);
            places += u64::from(!same);
            before = Some((*partition, *end));
        }
        places
    }

    /// Notes that a request reads up to this offset. Returns how many bytes behind that are worth fetching, and among how
    /// many readers what there is room for is divided.
    pub(super) fn note(&mut self, reads: Reads, end: i64, now: Instant) -> (u64, u64) {
        if self.looked.is_none_or(|looked| now - looked >= LOOK_EVERY) {
            self.by_end
                .retain(|_, reader| now - reader.seen < FORGOTTEN_AFTER);
            self.places = self.count_places();
            self.spread = self.measure_spread(now);
            self.looked = Some(now);
        }
        let before = self.at(reads.partition, reads.from).map(|(place, _)| *place);
        let before = before.and_then(|place| self.by_end.remove(&place));
        let window = match &before {
            Some(before) if before.reads.from < reads.from => (before.window * 2).min(WINDOW_BYTES_MAX),
            Some(before) => before.window,
            None => WINDOW_BYTES_MIN,
        };
        let in_chunk = before.filter(|before| before.reads.chunk == reads.chunk);
        let (since, held) = in_chunk.map_or((now, None), |before| (before.since, before.held));
        if self.by_end.len() < READERS_MAX {
            let reader = Reader {
                reads,
                window,
                seen: now,
                since,
                held,
            };
            self.by_end.insert((reads.partition, end), reader);
        }
        (window, self.by_end.len().max(1) as u64)
    }

    /// The reader that goes on from an offset.
    fn at(&self, partition: PartitionKey, from: i64) -> Option<(&(PartitionKey, i64), &Reader)> {
        let mut behind = self.by_end.range(place(partition, from));
        behind.next().filter(|(_, reader)| reader.reads.from <= from)
    }
}

/// Where the reader is found that goes on from an offset.
fn place(partition: PartitionKey, from: i64) -> RangeInclusive<(PartitionKey, i64)> {
    (partition, from)..=(partition, i64::MAX)
}

#[cfg(test)]
mod tests {
    use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind, TopicKey};
    use uuid::Uuid;

    use super::*;

    const SEGMENT: SegmentId = SegmentId {
        kind: SegmentKind::Archive,
        epoch: ClusterEpoch(1),
        incarnation: IncarnationId(Uuid::from_u128(1)),
        seq: 1,
    };

    const MIB: u64 = 1 << 20;

    fn reads(partition: i32, from: i64) -> Reads {
        Reads {
            partition: PartitionKey {
                topic: TopicKey(1),
                partition,
            },
            from,
            record_bytes: 1,
            chunk: CacheKey::chunk(SEGMENT, 0),
            chunk_bytes: 100,
        }
    }

    #[test]
    fn who_goes_on_is_read_ahead_further_each_time() {
        let (mut readers, now) = (Readers::new(1_000), Instant(Duration::ZERO));
        let mut windows = Vec::new();
        let mut from = 0;
        for _ in 0..6 {
            // What was read ends behind what the client got.
            windows.push(readers.note(reads(0, from), from + 150, now).0 / MIB);
            from += 100;
        }
        assert_eq!(windows, [2, 4, 8, 16, 16, 16]);
        // The same again is no step; elsewhere is another reader.
        assert_eq!(readers.note(reads(0, 500), 650, now), (16 * MIB, 1));
        assert_eq!(readers.note(reads(0, 10), 90, now), (2 * MIB, 2));
        assert_eq!(readers.note(reads(0, 651), 700, now), (2 * MIB, 3));
        assert_eq!(readers.note(reads(1, 600), 700, now), (2 * MIB, 4));
        assert_eq!(readers.note(reads(0, 650), 700, now), (16 * MIB, 3));
    }

    #[test]
    fn who_reads_the_same_is_in_one_place() {
        let (mut readers, now) = (Readers::new(1_000), Instant(Duration::ZERO));
        for (partition, from) in [(0, 500), (0, 150), (0, 60), (0, 0), (1, 0), (2, 100), (2, 0)] {
            readers.note(reads(partition, from), from + 100, now);
        }
        readers.note(reads(3, 0), 10, now.plus(LOOK_EVERY));
        assert_eq!(readers.places(), 5);
    }

    #[test]
    fn readers_are_forgotten_and_bounded() {
        let (mut readers, now) = (Readers::new(1_000), Instant(Duration::ZERO));
        for partition in 0..2 * READERS_MAX as i32 {
            readers.note(reads(partition, 0), 10, now);
        }
        assert_eq!(readers.note(reads(-1, 0), 10, now).1, READERS_MAX as u64);
        let later = now.plus(FORGOTTEN_AFTER);
        assert_eq!(readers.note(reads(0, 10), 20, later), (2 * MIB, 1));
    }
}
