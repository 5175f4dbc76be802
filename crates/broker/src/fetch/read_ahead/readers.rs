//! Who reads history at the moment, and how far ahead of each it is worth to fetch.
//!
//! What holds: a reader is whoever goes on where a request for the same partition ended. How far is fetched ahead of it
//! doubles each time, so that a single look into the past costs little. Readers that have not come for
//! [`FORGOTTEN_AFTER`] are forgotten; at most [`READERS_MAX`] are known, and who comes beyond that is nobody yet.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use esker_model::PartitionKey;
use esker_model::seams::Instant;

use super::{WINDOW_BYTES_MAX, WINDOW_BYTES_MIN};

/// Readers that are known.
const READERS_MAX: usize = 4_096;

/// A reader that does not come for so long is gone, or so slow that it needs no help.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(5);

/// Between two looks for those that are gone.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who reads history: by partition and the offset up to which they read.
#[derive(Default)]
pub(super) struct Readers {
    by_end: BTreeMap<(PartitionKey, i64), Reader>,
    looked: Option<Instant>,
    places: u64,
}

struct Reader {
    /// Where it began to read last.
    from: i64,
    window: u64,
    seen: Instant,
}

impl Readers {
    /// In how many places of all partitions somebody read when it was looked last. Those that read the same are in one.
    pub(super) fn places(&self) -> u64 {
        self.places
    }

    fn count_places(&self) -> u64 {
        let mut before = None;
        let mut places = 0;
        for ((partition, end), reader) in &self.by_end {
            let same = before.is_some_and(|(other, to)| other == *partition && reader.from < to);
            places += u64::from(!same);
            before = Some((*partition, *end));
        }
        places
    }

    /// Notes that a request reads these offsets. Returns how many bytes behind them are worth fetching, and among how
    /// many readers what there is room for is divided.
    pub(super) fn note(&mut self, partition: PartitionKey, reads: Range<i64>, now: Instant) -> (u64, u64) {
        if self.looked.is_none_or(|looked| now - looked >= LOOK_EVERY) {
            self.by_end
                .retain(|_, reader| now - reader.seen < FORGOTTEN_AFTER);
            self.places = self.count_places();
            self.looked = Some(now);
        }
        let before = self
            .by_end
            .range((partition, reads.start)..=(partition, i64::MAX))
            .next()
            .filter(|(_, reader)| reader.from <= reads.start)
            .map(|(place, reader)| (*place, reader.from, reader.window));
        let window = match before {
            Some((_, from, window)) if from < reads.start => (window * 2).min(WINDOW_BYTES_MAX),
            Some((_, _, window)) => window,
            None => WINDOW_BYTES_MIN,
        };
        if let Some((place, ..)) = before {
            self.by_end.remove(&place);
        }
        if self.by_end.len() < READERS_MAX {
            let reader = Reader {
                from: reads.start,
                window,
                seen: now,
            };
            self.by_end.insert((partition, reads.end), reader);
        }
        (window, self.by_end.len().max(1) as u64)
    }
}

#[cfg(test)]
mod tests {
    use esker_model::TopicKey;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(partition: i32) -> PartitionKey {
        PartitionKey {
            topic: TopicKey(1),
            partition,
        }
    }

    #[test]
    fn who_goes_on_is_read_ahead_further_each_time() {
        let (mut readers, now) = (Readers::default(), Instant(Duration::ZERO));
        let mut windows = Vec::new();
        let mut from = 0;
        for _ in 0..6 {
            // What was read ends behind what the client got.
            windows.push(readers.note(at(0), from..from + 150, now).0 / MIB);
            from += 100;
        }
        assert_eq!(windows, [2, 4, 8, 16, 16, 16]);
        // The same again is no step; elsewhere is another reader.
        assert_eq!(readers.note(at(0), 500..650, now), (16 * MIB, 1));
        assert_eq!(readers.note(at(0), 10..90, now), (2 * MIB, 2));
        assert_eq!(readers.note(at(0), 651..700, now), (2 * MIB, 3));
        assert_eq!(readers.note(at(1), 600..700, now), (2 * MIB, 4));
        assert_eq!(readers.note(at(0), 650..700, now), (16 * MIB, 3));
    }

    #[test]
    fn who_reads_the_same_is_in_one_place() {
        let (mut readers, now) = (Readers::default(), Instant(Duration::ZERO));
        for (partition, from) in [(0, 500), (0, 150), (0, 60), (0, 0), (1, 0), (2, 100), (2, 0)] {
            readers.note(at(partition), from..from + 100, now);
        }
        readers.note(at(3), 0..10, now.plus(LOOK_EVERY));
        assert_eq!(readers.places(), 5);
    }

    #[test]
    fn readers_are_forgotten_and_bounded() {
        let (mut readers, now) = (Readers::default(), Instant(Duration::ZERO));
        for partition in 0..2 * READERS_MAX as i32 {
            readers.note(at(partition), 0..10, now);
        }
        assert_eq!(readers.note(at(-1), 0..10, now).1, READERS_MAX as u64);
        let later = now.plus(FORGOTTEN_AFTER);
        assert_eq!(readers.note(at(0), 10..20, later), (2 * MIB, 1));
    }
}
