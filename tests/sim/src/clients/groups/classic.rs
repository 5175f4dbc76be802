//! A member of a classic group: JoinGroup 9, SyncGroup 5, Heartbeat 4, LeaveGroup 5.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use esker_history::What;
use esker_history::group::{InGroup, Kind, Member};
use esker_protocol::StrBytes;
use esker_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use esker_protocol::messages::leave_group_request::MemberIdentity;
use esker_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use esker_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use tokio::time::Instant;

use super::assign::{self, Claims, Place};
use super::coordinator::{PATIENCE, Trouble};
use super::life::Process;
use super::subscription::{ByTopic, Subscription, decode_assignment, encode_assignment};
use super::{GroupPlan, Speech};

const JOIN_VERSION: i16 = 9;
const SYNC_VERSION: i16 = 5;
const HEARTBEAT_VERSION: i16 = 4;
const LEAVE_VERSION: i16 = 5;

const TYPE: &str = "consumer";

const ILLEGAL_GENERATION: i16 = 22;
const REBALANCE_IN_PROGRESS: i16 = 27;
const MEMBER_ID_REQUIRED: i16 = 79;
const FENCED_INSTANCE_ID: i16 = 82;

/// How much longer than the rebalance a member waits for its answer.
const JOIN_REST: Duration = Duration::from_secs(5);

/// Where a member stands in its group.
#[derive(Default)]
pub(super) struct Classic {
    id: String,
    generation: Option<i32>,
    /// The generation in which it was last told what it owns.
    owned_in: Option<i32>,
    joins: bool,
    next_heartbeat: Option<Instant>,
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Classic {
    /// As whom it speaks, if it has a generation and knows what it owns there.
    pub(super) fn member(&self, process: &Process) -> Option<Member> {
        let known = self.generation.filter(|_| self.owned_in == self.generation);
        known.map(|generation| self.named(process, generation))
    }

    fn named(&self, process: &Process, generation: i32) -> Member {
        Member {
            group: process.plan.name.clone(),
            kind: Kind::Classic,
            id: self.id.clone(),
            generation,
        }
    }

    /// Something is the case with the member. Whether the process is over.
    pub(super) fn trouble(&mut self, process: &mut Process, error: i16) -> bool {
        match error {
            REBALANCE_IN_PROGRESS => self.joins = true,
            // It is none any more.
            _ => {
                process.give_up();
                self.generation = None;
                self.owned_in = None;
                if error != ILLEGAL_GENERATION {
                    self.id.clear();
                }
            }
        }
        error == FENCED_INSTANCE_ID
    }

    /// Does what is due: joins, or is heard.
    pub(super) async fn step(&mut self, process: &mut Process) -> Result<(), Trouble> {
        if self.generation.is_none() || self.joins {
            return self.join(process).await;
        }
        if self.next_heartbeat.is_none_or(|at| at <= Instant::now()) {
            self.heartbeat(process).await?;
        }
        Ok(())
    }

    async fn heartbeat(&mut self, process: &mut Process) -> Result<(), Trouble> {
        let Some(generation) = self.generation else {
            return Ok(());
        };
        let member = self.named(process, generation);
        let request = HeartbeatRequest::default()
            .with_group_id(group(&process.plan))
            .with_generation_id(generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(process.instance.as_deref().map(text));
        let answer = process
            .coordinator
            .call(HEARTBEAT_VERSION, &request, PATIENCE)
            .await;
        let (asked_us, by, answer) = answer?;
        process.coordinator.judge("Heartbeat", answer.error_code)?;
        let heard = InGroup::Heard {
            member,
            asked_us,
            by: Some(by),
        };
        process.ctx.record.tell(process.ctx.me, What::InGroup(heard));
        self.next_heartbeat = Some(Instant::now() + process.plan.heartbeat);
        Ok(())
    }

    /// Joins, and asks what it owns.
    async fn join(&mut self, process: &mut Process) -> Result<(), Trouble> {
        let cooperative = process.plan.speech == Speech::Cooperative;
        if let (Some(member), true) = (self.member(process), !process.seat.owned().is_empty()) {
            // Whatever becomes of it: the others wait.
            let _ = process.commit(&member, |_| true).await;
        }
        if !cooperative {
            process.give_up();
        }
        let request = self.join_request(process);
        let patience = process.plan.rebalance + JOIN_REST;
        let (asked_us, by, joined) = process.coordinator.call(JOIN_VERSION, &request, patience).await?;
        if joined.error_code == MEMBER_ID_REQUIRED {
            self.id = joined.member_id.to_string();
            return Ok(());
        }
        process.coordinator.judge("JoinGroup", joined.error_code)?;
        self.id = joined.member_id.to_string();
        self.generation = Some(joined.generation_id);
        self.joins = true;
        let member = self.named(process, joined.generation_id);
        let what = InGroup::Joined {
            member: member.clone(),
            asked_us,
            by: Some(by),
        };
        process.ctx.record.tell(process.ctx.me, What::InGroup(what));
        self.sync(process, member, joined).await
    }

    fn join_request(&self, process: &Process) -> JoinGroupRequest {
        let plan = &process.plan;
        let subscription = Subscription {
            topics: plan.topics.iter().map(|(name, _)| name.clone()).collect(),
            owned: process.reader.by_topic(&process.seat.owned()),
            generation: self.owned_in.unwrap_or(-1),
        };
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str(protocol(plan)))
            .with_metadata(subscription.encode());
        JoinGroupRequest::default()
            .with_group_id(group(plan))
            .with_session_timeout_ms(plan.session.as_millis() as i32)
            .with_rebalance_timeout_ms(plan.rebalance.as_millis() as i32)
            .with_member_id(text(&self.id))
            .with_group_instance_id(process.instance.as_deref().map(text))
            .with_protocol_type(StrBytes::from_static_str(TYPE))
            .with_protocols(vec![protocol])
    }

    async fn sync(
        &mut self,
        process: &mut Process,
        member: Member,
        joined: JoinGroupResponse,
    ) -> Result<(), Trouble> {
        let assignments = match &*joined.leader == self.id.as_str() && !joined.skip_assignment {
            true => assignments(&process.plan, &joined),
            false => Vec::new(),
        };
        let request = SyncGroupRequest::default()
            .with_group_id(group(&process.plan))
            .with_generation_id(joined.generation_id)
            .with_member_id(text(&self.id))
            .with_group_instance_id(process.instance.as_deref().map(text))
            .with_protocol_type(Some(StrBytes::from_static_str(TYPE)))
            .with_protocol_name(joined.protocol_name)
            .with_assignments(assignments);
        let patience = process.plan.rebalance + JOIN_REST;
        let (asked_us, by, answer) = process.coordinator.call(SYNC_VERSION, &request, patience).await?;
        process.coordinator.judge("SyncGroup", answer.error_code)?;
        let Some(owned) = decode_assignment(&answer.assignment) else {
            let why = "an assignment that no leader made".to_owned();
            process
                .ctx
                .record
                .tell(process.ctx.me, What::Fatal { error: 0, why });
            return Err(Trouble::Again);
        };
        let owned = process.reader.partitions(&owned);
        self.owned_in = self.generation;
        self.joins = false;
        self.next_heartbeat = Some(Instant::now() + process.plan.heartbeat);
        // What it gave up can be somebody else's in the next generation.
        self.joins = process.told(&member, &owned, (asked_us, by)).await;
        Ok(())
    }

    /// Says that it goes. A static member that will be back does not.
    pub(super) async fn leave(&mut self, process: &mut Process) {
        if self.id.is_empty() || process.instance.is_some() {
            return;
        }
        let member = MemberIdentity::default().with_member_id(text(&self.id));
        let request = LeaveGroupRequest::default()
            .with_group_id(group(&process.plan))
            .with_members(vec![member]);
        // The session ends anyhow.
        drop(process.coordinator.call(LEAVE_VERSION, &request, PATIENCE).await);
    }
}

fn group(plan: &GroupPlan) -> GroupId {
    GroupId(text(&plan.name))
}

fn protocol(plan: &GroupPlan) -> &'static str {
    match plan.speech {
        Speech::Cooperative => "cooperative-sticky",
        Speech::Eager | Speech::Consumer => "range",
    }
}

