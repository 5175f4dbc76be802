//! One partition's log, put together from everything that anybody saw of it.

use crate::What;
use crate::event::{Client, Records};

use super::{At, Context};

/// Consecutive offsets with consecutive records of one client, as one event shows them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub base: i64,
    pub first: u64,
    pub hash: Option<u64>,
    pub by: Client,
    pub count: u32,
    pub event: u32,
}

impl Run {
    pub(crate) fn new(base: i64, records: Records, hash: Option<u64>, event: usize) -> Self {
        Self {
            base,
            first: records.first,
            hash,
            by: records.by,
            count: records.count,
            event: event as u32,
        }
    }

    pub(crate) fn end(&self) -> i64 {
        self.base + i64::from(self.count)
    }
}

/// What was collected for one partition.
#[derive(Clone, Default)]
pub(crate) struct PlaceLog {
    /// What readers saw.
    pub seen: Vec<Run>,
    /// What acknowledgements say.
    pub claims: Vec<Run>,
}

/// The log of a partition, which is added if there is none.
pub(crate) fn of(logs: &mut Vec<PlaceLog>, place: usize) -> &mut PlaceLog {
    if logs.len() <= place {
        logs.resize(place + 1, PlaceLog::default());
    }
    &mut logs[place]
}

/// Collects what a Fetch shows, if it is certain whose records they are.
pub(crate) fn fetched(context: &Context<'_>, at: At<'_>, place: usize, logs: &mut Vec<PlaceLog>) {
    let What::Fetched { by_name, seen, .. } = &at.event.what else {
        return;
    };
    if !seen.is_empty() && context.places.get(place).shows(*by_name, at.us()) {
        let log = of(logs, place);
        let run =
            |seen: &crate::event::Seen| Run::new(seen.base_offset, seen.records, seen.batch_hash, at.at);
        log.seen.extend(seen.iter().map(run));
    }
}

/// Consecutive offsets with consecutive records of one client, as all agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    pub start: i64,
    pub end: i64,
    pub by: Client,
    pub first: u64,
}

impl Segment {
    /// The number of the record at an offset.
    pub(crate) fn record(&self, offset: i64) -> u64 {
        self.first.wrapping_add_signed(offset - self.start)
    }

    fn agrees(&self, run: &Run) -> bool {
        self.by == run.by && self.record(run.base) == run.first
    }
}

/// Puts runs, sorted by their first offset, together. Of runs that contradict each other the first one
/// counts; `clash` is told of the others, with the offsets in question.
pub(crate) fn merge(runs: &[Run], mut clash: impl FnMut(&Run, i64, i64)) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for run in runs {
        let mut start = run.base;
        for segment in segments.iter().rev() {
            if segment.end <= run.base {
                break;
            }
            start = start.max(segment.end.min(run.end()));
            if !segment.agrees(run) && segment.start < run.end() {
                clash(run, run.base.max(segment.start), run.end().min(segment.end));
            }
        }
        if start == run.end() {
            continue;
        }
        match segments.last_mut() {
            Some(last) if last.end == start && last.agrees(run) => last.end = run.end(),
            _ => segments.push(Segment {
                start,
                end: run.end(),
                by: run.by,
                first: run.first + (start - run.base) as u64,
            }),
        }
    }
    segments
}

/// How far the log is known from offset 0 on without a gap.
pub(crate) fn known_prefix(segments: &[Segment]) -> i64 {
    let mut end = 0;
    for segment in segments {
        if segment.start > end {
            break;
        }
        end = end.max(segment.end);
    }
    end
}

/// The segments that hold offsets from `start` up to `end`.
pub(crate) fn within(segments: &[Segment], start: i64, end: i64) -> &[Segment] {
    let from = segments.partition_point(|segment| segment.end <= start);
    let count = segments[from..].partition_point(|segment| segment.start < end);
    &segments[from..from + count]
}
