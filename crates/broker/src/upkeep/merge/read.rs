//! Reading chunks of archive segments for background work: neighbours with one GET.
//!
//! What holds: every chunk is verified by its own checksum; one that is wrong is read again by itself before it is
//! believed. What readers keep in the cache is used, and not displaced.

use std::collections::BTreeMap;

use esker_metastore::{ChunkRange, Extent};
use esker_model::SegmentId;
use esker_storage::bucket::ChunkPlace;
use esker_storage::cache::CacheKey;
use esker_storage::segment::archive::ArchivedBatch;
use esker_storage::{Slices, StoreError};
use futures::future::join_all;
use tracing::{debug, error};

use crate::upkeep::Upkeep;
use crate::upkeep::archive::gather::{self, NoBytes};
use crate::upkeep::pace::Pace;

/// Bytes of one GET.
const READ_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes that nobody wants between two chunks that are read together.
const GAP_BYTES_MAX: u64 = 256 * 1024;

/// GETs at a time.
const READS_MAX: usize = 4;

/// Chunks by segment and position.
pub(in crate::upkeep) struct Chunks(BTreeMap<(SegmentId, u64), Result<Chunk, NoBytes>>);

/// A whole chunk.
enum Chunk {
    /// From the cache.
    Kept(Slices),
    /// From the bucket, verified.
    Fetched(Slices),
}

impl Chunks {
    /// The batches of an extent, if its chunk was read.
    pub(in crate::upkeep) fn batches(&self, extent: &Extent) -> Result<Vec<ArchivedBatch>, NoBytes> {
        let place = extent.chunk.ok_or(NoBytes::Never)?;
        let chunk = self.0.get(&(extent.segment, place.position));
        let chunk = chunk
            .unwrap_or(&Err(NoBytes::Later))
            .as_ref()
            .map_err(|why| *why)?;
        let (Chunk::Kept(bytes) | Chunk::Fetched(bytes)) = chunk;
        let begin = extent.position.checked_sub(place.position);
        let range = begin.and_then(|begin| Some(begin..begin.checked_add(extent.bytes)?));
        let Some(bytes) = range.and_then(|range| bytes.cut(range)) else {
            error!(segment = %extent.segment, "an extent reaches beyond its chunk");
            return Err(NoBytes::Never);
        };
        let batches = match chunk {
            Chunk::Kept(_) => gather::batches(extent, bytes.as_slices()),
            Chunk::Fetched(_) => gather::verified_batches(extent, &bytes),
        };
        batches.map_err(|_| NoBytes::Never)
    }
}

/// Chunks of one segment that lie close together.
struct Stretch {
    segment: SegmentId,
    chunks: Vec<ChunkRange>,
}

impl Stretch {
    fn begin(&self) -> u64 {
        self.chunks.first().map_or(0, |chunk| chunk.position)
    }

    fn end(&self) -> u64 {
        self.chunks.last().map_or(0, end)
    }
}

fn end(chunk: &ChunkRange) -> u64 {
    chunk.position.saturating_add(u64::from(chunk.bytes))
}

/// Reads the chunks in which these extents lie, each once.
pub(in crate::upkeep) async fn chunks(
    upkeep: &Upkeep,
    extents: impl Iterator<Item = &Extent>,
    pace: &mut Pace,
) -> Chunks {
    let mut wanted: BTreeMap<(SegmentId, u64), ChunkRange> = BTreeMap::new();
    for extent in extents {
        if let Some(chunk) = extent.chunk {
            wanted.insert((extent.segment, chunk.position), chunk);
        }
    }
    let mut read = BTreeMap::new();
    wanted.retain(|(segment, position), _| {
        let kept = upkeep.cache.peek(&CacheKey::chunk(*segment, *position));
        match kept {
            Some(bytes) => {
                read.insert((*segment, *position), Ok(Chunk::Kept(bytes.into())));
                false
            }
            None => true,
        }
    });
    let stretches: Vec<Stretch> = stretches(&wanted);
    for some in stretches.chunks(READS_MAX) {
        let fetched = join_all(some.iter().map(|stretch| fetch(upkeep, stretch))).await;
        read.extend(fetched.into_iter().flatten());
        pace.step().await;
    }
    Chunks(read)
}

fn stretches(wanted: &BTreeMap<(SegmentId, u64), ChunkRange>) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for ((segment, position), chunk) in wanted {
        match stretches.last_mut() {
            Some(last)
                if last.segment == *segment
                    && *position <= last.end().saturating_add(GAP_BYTES_MAX)
                    && end(chunk) - last.begin() <= READ_BYTES_MAX =>
            {
                last.chunks.push(*chunk);
            }
            _ => stretches.push(Stretch {
                segment: *segment,
                chunks: vec![*chunk],
            }),
        }
    }
    stretches
}

type Fetched = Vec<((SegmentId, u64), Result<Chunk, NoBytes>)>;

async fn fetch(upkeep: &Upkeep, stretch: &Stretch) -> Fetched {
    let Stretch { segment, chunks } = stretch;
    let segment = *segment;
    let places: Vec<ChunkPlace> = chunks
        .iter()
        .map(|chunk| ChunkPlace {
            range: chunk.position..end(chunk),
            crc: chunk.crc,
        })
        .collect();
    let read = upkeep.bucket.get_chunks(&segment, &places).await;
    let outcome = |(chunk, outcome): (&ChunkRange, Result<Slices, StoreError>)| {
        let read = outcome.map(Chunk::Fetched).map_err(|err| match err {
            StoreError::NotFound { .. } | StoreError::Corrupt { .. } => {
                error!(%segment, position = chunk.position, %err, "archived records cannot be read");
                NoBytes::Never
            }
            err => {
                debug!(%segment, position = chunk.position, %err, "archived records are read later");
                NoBytes::Later
            }
        });
        ((segment, chunk.position), read)
    };
    chunks.iter().zip(read).map(outcome).collect()
}
