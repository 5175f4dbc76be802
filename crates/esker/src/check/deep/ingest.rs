//! Records that are not archived yet, and holes: each ingest segment is read once, whole, for all partitions. Of archive
//! segments, only the bytes of a hole are.

use std::collections::BTreeMap;

use bytes::Bytes;
use esker_metastore::Extent;
use esker_model::{SegmentId, SegmentKind};
use esker_storage::keys::object_key;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex;

use super::chunk::problem;
use super::doubt::{Doubts, Problem};
use super::finding::{Finding, Kind};
use super::reader::READS_AT_ONCE;
use super::{Deep, Log, batches};
use crate::failure::Outcome;

/// Extents that wait for their segment: about 200 bytes each. When there are more, those that wait are looked at
/// at once, and a segment that others lie in is read again for them.
pub(super) const EXTENTS_MAX: usize = 200_000;

/// An extent without a chunk.
pub(super) struct Wanted {
    pub log: Log,
    pub extent: Extent,
    /// It could not be read when it was to be archived or merged.
    pub is_hole: bool,
}

/// Extents by the segment that holds them.
#[derive(Default)]
pub(super) struct Table {
    segments: BTreeMap<SegmentId, Vec<Wanted>>,
    extents: usize,
}

/// Extents that wait, for all who look at partitions.
pub(super) struct Tail {
    table: Mutex<Table>,
    extents_max: usize,
}

impl Default for Tail {
    fn default() -> Self {
        Self::of(EXTENTS_MAX)
    }
}

impl Tail {
    /// Room for so many extents.
    pub(super) fn of(extents_max: usize) -> Self {
        Self {
            table: Mutex::default(),
            extents_max,
        }
    }

    /// Adds extents; whoever gets a table back looks at what is in it.
    pub(super) async fn add(&self, wanted: Vec<Wanted>) -> Option<Table> {
        let mut table = self.table.lock().await;
        table.extents += wanted.len();
        for one in wanted {
            table.segments.entry(one.extent.segment).or_default().push(one);
        }
        (table.extents >= self.extents_max).then(|| std::mem::take(&mut *table))
    }

    /// Takes all of them.
    pub(super) async fn take(&self) -> Table {
        std::mem::take(&mut *self.table.lock().await)
    }
}

impl Deep {
    /// Looks at extents that are in no chunk, and again at what is wrong there.
    pub(super) async fn flush(&self, table: Table, doubts: &Doubts) -> Outcome {
        let mut table = table;
        let mut doubts = doubts.clone();
        while !table.segments.is_empty() {
            let looked = stream::iter(std::mem::take(&mut table.segments))
                .map(|(id, wanted)| self.reader.with_room(self.ingest(id, wanted, &doubts)))
                .buffer_unordered(READS_AT_ONCE);
            let mut problems: Vec<Problem> = looked.try_concat().await?;
            problems.sort_by_key(|problem| (problem.log.key, problem.first));
            let judged = doubts.judge(problems);
            for finding in judged.findings {
                self.findings.add(finding)?;
            }
            let tail = Tail::default();
            for (log, from, to) in judged.again {
                self.walk(&log, from, to, &judged.doubts, &tail).await?;
            }
            table = tail.take().await;
            doubts = judged.doubts;
        }
        Ok(())
    }

    /// What is wrong with extents of one segment.
    async fn ingest(&self, id: SegmentId, wanted: Vec<Wanted>, doubts: &Doubts) -> Outcome<Vec<Problem>> {
        let bytes = wanted.first().map_or(0, |one| one.extent.object_bytes);
        let mut problems = Vec::new();
        if id.kind != SegmentKind::Ingest {
            for one in wanted {
                let what = self.archived_hole(&one.extent).await?;
                problems.push(one.problem(Kind::Hole, what));
            }
            return Ok(problems);
        }
        match self.reader.segment(&id, bytes).await? {
            Ok(object) => {
                self.progress.object();
                for one in wanted {
                    problems.extend(self.inside(&object, one, doubts)?);
                }
            }
            Err(error) => {
                for one in wanted {
                    let (kind, what) = self.reason(&error, &one.extent).await?;
                    problems.push(one.problem(kind, what));
                }
            }
        }
        Ok(problems)
    }

    /// What became of a hole in an archive segment. Readers take none of its bytes, whatever they are: that they are right
    /// matters to whoever wants them back.
    async fn archived_hole(&self, extent: &Extent) -> Outcome<String> {
        let key = object_key(&extent.segment);
        let range = extent.position..extent.position.saturating_add(extent.bytes);
        Ok(match self.reader.range(&key, range).await? {
            Ok(bytes) => match batches::verify(extent, bytes) {
                Ok(()) => "its object has them until it is removed, but readers do not get them".to_owned(),
                Err(what) => what,
            },
            Err(error) => self.reason(&error, extent).await?.1,
        })
    }

    /// What is wrong with an extent of a segment whose checksums are right.
    fn inside(&self, object: &Bytes, one: Wanted, doubts: &Doubts) -> Outcome<Option<Problem>> {
        let extent = &one.extent;
        let cut = batches::cut(object, 0, extent);
        if let Err(what) = cut.and_then(|slice| batches::verify(extent, slice)) {
            return Ok(Some(one.problem(Kind::Corrupt, what)));
        }
        let size = object.len() as u64;
        let is_right = size == extent.object_bytes;
        // What is in doubt is looked at again, and counted then.
        if is_right || !doubts.is_first_look() {
            self.progress
                .verified(extent.base_offset.abs_diff(extent.end_offset));
        }
        if !is_right {
            let what = format!("it has {size} bytes, and should have {}", extent.object_bytes);
            return Ok(Some(one.problem(Kind::Size, what)));
        }
        if one.is_hole {
            self.findings.add(Finding {
                kind: Kind::Repaired,
                topic: one.log.topic,
                partition: one.log.key.partition,
                first: extent.base_offset,
                end: extent.end_offset,
                key: Some(object_key(&extent.segment)),
                what: "a hole, but its object is right: these records can be read until it is removed"
                    .to_owned(),
            })?;
        }
        Ok(None)
    }
}

impl Wanted {
    fn problem(&self, kind: Kind, what: String) -> Problem {
        match self.is_hole {
            false => problem(&self.log, &self.extent, kind, what),
            true => {
                let what =
                    format!("a hole: they could not be read when they were to be archived or merged; {what}");
                problem(&self.log, &self.extent, Kind::Hole, what)
            }
        }
    }
}
