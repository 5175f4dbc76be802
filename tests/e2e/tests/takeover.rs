//! The agent that coordinates groups is killed: the groups go on at another one, as they were, within ten seconds.
//!
//! Real processes on Postgres and MinIO at default settings. Members do what clients do: they ask who coordinates, again
//! and again, and send their next heartbeat there. None has to join anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failure here is a failed test"
)]

use std::thread::sleep;
use std::time::{Duration, Instant};

use esker_e2e::wire::Wire;
use esker_harness::agents::{Agent, Cluster};
use esker_protocol::StrBytes;
use esker_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use esker_protocol::messages::create_topics_request::CreatableTopic;
use esker_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use esker_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use esker_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use esker_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use esker_protocol::messages::{
    ConsumerGroupHeartbeatRequest, CreateTopicsRequest, DescribeGroupsRequest, FindCoordinatorRequest,
    GroupId, HeartbeatRequest, JoinGroupRequest, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
    TopicName,
};

const TOPIC: &str = "t";
const PARTITIONS: i32 = 4;
const INSTANCE: &str = "instance-1";
/// Groups of each protocol.
const GROUPS: usize = 8;
const TAKEOVER_MAX: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

fn topic() -> TopicName {
    TopicName(text(TOPIC))
}

fn connect(to: &str) -> Wire {
    Wire::connect(to.parse().unwrap()).unwrap()
}

/// Where the coordinator of a group is, as an agent says; `None` while it knows of none.
fn coordinator(agent: &Agent, id: &str) -> Option<String> {
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(id)]);
    let answer = connect(&agent.bootstrap()).call(4, &request).ok()?;
    let found = answer.coordinators.first()?;
    (found.error_code == 0).then(|| format!("{}:{}", &*found.host, found.port))
}

/// Somebody in a group that has a generation, partitions and committed offsets.
struct Member {
    group: String,
    id: StrBytes,
    epoch: i32,
    classic: bool,
    committed: i64,
}

impl Member {
    /// Alone in a group of the classic protocol, as a static member.
    fn classic(wire: &mut Wire, id: &str) -> Self {
        let join = |member: &StrBytes| {
            JoinGroupRequest::default()
                .with_group_id(group(id))
                .with_session_timeout_ms(45_000)
                .with_rebalance_timeout_ms(60_000)
                .with_member_id(member.clone())
                .with_group_instance_id(Some(text(INSTANCE)))
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![
                    JoinGroupRequestProtocol::default()
                        .with_name(text("range"))
                        .with_metadata(bytes::Bytes::from_static(b"subscription")),
                ])
        };
        let joined = wire.call(9, &join(&StrBytes::default())).unwrap();
        assert_eq!((joined.error_code, &joined.leader), (0, &joined.member_id));
        let sync = SyncGroupRequest::default()
            .with_group_id(group(id))
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone())
            .with_group_instance_id(Some(text(INSTANCE)))
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text("range")))
            .with_assignments(vec![
                SyncGroupRequestAssignment::default()
                    .with_member_id(joined.member_id.clone())
                    .with_assignment(bytes::Bytes::from_static(b"everything")),
            ]);
        let synced = wire.call(5, &sync).unwrap();
        assert_eq!((synced.error_code, &*synced.assignment), (0, &b"everything"[..]));
        Self::committing(wire, id, joined.member_id, joined.generation_id, true)
    }

    /// Alone in a group of the consumer protocol.
    fn consumer(wire: &mut Wire, id: &str) -> Self {
        let member = text(&format!("member-of-{id}"));
        let mut request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group(id))
            .with_member_id(member.clone())
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(Some(vec![topic()]))
            .with_topic_partitions(Some(Vec::new()));
        let began = Instant::now();
        loop {
            let answer = wire.call(1, &request).unwrap();
            assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
            let given = answer
                .assignment
                .map_or_else(Vec::new, |given| given.topic_partitions);
            if given.iter().map(|one| one.partitions.len()).sum::<usize>() == PARTITIONS as usize {
                return Self::committing(wire, id, member, answer.member_epoch, false);
            }
            assert!(began.elapsed() < PATIENCE, "{id} was never given its partitions");
            request = request.with_member_epoch(answer.member_epoch);
            request.topic_partitions = Some(
                given
                    .into_iter()
                    .map(|one| {
                        TopicPartitions::default()
                            .with_topic_id(one.topic_id)
                            .with_partitions(one.partitions)
                    })
                    .collect(),
            );
            sleep(Duration::from_millis(100));
        }
    }

    fn committing(wire: &mut Wire, id: &str, member: StrBytes, epoch: i32, classic: bool) -> Self {
        let mut member = Self {
            group: id.to_owned(),
            id: member,
            epoch,
            classic,
            committed: 0,
        };
        assert_eq!(member.commit(wire, 1000 + i64::from(epoch)), 0);
        member
    }

    fn instance(&self) -> Option<StrBytes> {
        self.classic.then(|| text(INSTANCE))
    }

    fn commit(&mut self, wire: &mut Wire, offset: i64) -> i16 {
        let partitions = (0..PARTITIONS).map(|index| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset(offset)
        });
        let request = OffsetCommitRequest::default()
            .with_group_id(group(&self.group))
            .with_member_id(self.id.clone())
            .with_group_instance_id(self.instance())
            .with_generation_id_or_member_epoch(self.epoch)
            .with_topics(vec![
                OffsetCommitRequestTopic::default()
                    .with_name(topic())
                    .with_partitions(partitions.collect()),
            ]);
        let answer = wire.call(9, &request).unwrap();
        let error = answer.topics[0].partitions[0].error_code;
        if error == 0 {
            self.committed = offset;
        }
        error
    }

    fn heartbeat(&self, wire: &mut Wire) -> Option<i16> {
        if self.classic {
            let request = HeartbeatRequest::default()
                .with_group_id(group(&self.group))
                .with_generation_id(self.epoch)
                .with_member_id(self.id.clone())
                .with_group_instance_id(self.instance());
            return wire.call(4, &request).ok().map(|answer| answer.error_code);
        }
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group(&self.group))
            .with_member_id(self.id.clone())
            .with_member_epoch(self.epoch)
            .with_rebalance_timeout_ms(-1)
            .with_subscribed_topic_names(None)
            .with_topic_partitions(None);
        let answer = wire.call(1, &request).ok()?;
        assert!(answer.error_code != 0 || answer.member_epoch == self.epoch);
        Some(answer.error_code)
    }

    /// Looks for the coordinator through an agent until a heartbeat is taken.
    fn go_on(&self, through: &Agent, dead: &str, began: Instant) -> Wire {
        loop {
            if let Some(at) = coordinator(through, &self.group).filter(|at| at != dead) {
                let mut wire = connect(&at);
                match self.heartbeat(&mut wire) {
                    Some(0) => return wire,
                    // Not the coordinator, or still loading.
                    Some(14..=16) | None => {}
                    Some(error) => panic!("{} was told {error}: it would have to join anew", self.group),
                }
            }
            assert!(began.elapsed() < PATIENCE, "{} has no coordinator", self.group);
            sleep(Duration::from_millis(50));
        }
    }

    /// The offset of each partition.
    fn offsets(&self, wire: &mut Wire) -> Vec<i64> {
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(group(&self.group))
            .with_topics(Some(vec![
                OffsetFetchRequestTopics::default()
                    .with_name(topic())
                    .with_partition_indexes((0..PARTITIONS).collect()),
            ]));
        let request = OffsetFetchRequest::default().with_groups(vec![asked]);
        let answer = wire.call(8, &request).unwrap();
        let partitions = &answer.groups[0].topics[0].partitions;
        partitions.iter().map(|one| one.committed_offset).collect()
    }
}

