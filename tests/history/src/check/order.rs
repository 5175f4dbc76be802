//! P2: the batches of an idempotent producer stand in a partition in the order in which it made them.
//!
//! For each partition and producer id, in the order of offsets:
//! - *order*: of two batches of one epoch the one made later never comes first;
//! - *old-epoch*: no batch of an epoch comes after one of a higher epoch;
//! - *hole*: where a batch stands, its predecessor (the batch whose sequences end where its own begin, in
//!   the same epoch) stands before it.
//!
//! Sound because the broker accepts a batch only if its sequence follows on the last one accepted, or is 0
//! in a new epoch; what is refused or lost may come later, but then its successors come later still. Only
//! batches that were sent under a single identity are compared: of a batch that was sent anew under a new
//! epoch one cannot tell which copy stands where. A predecessor is missing only if every offset before the
//! batch was seen. Where a partition forgot its producers, or belongs to a topic that was created again, they
//! go on with any sequence: no hole is looked for there.

use std::collections::BTreeMap;

use crate::event::Identity;
use crate::{About, Promise, names};

use super::Context;
use super::evidence;
use super::findings::Findings;
use super::log::{self, Segment};
use super::sequences::{Identities, Sequenced, advance, predecessors};
use super::topics::{Standing, first_time};

/// Judges one partition.
pub(crate) fn judge(
    context: &Context<'_>,
    place: usize,
    segments: &[Segment],
    standing: &[Standing],
    identities: &Identities,
    findings: &mut Findings,
) {
    let known_to = log::known_prefix(segments);
    let mut present: Vec<u32> = Vec::new();
    let mut last: BTreeMap<i64, (Identity, Standing)> = BTreeMap::new();
    for one in standing {
        let sending = context.batches.get(one.batch);
        let Some(identity) = sending.only_identity() else {
            continue;
        };
        if context.batches.may_have_new_identity(one.batch) {
            continue;
        }
        let mut follows = identity.first_sequence <= 0;
        if let Some((before, other)) = last.get(&identity.id) {
            let made_before = context.batches.get(other.batch).records;
            if before.epoch > identity.epoch {
                let why = format!("after one of epoch {}", before.epoch);
                out_of_order(context, place, "old-epoch", (other, one), &why, findings);
                continue;
            }
            if before.epoch == identity.epoch {
                if made_before.first > sending.records.first {
                    out_of_order(
                        context,
                        place,
                        "order",
                        (other, one),
                        "after a later one",
                        findings,
                    );
                    continue;
                }
                follows |= advance(before.first_sequence, made_before.count) == identity.first_sequence;
            }
        }
        last.insert(identity.id, (identity, *one));
        if follows || one.base > known_to {
            continue;
        }
        // Its predecessor may have had another identity too, or stand somewhere else.
        if present.is_empty() {
            present.extend(standing.iter().map(|one| one.batch));
            present.sort_unstable();
        }
        if let Some(before) = context.batches.made_before(one.batch, identity)
            && present.binary_search(&before).is_ok()
        {
            continue;
        }
        let predecessors = predecessors(identities.get(context), sending.family, identity);
        let stands = |before: &Sequenced| present.binary_search(&before.batch).is_ok();
        if !predecessors.iter().any(stands) && !context.may_begin_anywhere(place, one.batch) {
            hole(context, place, one, identity, predecessors, findings);
        }
    }
}

fn out_of_order(
    context: &Context<'_>,
    place: usize,
    rule: &'static str,
    (before, one): (&Standing, &Standing),
    why: &str,
    findings: &mut Findings,
) {
    let partition = context.places.get(place).partition;
    findings.add_found(Promise::ImmutableLog, rule, || {
        let mut events = evidence::readings(context.history, partition, before.from);
        events.extend(evidence::readings(context.history, partition, one.from));
        let at_us = first_time(context, &events);

        let what = format!(
            "{} stands at offset {} of {}, {why}: {} at offset {}",
            context.batches.tell(context, one.batch),
            one.base,
            names::partition(context.history, partition),
            context.batches.tell(context, before.batch),
            before.base,
        );
        let batches = [before, one].map(|one| context.batches.get(one.batch).batch);
        let about = About::events(events).partition(partition);
        (at_us, what, about.offsets(before.from, one.to).batches(batches))
    });
}

fn hole(
    context: &Context<'_>,
    place: usize,
    one: &Standing,
    identity: Identity,
    predecessors: &[Sequenced],
    findings: &mut Findings,
) {
    let partition = context.places.get(place).partition;
    findings.add_found(Promise::ImmutableLog, "hole", || {
        let events = evidence::readings(context.history, partition, one.from);
        let at_us = first_time(context, &events);
        let missing = match predecessors.first() {
            Some(before) => format!("{} does not", context.batches.tell(context, before.batch)),
            None => "what ends with the sequence before was never sent".to_owned(),
        };
        let what = format!(
            "{} stands at offset {} of {} with sequence {} of producer {}, epoch {}, but {missing}",
            context.batches.tell(context, one.batch),
            one.base,
            names::partition(context.history, partition),
            identity.first_sequence,
            identity.id,
            identity.epoch,
        );
        let batches = predecessors.iter().map(|before| before.batch).chain([one.batch]);
        let about = About::events(events)
            .partition(partition)
            .offsets(one.from, one.to)
            .batches(batches.map(|batch| context.batches.get(batch).batch));
        (at_us, what, about)
    });
}
