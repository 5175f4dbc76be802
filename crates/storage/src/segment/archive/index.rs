//! Where records lie in an archive segment: parts, their sparse index, and chunks.

use esker_model::{LogId, TopicUuid};

/// Consecutive bytes of an archive segment, read and verified together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Byte position in the object.
    pub position: u64,
    /// Its size, at least 1.
    pub bytes: u64,
    /// CRC-32C of its bytes.
    pub crc: u32,
}

/// Some consecutive batches of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Offsets that they cover, at least 1.
    pub offsets: u64,
    /// Their bytes, at least 1.
    pub bytes: u64,
    /// Largest record timestamp (milliseconds since 1970), -1 if there is none.
    pub max_timestamp: i64,
}

/// What an archive segment holds of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The topic.
    pub topic: TopicUuid,
    /// The partition's index.
    pub partition: i32,
    /// Offset of its first record.
    pub base_offset: i64,
    /// Byte position of its first batch in the object.
    pub position: u64,
    /// Its batches in order, in groups; at least one.
    pub index: Vec<IndexEntry>,
}

/// An index entry with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Offset of its first record.
    pub base_offset: i64,
    /// Byte position of its first batch in the object.
    pub position: u64,
    /// The entry.
    pub entry: IndexEntry,
}

impl Part {
    /// Whose it is.
    pub fn log(&self) -> LogId {
        LogId {
            topic: self.topic,
            partition: self.partition,
        }
    }

    /// Offset after its last record.
    pub fn end_offset(&self) -> i64 {
        let offsets: u64 = self.index.iter().map(|entry| entry.offsets).sum();
        self.base_offset.saturating_add_unsigned(offsets)
    }

    /// Bytes of all batches.
    pub fn bytes(&self) -> u64 {
        self.index.iter().map(|entry| entry.bytes).sum()
    }

    /// Largest record timestamp, -1 if there is none.
    pub fn max_timestamp(&self) -> i64 {
        self.index
            .iter()
            .map(|entry| entry.max_timestamp)
            .max()
            .unwrap_or(-1)
    }

    /// Its entries with their places, in order.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        let mut next = (self.base_offset, self.position);
        self.index.iter().map(move |entry| {
            let (base_offset, position) = next;
            next = (
                base_offset.saturating_add_unsigned(entry.offsets),
                position + entry.bytes,
            );
            Place {
                base_offset,
                position,
                entry: *entry,
            }
        })
    }

    /// Where an offset lies; `None` outside of the part.
    pub fn find(&self, offset: i64) -> Option<Place> {
        if offset < self.base_offset {
            return None;
        }
        self.places()
            .find(|place| offset < place.base_offset.saturating_add_unsigned(place.entry.offsets))
    }

    /// The first place, from an offset on, that may hold a record of this time or a later one.
    pub fn find_time(&self, timestamp: i64, from: i64) -> Option<Place> {
        self.places().find(|place| {
            place.entry.max_timestamp >= timestamp
                && from < place.base_offset.saturating_add_unsigned(place.entry.offsets)
        })
    }
}
