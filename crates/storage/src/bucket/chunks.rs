//! Reading several chunks of one segment with one request.

use std::ops::Range;

use bytes::Bytes;
use esker_model::SegmentId;

use super::Bucket;
use crate::error::StoreError;
use crate::keys::object_key;

/// A chunk of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkPlace {
    /// Its bytes in the object.
    pub range: Range<u64>,
    /// CRC-32C of them.
    pub crc: u32,
}

impl Bucket {
    /// Reads chunks of a segment, ascending by place, with one request for all that lies between the first and the last;
    /// verifies each. One that is wrong, and all of them if the request failed, are read by themselves, as of
    /// [`Bucket::get_chunk`].
    pub async fn get_chunks(&self, id: &SegmentId, chunks: &[ChunkPlace]) -> Vec<Result<Bytes, StoreError>> {
        let begin = chunks.first().map_or(0, |chunk| chunk.range.start);
        let end = chunks.last().map_or(0, |chunk| chunk.range.end);
        let together = match chunks {
            [] | [_] => None,
            _ => self.get_range(&object_key(id), begin..end).await.ok(),
        };
        let mut read = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let cut = |all: &Bytes| {
                let from = usize::try_from(chunk.range.start.checked_sub(begin)?).ok()?;
                let to = usize::try_from(chunk.range.end.checked_sub(begin)?).ok()?;
                (from <= to && to <= all.len()).then(|| all.slice(from..to))
            };
            let right = |slice: &Bytes| crc32c::crc32c(slice) == chunk.crc;
            read.push(match together.as_ref().and_then(cut).filter(right) {
                Some(slice) => Ok(slice),
                None => self.get_chunk(id, chunk.range.clone(), chunk.crc).await,
            });
        }
        read
    }
}
