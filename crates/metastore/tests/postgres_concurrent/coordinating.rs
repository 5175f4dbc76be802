//! Writes of a coordinator meet the loss of its shard, its fencing and each other. Each meeting returns what is wrong
//! afterwards.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use esker_metastore::{
    Agents, CommittedOffset, Coordinators, Expired, GroupChange, GroupWrites, Groups, OffsetsRequest,
    ShardLease, StateChange,
};
use esker_model::groups::shard_of;
use esker_model::{IncarnationId, PartitionKey, ShardId, TopicKey};
use sqlx::Row;
use tokio::task::JoinHandle;

use crate::functions::Mistake;
use crate::meetings::{meeting, renew};
use crate::world::{Agent, World, end, start};

meeting!(return_meets_write);
meeting!(write_meets_return);
meeting!(fence_meets_write);
meeting!(heartbeat_meets_write);
meeting!(late_write_meets_newer);
meeting!(claimers_meet);
meeting!(deletion_meets_write);
meeting!(expiry_meets_write);

const GROUP: &str = "group";

/// Takes the shard of a group, which nobody else holds.
pub(crate) async fn take(agent: &Agent, group: &str) -> ShardLease {
    let shard = shard_of(group);
    let owners = agent
        .store
        .claim_shards(agent.incarnation, &[shard])
        .await
        .unwrap();
    let ours = owners.iter().find(|owner| owner.lease.shard == shard).unwrap();
    assert_eq!(ours.incarnation, Some(agent.incarnation));
    ours.lease
}

pub(crate) fn put(empty: bool) -> StateChange {
    StateChange::Put {
        state: Bytes::from_static(b"state"),
        empty,
    }
}

pub(crate) fn change(lease: ShardLease, group: &str, state: StateChange, offset: Option<i64>) -> GroupChange {
    let committed = |offset| CommittedOffset {
        offset,
        leader_epoch: -1,
        metadata: "".into(),
    };
    let partition = PartitionKey {
        topic: TopicKey(1),
        partition: 0,
    };
    GroupChange {
        lease,
        group: group.into(),
        state,
        members: Vec::new(),
        offsets: offset
            .map(|offset| (partition, Some(committed(offset))))
            .into_iter()
            .collect(),
    }
}

pub(crate) type Written = JoinHandle<esker_metastore::Result<Vec<bool>>>;

/// A number for a write, higher than all before.
pub(crate) fn next_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

pub(crate) fn write(agent: &Agent, changes: Vec<GroupChange>) -> Written {
    write_as(agent, next_number(), changes)
}

pub(crate) fn write_as(agent: &Agent, number: u64, changes: Vec<GroupChange>) -> Written {
    let (store, incarnation) = (agent.store.clone(), agent.incarnation);
    let writes = GroupWrites {
        incarnation,
        number,
        changes,
    };
    start(async move { store.write_groups(&writes).await })
}

async fn offset_of(agent: &Agent) -> Option<i64> {
    let request = OffsetsRequest {
        group: GROUP.into(),
        partitions: None,
    };
    let found = agent.store.committed_offsets(&[request]).await.unwrap().remove(0);
    found.first().map(|(_, committed)| committed.offset)
}

/// A group with an offset, 1, and an agent that coordinates it.
async fn coordinator(world: &World) -> (Agent, ShardLease) {
    let agent = world.agent("holder").await;
    let lease = take(&agent, GROUP).await;
    let made = end(write(&agent, vec![change(lease, GROUP, put(false), Some(1))])).await;
    assert_eq!(made, Ok(vec![true]));
    (agent, lease)
}

/// A write that has looked at its shard is paused there; another agent takes the shard over, once `lose` ended.
async fn lost_while_writing(
    mut world: World,
    lose: impl FnOnce(&Agent, &Agent, ShardLease) -> JoinHandle<()>,
) -> Vec<String> {
    let (agent, lease) = coordinator(&world).await;
    let other = world.agent("other").await;
    let pause = "write looked at shards";
    world.hold(pause).await;
    let writing = write(&agent, vec![change(lease, GROUP, StateChange::Keep, Some(2))]);
    world.wait_for(pause, 1).await;
    let losing = lose(&agent, &other, lease);
    let next = other.clone();
    let takeover = start(async move {
        end(losing).await;
        let at_loss = offset_of(&next).await;
        (take(&next, GROUP).await, at_loss)
    });
    world.is_blocked(&takeover).await;
    world.release(pause).await;
    let outcome = end(writing).await;
    let (taken, at_loss) = end(takeover).await;
    let finally = offset_of(&other).await;
    let mut wrong = Vec::new();
    if at_loss != finally {
        wrong.push(format!(
            "a write landed after the shard was lost: {at_loss:?}, then {finally:?}"
        ));
    }
    if outcome == Ok(vec![true]) && finally != Some(2) {
        wrong.push(format!("a write that was answered is not there: {finally:?}"));
    }
    if taken.epoch != lease.epoch + 1 {
        wrong.push(format!("{lease:?} was followed by {taken:?}"));
    }
    let late = end(write(
        &agent,
        vec![change(lease, GROUP, StateChange::Keep, Some(3))],
    ))
    .await;
    if late == Ok(vec![true]) || offset_of(&other).await != finally {
        wrong.push("who lost the shard wrote".to_owned());
    }
    wrong
}

