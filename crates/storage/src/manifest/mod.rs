//! Manifests: where the older records of one partition lie, told by an immutable object of its own.
//!
//! ```text
//! | leaf | leaf | … | merged segment with its chunks | hole | merged segment … | … |
//!     ^ base_offset, somewhere in the first                             end_offset ^
//! ```
//!
//! An entry is a merged segment with its chunks, so that a reader needs no footer, or a hole. Where entries become
//! many, their writer moves the oldest into a leaf: a manifest of its own, without leaves, of which this one keeps a
//! line. Whoever changes a manifest writes another one under another id; the leaves stay what they are.
//!
//! What holds, for what is read and for what is written: leaves, then entries lie end to end by offset, without a
//! gap; a merged segment's chunks lie back to back from its byte 0; everything belongs to one partition; all offsets
//! and all sizes, also added up, fit 63 bits. The same manifest always gives the same bytes. Nothing that was read is
//! believed before its checksum and its bounds were checked, and no stored number makes the reader allocate more than
//! a small multiple of the bytes it was given.
//!
//! How many entries a manifest has is its writer's choice. A reader's only bound is the object's size: at most
//! [`OBJECT_BYTES_MAX`](crate::bucket::OBJECT_BYTES_MAX).

mod check;
mod entry;
mod find;
mod read;
mod write;

pub use check::InvalidManifest;
pub use entry::{Entry, Hole, ListedChunk, ListedSegment, Place};
pub use write::EncodedManifest;

use esker_model::ManifestId;

/// What a partition's older records lie in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Which one it is, and whose.
    pub id: ManifestId,
    /// Offset of the first record that it still lists. It lies in the first leaf, or else in the first entry; what
    /// that one holds below is gone. Without any, the offset at which the first one will begin.
    pub base_offset: i64,
    /// The older part, in order.
    pub leaves: Vec<Leaf>,
    /// The rest, in order.
    pub entries: Vec<Entry>,
    /// Tags of optional sections that this release does not know. They are not written again.
    pub skipped: Vec<u16>,
}

/// A manifest of its own, without leaves, as the one that comes after it lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Which one, of the same partition.
    pub id: ManifestId,
    /// Size of its object in bytes.
    pub object_bytes: u64,
    /// Offset of the first record that it lists.
    pub base_offset: i64,
    /// Offset after the last one.
    pub end_offset: i64,
    /// Bytes of all batches in its entries, at least 1.
    pub bytes: u64,
    /// Largest record timestamp, -1 if there is none.
    pub max_timestamp: i64,
    /// Merged segments among its entries.
    pub segments: u64,
}

impl Manifest {
    /// One that lists nothing yet. What comes first will begin at `base_offset`.
    pub fn empty(id: ManifestId, base_offset: i64) -> Self {
        Self {
            id,
            base_offset,
            leaves: Vec::new(),
            entries: Vec::new(),
            skipped: Vec::new(),
        }
    }
}

impl Leaf {
    /// The line for a manifest whose object has so many bytes; `None` if it has leaves itself or lists nothing. Whoever
    /// reads a leaf's object and gets another line than the one that led there read another one than was written.
    pub fn of(manifest: &Manifest, object_bytes: u64) -> Option<Self> {
        let may_be = manifest.leaves.is_empty() && !manifest.entries.is_empty();
        may_be.then(|| Self {
            id: manifest.id,
            object_bytes,
            base_offset: manifest.base_offset,
            end_offset: manifest.end_offset(),
            bytes: manifest.bytes(),
            max_timestamp: manifest.max_timestamp(),
            segments: manifest.objects(),
        })
    }
}
