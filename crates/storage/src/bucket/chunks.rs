//! Reading several chunks of one segment with one request.

use std::ops::Range;

use esker_model::SegmentId;

use super::Bucket;
use crate::error::StoreError;
use crate::keys::object_key;
use crate::slices::Slices;

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
    /// [`Bucket::get_chunk`], up to the first for which the store does not answer. In slices, as they came.
    pub async fn get_chunks(&self, id: &SegmentId, chunks: &[ChunkPlace]) -> Vec<Result<Slices, StoreError>> {
        let begin = chunks.first().map_or(0, |chunk| chunk.range.start);
        let end = chunks.last().map_or(0, |chunk| chunk.range.end);
        let together = match chunks {
            [] | [_] => None,
            _ => self.get_range_slices(&object_key(id), begin..end).await.ok(),
        };
        let mut read: Vec<Result<Slices, StoreError>> = Vec::with_capacity(chunks.len());
        let mut silent = None;
        for chunk in chunks {
            let cut = |all: &Slices| {
                let (from, to) = (
                    chunk.range.start.checked_sub(begin)?,
                    chunk.range.end.checked_sub(begin)?,
                );
                all.cut(from..to)
            };
            let right = |slices: &Slices| slices.crc32c() == chunk.crc;
            read.push(match (together.as_ref().and_then(cut).filter(right), &silent) {
                (Some(slices), _) => Ok(slices),
                (None, Some(error)) => Err(StoreError::clone(error)),
                (None, None) => {
                    let alone = self.get_chunk(id, chunk.range.clone(), chunk.crc).await;
                    silent = alone.as_ref().err().filter(|error| error.is_transient()).cloned();
                    alone.map(Slices::from)
                }
            });
        }
        read
    }
}
