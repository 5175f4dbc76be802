//! Where a log begins and ends, over time (P1, P2).
//!
//! An answer of ListOffsets lies somewhere between its question and itself. So it must cover everything
//! that anybody knew before the question:
//! - *lost*: the end lies below an offset that was acknowledged before the question (P1);
//! - *end-back*: the end lies below one that was shown before: a high watermark, an earlier end;
//! - *start-back*: the log start lies below one that was shown before;
//! - *log-start*: a log start above 0 although nothing is ever deleted, or above the end;
//! - *too-far*: an end, a high watermark or an ack lies beyond everything that was sent until then;
//! - *disagree*: two read-throughs that began after nothing could be written any more show different ends
//!   (P3).
//!
//! A read-through takes its bounds from ListOffsets, asked after it began, and is judged like one.
//!
//! Sound because the end of the log and its start only rise and ListOffsets reads the primary after the
//! question came; a high watermark may be old, and an old one is below the end all the same. Facts learned
//! in the same microsecond as a question do not count. Only facts that are surely about this topic do (see
//! [`super::places`]). What was sent is counted for all topics of a name together; a batch counts once for
//! each identity and once for each sending without.

use crate::event::{Life, Partition, Query};
use crate::{About, Promise, What, names};

use super::batches::Sent;
use super::findings::Findings;
use super::places::Place;
use super::rising::{Known, Rising};
use super::{At, Context};

#[derive(Default)]
pub(crate) struct Ends {
    places: Vec<OfPlace>,
    /// By family.
    sent: Vec<SentRecords>,
}

#[derive(Clone, Default)]
struct OfPlace {
    ends: Rising,
    starts: Rising,
    settled: Option<(i64, usize)>,
}

#[derive(Clone, Copy, Default)]
struct SentRecords {
    records: i64,
    /// There may have been more.
    unlimited: bool,
}

/// The bounds that one answer gives.
struct Answer {
    asked_us: u64,
    start: Option<i64>,
    end: Option<i64>,
    by: Option<Life>,
}

impl Ends {
    /// Notes records that may be in the log from now on.
    pub(crate) fn sent(&mut self, context: &Context<'_>, sent: &Sent) {
        let known = slot(&mut self.sent, sent.family);
        if !sent.repeated {
            known.records = known.records.saturating_add(i64::from(sent.records.count));
        }
        let hidden = sent.identity.is_none_or(|identity| identity.first_sequence < 0);
        known.unlimited |= hidden && !context.terms.requests_shown;
    }

    pub(crate) fn acked(&mut self, context: &Context<'_>, at: At<'_>, findings: &mut Findings) {
        let What::Acked {
            batch,
            base_offset,
            log_start,
            ..
        } = &at.event.what
        else {
            return;
        };
        let Some(found) = context.batches.find(*batch) else {
            return;
        };
        if !(0..i64::MAX / 2).contains(base_offset) {
            return;
        }
        let Some(place) = context.acked_place(found, at.us()) else {
            return;
        };
        let end = base_offset + i64::from(context.batches.get(found).records.count);
        self.too_far(context, at, context.places.get(place), end, findings);
        self.learn(context, at, place, (*log_start, end), findings);
    }

    pub(crate) fn fetched(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        place: usize,
        findings: &mut Findings,
    ) {
        let What::Fetched {
            by_name,
            error: 0,
            high_watermark,
            log_start,
            ..
        } = &at.event.what
        else {
            return;
        };
        let known = context.places.get(place);
        if known.shows(*by_name, at.us()) {
            self.too_far(context, at, known, *high_watermark, findings);
            self.learn(context, at, place, (*log_start, *high_watermark), findings);
        }
    }

    pub(crate) fn listed(&mut self, context: &mut Context<'_>, at: At<'_>, findings: &mut Findings) {
        let What::Listed {
            partition,
            query,
            asked_us,
            error: 0,
            offset,
            by,
        } = &at.event.what
        else {
            return;
        };
        let offset = *offset;
        let place = context.places.place(*partition);
        if !context.places.get(place).answers_by_name(at.us()) {
            return;
        }
        let (start, end) = match query {
            Query::Earliest => (Some(offset), None),
            Query::Latest => (None, Some(offset)),
            Query::Time(_) => {
                return self.too_far(context, at, context.places.get(place), offset + 1, findings);
            }
        };
        let answer = Answer {
            asked_us: *asked_us,
            start,
            end,
            by: *by,
        };
        self.answer(context, at, place, &answer, findings);
    }

    pub(crate) fn read_through(&mut self, context: &mut Context<'_>, at: At<'_>, findings: &mut Findings) {
        let What::ReadThrough {
            partition,
            through,
            began_us,
            log_start,
            end,
        } = &at.event.what
        else {
            return;
        };
        let place = context.places.place(*partition);
        if !context.places.get(place).answers_by_name(at.us()) {
            return;
        }
        let answer = Answer {
            asked_us: *began_us,
            start: Some(*log_start),
            end: Some(*end),
            by: *through,
        };
        self.answer(context, at, place, &answer, findings);
        if context
            .terms
            .settled_from_us
            .is_some_and(|settled| settled <= *began_us)
        {
            let known = slot(&mut self.places, place);
            let (other, event) = *known.settled.get_or_insert((*end, at.at));
            if other != *end {
                let what = |partition| {
                    format!(
                        "two read-throughs of {partition} end at {other} and at {end}, though nobody wrote"
                    )
                };
                let offsets = (other.min(*end), other.max(*end));
                let about = about(at, *partition, *through).offsets(offsets.0, offsets.1);
                tell(
                    context,
                    at,
                    Promise::StatelessAgents,
                    "disagree",
                    what,
                    (about, Some(event)),
                    findings,
                );
            }
        }
    }

