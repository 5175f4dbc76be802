//! Being a member of a group, with the classic protocol: join, be assigned, commit, leave.
//!
//! The range assignor, as every consumer knows it. A rebalance takes all partitions away (the eager protocol): whoever
//! reads commits before it joins again, and starts from what is committed. Topics come and go, and get more partitions:
//! [`Member::look`] tells.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esker_model::seams::Seams;
use esker_protocol::ErrorCode;
use esker_protocol::consumer_protocol::subscribed_topics;
use esker_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use esker_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use esker_protocol::messages::{JoinGroupRequest, JoinGroupResponse, SyncGroupRequest};
use uuid::Uuid;

use super::assignment::{self, Subscriber};
use super::describe::Partitions;
use super::heart::{Heart, Pulse};
use super::offsets::{self, Identity, Offsets};
use super::remove::{self, Leaving};
use super::{CONSUMER, Coordinator, group_id, is_code, text};
use crate::client::{ClientError, Cluster, Result};

/// How long the coordinator waits for a sign of life: within Kafka's default limits of 6 s and 30 min.
const SESSION_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the coordinator waits for members to join again.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often joining begins anew before it is given up: each time another member came or went meanwhile.
const JOINS_MAX: u32 = 100;
/// Wait before joining anew.
const BACKOFF: Duration = Duration::from_millis(100);
const ASSIGNOR: &str = "range";
/// Versions from which on fields exist.
const JOIN_REBALANCE_TIMEOUT: i16 = 1;
const JOIN_INSTANCE: i16 = 5;
const SYNC_INSTANCE: i16 = 3;
const SYNC_PROTOCOL: i16 = 5;

/// A member of a group, joined or not.
pub(crate) struct Member {
    cluster: Cluster,
    coordinator: Coordinator,
    seams: Seams,
    topics: Vec<String>,
    identity: Identity,
    heart: Option<Heart>,
    /// Of the leader: the number of partitions by topic that the assignment was made from.
    counts: Option<BTreeMap<String, usize>>,
}

/// How committing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    Done,
    /// The generation is over: others may have the partitions, and will read again what was not committed.
    TooLate,
}

/// What became of topics.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// Those that this member reads, by name: their ids, or `None` where there is no such topic.
    pub(crate) topics: BTreeMap<String, Option<Uuid>>,
    /// This member leads, and topics of the group have other partitions than it gave out: it is to join again.
    pub(crate) is_outdated: bool,
}

fn millis(span: Duration) -> i32 {
    i32::try_from(span.as_millis()).unwrap_or(i32::MAX)
}

/// Codes after which the member joins anew.
fn joins_anew(error: &ClientError) -> bool {
    [
        ErrorCode::RebalanceInProgress,
        ErrorCode::IllegalGeneration,
        ErrorCode::UnknownMemberId,
    ]
    .into_iter()
    .any(|code| is_code(error, code))
}

impl Member {
    /// Somebody who will read `topics` in `group`; `instance_id` makes it a static member (KIP-345).
    pub(crate) fn new(
        cluster: Cluster,
        seams: Seams,
        group: &str,
        instance_id: Option<String>,
        topics: Vec<String>,
    ) -> Self {
        Self {
            cluster,
            coordinator: Coordinator::new(group, seams.clone()),
            seams,
            topics,
            identity: Identity {
                member_id: String::new(),
                instance_id,
                generation: -1,
            },
            heart: None,
            counts: None,
        }
    }

