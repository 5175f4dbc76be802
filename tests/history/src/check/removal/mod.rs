//! P1: a log loses nothing but what it may lose.
//!
//! A log start may rise for two reasons: somebody asked for it (DeleteRecords), or the topic does not have to
//! keep the records below it. Whatever anybody was told of a log start, by ListOffsets, a Fetch, an ack or
//! DeleteRecords, is held against that:
//! - *start-too-far*: a log start lies beyond what may have gone by then (P1);
//! - *out-of-range*: OFFSET_OUT_OF_RANGE for an offset that may not have gone, and is not beyond the end: it says
//!   that the log starts behind that offset (P8);
//! - *kept*: long after the faults a log still begins with records that nobody has to keep (P7).
//!
//! What is sound:
//! - DeleteRecords moves a log start to the offset that was asked for, and not beyond. A request counts from
//!   when it was sent; unless its answer says that nothing was done, it may take effect at any later time. One
//!   for the high watermark (-1) whose outcome is unknown may reach anything;
//! - by age a record goes only when the largest timestamp of its batch is older than `retention.ms` by the
//!   database's clock, which is compared with the moment when somebody was told, for that came later;
//! - by size a record goes only if so many bytes lie behind its batch. What lies there is at most what is known
//!   to, and in the offsets of which nothing is known every copy of a batch, sent by then, that is not known to stand
//!   anywhere;
//! - only batches that are known to stand below the log start, from acks and reads at any time, are asked for.
//!   Without any retention and any request, none has to be known.
//!
//! A topic's retention counts from when somebody asked for it, for ever: agents may act on what they knew a
//! while ago, and what went by then stays away. So where it is altered the rule is as weak as the weakest of its
//! retentions until then, the age by one and the size by another of them.

mod deletes;
mod kept;
mod known;
mod retention;

use std::collections::BTreeMap;

use crate::event::{Batch, Retention};
use crate::{About, Promise, What};

use super::ends::{Ends, about, tell};
use super::errors::Errors;
use super::findings::Findings;
use super::high_watermark::HighWatermarks;
use super::log::Run;
use super::rising::Known;
use super::topics::Standing;
use super::{At, Context};

use deletes::Deletes;
use known::KnownLog;
use retention::Retentions;

/// What a producer made.
#[derive(Clone, Copy)]
struct Made {
    bytes: u64,
    max_timestamp_ms: i64,
}

/// All that may remove records.
pub(crate) struct Removal {
    deletes: Deletes,
    retentions: Retentions,
    made: BTreeMap<Batch, Made>,
    /// What is known of each partition's log, once all is known.
    logs: Vec<KnownLog>,
}

impl Removal {
    pub(crate) fn new(context: &Context<'_>) -> Self {
        Self {
            deletes: Deletes::default(),
            retentions: Retentions::new(context.history),
            made: BTreeMap::new(),
            logs: Vec::new(),
        }
    }

    /// Notes what may remove records from now on, and what became of that.
    pub(crate) fn event(
        &mut self,
        context: &mut Context<'_>,
        at: At<'_>,
        told: (&mut Ends, &mut HighWatermarks, &Errors),
        findings: &mut Findings,
    ) {
        match &at.event.what {
            What::Made {
                batch,
                bytes,
                max_timestamp_ms,
            } => {
                let (bytes, max_timestamp_ms) = (*bytes, *max_timestamp_ms);
                self.made.insert(
                    *batch,
                    Made {
                        bytes,
                        max_timestamp_ms,
                    },
                );
            }
            What::Created { .. } => self.retentions.created(at),
            What::Altering { .. } => self.retentions.asked(at),
            What::Altered { .. } => self.retentions.answered(context, at, findings),
            What::Deleting { .. } => self.deletes.asked(context, at),
            What::Deleted { .. } => self.deletes.answered(context, at, told, findings),
            _ => {}
        }
    }

    /// Everything was told: from here on reach is known.
    pub(crate) fn sort(&mut self) {
        self.deletes.sort();
    }

