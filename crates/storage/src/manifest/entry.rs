//! What a manifest lists: merged segments with their chunks, holes, and where each of their records lies.

use esker_model::SegmentId;

/// Some consecutive records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// In a merged segment.
    Segment(ListedSegment),
    /// That could not be read.
    Hole(Hole),
}

/// A merged segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSegment {
    /// Which one, of the manifest's own partition.
    pub id: SegmentId,
    /// Size of its object in bytes.
    pub object_bytes: u64,
    /// Offset of its first record.
    pub base_offset: i64,
    /// When the youngest of its records was archived, by the database's clock: milliseconds since 1970.
    pub archived_ms: i64,
    /// Its chunks, back to back from byte 0 of the object; at least one.
    pub chunks: Vec<ListedChunk>,
}

/// A chunk of a merged segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedChunk {
    /// Offsets that its batches cover, at least 1.
    pub offsets: u64,
    /// Its size, at least 1.
    pub bytes: u32,
    /// CRC-32C of its bytes.
    pub crc: u32,
    /// Largest record timestamp, -1 if there is none.
    pub max_timestamp: i64,
}

/// Records that could not be read when they were to be archived, or merged: still in the segment that was to hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// That ingest or archive segment.
    pub segment: SegmentId,
    /// Size of its object in bytes.
    pub object_bytes: u64,
    /// Byte position of the first batch in it.
    pub position: u64,
    /// Bytes of all batches, at least 1.
    pub bytes: u64,
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset after the last record.
    pub end_offset: i64,
    /// Largest record timestamp, -1 if there is none.
    pub max_timestamp: i64,
    /// When it was found to be a hole, by the database's clock: milliseconds since 1970.
    pub archived_ms: i64,
}

/// A chunk or a hole with its place: what is read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset after its last record.
    pub end_offset: i64,
    /// The object that holds it, or was to hold it.
    pub segment: SegmentId,
    /// Size of that object in bytes.
    pub object_bytes: u64,
    /// Byte position of its first batch in the object.
    pub position: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// CRC-32C of its bytes; `None`: a hole, which has no checksum of its own.
    pub crc: Option<u32>,
    /// Largest record timestamp, -1 if there is none.
    pub max_timestamp: i64,
    /// When its entry was archived, by the database's clock: milliseconds since 1970.
    pub archived_ms: i64,
}

impl Entry {
    /// Offset of its first record.
    pub fn base_offset(&self) -> i64 {
        match self {
            Self::Segment(segment) => segment.base_offset,
            Self::Hole(hole) => hole.base_offset,
        }
    }

    /// Offset after its last record.
    pub fn end_offset(&self) -> i64 {
        match self {
            Self::Segment(segment) => segment.end_offset(),
            Self::Hole(hole) => hole.end_offset,
        }
    }

    /// Bytes of all batches.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Segment(segment) => segment.bytes(),
            Self::Hole(hole) => hole.bytes,
        }
    }

    /// Largest record timestamp, -1 if there is none.
    pub fn max_timestamp(&self) -> i64 {
        self.places().map(|place| place.max_timestamp).max().unwrap_or(-1)
    }

    /// When its youngest record was archived, by the database's clock: milliseconds since 1970.
    pub fn archived_ms(&self) -> i64 {
        match self {
            Self::Segment(segment) => segment.archived_ms,
            Self::Hole(hole) => hole.archived_ms,
        }
    }

    /// Where its records lie, in order: one place for each chunk, or the hole.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        let (segment, hole) = match self {
            Self::Segment(segment) => (Some(segment), None),
            Self::Hole(hole) => (None, Some(hole.place())),
        };
        segment.into_iter().flat_map(ListedSegment::places).chain(hole)
    }
}

impl ListedSegment {
    /// Offset after its last record.
    pub fn end_offset(&self) -> i64 {
        self.chunks.iter().fold(self.base_offset, |end, chunk| {
            end.saturating_add_unsigned(chunk.offsets)
        })
    }

    /// Bytes of its chunks.
    pub fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.bytes)).sum()
    }

    /// Its chunks with their places, in order.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        let mut next = (self.base_offset, 0);
        self.chunks.iter().map(move |chunk| {
            let (base_offset, position) = next;
            let end_offset = base_offset.saturating_add_unsigned(chunk.offsets);
            let bytes = u64::from(chunk.bytes);
            next = (end_offset, position + bytes);
            Place {
                base_offset,
                end_offset,
                segment: self.id,
                object_bytes: self.object_bytes,
                position,
                bytes,
                crc: Some(chunk.crc),
                max_timestamp: chunk.max_timestamp,
                archived_ms: self.archived_ms,
            }
        })
    }
}

impl Hole {
    /// Its place.
    pub fn place(&self) -> Place {
        Place {
            base_offset: self.base_offset,
            end_offset: self.end_offset,
            segment: self.segment,
            object_bytes: self.object_bytes,
            position: self.position,
            bytes: self.bytes,
            crc: None,
            max_timestamp: self.max_timestamp,
            archived_ms: self.archived_ms,
        }
    }
}
