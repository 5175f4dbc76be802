//! Shards change hands, and groups are written to: mostly by who holds them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use esker_metastore::*;
use esker_model::groups::shard_of;
use esker_model::seams::{Rng, SeededRng};
use esker_model::{IncarnationId, PartitionKey, ShardId};

use super::commands::{Command, Reply};
use crate::world::LONG_MS;

const GROUPS: [&str; 5] = ["a", "b\0", "C", "é", "group-with-a-longer-name"];
const MEMBERS: [&str; 3] = ["m", "M", "\u{1}"];

#[derive(Default)]
pub struct Grouping {
    /// As they were told last.
    owners: BTreeMap<ShardId, ShardOwner>,
    /// The highest number of a write so far.
    number: u64,
}

impl Grouping {
    pub fn draw(&mut self, rng: &SeededRng, partition: PartitionKey, incarnation: IncarnationId) -> Command {
        if self.owners.is_empty() || rng.below(10) == 0 {
            let shards = GROUPS.into_iter().map(shard_of);
            return Command::ClaimShards(incarnation, shards.collect());
        }
        match rng.below(23) {
            0..2 => {
                let shards = (0..rng.below(5)).map(|_| shard_of(group(rng)));
                Command::ClaimShards(incarnation, shards.collect())
            }
            2 => Command::ExpireOffsets(incarnation, self.lease(rng, group(rng)), 0),
            3 => {
                let leases = (0..1 + rng.below(2)).map(|_| self.lease(rng, group(rng)));
                Command::ReleaseShards(incarnation, leases.collect())
            }
            4..6 => {
                let lease = self.lease(rng, group(rng));
                let after = (rng.below(3) == 0).then(|| group(rng));
                let limit = if rng.below(3) == 0 { 1 } else { 100 };
                Command::LoadGroups(self.holder(rng, lease.shard, incarnation), lease, after, limit)
            }
            6..9 => Command::CommittedOffsets((0..rng.below(4)).map(|_| ask(rng, partition)).collect()),
            9..11 => {
                let lease = self.lease(rng, group(rng));
                let holder = self.holder(rng, lease.shard, incarnation);
                Command::ExpireOffsets(holder, lease, age(rng))
            }
            11..13 => {
                let after = (rng.below(2) == 0).then(|| (group(rng).into(), beside(rng, partition)));
                let limit = if rng.below(3) == 0 { 1 } else { 100 };
                Command::OldOffsets(shard_of(group(rng)), age(rng), after, limit)
            }
            13 => Command::ForgetOffsets(self.forgetting(rng, partition, incarnation)),
            _ => {
                let mut writer = incarnation;
                let changes: Vec<_> = (0..rng.below(8)).map(|_| self.change(rng, partition)).collect();
                if let Some(first) = changes.first() {
                    writer = self.holder(rng, first.lease.shard, incarnation);
                }
                Command::WriteGroups(GroupWrites {
                    incarnation: writer,
                    number: self.number(rng),
                    changes,
                })
            }
        }
    }

    fn forgetting(
        &mut self,
        rng: &SeededRng,
        partition: PartitionKey,
        incarnation: IncarnationId,
    ) -> ForgetOffsets {
        let name = group(rng);
        let lease = self.lease(rng, name);
        ForgetOffsets {
            incarnation: self.holder(rng, lease.shard, incarnation),
            lease,
            number: self.number(rng),
            age_ms: age(rng),
            offsets: (0..rng.below(4))
                .map(|_| (name.into(), beside(rng, partition)))
                .collect(),
        }
    }

    /// Mostly the next one. Some come late, or a second time.
    fn number(&mut self, rng: &SeededRng) -> u64 {
        if rng.below(6) == 0 {
            return self.number.saturating_sub(rng.below(3));
        }
        self.number += 1 + rng.below(2);
        self.number
    }

    /// Who holds the shard, mostly.
    fn holder(&self, rng: &SeededRng, shard: ShardId, other: IncarnationId) -> IncarnationId {
        let holder = self.owners.get(&shard).and_then(|owner| owner.incarnation);
        holder.filter(|_| rng.below(10) > 0).unwrap_or(other)
    }

    fn lease(&self, rng: &SeededRng, group: &str) -> ShardLease {
        let shard = shard_of(group);
        let epoch = self.owners.get(&shard).map_or(1, |owner| owner.lease.epoch);
        let off = i64::from(rng.below(12) == 0);
        ShardLease {
            shard,
            epoch: epoch - off,
        }
    }

    fn change(&self, rng: &SeededRng, partition: PartitionKey) -> GroupChange {
        let group = group(rng);
        let state = match rng.below(10) {
            0..4 => StateChange::Keep,
            4..8 => StateChange::Put {
                state: Bytes::from(rng.below(100).to_string()),
                empty: rng.below(2) == 0,
            },
            8 => StateChange::Delete,
            _ => StateChange::DeleteWithoutOffsets,
        };
        let member = |_| {
            let state = (rng.below(3) > 0).then(|| Bytes::from(rng.below(100).to_string()));
            (Arc::from(MEMBERS[rng.below(3) as usize]), state)
        };
        let members: BTreeMap<_, _> = (0..rng.below(3)).map(member).collect();
        let offset = |_| {
            let offset = (rng.below(3) > 0).then(|| CommittedOffset {
                offset: rng.below(1 << 40) as i64,
                leader_epoch: rng.below(3) as i32 - 1,
                metadata: MEMBERS[rng.below(3) as usize].into(),
            });
            (beside(rng, partition), offset)
        };
        let offsets: BTreeMap<_, _> = (0..rng.below(3)).map(offset).collect();
        GroupChange {
            lease: self.lease(rng, group),
            group: group.into(),
            state,
            members: members.into_iter().collect(),
            offsets: offsets.into_iter().collect(),
        }
    }

    pub fn audit(&self) -> Vec<Command> {
        let every = GROUPS.into_iter().map(|group| OffsetsRequest {
            group: group.into(),
            partitions: None,
        });
        let mut audit = vec![Command::CommittedOffsets(every.collect())];
        audit.extend(self.owners.values().filter_map(|owner| {
            let holder = owner.incarnation?;
            Some(Command::LoadGroups(holder, owner.lease, None, 100))
        }));
        audit
    }

    pub fn observe(&mut self, reply: &Reply) {
        if let Reply::ClaimShards(Ok(owners)) = reply {
            self.owners = owners.iter().map(|owner| (owner.lease.shard, *owner)).collect();
        }
    }
}

/// Of everything, or of nothing.
fn age(rng: &SeededRng) -> i64 {
    if rng.below(3) == 0 { 0 } else { LONG_MS }
}

fn group(rng: &SeededRng) -> &'static str {
    GROUPS[rng.below(GROUPS.len() as u64) as usize]
}

/// The partition or one of its neighbours, which perhaps are not there.
fn beside(rng: &SeededRng, partition: PartitionKey) -> PartitionKey {
    PartitionKey {
        partition: rng.below(3) as i32,
        ..partition
    }
}

fn ask(rng: &SeededRng, partition: PartitionKey) -> OffsetsRequest {
    let some = (0..rng.below(4)).map(|_| beside(rng, partition)).collect();
    OffsetsRequest {
        group: group(rng).into(),
        partitions: (rng.below(2) == 0).then_some(some),
    }
}
