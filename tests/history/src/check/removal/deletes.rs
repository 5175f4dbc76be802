//! DeleteRecords: what was asked for, how far it may reach, and its answers.
//!
//! - *not-deleted* (P8): an answer without an error has a low watermark below the offset that was asked for; or,
//!   for the high watermark, below an end that was known before the question;
//! - *error-with-offset*, *no-offset*, *error-code*, *out-of-range* (P8): as for reads, see [`super::super::errors`].
//!   OFFSET_OUT_OF_RANGE is right for what lies above the high watermark only: below the log start there is nothing
//!   to be done.
//!
//! Sound because the answer comes after the primary was asked, and after the log start moved there. Such an
//! answer tells of the log start like one of ListOffsets.

use crate::event::{Client, Partition};
use crate::{Promise, What, names};

use super::super::ends::{Ends, about, slot};
use super::super::errors::Errors;
use super::super::findings::Findings;
use super::super::high_watermark::HighWatermarks;
use super::super::rising::Rising;
use super::super::{At, Context};

const HIGH_WATERMARK: i64 = -1;
const OFFSET_OUT_OF_RANGE: i16 = 1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const REQUEST_TIMED_OUT: i16 = 7;

/// By family.
#[derive(Default)]
pub(super) struct Deletes {
    asked: Vec<Vec<Asked>>,
    reach: Vec<Rising>,
}

#[derive(Clone, Copy)]
struct Asked {
    by: Option<Client>,
    partition: Partition,
    asked_us: u64,
    event: usize,
    /// How far a log start may have moved because of it.
    reach: i64,
}

impl Deletes {
    pub(super) fn asked(&mut self, context: &mut Context<'_>, at: At<'_>) {
        let What::Deleting {
            partition, offset, ..
        } = &at.event.what
        else {
            return;
        };
        let place = context.places.place(*partition);
        let family = context.places.get(place).family;
        slot(&mut self.asked, family).push(Asked {
            by: at.event.client,
            partition: *partition,
            asked_us: at.us(),
            event: at.at,
            reach: match *offset {
                HIGH_WATERMARK => i64::MAX,
                offset => offset.max(0),
            },
        });
    }

    pub(super) fn answered(
        &mut self,
        context: &mut Context<'_>,
        at: At<'_>,
        (ends, high_watermarks, errors): (&mut Ends, &mut HighWatermarks, &Errors),
        findings: &mut Findings,
    ) {
        let What::Deleted {
            partition,
            offset,
            asked_us,
            by,
            error,
            low_watermark,
        } = &at.event.what
        else {
            return;
        };
        let (offset, error, low_watermark) = (*offset, *error, *low_watermark);
        let place = context.places.place(*partition);
        let known = context.places.get(place);
        let mut of_family = slot(&mut self.asked, known.family).iter_mut().rev();
        let asked = of_family
            .find(|one| (one.by, one.partition, one.asked_us) == (at.event.client, *partition, *asked_us));
        if let Some(asked) = asked {
            match error {
                0 if offset == HIGH_WATERMARK => asked.reach = low_watermark.max(0),
                OFFSET_OUT_OF_RANGE | UNKNOWN_TOPIC_OR_PARTITION => asked.reach = 0,
                _ => {}
            }
        }
        let mut tell = |rule, what: &dyn Fn(String) -> String| {
            findings.add(Promise::HonestErrors, rule, at.us(), || {
                let name = names::partition(context.history, *partition);
                let about = about(at, *partition, *by).offsets(low_watermark.max(0), offset.max(0));
                (what(name), about)
            });
        };
        if error != 0 {
            if low_watermark != -1 {
                let what = |name| {
                    format!("DeleteRecords of {name} got error {error} and the low watermark {low_watermark}")
                };
                tell("error-with-offset", &what);
            }
            let certain = known.is_steady() && known.answers_by_name(at.us());
            let in_range =
                offset == HIGH_WATERMARK || (certain && ends.surely_holds(place, offset, *asked_us));
            if error == OFFSET_OUT_OF_RANGE && in_range {
                let what =
                    |name| format!("DeleteRecords said that offset {offset} of {name} is out of range");
                tell("out-of-range", &what);
            }
            let about = || about(at, *partition, *by);
            let allowed = matches!(error, OFFSET_OUT_OF_RANGE | REQUEST_TIMED_OUT)
                || errors.reader_may_get(context, at, known, error, false, about, findings);
            if !allowed {
                findings.add(Promise::HonestErrors, "error-code", at.us(), || {
                    let name = names::partition(context.history, *partition);
                    let what =
                        format!("DeleteRecords of {name} got error {error}, which it cannot have caused");
                    (what, about())
                });
            }
            return;
        }
        if low_watermark < 0 {
            let what = |name| format!("DeleteRecords of {name} gave {low_watermark} without an error");
            tell("no-offset", &what);
            return;
        }
        if !known.answers_by_name(at.us()) {
            return;
        }
        let end = ends.end_before(place, *asked_us).map_or(0, |known| known.value);
        let wanted = if offset == HIGH_WATERMARK { end } else { offset };
        if low_watermark < wanted {
            let what = |name| {
                format!(
                    "DeleteRecords of {name} below {wanted} was answered with the low watermark {low_watermark}"
                )
            };
            tell("not-deleted", &what);
        }
        high_watermarks.told_start(at, *by, place, low_watermark);
        ends.deleted(context, at, place, (*asked_us, low_watermark, *by), findings);
    }

    /// Every answer is known.
    pub(super) fn sort(&mut self) {
        let reach = |asked: &Vec<Asked>| {
            let mut reach = Rising::default();
            for one in asked {
                reach.learn(one.asked_us, one.reach, one.event);
            }
            reach
        };
        self.reach = self.asked.iter().map(reach).collect();
    }

    /// The largest log start that requests of these partitions, sent until then, can have brought.
    pub(super) fn reach(&self, family: usize, at_us: u64) -> i64 {
        let reach = self.reach.get(family);
        let known = reach.and_then(|reach| reach.before(at_us.saturating_add(1)));
        known.map_or(0, |known| known.value)
    }
}