    /// The cluster.
    pub(crate) fn cluster(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    fn group(&self) -> &str {
        self.coordinator.group()
    }

    /// Joins the group, for the first time or again, and returns what this member is to read. Waits for the other
    /// members. May be dropped at any time.
    pub(crate) async fn join(&mut self) -> Result<Partitions> {
        self.heart = None;
        let mut joins = 0;
        loop {
            let error = match self.join_once().await {
                Ok(partitions) => {
                    let cluster = self.cluster.another();
                    let identity = self.identity.clone();
                    self.heart = Some(Heart::start(cluster, &self.seams, self.group(), identity));
                    return Ok(partitions);
                }
                Err(error) => error,
            };
            joins += 1;
            let id_required = is_code(&error, ErrorCode::MemberIdRequired);
            if joins >= JOINS_MAX || !(joins_anew(&error) || id_required) {
                return Err(error);
            }
            if is_code(&error, ErrorCode::UnknownMemberId) {
                self.identity.member_id.clear();
            }
            if !id_required {
                tokio::time::sleep(self.seams.rng.jitter(BACKOFF)).await;
            }
        }
    }

    async fn join_once(&mut self) -> Result<Partitions> {
        let metadata = assignment::subscription(&self.topics)?;
        let group = self.group().to_owned();
        let identity = self.identity.clone();
        let build = |version| {
            let protocol = JoinGroupRequestProtocol::default()
                .with_name(text(ASSIGNOR))
                .with_metadata(metadata.clone());
            let mut request = JoinGroupRequest::default()
                .with_group_id(group_id(&group))
                .with_session_timeout_ms(millis(SESSION_TIMEOUT))
                .with_member_id(text(&identity.member_id))
                .with_protocol_type(text(CONSUMER))
                .with_protocols(vec![protocol]);
            if version >= JOIN_REBALANCE_TIMEOUT {
                request.rebalance_timeout_ms = millis(REBALANCE_TIMEOUT);
            }
            match &identity.instance_id {
                Some(_) if version < JOIN_INSTANCE => Err(ClientError::Input(format!(
                    "this broker has no static members: join group {group} without an instance id"
                ))),
                instance_id => Ok(request.with_group_instance_id(instance_id.as_deref().map(text))),
            }
        };
        let joined = self
            .coordinator
            .ask(&mut self.cluster, REBALANCE_TIMEOUT, build, |response| {
                response.error_code
            })
            .await?;
        if joined.error_code == ErrorCode::MemberIdRequired.code() {
            self.identity.member_id = joined.member_id.to_string();
        }
        let what = || format!("cannot join group {group}");
        ClientError::check(joined.error_code, what, join_advice(joined.error_code))?;
        self.identity.member_id = joined.member_id.to_string();
        self.identity.generation = joined.generation_id;
        let given = self.give_out(&joined).await?;
        self.sync(&joined, given).await
    }

    /// What the members get, if this one leads; nothing otherwise.
    async fn give_out(&mut self, joined: &JoinGroupResponse) -> Result<Vec<SyncGroupRequestAssignment>> {
        self.counts = None;
        if joined.leader != joined.member_id || joined.skip_assignment {
            return Ok(Vec::new());
        }
        let subscribers: Vec<_> = joined
            .members
            .iter()
            .map(|member| Subscriber {
                id: member.member_id.to_string(),
                instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
                topics: subscribed_topics(&member.metadata).unwrap_or_default(),
            })
            .collect();
        let mut topics: Vec<_> = subscribers
            .iter()
            .flat_map(|member| member.topics.clone())
            .collect();
        topics.sort_unstable();
        topics.dedup();
        let counts = self.partition_counts(&topics).await?;
        let assigned = assignment::range(&subscribers, &counts);
        self.counts = Some(counts);
        let encoded = assigned.iter().map(|(member, partitions)| {
            Ok(SyncGroupRequestAssignment::default()
                .with_member_id(text(member))
                .with_assignment(assignment::encode(partitions)?))
        });
        encoded.collect()
    }

    /// The number of partitions by topic; a topic that does not exist has none.
    async fn partition_counts(&mut self, topics: &[String]) -> Result<BTreeMap<String, usize>> {
        let mut counts = BTreeMap::new();
        for (name, topic) in self.cluster.topics(Some(topics), false).await? {
            match topic {
                Ok(topic) => counts.insert(name, topic.partitions.len()),
                Err(error) if is_code(&error, ErrorCode::UnknownTopicOrPartition) => counts.insert(name, 0),
                Err(error) => return Err(error),
            };
        }
        Ok(counts)
    }

    async fn sync(
        &mut self,
        joined: &JoinGroupResponse,
        given: Vec<SyncGroupRequestAssignment>,
    ) -> Result<Partitions> {
        let group = self.group().to_owned();
        let identity = self.identity.clone();
        let build = |version| {
            let mut request = SyncGroupRequest::default()
                .with_group_id(group_id(&group))
                .with_generation_id(identity.generation)
                .with_member_id(text(&identity.member_id))
                .with_assignments(given.clone());
            if version >= SYNC_INSTANCE {
                request.group_instance_id = identity.instance_id.as_deref().map(text);
            }
            if version >= SYNC_PROTOCOL {
                request.protocol_type = Some(text(CONSUMER));
                request.protocol_name = joined.protocol_name.clone();
            }
            Ok(request)
        };
        let synced = self
            .coordinator
            .ask(&mut self.cluster, REBALANCE_TIMEOUT, build, |response| {
                response.error_code
            })
            .await?;
        let what = || format!("cannot join group {group}");
        ClientError::check(synced.error_code, what, join_advice(synced.error_code))?;
        assignment::decode(&synced.assignment).ok_or_else(|| {
            ClientError::Input(format!(
                "the leader of group {group} sent an assignment that does not read: is it a consumer?"
            ))
        })
    }

    /// Waits until the members have to join again; also says so of one that is in no group.
    pub(crate) async fn disturbed(&mut self) -> Commit {
        match &mut self.heart {
            Some(heart) => match heart.disturbed().await {
                Pulse::Lost => Commit::TooLate,
                Pulse::Fine | Pulse::Rebalance => Commit::Done,
            },
            None => Commit::TooLate,
        }
    }

    /// Tells the heartbeats that somebody is at work.
    pub(crate) fn at_work(&self) {
        if let Some(heart) = &self.heart {
            heart.at_work(&self.seams);
        }
    }

    /// What became of the topics; `None` if that cannot be said now.
    pub(crate) async fn look(&mut self) -> Option<Looked> {
        let given_out = self.counts.iter().flat_map(BTreeMap::keys);
        let mut names: Vec<_> = given_out.chain(&self.topics).cloned().collect();
        names.sort_unstable();
        names.dedup();
        let share = self.cluster.share();
        let found = self.cluster.look(Some(&names), share).await.ok()?;
        let mut looked = Looked::default();
        for (name, topic) in found {
            let (id, count) = match topic {
                Ok(topic) => (Some(topic.id), topic.partitions.len()),
                Err(error) if is_code(&error, ErrorCode::UnknownTopicOrPartition) => (None, 0),
                Err(_) => return None,
            };
            let given_out = self.counts.as_ref().and_then(|counts| counts.get(&name));
            looked.is_outdated |= given_out.is_some_and(|given_out| *given_out != count);
            if self.topics.contains(&name) {
                looked.topics.insert(name, id);
            }
        }
        Some(looked)
    }

    /// What the group committed of these partitions.
    pub(crate) async fn committed(&mut self, partitions: &Partitions) -> Result<Offsets> {
        offsets::committed(&mut self.cluster, &mut self.coordinator, Some(partitions), true).await
    }

    /// Commits offsets; returns also the topics that are gone, of which nothing can be committed any more.
    pub(crate) async fn commit(&mut self, offsets: &Offsets) -> Result<(Commit, BTreeSet<String>)> {
        if offsets.is_empty() {
            return Ok((Commit::Done, BTreeSet::new()));
        }
        let identity = Some(&self.identity);
        match offsets::commit(&mut self.cluster, &mut self.coordinator, identity, offsets).await {
            Ok(gone) => Ok((Commit::Done, gone)),
            Err(error) if joins_anew(&error) => Ok((Commit::TooLate, BTreeSet::new())),
            Err(error) => Err(error),
        }
    }

    /// Leaves the group. A static member stays, as with Kafka's consumers: it is expected back.
    pub(crate) async fn leave(&mut self) -> Result<()> {
        self.heart = None;
        if self.identity.member_id.is_empty() || self.identity.instance_id.is_some() {
            return Ok(());
        }
        let leaving = Leaving::Member(std::mem::take(&mut self.identity.member_id));
        match remove::leave(
            &mut self.cluster,
            &mut self.coordinator,
            &leaving,
            "the consumer ends",
        )
        .await
        {
            // It was removed before.
            Err(error) if is_code(&error, ErrorCode::UnknownMemberId) => Ok(()),
            other => other,
        }
    }
}

/// What can be done about a refusal, where the code does not say it.
fn join_advice(code: i16) -> Option<&'static str> {
    match ErrorCode::from_code(code)? {
        ErrorCode::InconsistentGroupProtocol => {
            Some("its members do not know the range assignor, or are no consumers; choose another group")
        }
        ErrorCode::FencedInstanceId => Some("another member took this instance id; choose another one"),
        ErrorCode::GroupMaxSizeReached => Some("it has as many members as the broker allows"),
        ErrorCode::InvalidGroupId => Some("not a valid group name"),
        ErrorCode::InvalidSessionTimeout => {
            Some("the broker does not allow a session timeout of 30 s; see group.max.session.timeout.ms")
        }
        _ => None,
    }
}
