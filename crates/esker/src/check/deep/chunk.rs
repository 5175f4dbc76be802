//! Archived records: the chunk that holds them, its batches, and the end of its object.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use esker_metastore::{ChunkRange, Extent};
use esker_model::{ObjectId, SegmentId};
use esker_storage::StoreError;
use esker_storage::keys::object_key;
use esker_storage::segment::archive::ArchiveFooter;
use esker_storage::segment::{SegmentError, TAIL_BYTES, Tail};

use super::doubt::{Doubts, Problem};
use super::finding::Kind;
use super::{Deep, Log, batches};
use crate::failure::Outcome;

/// Most footers fit into so many bytes: then they come with one request.
const END_BYTES: u64 = 64 * 1024;

/// Objects of which it is remembered that their ends were looked at. When there are more, some are looked at again.
const ENDS_MAX: usize = 100_000;

/// Objects whose ends were looked at.
#[derive(Default)]
pub(super) struct Ends(Mutex<BTreeSet<SegmentId>>);

impl Ends {
    /// Whether somebody has to look at this one.
    fn wants(&self, id: SegmentId) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ENDS_MAX {
            known.clear();
        }
        known.insert(id)
    }

    /// It has to be looked at again.
    fn forget(&self, id: &SegmentId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

impl Deep {
    /// What is wrong with archived records.
    pub(super) async fn chunk(
        &self,
        log: &Log,
        extent: &Extent,
        chunk: ChunkRange,
        doubts: &Doubts,
    ) -> Outcome<Vec<Problem>> {
        let mut wrong = Vec::new();
        if self.ends.wants(extent.segment) {
            if let Some(problem) = self.end_of(extent).await? {
                // The object may not be needed any more: then nobody finds it in the next look.
                if doubts.is_first_look() {
                    self.ends.forget(&extent.segment);
                }
                wrong.push(problem);
            } else {
                self.progress.object();
            }
        }
        match self.reader.chunk(&extent.segment, chunk).await? {
            Err(error) => {
                let (kind, what) = self.reason(&error, extent).await?;
                if kind == Kind::Unreadable {
                    // That its end cannot be read is no news then.
                    wrong.clear();
                }
                wrong.push((kind, what));
            }
            Ok(bytes) => {
                let slice = batches::cut(&bytes, chunk.position, extent);
                if let Err(what) = slice.and_then(|slice| batches::verify(extent, slice)) {
                    wrong.push((Kind::Corrupt, what));
                }
            }
        }
        let wrong = wrong.into_iter();
        Ok(wrong
            .map(|(kind, what)| problem(log, extent, kind, what))
            .collect())
    }

    /// What is wrong with the size of an object, or with the part of it that says what it holds.
    async fn end_of(&self, extent: &Extent) -> Outcome<Option<(Kind, String)>> {
        let key = object_key(&extent.segment);
        let size = match self.reader.size(&key).await? {
            Ok(size) => size,
            // If it is missing, whoever wants its records says so.
            Err(error) => return Ok(self.unreadable_end(&error)),
        };
        if size != extent.object_bytes {
            let what = format!("it has {size} bytes, and should have {}", extent.object_bytes);
            return Ok(Some((Kind::Size, what)));
        }
        let damaged = |what: &str| Some((Kind::Footer, format!("its footer is damaged: {what}")));
        let not_read = |error: &StoreError| self.unreadable_end(error).or_else(|| damaged(&what_of(error)));
        let mut end = match self.reader.end(&key, size, size.min(END_BYTES)).await? {
            Ok(end) => end,
            Err(error) => return Ok(not_read(&error)),
        };
        let tail = match tail_of(&end) {
            Ok(tail) => tail,
            Err(error) => return Ok(damaged(&error.to_string())),
        };
        let footer_bytes = u64::from(tail.footer_bytes) + TAIL_BYTES as u64;
        if footer_bytes > end.len() as u64 {
            end = match self.reader.end(&key, size, footer_bytes).await? {
                Ok(end) => end,
                Err(error) => return Ok(not_read(&error)),
            };
        }
        Ok(match read_footer(&tail, &end, extent) {
            Ok(()) => None,
            Err(error) => damaged(&error.to_string()),
        })
    }

    /// What is said of an end that the bucket does not give out.
    fn unreadable_end(&self, error: &StoreError) -> Option<(Kind, String)> {
        let why = self.reader.cannot_be_read(error)?;
        Some((Kind::Footer, format!("its footer was not looked at: {why}")))
    }

    /// Why the object of an extent cannot be read, in its words.
    pub(super) async fn reason(&self, error: &StoreError, extent: &Extent) -> Outcome<(Kind, String)> {
        if error.is_not_found() {
            return Ok((Kind::Missing, "it is not in the bucket".to_owned()));
        }
        if let Some(why) = self.reader.cannot_be_read(error) {
            return Ok((Kind::Unreadable, why));
        }
        let size = self.reader.size(&object_key(&extent.segment)).await?;
        Ok(match size {
            Ok(size) if size < extent.object_bytes => {
                let what = format!("only {size} of its {} bytes are left", extent.object_bytes);
                (Kind::Truncated, what)
            }
            Ok(size) if size > extent.object_bytes => {
                let (what, bytes) = (what_of(error), extent.object_bytes);
                (
                    Kind::Corrupt,
                    format!("{what}; it has {size} bytes, and should have {bytes}"),
                )
            }
            _ => (Kind::Corrupt, what_of(error)),
        })
    }
}

fn tail_of(end: &[u8]) -> Result<Tail, SegmentError> {
    let last = end.last_chunk();
    Tail::decode(last.ok_or(SegmentError::TooShort(end.len() as u64))?)
}

fn read_footer(tail: &Tail, end: &[u8], extent: &Extent) -> Result<(), SegmentError> {
    let (size, footer_bytes) = (extent.object_bytes, tail.footer_bytes as usize);
    if tail.object_bytes != size {
        return Err(SegmentError::Length {
            stated: tail.object_bytes,
            actual: size,
        });
    }
    let behind = end.len().saturating_sub(TAIL_BYTES);
    let footer = behind
        .checked_sub(footer_bytes)
        .and_then(|begin| end.get(begin..behind))
        .ok_or(SegmentError::FooterLength(tail.footer_bytes))?;
    if ArchiveFooter::read_after_tail(tail, footer)?.id == extent.segment {
        return Ok(());
    }
    Err(SegmentError::Malformed {
        section: "identity",
        what: "it is another object's",
    })
}

/// A problem with the object of an extent.
pub(super) fn problem(log: &Log, extent: &Extent, kind: Kind, what: String) -> Problem {
    Problem {
        log: log.clone(),
        first: extent.base_offset,
        end: extent.end_offset,
        object: ObjectId::Segment(extent.segment),
        kind,
        what,
    }
}

/// What is wrong, without the object's name.
pub(super) fn what_of(error: &StoreError) -> String {
    match error {
        StoreError::Corrupt { what, .. } => what.clone(),
        other => other.to_string(),
    }
}
