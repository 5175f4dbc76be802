//! P2: an offset shows every reader the same bytes, at any time and through any agent.
//!
//! - *same-offset*: two answers show different records at one offset;
//! - *batch-bytes*: two answers show the same records in batches that differ in a byte (outside of the
//!   fields that a broker may set);
//! - *damaged*: a reader found bytes that are not those of the record.
//!
//! Sound because an offset never changes, not even when the log start moves, a topic's records are archived
//! or another agent answers. Only answers that are surely about this topic are compared (see
//! [`super::places`]), and a reader names a record only after it compared every byte of it.

use crate::{About, Promise, What, names};

use super::evidence;
use super::findings::Findings;
use super::log::{self, Run, Segment};
use super::topics::first_time;
use super::{At, Context};

/// Puts together what readers saw of one partition.
pub(crate) fn merge_seen(
    context: &Context<'_>,
    place: usize,
    seen: &mut [Run],
    findings: &mut Findings,
) -> Vec<Segment> {
    seen.sort_unstable_by_key(|run| (run.base, run.event));
    let partition = context.places.get(place).partition;
    let segments = log::merge(seen, |run, from, to| {
        findings.add(Promise::ImmutableLog, "same-offset", at_us(context, run), || {
            let what = format!(
                "readers saw different records at offset {from} of {}; one of them record {} of {}",
                names::partition(context.history, partition),
                run.first.wrapping_add_signed(from - run.base),
                names::client(context.history, run.by),
            );
            let mut events = evidence::readings(context.history, partition, from);
            events.push(run.event as usize);
            let about = About::events(events).partition(partition);
            (what, about.offsets(from, to))
        });
    });
    hashes(context, place, seen, findings);
    segments
}

fn hashes(context: &Context<'_>, place: usize, seen: &[Run], findings: &mut Findings) {
    let mut known: Option<(&Run, u64)> = None;
    for run in seen {
        let Some(hash) = run.hash else { continue };
        match known {
            Some((first, other)) if first.base == run.base && first.count == run.count => {
                if hash != other && first.by == run.by && first.first == run.first {
                    different_bytes(context, place, first, run, findings);
                }
            }
            _ => known = Some((run, hash)),
        }
    }
}

fn different_bytes(context: &Context<'_>, place: usize, first: &Run, run: &Run, findings: &mut Findings) {
    let partition = context.places.get(place).partition;
    findings.add(Promise::ImmutableLog, "batch-bytes", at_us(context, run), || {
        let what = format!(
            "the batch at offset {} of {} came with the same {} records but other bytes than before",
            run.base,
            names::partition(context.history, partition),
            run.count,
        );
        let about = About::events([first.event as usize, run.event as usize]).partition(partition);
        (what, about.offsets(run.base, run.end()))
    });
}

/// A reader's own finding.
pub(crate) fn damaged(context: &Context<'_>, at: At<'_>, findings: &mut Findings) {
    let What::Damaged {
        partition,
        offset,
        why,
    } = &at.event.what
    else {
        return;
    };
    findings.add(Promise::ImmutableLog, "damaged", at.us(), || {
        let partition_name = names::partition(context.history, *partition);
        let what = format!("what was read at offset {offset} of {partition_name} is damaged: {why}");
        let mut events = evidence::readings(context.history, *partition, *offset);
        events.push(at.at);
        let about = About::events(events).partition(*partition);
        (what, about.offsets(*offset, offset.saturating_add(1)))
    });
}

fn at_us(context: &Context<'_>, run: &Run) -> u64 {
    first_time(context, &[run.event as usize])
}
