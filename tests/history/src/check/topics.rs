//! P2: a partition holds what was sent to it, and nothing else.
//!
//! - *never-sent*: a reader saw a record that no client had sent by then. Sound because a client notes a
//!   sending before it sends, and gives out the numbers of its records in rising order.
//! - *elsewhere*: a record stands in a partition that its batch was never sent to. A batch that was sent by
//!   name belongs to whatever bears the name; one that was sent by id belongs to that topic alone. What a
//!   Fetch by name shows may be any bearer's log: there only the name and the index count.

use crate::event::Records;
use crate::{About, History, Promise, What, names};

use super::evidence;
use super::findings::Findings;
use super::log::{Run, Segment};
use super::{At, Context};

/// A batch, or the part of it that is known, where it stands in a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub batch: u32,
    /// Where its first record stands, or would.
    pub base: i64,
    /// The part that was seen.
    pub from: i64,
    pub to: i64,
}

pub(crate) struct Topics {
    /// The number after the last record sent, by client.
    sent_through: Vec<u64>,
    /// What was seen by name where the name had several bearers, with the family.
    by_name: Vec<(usize, Run)>,
}

impl Topics {
    pub(crate) fn new(history: &History) -> Self {
        Self {
            sent_through: vec![0; history.clients.len()],
            by_name: Vec::new(),
        }
    }

    pub(crate) fn sent(&mut self, records: Records) {
        if let Some(through) = self.sent_through.get_mut(records.by.0 as usize) {
            *through = (*through).max(records.first + u64::from(records.count));
        }
    }

    pub(crate) fn fetched(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        place: usize,
        findings: &mut Findings,
    ) {
        let What::Fetched { by_name, seen, .. } = &at.event.what else {
            return;
        };
        let place = context.places.get(place);
        let shows = place.shows(*by_name, at.us());
        for seen in seen {
            let records = seen.records;
            let end = records.first + u64::from(records.count);
            let through = self.sent_through.get(records.by.0 as usize);
            if through.is_none_or(|through| *through < end) {
                findings.add(Promise::ImmutableLog, "never-sent", at.us(), || {
                    let what = format!(
                        "{} shows records up to number {} of {} from offset {} on, which had not sent them",
                        names::partition(context.history, place.partition),
                        end - 1,
                        names::client(context.history, records.by),
                        seen.base_offset,
                    );
                    let to = seen.base_offset.saturating_add(i64::from(records.count));
                    let about = About::events([at.at])
                        .partition(place.partition)
                        .offsets(seen.base_offset, to);
                    (what, about)
                });
            } else if !shows {
                self.by_name
                    .push((place.family, Run::new(seen.base_offset, records, None, at.at)));
            }
        }
    }

    /// Judges what was seen by name.
    pub(crate) fn finish(&mut self, context: &Context<'_>, findings: &mut Findings) {
        self.by_name
            .sort_unstable_by_key(|(family, run)| (*family, run.by, run.first, run.count, run.event));
        self.by_name
            .dedup_by_key(|(family, run)| (*family, run.by, run.first, run.count));
        for (family, run) in &self.by_name {
            let end = run.first + u64::from(run.count);
            let stranger =
                |(first, batch): &&(u64, u32)| *first < end && context.batches.get(*batch).family != *family;
            let batches = context.batches.batches_from(run.by, run.first);
            let batches = &batches[..batches.partition_point(|(first, _)| *first < end)];
            if let Some((_, batch)) = batches.iter().find(stranger) {
                let at_us = context.history.events[run.event as usize].at_us;
                findings.add(Promise::ImmutableLog, "elsewhere", at_us, || {
                    let what = format!(
                        "{} was read at offset {} of a topic or partition that it was never sent to",
                        context.batches.tell(context, *batch),
                        run.base,
                    );
                    let about = About::events([run.event as usize]);
                    (what, about.batches([context.batches.get(*batch).batch]))
                });
            }
        }
    }
}

/// Finds the batches that stand in a partition's log, in the order of their offsets.
pub(crate) fn walk(
    context: &Context<'_>,
    place: usize,
    segments: &[Segment],
    findings: &mut Findings,
) -> Vec<Standing> {
    let mut standing = Vec::with_capacity(segments.len());
    // By client: where its last records were found. The next ones are not far away.
    let mut last = vec![0; context.history.clients.len()];
    for segment in segments {
        let end = segment.record(segment.end);
        let mut unknown_from = segment.first;
        let batches = context.batches.records_of(segment.by);
        let hint = last.get(segment.by.0 as usize).copied().unwrap_or_default();
        let from = context.batches.place_of(batches, segment.first, hint);
        if let Some(last) = last.get_mut(segment.by.0 as usize) {
            *last = from;
        }
        for (first, batch) in &batches[from..] {
            if *first >= end {
                break;
            }
            let sending = context.batches.get(*batch);
            let next = *first + u64::from(sending.records.count);
            let offset_of = |record: u64| segment.start + (record as i64 - segment.first as i64);
            if *first > unknown_from {
                never_sent(context, place, segment, offset_of(unknown_from), findings);
            }
            unknown_from = next;
            let found = Standing {
                batch: *batch,
                base: offset_of(*first),
                from: offset_of(*first).max(segment.start),
                to: offset_of(next).min(segment.end),
            };
            if !context.batches.may_stand_in(context, *batch, place) {
                elsewhere(context, place, &found, findings);
            }
            standing.push(found);
        }
        if unknown_from < end {
            let offset = segment.start + (unknown_from as i64 - segment.first as i64);
            never_sent(context, place, segment, offset, findings);
        }
    }
    standing
}

fn never_sent(context: &Context<'_>, place: usize, segment: &Segment, offset: i64, findings: &mut Findings) {
    let partition = context.places.get(place).partition;
    findings.add_found(Promise::ImmutableLog, "never-sent", || {
        let events = evidence::readings(context.history, partition, offset);
        let at_us = first_time(context, &events);
        let what = format!(
            "at offset {offset} {} shows record {} of {}, which was never sent",
            names::partition(context.history, partition),
            segment.record(offset),
            names::client(context.history, segment.by),
        );
        let about = About::events(events).partition(partition);
        (at_us, what, about.offsets(offset, offset + 1))
    });
}

fn elsewhere(context: &Context<'_>, place: usize, found: &Standing, findings: &mut Findings) {
    let partition = context.places.get(place).partition;
    findings.add_found(Promise::ImmutableLog, "elsewhere", || {
        let events = evidence::readings(context.history, partition, found.from);
        let at_us = first_time(context, &events);
        let sending = context.batches.get(found.batch);
        let sent_to = context.places.get(sending.place).partition;
        let what = format!(
            "{} was sent to {}, but stands at offset {} of {}",
            context.batches.tell(context, found.batch),
            names::partition(context.history, sent_to),
            found.base,
            names::partition(context.history, partition),
        );
        let about = About::events(events)
            .partition(partition)
            .partition(sent_to)
            .offsets(found.from, found.to)
            .batches([sending.batch]);
        (at_us, what, about)
    });
}

/// When the first of some events happened.
pub(crate) fn first_time(context: &Context<'_>, events: &[usize]) -> u64 {
    let times = events.iter().map(|at| context.history.events[*at].at_us);
    times.min().unwrap_or_default()
}
