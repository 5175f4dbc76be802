//! ListOffsets is linearizable (P1, P2).
//!
//! An answer of ListOffsets lies somewhere between its question and itself. So it must cover everything
//! that anybody knew before the question:
//! - *lost*: the end lies below an offset that was acknowledged before the question (P1);
//! - *end-back*: the end lies below one that was shown before: a high watermark, an earlier end;
//! - *start-back*: the log start lies below one that was shown before;
//! - *disagree*: two read-throughs that began after nothing could be written any more show different ends
//!   (P3).
//!
//! A read-through takes its bounds from ListOffsets, asked after it began, and is judged like one; so is the low
//! watermark in an answer of DeleteRecords.
//!
//! Sound because the end of a log and its start only rise and ListOffsets reads the primary after the
//! question came; a high watermark may be old, and an old one is below the end all the same. Facts learned
//! in the same microsecond as a question do not count.

use crate::event::{Life, Query};
use crate::{Promise, What, names};

use super::ends::{Ends, Listed, about, slot, tell};
use super::findings::Findings;
use super::{At, Context};

/// The bounds that one answer gives.
struct Answer {
    asked_us: u64,
    start: Option<i64>,
    end: Option<i64>,
    by: Option<Life>,
}

impl Ends {
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

    /// DeleteRecords was answered with a low watermark.
    pub(crate) fn deleted(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        place: usize,
        (asked_us, low_watermark, by): (u64, i64, Option<Life>),
        findings: &mut Findings,
    ) {
        let answer = Answer {
            asked_us,
            start: Some(low_watermark),
            end: None,
            by,
        };
        self.too_far(context, at, context.places.get(place), low_watermark, findings);
        self.answer(context, at, place, &answer, findings);
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
        let known = slot(&mut self.places, place);
        let start_before = known.starts.before(answer.asked_us);
        let end_before = known.ends.before(answer.asked_us);
        if let (Some(end), Some(before)) = (answer.end, end_before)
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
        if let (Some(start), Some(before)) = (answer.start, start_before)
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
        let listed = |offset| Listed {
            asked_us: answer.asked_us,
            offset,
            event: at.at,
        };
        let known = slot(&mut self.places, place);
        known.first = answer.start.map(listed).or(known.first);
        known.last = answer.end.map(listed).or(known.last);
        let bounds = (answer.start.unwrap_or(-1), answer.end.unwrap_or(-1));
        self.learn(context, at, place, bounds, findings);
    }
}