    /// Whether an offset surely was in the log when a question was asked.
    pub(crate) fn surely_holds(&self, place: usize, offset: i64, asked_us: u64) -> bool {
        let known = self
            .places
            .get(place)
            .and_then(|known| known.ends.before(asked_us));
        offset >= 0 && known.is_some_and(|known| offset <= known.value)
    }

    fn answer(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        place: usize,
        answer: &Answer,
        findings: &mut Findings,
    ) {
        let partition = context.places.get(place).partition;
        let known = slot(&mut self.places, place).clone_before(answer.asked_us);
        if let (Some(end), Some(before)) = (answer.end, known.1)
            && end < before.value
        {
            let acked = &context.history.events[before.event];
            let (promise, rule) = match acked.what {
                What::Acked { .. } => (Promise::DurableAck, "lost"),
                _ => (Promise::ImmutableLog, "end-back"),
            };
            let what = |partition| {
                format!(
                    "{partition} ends at offset {end}, asked at {} s; but at {} s it was known to reach {}",
                    names::seconds(answer.asked_us),
                    names::seconds(before.at_us),
                    before.value,
                )
            };
            let mut about = about(at, partition, answer.by).offsets(end, before.value);
            if let What::Acked { batch, .. } = acked.what {
                about = about.batches([batch]);
            }
            tell(
                context,
                at,
                promise,
                rule,
                what,
                (about, Some(before.event)),
                findings,
            );
        }
        if let (Some(start), Some(before)) = (answer.start, known.0)
            && start < before.value
        {
            let what = |partition| {
                format!(
                    "{partition} begins at offset {start}, asked at {} s; but at {} s it began at {}",
                    names::seconds(answer.asked_us),
                    names::seconds(before.at_us),
                    before.value,
                )
            };
            let about = about(at, partition, answer.by).offsets(start, before.value);
            let about = (about, Some(before.event));
            tell(
                context,
                at,
                Promise::ImmutableLog,
                "start-back",
                what,
                about,
                findings,
            );
        }
        if let Some(end) = answer.end {
            self.too_far(context, at, context.places.get(place), end, findings);
        }
        let bounds = (answer.start.unwrap_or(-1), answer.end.unwrap_or(-1));
        self.learn(context, at, place, bounds, findings);
    }

    fn learn(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        place: usize,
        (start, end): (i64, i64),
        findings: &mut Findings,
    ) {
        let partition = context.places.get(place).partition;
        let moved = start > 0 && !context.terms.records_deleted;
        if moved || (end >= 0 && start > end) {
            let what = |partition| match moved {
                true => format!("{partition} begins at offset {start}, though nothing was deleted"),
                false => format!("{partition} begins at offset {start} and ends at {end}"),
            };
            let about = (about(at, partition, None).offsets(0, start), None);
            tell(
                context,
                at,
                Promise::ImmutableLog,
                "log-start",
                what,
                about,
                findings,
            );
        }
        let known = slot(&mut self.places, place);
        known.starts.learn(at.us(), start.max(0), at.at);
        known.ends.learn(at.us(), end.max(start).max(0), at.at);
    }

    fn too_far(&self, context: &Context<'_>, at: At<'_>, place: &Place, end: i64, findings: &mut Findings) {
        let sent = self.sent.get(place.family).copied().unwrap_or_default();
        if end <= sent.records || sent.unlimited {
            return;
        }
        let what = |partition| {
            format!(
                "{partition} reaches offset {end}, though only {} records had been sent to it",
                sent.records
            )
        };
        let about = about(at, place.partition, None).offsets(sent.records, end);
        tell(
            context,
            at,
            Promise::ImmutableLog,
            "too-far",
            what,
            (about, None),
            findings,
        );
    }
}

impl OfPlace {
    fn clone_before(&self, asked_us: u64) -> (Option<Known>, Option<Known>) {
        (self.starts.before(asked_us), self.ends.before(asked_us))
    }
}

fn slot<T: Clone + Default>(list: &mut Vec<T>, at: usize) -> &mut T {
    if list.len() <= at {
        list.resize(at + 1, T::default());
    }
    &mut list[at]
}

fn about(at: At<'_>, partition: Partition, by: Option<Life>) -> About {
    About::events([at.at])
        .partition(partition)
        .life(by)
        .client(at.event.client)
}

fn tell(
    context: &Context<'_>,
    at: At<'_>,
    promise: Promise,
    rule: &'static str,
    what: impl FnOnce(String) -> String,
    (mut about, other): (About, Option<usize>),
    findings: &mut Findings,
) {
    findings.add(promise, rule, at.us(), || {
        about.events.extend(other);
        let partition = about.partitions.first();
        let name = partition.map(|partition| names::partition(context.history, *partition));
        (what(name.unwrap_or_default()), about)
    });
}
