//! What a correct system showed, with one thing changed: the change must be found.
//!
//! Only what is known of topics that stay and that are read through in the end is changed: of `orders`, which keeps
//! everything, and of those that lose records.

mod answers;
mod batches;
mod removal;

use answers::*;
use batches::*;
use removal::*;

use super::dice::Dice;
use super::model;
use crate::event::{Batch, Event, Partition, Seen, Topic};
use crate::{History, What, check};

/// Changes something; false if there is nothing to change.
type Mutation = fn(&mut History, &mut Dice) -> bool;

const MUTATIONS: [(&str, Mutation); 28] = [
    ("an ack one too high", ack_one_too_high),
    ("a second ack elsewhere", second_ack),
    ("an acknowledged batch is lost", lose_batch),
    ("two batches change places in one answer", swap),
    ("a batch stands twice", double),
    ("an answer leaves a batch out", leave_out),
    ("a high watermark goes back", high_watermark_back),
    ("records beyond the high watermark", beyond_high_watermark),
    ("a listed end below an ack", end_back),
    ("a listed end beyond everything", end_too_far),
    ("an error with an offset", error_with_offset),
    ("an error that nobody caused", strange_error),
    ("other bytes", other_bytes),
    ("another partition's records", other_partition),
    ("a record that was never sent", never_sent),
    ("the log ends earlier for another agent", shorter_end),
    ("a read-through with a gap", gap_in_read_through),
    ("somebody never finishes", unfinished),
    ("everything is gone, though it was not deleted", all_trimmed),
    ("everything is gone, though it is young", all_aged),
    ("everything is gone, though it is little", all_sized),
    ("a log starts at 0 again", kept_for_ever),
    ("less was deleted than asked for", deleted_too_little),
    ("more was deleted than asked for", deleted_too_much),
    ("records cannot be deleted", delete_refused),
    ("an answer with records below its log start", below_log_start),
    ("an offset in the log is out of range", out_of_range),
    ("a listed log start below an earlier one", start_back),
];

const SEEDS: u64 = 30;

#[test]
fn every_mutation_is_found() {
    let mut applied = [0; MUTATIONS.len()];
    for seed in 0..SEEDS {
        let (original, terms) = model::history(seed, 15_000);
        for ((name, mutate), applied) in MUTATIONS.iter().zip(&mut applied) {
            let mut history = original.clone();
            if !mutate(&mut history, &mut Dice(seed)) {
                continue;
            }
            *applied += 1;
            let violations = check(&history, &terms);
            assert!(!violations.is_empty(), "seed {seed}: {name}");
            for violation in &violations {
                let told = crate::report::tell(violation, &history);
                assert!(told.lines().count() <= 50, "{told}");
            }
        }
    }
    assert!(applied.iter().all(|applied| *applied >= SEEDS / 2), "{applied:?}");
}

fn is_orders(partition: &Partition) -> bool {
    partition.topic == Topic(0)
}

/// One of the events for which something can be done.
fn any(history: &History, dice: &mut Dice, wanted: impl Fn(&Event) -> bool) -> Option<usize> {
    let fitting: Vec<usize> = (0..history.events.len())
        .filter(|at| wanted(&history.events[*at]))
        .collect();
    let chosen = dice.below(fitting.len() as u64) as usize;
    fitting.get(chosen).copied()
}

/// Where a batch was sent, how many records it has, and under how many identities it was sent.
fn sendings(history: &History, wanted: Batch) -> (Partition, u32, usize) {
    let mut identities = Vec::new();
    let mut found = None;
    for event in &history.events {
        if let What::Sent {
            batch,
            partition,
            identity,
            records,
            ..
        } = &event.what
            && *batch == wanted
        {
            found = Some((*partition, records.count));
            if !identities.contains(identity) {
                identities.push(*identity);
            }
        }
    }
    let (partition, count) = found.unwrap();
    (partition, count, identities.len())
}

fn is_ack_in_orders(history: &History, event: &Event) -> bool {
    matches!(&event.what, What::Acked { batch, .. } if is_orders(&sendings(history, *batch).0))
}

/// Whether an event is an answer that shows at least so many batches of `orders`.
fn shows(event: &Event, count: usize) -> bool {
    matches!(&event.what, What::Fetched { partition, seen, .. } if is_orders(partition) && seen.len() >= count)
}

fn seen_of(event: &mut Event) -> &mut Vec<Seen> {
    match &mut event.what {
        What::Fetched { seen, .. } => seen,
        other => panic!("{other:?}"),
    }
}