#[test]
#[ignore = "its ten seconds are for an optimised build on a quiet machine: make e2e"]
fn groups_go_on_within_ten_seconds_after_their_coordinator_was_killed() {
    let Some(mut cluster) = Cluster::shared("takeover", 3, &[]) else {
        return;
    };
    let create = CreateTopicsRequest::default()
        .with_timeout_ms(30_000)
        .with_topics(vec![
            CreatableTopic::default()
                .with_name(topic())
                .with_num_partitions(PARTITIONS)
                .with_replication_factor(1),
        ]);
    let created = connect(&cluster.agents[0].bootstrap()).call(7, &create).unwrap();
    assert_eq!(created.topics[0].error_code, 0);

    let dead = cluster.agents[0].bootstrap();
    let mut members: Vec<Member> = Vec::new();
    let began = Instant::now();
    for number in 0.. {
        let id = format!("g-{number}");
        // Agents take their shares of the shards in the first seconds.
        let at = loop {
            if let Some(at) = coordinator(&cluster.agents[1], &id) {
                break at;
            }
            assert!(began.elapsed() < PATIENCE, "nobody coordinates {id}");
            sleep(Duration::from_millis(50));
        };
        if at != dead {
            continue;
        }
        let mut wire = connect(&dead);
        members.push(match members.len() % 2 {
            0 => Member::classic(&mut wire, &id),
            _ => Member::consumer(&mut wire, &id),
        });
        if members.len() == 2 * GROUPS {
            break;
        }
    }

    cluster.agents[0].kill();
    let killed = Instant::now();
    let mut longest = Duration::ZERO;
    for member in &mut members {
        let mut wire = member.go_on(&cluster.agents[1], &dead, killed);
        longest = longest.max(killed.elapsed());
        assert_eq!(
            member.offsets(&mut wire),
            vec![member.committed; PARTITIONS as usize]
        );
        let next = member.committed + 1;
        assert_eq!(member.commit(&mut wire, next), 0);
        assert_eq!(member.offsets(&mut wire), vec![next; PARTITIONS as usize]);
        if member.classic {
            let request = DescribeGroupsRequest::default().with_groups(vec![group(&member.group)]);
            let described = wire.call(6, &request).unwrap().groups.remove(0);
            assert_eq!(&*described.group_state, "Stable");
            let one = &described.members[0];
            assert_eq!(
                (&one.member_id, &one.group_instance_id),
                (&member.id, &member.instance())
            );
            assert_eq!(&*one.member_assignment, b"everything");
        }
    }
    println!("{} groups went on within {longest:.1?}", members.len());
    assert!(longest < TAKEOVER_MAX, "{longest:?}");
}
