//! P2: exactly once, and in one piece.
//!
//! - *duplicate*: more copies of a batch stand in a partition than there can be. An idempotent batch stands
//!   there at most once for each identity that it was sent under, whatever its client was told, even if it
//!   was given up: the broker recognises a retry by (producer id, epoch, sequence), and a client that takes
//!   a new epoch makes the batch a new one. A plain batch stands there at most once for each time it was
//!   sent: clients repeat, the broker never does.
//! - *torn*: the records of a batch do not follow on each other. A batch is stored as one piece, so that
//!   what stands in its place next to a part of it can only be the rest.
//!
//! Sound for clients that show all their requests; of real libraries, which repeat by themselves, plain
//! batches are not counted, nor idempotent ones of a client that keeps its sequences to itself and gave
//! something up (it may have taken a new epoch).

use std::collections::{BTreeMap, BTreeSet};

use crate::{About, Promise, names};

use super::Context;
use super::acknowledged::times;
use super::evidence;
use super::findings::Findings;
use super::log::{self, Segment};
use super::topics::{Standing, first_time};

/// Where each batch was found last.
pub(crate) struct Copies {
    /// By batch: the partition and the offset of the copy.
    found: Vec<(u32, i64)>,
}

const NOWHERE: u32 = u32::MAX;

impl Copies {
    pub(crate) fn new(context: &Context<'_>) -> Self {
        Self {
            found: vec![(NOWHERE, 0); context.batches.len()],
        }
    }

    /// Whether a batch was seen in any partition.
    pub(crate) fn is_anywhere(&self, batch: u32) -> bool {
        self.found
            .get(batch as usize)
            .is_some_and(|(place, _)| *place != NOWHERE)
    }

    /// Judges the batches that stand in one partition.
    pub(crate) fn judge(
        &mut self,
        context: &Context<'_>,
        place: usize,
        segments: &[Segment],
        standing: &[Standing],
        findings: &mut Findings,
    ) {
        let mut several: BTreeMap<u32, BTreeSet<i64>> = BTreeMap::new();
        for one in standing {
            let (found_in, base) = &mut self.found[one.batch as usize];
            if *found_in != place as u32 {
                (*found_in, *base) = (place as u32, one.base);
            } else if *base != one.base {
                several.entry(one.batch).or_default().extend([*base, one.base]);
            }
            torn(context, place, segments, one, findings);
        }
        for (batch, copies) in several {
            if let Some(max) = context.copies_max(batch)
                && copies.len() > max as usize
            {
                duplicate(context, place, batch, max, &copies, findings);
            }
        }
    }
}

fn duplicate(
    context: &Context<'_>,
    place: usize,
    batch: u32,
    max: u32,
    copies: &BTreeSet<i64>,
    findings: &mut Findings,
) {
    let partition = context.places.get(place).partition;
    let sending = context.batches.get(batch);
    findings.add_found(Promise::ImmutableLog, "duplicate", || {
        let mut events = Vec::new();
        let mut at_us = 0;
        for base in copies {
            let shows = evidence::readings(context.history, partition, *base);
            let first = shows.first().map(|at| context.history.events[*at].at_us);
            at_us = at_us.max(first.unwrap_or_default());
            events.extend(shows);
        }
        let bases: Vec<String> = copies.iter().map(ToString::to_string).collect();
        let what = format!(
            "{} stands {} in {}, at offsets {}, but can be there only {}",
            context.batches.tell(context, batch),
            times(copies.len() as u32),
            names::partition(context.history, partition),
            bases.join(" and "),
            times(max),
        );
        let about = About::events(events).partition(partition);
        (at_us, what, about.batches([sending.batch]))
    });
}

fn torn(context: &Context<'_>, place: usize, segments: &[Segment], one: &Standing, findings: &mut Findings) {
    let sending = context.batches.get(one.batch);
    let end = one.base + i64::from(sending.records.count);
    if one.from == one.base && one.to == end {
        return;
    }
    let foreign = |segment: &&Segment| {
        segment.by != sending.records.by || segment.record(one.base) != sending.records.first
    };
    let in_place = log::within(segments, one.base.max(0), end);
    let offset = match in_place.iter().find(foreign) {
        Some(segment) => segment.start.max(one.base),
        None if one.base < 0 => one.from,
        None => return,
    };
    let partition = context.places.get(place).partition;
    findings.add_found(Promise::ImmutableLog, "torn", || {
        let mut events = evidence::readings(context.history, partition, one.from);
        events.extend(evidence::readings(context.history, partition, offset));
        let at_us = first_time(context, &events);
        let what = format!(
            "of {} only a part stands at offsets {} to {} of {}, and at offset {offset} something else",
            context.batches.tell(context, one.batch),
            one.from,
            one.to - 1,
            names::partition(context.history, partition),
        );
        let about = About::events(events)
            .partition(partition)
            .offsets(one.base.max(0), end);
        (at_us, what, about.batches([sending.batch]))
    });
}
