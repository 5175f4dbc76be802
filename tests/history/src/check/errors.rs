//! P8: an error says what is the case, and nothing in it looks like an answer.
//!
//! - *error-with-offset*: an error came with an offset, a high watermark, a log start or records. Kafka
//!   gives -1 for all of them, with OFFSET_OUT_OF_RANGE too.
//! - *no-offset*: an answer without an error has no offset.
//! - *error-code*: an error that no correct client can be given. Clients of a history keep the protocol, so
//!   what is left are our own failures (6, 7, 19 for producers; 6, 56 for readers), topics that are gone, and
//!   what follows from the client's own doing. CORRUPT_MESSAGE only where records were lost on purpose
//!   ([`super::lost`]);
//! - *unknown-topic*: a topic that nobody had asked to delete is said not to exist. By name only if nobody
//!   creates topics of that name: an agent may know a former one for a moment longer.
//!   (OFFSET_OUT_OF_RANGE is judged by what may have been removed: [`super::removal`].)
//! - *fatal*: a client came to the conclusion that it cannot go on.
//!
//! When a producer's error is its own doing: 46 if at least five later batches of the same producer, epoch
//! and partition were sent before, for then they may have pushed it out of the runs that the broker
//! remembers (a repetition that was slow on its way; [`super::written`] holds the broker to it); 45 if a later
//! one was sent where the partition did not know the producer, for then it may have begun with that one (sent
//! to another agent); 47 after the same producer id was used there with a higher epoch.

use crate::{About, Promise, What, names};

use super::batches::Sent;
use super::ends::slot;
use super::findings::Findings;
use super::places::Place;
use super::written::DUPLICATE_SEQUENCE_NUMBER;
use super::{At, Context};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const CORRUPT_MESSAGE: i16 = 2;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const NOT_LEADER_OR_FOLLOWER: i16 = 6;
const REQUEST_TIMED_OUT: i16 = 7;
const NOT_ENOUGH_REPLICAS: i16 = 19;
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
const INVALID_PRODUCER_EPOCH: i16 = 47;
const KAFKA_STORAGE_ERROR: i16 = 56;
const FENCED_LEADER_EPOCH: i16 = 74;
const UNKNOWN_LEADER_EPOCH: i16 = 75;
const UNKNOWN_TOPIC_ID: i16 = 100;

/// Runs that the broker remembers of a producer in a partition (KIP-98).
const RUNS_REMEMBERED: usize = 5;

#[derive(Default)]
pub(crate) struct Errors {
    /// By family: producer ids with the highest epoch that each was used with.
    highest_epochs: Vec<Vec<(i64, i16)>>,
    epoch_raised: bool,
}

impl Errors {
    pub(crate) fn sent(&mut self, sent: &Sent) {
        let Some(identity) = sent.identity.filter(|_| !sent.repeated) else {
            return;
        };
        let known = slot(&mut self.highest_epochs, sent.family);
        match known.iter_mut().find(|(id, _)| *id == identity.id) {
            Some((_, highest)) => *highest = identity.epoch.max(*highest),
            None => known.push((identity.id, identity.epoch)),
        }
    }

    pub(crate) fn raised(&mut self) {
        self.epoch_raised = true;
    }

    pub(crate) fn refused(&mut self, context: &Context<'_>, at: At<'_>, findings: &mut Findings) {
        let What::Refused {
            batch,
            error,
            base_offset,
            by,
        } = &at.event.what
        else {
            return;
        };
        let Some(found) = context.batches.find(*batch) else {
            return;
        };
        let sending = context.batches.get(found);
        let place = context.places.get(sending.place);
        let about = || {
            About::events([at.at])
                .partition(place.partition)
                .batches([*batch])
                .life(*by)
        };
        if *base_offset != -1 {
            findings.add(Promise::HonestErrors, "error-with-offset", at.us(), || {
                let told = context.batches.tell(context, found);
                (
                    format!("{told} was refused with error {error} and the offset {base_offset}"),
                    about(),
                )
            });
        }
        let allowed = match *error {
            NOT_LEADER_OR_FOLLOWER | REQUEST_TIMED_OUT | NOT_ENOUGH_REPLICAS => true,
            UNKNOWN_TOPIC_OR_PARTITION | UNKNOWN_TOPIC_ID => {
                let by_id = *error == UNKNOWN_TOPIC_ID;
                let gone = sending.several_places || may_be_gone(context, place, by_id, at.us());
                if !gone {
                    let told = || context.batches.tell(context, found);
                    unknown_topic(context, at, place, told, about, findings);
                }
                true
            }
            DUPLICATE_SEQUENCE_NUMBER => context.batches.were_sent_after(found, RUNS_REMEMBERED),
            OUT_OF_ORDER_SEQUENCE_NUMBER => {
                context.may_begin_anywhere(sending.place, found) && context.batches.were_sent_after(found, 1)
            }
            INVALID_PRODUCER_EPOCH => context.batches.identities(found).any(|identity| {
                let known = self.highest_epochs.get(sending.family).map(Vec::as_slice);
                let same = |(id, highest): &(i64, i16)| *id == identity.id && *highest > identity.epoch;
                known.unwrap_or_default().iter().any(same)
            }),
            _ => false,
        };
        if !allowed {
            findings.add(Promise::HonestErrors, "error-code", at.us(), || {
                let told = context.batches.tell(context, found);
                (
                    format!("{told} was refused with error {error}, which it cannot have caused"),
                    about(),
                )
            });
        }
    }