/// What the leader gives each member.
fn assignments(plan: &GroupPlan, joined: &JoinGroupResponse) -> Vec<SyncGroupRequestAssignment> {
    let places: Vec<Place> = plan
        .topics
        .iter()
        .flat_map(|(name, count)| (0..*count).map(|index| (name.clone(), index)))
        .collect();
    let parts = if plan.speech == Speech::Cooperative {
        assign::sticky(&claims(joined), &places)
    } else {
        let members = joined.members.iter().map(|member| member.member_id.to_string());
        assign::ranges(&members.collect(), &places)
    };
    let parts = parts.into_iter().map(|(member, part)| {
        let mut by_topic = ByTopic::new();
        for (topic, index) in part {
            by_topic.entry(topic).or_default().push(index);
        }
        SyncGroupRequestAssignment::default()
            .with_member_id(text(&member))
            .with_assignment(encode_assignment(&by_topic))
    });
    parts.collect()
}

fn claims(joined: &JoinGroupResponse) -> Claims {
    let members = joined.members.iter().map(|member| {
        let metadata: &Bytes = &member.metadata;
        let said = Subscription::decode(metadata);
        let (generation, owned) = said.map_or((-1, ByTopic::new()), |said| (said.generation, said.owned));
        let owned: BTreeSet<Place> = owned
            .into_iter()
            .flat_map(|(topic, indexes)| indexes.into_iter().map(move |index| (topic.clone(), index)))
            .collect();
        (member.member_id.to_string(), (generation, owned))
    });
    members.collect()
}
