//! P1: what was acknowledged stands in the log, where the acknowledgement said.
//!
//! - *acknowledged*: at one of the offsets that an ack gave to a batch, a reader (at any time, before or
//!   after the ack) saw another record;
//! - *acked-twice*: two acks give the same offset to different records;
//! - *acked-again*: more different offsets were acknowledged for one batch than there can be copies of it;
//! - *unread*: a partition has acknowledged records, and nobody read it through at the end although the
//!   terms say so.
//!
//! That an acknowledged record is there at all follows together with two other rules: a read-through shows
//! every offset up to the end ([`super::offsets`]), and the end lies above everything acknowledged
//! ([`super::list_offsets`]).
//!
//! Sound because an offset never changes: it does not matter whether a reader came before the ack. An ack
//! for a batch that was sent by name counts only if it surely is about that topic; one for a batch that was
//! sent to several topics of a name does not. A plain batch may be acknowledged at one offset for each time
//! it was sent; an idempotent one at one offset for each identity that it was sent under, because its client
//! may take a new epoch and send it anew.

use crate::{About, Promise, What, names};

use super::evidence;
use super::findings::Findings;
use super::log::{self, PlaceLog, Run, Segment};
use super::topics::first_time;
use super::{At, Context};

#[derive(Default)]
pub(crate) struct Acknowledged {
    acks: Vec<Ack>,
    read_through: Vec<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ack {
    batch: u32,
    base: i64,
    event: usize,
}

impl Acknowledged {
    pub(crate) fn acked(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        logs: &mut Vec<PlaceLog>,
        findings: &mut Findings,
    ) {
        let What::Acked {
            batch, base_offset, ..
        } = &at.event.what
        else {
            return;
        };
        let Some(found) = context.batches.find(*batch) else {
            return;
        };
        if !(0..i64::MAX / 2).contains(base_offset) {
            findings.add(Promise::DurableAck, "acknowledged", at.us(), || {
                let told = context.batches.tell(context, found);
                let what = format!("{told} was acknowledged at offset {base_offset}");
                (what, About::events([at.at]).batches([*batch]))
            });
            return;
        }
        self.acks.push(Ack {
            batch: found,
            base: *base_offset,
            event: at.at,
        });
        if let Some(place) = context.acked_place(found, at.us()) {
            let records = context.batches.get(found).records;
            let claim = Run::new(*base_offset, records, None, at.at);
            log::of(logs, place).claims.push(claim);
        }
    }

    pub(crate) fn read_through(&mut self, context: &mut Context<'_>, at: At<'_>) {
        let What::ReadThrough { partition, .. } = &at.event.what else {
            return;
        };
        let place = context.places.place(*partition);
        if self.read_through.len() <= place {
            self.read_through.resize(place + 1, false);
        }
        self.read_through[place] = true;
    }

