//! A member of a group of KIP-848: ConsumerGroupHeartbeat 1.

use std::collections::BTreeSet;
use std::time::Duration;

use esker_history::What;
use esker_history::event::Partition;
use esker_history::group::{InGroup, Kind, Member};
use esker_model::seams::Rng;
use esker_protocol::StrBytes;
use esker_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use esker_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, GroupId};
use tokio::time::Instant;

use super::coordinator::{PATIENCE, Trouble};
use super::life::Process;
use crate::clients::ClientContext;
use crate::clients::metadata::topic_name;

const VERSION: i16 = 1;

const JOIN: i32 = 0;
const LEAVE: i32 = -1;

const STALE_MEMBER_EPOCH: i16 = 113;

/// Where a member stands in its group.
pub(super) struct Consumer {
    id: String,
    epoch: i32,
    /// What it was told that it owns.
    assigned: BTreeSet<Partition>,
    /// What it told the coordinator that it owns; `None`: the coordinator may not know.
    reported: Option<BTreeSet<Partition>>,
    next_heartbeat: Instant,
}

impl Consumer {
    pub(super) fn new(ctx: &ClientContext) -> Self {
        Self {
            id: ctx.rng.uuid().to_string(),
            epoch: JOIN,
            assigned: BTreeSet::new(),
            reported: None,
            next_heartbeat: Instant::now(),
        }
    }

    /// As whom it speaks, if it is in its group.
    pub(super) fn member(&self, process: &Process) -> Option<Member> {
        (self.epoch > JOIN).then(|| Member {
            group: process.plan.name.clone(),
            kind: Kind::Consumer,
            id: self.id.clone(),
            generation: self.epoch,
        })
    }

    /// Something is the case with the member.
    pub(super) fn trouble(&mut self, process: &mut Process, error: i16) {
        self.next_heartbeat = Instant::now();
        if error != STALE_MEMBER_EPOCH {
            // It is none any more, and begins again.
            process.give_up();
            self.epoch = JOIN;
            self.assigned.clear();
            self.reported = None;
        }
    }

    /// Is heard, when that is due.
    pub(super) async fn step(&mut self, process: &mut Process) -> Result<(), Trouble> {
        let owned = process.seat.owned();
        let news = self.epoch > JOIN && self.reported.as_ref() != Some(&owned);
        if !news && self.next_heartbeat > Instant::now() {
            return Ok(());
        }
        let request = self.request(process, &owned);
        let before = self.member(process);
        let answer = process.coordinator.call(VERSION, &request, PATIENCE).await;
        let judged = match &answer {
            Ok((_, _, answer)) => process
                .coordinator
                .judge("ConsumerGroupHeartbeat", answer.error_code),
            Err(trouble) => Err(*trouble),
        };
        let (asked_us, by, answer) = match (answer, judged) {
            (Ok(answer), Ok(())) => answer,
            (_, Err(trouble)) | (Err(trouble), _) => {
                // What the coordinator knows is not known: everything is told again.
                self.reported = None;
                return Err(trouble);
            }
        };
        self.reported = Some(owned);
        let interval = u64::try_from(answer.heartbeat_interval_ms).unwrap_or(0);
        self.next_heartbeat = Instant::now() + Duration::from_millis(interval);
        if let Some(member) = before.clone() {
            let heard = InGroup::Heard {
                member,
                asked_us,
                by: Some(by),
            };
            process.ctx.record.tell(process.ctx.me, What::InGroup(heard));
        }
        self.heed(process, before, (asked_us, by), answer).await;
        Ok(())
    }

    async fn heed(
        &mut self,
        process: &mut Process,
        before: Option<Member>,
        answered: (u64, esker_history::event::Life),
        answer: ConsumerGroupHeartbeatResponse,
    ) {
        let changed = self.epoch != answer.member_epoch;
        self.epoch = answer.member_epoch;
        let Some(member) = self.member(process) else {
            return;
        };
        if before.is_none() {
            let joined = InGroup::Joined {
                member: member.clone(),
                asked_us: answered.0,
                by: Some(answered.1),
            };
            process.ctx.record.tell(process.ctx.me, What::InGroup(joined));
        }
        let told = answer.assignment.is_some();
        if let Some(assignment) = answer.assignment {
            let topics = assignment.topic_partitions.into_iter();
            let topics: Vec<_> = topics.map(|topic| (topic.topic_id, topic.partitions)).collect();
            self.assigned = process.reader.partitions_by_id(&topics);
        }
        if told || changed {
            process.told(&member, &self.assigned, answered).await;
        }
    }

    fn request(&self, process: &Process, owned: &BTreeSet<Partition>) -> ConsumerGroupHeartbeatRequest {
        let plan = &process.plan;
        let full = self.epoch == JOIN || self.reported.is_none();
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(StrBytes::from_string(plan.name.clone())))
            .with_member_id(StrBytes::from_string(self.id.clone()))
            .with_member_epoch(self.epoch);
        let topics = process.reader.by_id(owned).into_iter().map(|(id, partitions)| {
            TopicPartitions::default()
                .with_topic_id(id)
                .with_partitions(partitions)
        });
        let request = match full || self.reported.as_ref() != Some(owned) {
            true => request.with_topic_partitions(Some(topics.collect())),
            false => request.with_topic_partitions(None),
        };
        if !full {
            return request
                .with_rebalance_timeout_ms(-1)
                .with_subscribed_topic_names(None);
        }
        let names = plan.topics.iter().map(|(name, _)| topic_name(name));
        request
            .with_rebalance_timeout_ms(plan.rebalance.as_millis() as i32)
            .with_subscribed_topic_names(Some(names.collect()))
    }

    /// Says that it goes.
    pub(super) async fn leave(&mut self, process: &mut Process) {
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(StrBytes::from_string(process.plan.name.clone())))
            .with_member_id(StrBytes::from_string(self.id.clone()))
            .with_member_epoch(LEAVE)
            .with_rebalance_timeout_ms(-1)
            .with_subscribed_topic_names(None)
            .with_topic_partitions(None);
        // The session ends anyhow.
        drop(process.coordinator.call(VERSION, &request, PATIENCE).await);
    }
}