    /// Judges what was told of one partition's log start, given the batches that are known to stand in it.
    pub(crate) fn judge(
        &mut self,
        context: &Context<'_>,
        place: usize,
        ends: &Ends,
        (standing, claims): (&[Standing], &[Run]),
        findings: &mut Findings,
    ) {
        let of_place = context.places.get(place);
        let (family, topic) = (of_place.family, of_place.partition.topic);
        let all_stays = self.deletes.reach(family, u64::MAX) == 0 && !self.retentions.tell_of(topic);
        if all_stays && ends.starts(place).iter().all(|step| step.value <= 0) {
            return;
        }
        let log = KnownLog::new(context, place, ends.listed_end(place), (standing, claims));
        let mut before = 0;
        for step in ends.starts(place) {
            if !context.terms.records_deleted && step.value > before {
                // What had gone before may be gone now.
                self.judge_start(context, (place, &log), (before, *step), findings);
                before = step.value;
            }
        }
        kept::judge(self, context, place, ends, findings);
        if self.logs.len() <= place {
            self.logs.resize_with(place + 1, KnownLog::default);
        }
        self.logs[place] = log;
    }

    /// Whether the record at an offset may be gone at a time. Only after all partitions were judged.
    pub(crate) fn may_be_gone(&self, context: &Context<'_>, place: usize, offset: i64, at_us: u64) -> bool {
        let partition = context.places.get(place);
        let retention = self.retentions.least(partition.partition.topic, at_us);
        let unknown = KnownLog::default();
        let log = self.logs.get(place).unwrap_or(&unknown);
        context.terms.records_deleted
            || offset < self.deletes.reach(partition.family, at_us)
            || (retention != Retention::EVERYTHING
                && self
                    .has_to_stay(context, log, (offset, offset + 1), (retention, at_us))
                    .is_none())
    }

    fn judge_start(
        &self,
        context: &Context<'_>,
        (place, log): (usize, &KnownLog),
        (before, step): (i64, Known),
        findings: &mut Findings,
    ) {
        let place = context.places.get(place);
        let partition = place.partition;
        let reach = self.deletes.reach(place.family, step.at_us);
        if step.value <= reach {
            return;
        }
        let retention = self.retentions.least(partition.topic, step.at_us);
        let from = before.max(reach);
        let stays = self.has_to_stay(context, log, (from, step.value), (retention, step.at_us));
        if retention != Retention::EVERYTHING && stays.is_none() {
            return;
        }
        let event = &context.history.events[step.event];
        let at = At {
            event,
            at: step.event,
        };
        let (promise, rule) = match &event.what {
            What::Fetched { error: 1, .. } => (Promise::HonestErrors, "out-of-range"),
            _ => (Promise::DurableAck, "start-too-far"),
        };
        let batch = stays.map(|(_, batch)| batch);
        let what = |name: String| {
            let told = match rule {
                "out-of-range" => format!("offset {} of {name} was said to be out of range", step.value - 1),
                _ => format!("{name} begins at offset {}", step.value),
            };
            let asked = match reach {
                0 => "nobody asked for it (DeleteRecords)".to_owned(),
                reach => format!("DeleteRecords was asked for no more than {reach}"),
            };
            let kept = crate::report::kept(retention);
            match batch {
                None => format!("{told}, though it keeps {kept} and {asked}"),
                Some(batch) => format!(
                    "{told}, though it keeps {kept}, of which {} is, and {asked}",
                    context.batches.tell(context, batch)
                ),
            }
        };
        let by = crate::report::life_of(&event.what);
        let about = about(at, partition, by)
            .offsets(from, step.value)
            .batches(batch.map(|batch| context.batches.get(batch).batch));
        let about = About {
            events: [step.event].into(),
            ..about
        };
        tell(context, at, promise, rule, what, (about, None), findings);
    }

    /// The last batch between two offsets that has to be there still: where it begins, and which it is.
    fn has_to_stay(
        &self,
        context: &Context<'_>,
        log: &KnownLog,
        (from, to): (i64, i64),
        (retention, at_us): (Retention, u64),
    ) -> Option<(i64, u32)> {
        let now_ms = context
            .terms
            .database_ms
            .map(|began_ms| began_ms + (at_us / 1000) as i64);
        let made = |batch: u32| self.made.get(&context.batches.get(batch).batch);
        let is_young = |batch: u32| {
            let Some((ms, made)) = retention.ms.zip(made(batch)) else {
                return retention.ms.is_none();
            };
            now_ms.is_some_and(|now_ms| made.max_timestamp_ms.saturating_add(ms) >= now_ms)
        };
        // One that lies further down has more behind it.
        let young = log.between(from, to).rev().find(|one| is_young(one.batch))?;
        let by_size = retention.bytes.is_some_and(|bytes| {
            let most = log.most_behind(context, young.end, at_us, |batch| Some(made(batch)?.bytes));
            most.is_none_or(|most| most >= bytes)
        });
        (!by_size).then_some((young.base, young.batch))
    }
}
