//! Changes of groups laid out as the flat arrays that `write_groups_v1` takes.

use std::collections::BTreeSet;

use esker_model::IncarnationId;

use super::past::Past;
use super::session::PgQuery;
use crate::ShardLease;
use crate::group_rounds::Step;

const WRITE: &str =
    "SELECT write_groups_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
     $17, $18, $19, $20, $21, $22, $23)";

/// The arrays of one call.
#[derive(Default)]
pub(super) struct GroupLayout<'a> {
    /// Ascending.
    pub(super) leases: Vec<ShardLease>,
    shard: Vec<i16>,
    lease_epoch: Vec<i64>,
    rounds: i32,
    round: Vec<i32>,
    lease: Vec<i32>,
    group: Vec<&'a [u8]>,
    delete: Vec<bool>,
    state: Vec<Option<&'a [u8]>>,
    empty: Vec<bool>,
    delete_without_offsets: Vec<bool>,
    member_of: Vec<i32>,
    member: Vec<&'a [u8]>,
    member_state: Vec<Option<&'a [u8]>>,
    offset_of: Vec<i32>,
    topic: Vec<i32>,
    partition: Vec<i32>,
    offset: Vec<Option<i64>>,
    leader_epoch: Vec<i32>,
    metadata: Vec<&'a [u8]>,
}

impl<'a> GroupLayout<'a> {
    pub(super) fn new(rounds: &'a [Vec<Step>]) -> Self {
        let leases: BTreeSet<ShardLease> = rounds.iter().flatten().map(|step| step.lease).collect();
        let leases: Vec<ShardLease> = leases.into_iter().collect();
        let mut layout = Self {
            shard: leases.iter().map(|lease| lease.shard.0).collect(),
            lease_epoch: leases.iter().map(|lease| lease.epoch).collect(),
            leases,
            rounds: rounds.len() as i32,
            ..Self::default()
        };
        for (index, round) in rounds.iter().enumerate() {
            for step in round {
                layout.push(index as i32 + 1, step);
            }
        }
        layout
    }

    fn push(&mut self, round: i32, step: &'a Step) {
        // It is among them.
        let lease = self.leases.partition_point(|lease| *lease <= step.lease) as i32;
        self.round.push(round);
        self.lease.push(lease);
        self.group.push(step.group.as_bytes());
        self.delete.push(step.delete);
        self.state.push(step.put.as_ref().map(|put| &put.state[..]));
        self.empty.push(step.put.as_ref().is_some_and(|put| put.empty));
        self.delete_without_offsets.push(step.delete_without_offsets);
        let of = self.group.len() as i32;
        for (id, state) in &step.members {
            self.member_of.push(of);
            self.member.push(id.as_bytes());
            self.member_state.push(state.as_deref());
        }
        for (key, offset) in &step.offsets {
            let offset = offset.as_ref();
            self.offset_of.push(of);
            self.topic.push(key.topic.0);
            self.partition.push(key.partition);
            self.offset.push(offset.map(|offset| offset.offset));
            self.leader_epoch
                .push(offset.map_or(-1, |offset| offset.leader_epoch));
            self.metadata
                .push(offset.map_or(&[], |offset| offset.metadata.as_bytes()));
        }
    }

    /// `number` is the call's.
    pub(super) fn bind<'q>(&'q self, incarnation: IncarnationId, number: i64, past: Past) -> PgQuery<'q> {
        sqlx::query(WRITE)
            .bind(past.system)
            .bind(past.timeline)
            .bind(incarnation.0)
            .bind(&self.shard)
            .bind(&self.lease_epoch)
            .bind(number)
            .bind(self.rounds)
            .bind(&self.round)
            .bind(&self.lease)
            .bind(&self.group)
            .bind(&self.delete)
            .bind(&self.state)
            .bind(&self.empty)
            .bind(&self.delete_without_offsets)
            .bind(&self.member_of)
            .bind(&self.member)
            .bind(&self.member_state)
            .bind(&self.offset_of)
            .bind(&self.topic)
            .bind(&self.partition)
            .bind(&self.offset)
            .bind(&self.leader_epoch)
            .bind(&self.metadata)
    }
}