    pub(crate) fn fetched(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        place: usize,
        findings: &mut Findings,
    ) {
        let What::Fetched {
            partition,
            by_name,
            from,
            by,
            error,
            high_watermark,
            log_start,
            seen,
            ..
        } = &at.event.what
        else {
            return;
        };
        if *error == 0 {
            return;
        }
        let known = context.places.get(place);
        let name = || names::partition(context.history, *partition);
        let about = || {
            About::events([at.at])
                .partition(*partition)
                .life(*by)
                .client(at.event.client)
                .offsets(*from, from.saturating_add(1))
        };
        if *high_watermark != -1 || *log_start != -1 || !seen.is_empty() {
            findings.add(Promise::HonestErrors, "error-with-offset", at.us(), || {
                let what = format!(
                    "a read of {} got error {error} with the high watermark {high_watermark}, the log start \
                     {log_start} and {} batches",
                    name(),
                    seen.len(),
                );
                (what, about())
            });
        }
        let allowed = match *error {
            OFFSET_OUT_OF_RANGE => true,
            CORRUPT_MESSAGE if context.lost.has(place, *from) => true,
            code => self.reader_may_get(context, at, known, code, !by_name, about, findings),
        };
        if !allowed {
            findings.add(Promise::HonestErrors, "error-code", at.us(), || {
                let what = format!(
                    "a read of {} from {from} got error {error}, which it cannot have caused",
                    name()
                );
                (what, about())
            });
        }
    }

    pub(crate) fn listed(&mut self, context: &mut Context<'_>, at: At<'_>, findings: &mut Findings) {
        let What::Listed {
            partition,
            query,
            by,
            error,
            offset,
            ..
        } = &at.event.what
        else {
            return;
        };
        let place = context.places.place(*partition);
        let known = context.places.get(place);
        let name = || names::partition(context.history, *partition);
        let about = || {
            About::events([at.at])
                .partition(*partition)
                .life(*by)
                .client(at.event.client)
        };
        let may_be_none = matches!(query, crate::event::Query::Time(_));
        if *error == 0 && (*offset < -1 || (*offset == -1 && !may_be_none)) {
            findings.add(Promise::HonestErrors, "no-offset", at.us(), || {
                let what = format!(
                    "ListOffsets ({query:?}) of {} gave {offset} without an error",
                    name()
                );
                (what, about())
            });
        }
        if *error == 0 {
            return;
        }
        if *offset != -1 {
            findings.add(Promise::HonestErrors, "error-with-offset", at.us(), || {
                let what = format!(
                    "ListOffsets of {} got error {error} and the offset {offset}",
                    name()
                );
                (what, about())
            });
        }
        let looks_at_lost = *error == CORRUPT_MESSAGE && may_be_none && !context.lost.of(place).is_empty();
        if !looks_at_lost && !self.reader_may_get(context, at, known, *error, false, about, findings) {
            findings.add(Promise::HonestErrors, "error-code", at.us(), || {
                let what = format!(
                    "ListOffsets of {} got error {error}, which it cannot have caused",
                    name()
                );
                (what, about())
            });
        }
    }

    /// Whether a reader may be given an error; tells of a topic that is said to be gone and is not.
    #[allow(clippy::too_many_arguments, reason = "all of them describe one answer")]
    pub(crate) fn reader_may_get(
        &self,
        context: &Context<'_>,
        at: At<'_>,
        place: &Place,
        error: i16,
        by_id: bool,
        about: impl FnOnce() -> About,
        findings: &mut Findings,
    ) -> bool {
        match error {
            NOT_LEADER_OR_FOLLOWER | KAFKA_STORAGE_ERROR => true,
            CORRUPT_MESSAGE => context.terms.objects_damaged,
            FENCED_LEADER_EPOCH | UNKNOWN_LEADER_EPOCH => self.epoch_raised,
            UNKNOWN_TOPIC_OR_PARTITION | UNKNOWN_TOPIC_ID => {
                if !may_be_gone(context, place, by_id, at.us()) {
                    unknown_topic(context, at, place, || "a read".to_owned(), about, findings);
                }
                true
            }
            _ => false,
        }
    }

    pub(crate) fn fatal(&mut self, context: &Context<'_>, at: At<'_>, findings: &mut Findings) {
        let What::Fatal { error, why } = &at.event.what else {
            return;
        };
        findings.add(Promise::HonestErrors, "fatal", at.us(), || {
            let who = at
                .event
                .client
                .map(|client| names::client(context.history, client));
            let who = who.unwrap_or_else(|| "a client".to_owned());
            let what = format!("{who} cannot go on after error {error}: {why}");
            (what, About::events([at.at]).client(at.event.client))
        });
    }
}

/// Whether an agent may say at `at_us` that a partition does not exist.
fn may_be_gone(context: &Context<'_>, place: &Place, by_id: bool, at_us: u64) -> bool {
    !place.answers_by_name(at_us) || (!by_id && (!place.is_steady() || context.terms.partitions_added))
}

fn unknown_topic(
    context: &Context<'_>,
    at: At<'_>,
    place: &Place,
    who: impl FnOnce() -> String,
    about: impl FnOnce() -> About,
    findings: &mut Findings,
) {
    findings.add(Promise::HonestErrors, "unknown-topic", at.us(), || {
        let what = format!(
            "{} was told that {} does not exist, though nobody had deleted it",
            who(),
            names::partition(context.history, place.partition),
        );
        (what, about())
    });
}