/// The shard is given back, by another task of the same agent, and taken over.
pub(crate) async fn return_meets_write(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let world = World::new(0, mistake).await?;
    let lose = |agent: &Agent, _: &Agent, lease| {
        let agent = agent.clone();
        start(async move {
            let returned = agent.store.release_shards(agent.incarnation, &[lease]).await;
            returned.unwrap();
        })
    };
    Some(lost_while_writing(world, lose).await)
}

/// Its agent is fenced.
pub(crate) async fn fence_meets_write(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let world = World::new(0, mistake).await?;
    let lose = |agent: &Agent, other: &Agent, _| {
        let (other, silent) = (other.clone(), agent.incarnation);
        start(async move {
            let fenced = other.store.fence_expired(&[silent], -60_000).await;
            assert_eq!(fenced, Ok(vec![silent]));
        })
    };
    Some(lost_while_writing(world, lose).await)
}

/// A write comes while its shard is just given back.
pub(crate) async fn write_meets_return(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (agent, lease) = coordinator(&world).await;
    let pause = "release holds shards";
    world.hold(pause).await;
    let returning = agent.clone();
    let returned = start(async move {
        returning
            .store
            .release_shards(returning.incarnation, &[lease])
            .await
    });
    world.wait_for(pause, 1).await;
    let writing = write(&agent, vec![change(lease, GROUP, StateChange::Keep, Some(2))]);
    world.is_blocked(&writing).await;
    world.release(pause).await;
    end(returned).await.unwrap();
    let outcome = end(writing).await;
    let mut wrong = Vec::new();
    if outcome != Ok(vec![false]) || offset_of(&agent).await != Some(1) {
        wrong.push(format!("a return of the shard was not waited for: {outcome:?}"));
    }
    Some(wrong)
}

/// A write is under way for long; its agent renews its registration.
pub(crate) async fn heartbeat_meets_write(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (agent, lease) = coordinator(&world).await;
    let pause = "write wrote offsets";
    world.hold(pause).await;
    let writing = write(&agent, vec![change(lease, GROUP, StateChange::Keep, Some(2))]);
    world.wait_for(pause, 1).await;
    let wrong = renew(&mut world, &agent).await;
    world.release(pause).await;
    assert_eq!(end(writing).await, Ok(vec![true]));
    Some(wrong)
}

/// A write was given up for lost, and its changes were made by a later attempt, and another on top. It lands while that
/// other one is under way, or long afterwards.
pub(crate) async fn late_write_meets_newer(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (agent, lease) = coordinator(&world).await;
    let of = |offset| vec![change(lease, GROUP, StateChange::Keep, Some(offset))];
    let (lost, repeated) = (next_number(), next_number());
    assert_eq!(end(write_as(&agent, repeated, of(2))).await, Ok(vec![true]));
    let pause = "write wrote offsets";
    world.hold(pause).await;
    let newer = write(&agent, of(3));
    world.wait_for(pause, 1).await;
    let late = write_as(&agent, lost, of(2));
    let mut wrong = Vec::new();
    // It waits, or it comes to the same pause.
    if !world.is_blocked(&late).await {
        wrong.push("a late write did not wait".to_owned());
    }
    world.release(pause).await;
    let outcomes = [end(newer).await, end(late).await];
    let later = end(write_as(&agent, lost, of(2))).await;
    let finally = offset_of(&agent).await;
    if finally != Some(3) {
        wrong.push(format!("the offset went back to {finally:?}"));
    }
    if outcomes != [Ok(vec![true]), Ok(vec![false])] || later != Ok(vec![false]) {
        wrong.push(format!("a late write was made: {outcomes:?}, {later:?}"));
    }
    Some(wrong)
}