    pub(crate) fn finish(&mut self, context: &Context<'_>, logs: &[PlaceLog], findings: &mut Findings) {
        self.acks.sort_unstable();
        for acks in self.acks.chunk_by(|a, b| a.batch == b.batch) {
            again(context, acks, findings);
        }
        if !context.terms.read_through {
            return;
        }
        for (place, log) in logs.iter().enumerate() {
            let read = self.read_through.get(place).copied().unwrap_or_default();
            let (Some(claim), false) = (log.claims.last(), read) else {
                continue;
            };
            if !context.places.get(place).is_deleted() {
                unread(context, place, log.claims.len(), claim, findings);
            }
        }
    }
}

fn again(context: &Context<'_>, acks: &[Ack], findings: &mut Findings) {
    let distinct: Vec<&Ack> = acks
        .chunk_by(|a, b| a.base == b.base)
        .filter_map(|same| same.first())
        .collect();
    let [first, .., last] = distinct.as_slice() else {
        return;
    };
    let at_us = first_time(context, &[first.event]).max(first_time(context, &[last.event]));
    let Some(max) = context.copies_max(first.batch) else {
        return;
    };
    let certain = |ack: &&&Ack| {
        context
            .acked_place(ack.batch, first_time(context, &[ack.event]))
            .is_some()
    };
    if distinct.iter().filter(certain).count() <= max as usize {
        return;
    }
    findings.add(Promise::ImmutableLog, "acked-again", at_us, || {
        let sending = context.batches.get(first.batch);
        let partition = context.places.get(sending.place).partition;
        let bases: Vec<String> = distinct.iter().map(|ack| ack.base.to_string()).collect();
        let what = format!(
            "{} was acknowledged at the offsets {} of {}, but can be there only {}",
            context.batches.tell(context, first.batch),
            bases.join(" and "),
            names::partition(context.history, partition),
            times(max),
        );
        let about = About::events(distinct.iter().map(|ack| ack.event)).partition(partition);
        (what, about.batches([sending.batch]))
    });
}

/// How often, in words.
pub(crate) fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

fn unread(context: &Context<'_>, place: usize, acks: usize, last: &Run, findings: &mut Findings) {
    let partition = context.places.get(place).partition;
    let at_us = first_time(context, &[last.event as usize]);
    findings.add(Promise::DurableAck, "unread", at_us, || {
        let name = names::partition(context.history, partition);
        let what = format!("nobody read {name} through, where {acks} batches were acknowledged");
        (what, About::events([last.event as usize]).partition(partition))
    });
}

/// Holds the acks of one partition against what readers saw there.
pub(crate) fn judge(
    context: &Context<'_>,
    place: usize,
    claims: &mut [Run],
    segments: &[Segment],
    findings: &mut Findings,
) {
    claims.sort_unstable_by_key(|claim| (claim.base, claim.event));
    let partition = context.places.get(place).partition;
    let mut clashes = Vec::new();
    log::merge(claims, |claim, from, to| clashes.push((*claim, from, to)));
    for (claim, from, to) in clashes {
        acked_twice(context, place, claims, &claim, (from, to), findings);
    }
    for claim in claims.iter() {
        let other = log::within(segments, claim.base, claim.end())
            .iter()
            .find(|segment| segment.by != claim.by || segment.record(claim.base) != claim.first);
        let Some(other) = other else { continue };
        let offset = other.start.max(claim.base);
        let at_us = first_time(context, &[claim.event as usize]);
        findings.add(Promise::DurableAck, "acknowledged", at_us, || {
            let batch = batch_of(context, claim);
            let what = format!(
                "{} was acknowledged at offset {} of {}, but at offset {offset} stands record {} of {}",
                batch.map_or_else(String::new, |batch| context.batches.tell(context, batch)),
                claim.base,
                names::partition(context.history, partition),
                other.record(offset),
                names::client(context.history, other.by),
            );
            let mut events = vec![claim.event as usize];
            events.extend(evidence::readings(context.history, partition, offset));
            let about = About::events(events)
                .partition(partition)
                .offsets(claim.base, claim.end())
                .batches(batch.map(|batch| context.batches.get(batch).batch));
            (what, about)
        });
    }
}

fn acked_twice(
    context: &Context<'_>,
    place: usize,
    claims: &[Run],
    claim: &Run,
    (from, to): (i64, i64),
    findings: &mut Findings,
) {
    let partition = context.places.get(place).partition;
    let same = |other: &&Run| other.by == claim.by && other.first == claim.first && other.base == claim.base;
    let other = claims
        .iter()
        .find(|other| !same(other) && other.base <= from && other.end() > from);
    let mut events = vec![claim.event as usize];
    events.extend(other.map(|other| other.event as usize));
    findings.add(
        Promise::ImmutableLog,
        "acked-twice",
        first_time(context, &events),
        || {
            let batches: Vec<u32> = [Some(claim), other]
                .into_iter()
                .flatten()
                .filter_map(|claim| batch_of(context, claim))
                .collect();
            let told: Vec<String> = batches
                .iter()
                .map(|batch| context.batches.tell(context, *batch))
                .collect();
            let what = format!(
                "offset {from} of {} was acknowledged for {}",
                names::partition(context.history, partition),
                told.join(" and for "),
            );
            let about = About::events(events).partition(partition).offsets(from, to);
            let batches = batches.iter().map(|batch| context.batches.get(*batch).batch);
            (what, about.batches(batches))
        },
    );
}

fn batch_of(context: &Context<'_>, claim: &Run) -> Option<u32> {
    let batches = context.batches.batches_from(claim.by, claim.first);
    batches.first().map(|(_, batch)| *batch)
}
