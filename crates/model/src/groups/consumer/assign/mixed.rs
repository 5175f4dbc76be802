//! `uniform` where members are subscribed to different topics: nobody could take a partition from somebody who has at
//! least two more, or nearly so.
//!
//! What nobody has goes to the subscriber with the fewest, the topics with the fewest subscribers first. Then, topic by
//! topic, partitions go from the member with the most to that with the fewest, as long as this narrows the gap. A move in
//! one topic can make room for another elsewhere: the rounds end when nothing moved, or at [`ROUNDS_MAX`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::{Plan, Task};

/// Rounds over all topics. Subscriptions as people have them need two.
const ROUNDS_MAX: usize = 16;

pub(super) fn plan(task: &Task<'_>) -> Plan {
    let mut plan = Plan::kept(task);
    let mut loads = plan.loads(task);
    let subscribers = task.subscribers(&(0..task.members.len()).collect::<Vec<_>>());
    let mut topics: Vec<usize> = (0..task.topics.len()).collect();
    topics.sort_by_key(|topic| subscribers.of(*topic).len());
    for topic in &topics {
        fill(&mut plan.0[*topic], subscribers.of(*topic), &mut loads);
    }
    for _ in 0..ROUNDS_MAX {
        let mut moved = false;
        for topic in &topics {
            moved |= balance(&mut plan.0[*topic], subscribers.of(*topic), &mut loads);
        }
        if !moved {
            break;
        }
    }
    plan
}

/// Gives what nobody has to the subscribers with the fewest.
fn fill(owners: &mut [Option<usize>], subscribers: &[usize], loads: &mut [usize]) {
    if owners.iter().all(Option::is_some) {
        return;
    }
    let fewest = subscribers
        .iter()
        .map(|member| Reverse((loads[*member], *member)));
    let mut fewest: BinaryHeap<_> = fewest.collect();
    for owner in owners.iter_mut().filter(|owner| owner.is_none()) {
        if let Some(mut first) = fewest.peek_mut() {
            let Reverse((load, member)) = &mut *first;
            *owner = Some(*member);
            *load += 1;
            loads[*member] += 1;
        }
    }
}

/// Moves partitions of one topic from those with the most to those with the fewest. Whether any moved.
fn balance(owners: &mut [Option<usize>], subscribers: &[usize], loads: &mut [usize]) -> bool {
    let most = owners.iter().flatten().map(|member| loads[*member]).max();
    let fewest = subscribers.iter().map(|member| loads[*member]).min();
    let (Some(most), Some(fewest)) = (most, fewest) else {
        return false;
    };
    if most <= fewest + 1 {
        return false;
    }
    let mut held: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (partition, owner) in owners.iter().enumerate() {
        if let Some(member) = owner {
            held.entry(*member).or_default().push(partition);
        }
    }
    let mut all: BTreeSet<(usize, usize)> = subscribers
        .iter()
        .map(|member| (loads[*member], *member))
        .collect();
    let mut givers: BTreeSet<(usize, usize)> = held.keys().map(|member| (loads[*member], *member)).collect();
    let mut moved = false;
    while let (Some(giver), Some(taker)) = (givers.last().copied(), all.first().copied()) {
        if giver.0 <= taker.0 + 1 {
            break;
        }
        let partition = held.get_mut(&giver.1).and_then(Vec::pop);
        let Some(partition) = partition else {
            givers.remove(&giver);
            continue;
        };
        owners[partition] = Some(taker.1);
        let partitions = held.entry(taker.1).or_default();
        partitions.push(partition);
        let (less, more) = ((giver.0 - 1, giver.1), (taker.0 + 1, taker.1));
        loads[less.1] = less.0;
        loads[more.1] = more.0;
        all.remove(&giver);
        all.remove(&taker);
        all.extend([less, more]);
        givers.remove(&giver);
        givers.remove(&taker);
        givers.extend([less, more]);
        moved = true;
    }
    moved
}