/// Two agents claim shards at once: some that nobody ever took, some that were given back.
pub(crate) async fn claimers_meet(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let former = world.agent("former").await;
    let shards = |numbers: &[i16]| -> Vec<ShardId> { numbers.iter().copied().map(ShardId).collect() };
    let claim = |agent: &Agent, wanted: Vec<ShardId>| {
        let agent = agent.clone();
        start(async move { agent.store.claim_shards(agent.incarnation, &wanted).await })
    };
    let owners = end(claim(&former, shards(&[2, 4, 6]))).await.unwrap();
    let leases: Vec<_> = owners.iter().map(|owner| owner.lease).collect();
    former
        .store
        .release_shards(former.incarnation, &leases)
        .await
        .unwrap();
    let (one, two) = (world.agent("one").await, world.agent("two").await);
    let mut wrong = Vec::new();
    // The first has not taken them yet, or has.
    for (pause, base) in [("claim holds shards", 0), ("claim took shards", 4)] {
        let numbers: Vec<i16> = (base..base + 4).collect();
        let reversed: Vec<i16> = (base..base + 6).rev().collect();
        world.hold(pause).await;
        let first = claim(&one, shards(&numbers));
        world.wait_for(pause, 1).await;
        let second = claim(&two, shards(&reversed));
        if !world.is_blocked(&second).await {
            wrong.push(format!("nobody waited at {pause}"));
        }
        world.release(pause).await;
        let (first, second) = (end(first).await, end(second).await);
        let (Ok(first), Ok(second)) = (&first, &second) else {
            wrong.push(format!(
                "claimers were in each other's way: {first:?}, {second:?}"
            ));
            continue;
        };
        for owner in first {
            let ours = owner.incarnation == Some(one.incarnation);
            if ours && !second.contains(owner) {
                wrong.push(format!("{owner:?} was taken from one who lives: {second:?}"));
            }
        }
        let of_two = second
            .iter()
            .filter(|owner| owner.incarnation == Some(two.incarnation));
        if of_two.count() != 2 {
            wrong.push(format!("what was left was not taken: {second:?}"));
        }
        let free: Vec<_> = second.iter().map(|owner| owner.lease).collect();
        for agent in [&one, &two] {
            agent
                .store
                .release_shards(agent.incarnation, &free)
                .await
                .unwrap();
        }
    }
    Some(wrong)
}

async fn offsets_of_no_group(world: &mut World) -> i64 {
    let lost = "SELECT count(*) FROM group_offset o
         WHERE NOT EXISTS (SELECT FROM consumer_group c WHERE c.group_key = o.group_key)";
    let row = sqlx::query(lost).fetch_one(world.connection()).await.unwrap();
    row.get(0)
}

/// A group goes while another call of its coordinator commits an offset.
pub(crate) async fn deletion_meets_write(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (agent, lease) = coordinator(&world).await;
    let pause = "write wrote offsets";
    world.hold(pause).await;
    let deleting = write(&agent, vec![change(lease, GROUP, StateChange::Delete, None)]);
    world.wait_for(pause, 1).await;
    let writing = write(&agent, vec![change(lease, GROUP, StateChange::Keep, Some(2))]);
    // It waits, or it comes to the same pause.
    world.is_blocked(&writing).await;
    world.release(pause).await;
    let outcomes = [end(deleting).await, end(writing).await];
    let mut wrong = Vec::new();
    if outcomes != [Ok(vec![true]), Ok(vec![true])] {
        wrong.push(format!("the calls were in each other's way: {outcomes:?}"));
    }
    let left = offsets_of_no_group(&mut world).await;
    if left > 0 {
        wrong.push(format!("{left} offsets of no group"));
    }
    Some(wrong)
}

/// Offsets are found to be old; before they go, their group gets a member, and one is committed anew.
pub(crate) async fn expiry_meets_write(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (agent, _) = coordinator(&world).await;
    let topic = world.topic(&agent.store, 1).await;
    assert_eq!(topic.key, TopicKey(1), "of which the offsets are");
    let lease = take(&agent, GROUP).await;
    let incarnation: IncarnationId = agent.incarnation;
    let mut wrong = Vec::new();
    for (state, offset) in [(put(false), None), (put(true), Some(2))] {
        end(write(&agent, vec![change(lease, GROUP, put(true), Some(1))]))
            .await
            .unwrap();
        let pause = "expire found offsets";
        world.hold(pause).await;
        let store = agent.store.clone();
        let expiring = start(async move { store.expire_offsets(incarnation, lease, 0, 10).await });
        world.wait_for(pause, 1).await;
        let written = end(write(&agent, vec![change(lease, GROUP, state, offset)])).await;
        assert_eq!(written, Ok(vec![true]));
        world.release(pause).await;
        let told = end(expiring).await;
        if told != Ok(Some(Expired::default())) || offset_of(&agent).await.is_none() {
            wrong.push(format!("an offset in use expired: {told:?}"));
        }
    }
    Some(wrong)
}
