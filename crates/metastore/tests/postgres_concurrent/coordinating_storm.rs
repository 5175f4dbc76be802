//! Many agents take shards, write to their groups, give shards back and die, all at once.
//!
//! What must hold: nobody waits in a circle; a lease is given once; what a living agent was told it wrote is there until
//! the shard's next holder writes, or a call with a higher number; and only those are refused that lost the shard or come
//! behind such a call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use esker_metastore::{
    Agents, Coordinators, Groups, MetastoreError, OffsetsRequest, ShardLease, ShardOwner, StateChange,
};
use esker_model::groups::shard_of;
use esker_model::seams::{Rng, SeededRng};
use esker_model::{IncarnationId, ShardId};

use crate::coordinating::{change, next_number, put, write_as};
use crate::world::{World, end, start};

const GROUPS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const AGENTS: u64 = 5;
const ROUNDS: u64 = 60;

#[derive(Default)]
struct Seen {
    /// Who had each lease.
    holders: BTreeMap<ShardLease, IncarnationId>,
    /// Offset by group, with the lease under which it was written last: calls with higher numbers write higher ones.
    written: BTreeMap<&'static str, (ShardLease, i64)>,
    wrong: Vec<String>,
    /// Changes that were refused because their shard was lost, perhaps, and those that can only have come late, so that
    /// it is known that something happened.
    refused: usize,
    late: usize,
}

impl Seen {
    fn told(&mut self, owners: &[ShardOwner]) {
        for owner in owners {
            let Some(holder) = owner.incarnation else { continue };
            let before = *self.holders.entry(owner.lease).or_insert(holder);
            if before != holder {
                self.wrong
                    .push(format!("{:?} was given to {before} and {holder}", owner.lease));
            }
        }
    }

    /// Replies to the two calls of a round, of which the second has the higher number. `kept`: all shards were kept meanwhile.
    fn answered(&mut self, calls: [Answered; 2], kept: bool) {
        let newer: BTreeSet<ShardLease> = calls[1].made.iter().map(|(lease, ..)| *lease).collect();
        for (index, call) in calls.into_iter().enumerate() {
            for (lease, group, made) in call.made {
                if made {
                    self.wrote(lease, group, call.offset);
                } else if !kept {
                    self.refused += 1;
                } else if index == 0 && newer.contains(&lease) {
                    self.late += 1;
                } else {
                    self.wrong
                        .push(format!("{lease:?} was kept, and {group} refused"));
                }
            }
        }
    }

    fn wrote(&mut self, lease: ShardLease, group: &'static str, offset: i64) {
        let last = self.written.entry(group).or_insert((lease, offset));
        *last = (*last).max((lease, offset));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coordinators_do_not_get_in_each_others_way() {
    let Some(world) = World::new(3, None).await else {
        return;
    };
    let world = Arc::new(world);
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let agents: Vec<_> = (0..AGENTS)
        .map(|number| start(agent(Arc::clone(&world), Arc::clone(&seen), number)))
        .collect();
    for agent in agents {
        end(agent).await;
    }
    let reader = world.store().await;
    let requests = GROUPS.map(|group| OffsetsRequest {
        group: group.into(),
        partitions: None,
    });
    let found = reader.committed_offsets(&requests).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
    for (group, found) in GROUPS.iter().zip(found) {
        let offset = found.first().map(|(_, committed)| committed.offset);
        let last = seen.written.get(group).map(|(_, offset)| *offset);
        assert_eq!(offset, last, "{group}");
    }
    assert!(seen.holders.len() > 2 * GROUPS.len(), "{:?}", seen.holders);
    println!(
        "{} leases, {} refused, {} late",
        seen.holders.len(),
        seen.refused,
        seen.late
    );
}

/// What a call was told.
struct Answered {
    offset: i64,
    /// Whether it was made, by group.
    made: Vec<(ShardLease, &'static str, bool)>,
}

async fn agent(world: Arc<World>, seen: Arc<Mutex<Seen>>, number: u64) {
    let rng = SeededRng::new(number);
    let name = format!("agent-{number}");
    let mut agent = world.agent(&name).await;
    for _ in 0..ROUNDS {
        let wanted: Vec<ShardId> = GROUPS
            .iter()
            .filter(|_| rng.below(3) > 0)
            .map(|group| shard_of(group))
            .rev()
            .collect();
        let owners = agent
            .store
            .claim_shards(agent.incarnation, &wanted)
            .await
            .unwrap();
        seen.lock().unwrap().told(&owners);
        let ours: Vec<ShardLease> = owners
            .iter()
            .filter(|owner| owner.incarnation == Some(agent.incarnation))
            .map(|owner| owner.lease)
            .collect();
        // Two calls at once: a group may come in both.
        let tasks = [(); 2].map(|()| {
            let groups = GROUPS.iter().filter(|_| rng.below(3) > 0);
            let of: Vec<_> = groups
                .filter_map(|group| {
                    let lease = ours.iter().find(|lease| lease.shard == shard_of(group))?;
                    Some((*lease, *group))
                })
                .collect();
            let state = if rng.below(4) == 0 {
                StateChange::Keep
            } else {
                put(rng.below(2) == 0)
            };
            let number = next_number();
            let offset = number as i64;
            let known = |group| seen.lock().unwrap().written.contains_key(group);
            let of: Vec<_> = of
                .into_iter()
                .filter(|(_, group)| state != StateChange::Keep || known(*group))
                .collect();
            let changes = of
                .iter()
                .map(|(lease, group)| change(*lease, group, state.clone(), Some(offset)))
                .collect();
            let writing = write_as(&agent, number, changes);
            start(async move {
                let made = end(writing).await.unwrap();
                let made = of.into_iter().zip(made);
                Answered {
                    offset,
                    made: made.map(|((lease, group), made)| (lease, group, made)).collect(),
                }
            })
        });
        // Some are given back meanwhile.
        let kept = rng.below(3) > 0;
        if !kept {
            let back: Vec<_> = ours.iter().filter(|_| rng.below(2) == 0).copied().collect();
            agent
                .store
                .release_shards(agent.incarnation, &back)
                .await
                .unwrap();
        }
        let [first, second] = tasks;
        let calls = [end(first).await, end(second).await];
        seen.lock().unwrap().answered(calls, kept);
        if rng.below(8) == 0 {
            agent.store.leave(agent.incarnation).await.unwrap();
            let late = agent.store.claim_shards(agent.incarnation, &wanted).await;
            assert_eq!(late, Err(MetastoreError::Fenced));
            agent = world.agent(&name).await;
        }
    }
}
