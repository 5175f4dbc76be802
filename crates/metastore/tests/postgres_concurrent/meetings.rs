//! Two transactions meet at a chosen point. Each meeting returns what is wrong afterwards; nothing is,
//! with the functions as they are.

use std::time::Duration;

use esker_metastore::{
    Agents, Commits, MetastoreError, PlanRequest, Producers, Reads, Removals, Settled, Topics,
};
use esker_model::sequence::{Outcome, Refusal};
use esker_model::{IncarnationId, PartitionKey, TopicKey};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::checker::{check, extents_of};
use crate::functions::Mistake;
use crate::operations::{Offered, request, run};
use crate::world::{Agent, World, end, registration, start};

pub(crate) type Committed = JoinHandle<(Offered, Option<MetastoreError>)>;

pub(crate) fn commit(agent: &Agent, seq: u64, runs: Vec<esker_metastore::RunCommit>) -> Committed {
    let agent = agent.clone();
    start(async move {
        let request = request(agent.incarnation, seq, runs);
        match agent.store.commit(request.clone()).await {
            Ok(reply) => (Offered::new(&request, Some(&reply)), None),
            Err(error) => (Offered::new(&request, None), Some(error)),
        }
    })
}

pub(crate) fn partition(topic: TopicKey) -> PartitionKey {
    PartitionKey { topic, partition: 0 }
}

/// Declares a meeting as a test with the functions as they are.
macro_rules! meeting {
    ($name:ident) => {
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn holds() {
                if let Some(wrong) = super::$name(None).await {
                    assert!(wrong.is_empty(), "{wrong:#?}");
                }
            }
        }
    };
}
pub(crate) use meeting;

meeting!(fence_meets_commit);
meeting!(takeover_meets_commit);
meeting!(heartbeat_meets_commit);
meeting!(heartbeat_meets_settle);
meeting!(commits_meet);
meeting!(retry_meets_its_first_attempt);
meeting!(create_meets_commits);
meeting!(delete_meets_commit);
meeting!(settle_meets_commit);
meeting!(commit_comes_after_its_tombstone);
meeting!(commit_meets_settle);
meeting!(heartbeat_meets_fence);
meeting!(forget_meets_commit);
meeting!(plan_meets_commit);

/// A commit that passed its fence row is under way; its agent is fenced for silence.
pub(crate) async fn fence_meets_commit(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let world = World::new(0, mistake).await?;
    let other = world.agent("other").await;
    let id = other.store.clone();
    Some(
        ended_while_committing(world, move |_, silent| {
            start(async move { id.fence_expired(&[silent], -60_000).await.map(|_| ()) })
        })
        .await,
    )
}

/// A commit that passed its fence row is under way; another life of its node begins.
pub(crate) async fn takeover_meets_commit(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let world = World::new(0, mistake).await?;
    let store = world.store().await;
    let next = IncarnationId(world.id());
    Some(
        ended_while_committing(world, move |_, _| {
            start(async move { store.register(&registration("silent", next)).await.map(|_| ()) })
        })
        .await,
    )
}

async fn ended_while_committing(
    mut world: World,
    end_it: impl FnOnce(&World, IncarnationId) -> JoinHandle<esker_metastore::Result<()>>,
) -> Vec<String> {
    let agent = world.agent("silent").await;
    let topic = world.topic(&agent.store, 1).await.key;
    world.hold("commit holds fence").await;
    let commit = commit(&agent, 1, vec![run(partition(topic), None, &[3])]);
    world.wait_for("commit holds fence", 1).await;

    let ending = end_it(&world, agent.incarnation);
    let mut wrong = Vec::new();
    let blocked = world.is_blocked(&ending).await;
    let at_fencing = extents_of(world.connection(), agent.incarnation).await;
    world.release("commit holds fence").await;
    let (offered, _) = end(commit).await;
    end(ending).await.unwrap();
    let finally = extents_of(world.connection(), agent.incarnation).await;
    if !blocked && finally != at_fencing {
        wrong.push("a commit landed after its fencing".to_owned());
    }
    let late = self::commit(&agent, 2, vec![run(partition(topic), None, &[1])]);
    let (late, error) = end(late).await;
    if error != Some(MetastoreError::Fenced) {
        wrong.push(format!("a fenced agent committed: {error:?}"));
    }
    wrong.extend(check(world.connection(), &[offered, late], false).await);
    wrong
}

/// A commit is under way for long; its agent renews its registration.
pub(crate) async fn heartbeat_meets_commit(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("busy").await;
    let topic = world.topic(&agent.store, 1).await.key;
    world.hold("commit wrote segments").await;
    let commit = commit(&agent, 1, vec![run(partition(topic), None, &[3])]);
    world.wait_for("commit wrote segments", 1).await;
    let wrong = renew(&mut world, &agent).await;
    world.release("commit wrote segments").await;
    end(commit).await;
    Some(wrong)
}

/// A settle is under way for long; its agent renews its registration.
pub(crate) async fn heartbeat_meets_settle(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("busy").await;
    world.hold("settle wrote tombstones").await;
    let settling = agent.clone();
    let settle = start(async move { settling.store.settle(settling.incarnation, &[1]).await });
    world.wait_for("settle wrote tombstones", 1).await;
    let wrong = renew(&mut world, &agent).await;
    world.release("settle wrote tombstones").await;
    assert_eq!(end(settle).await, Ok(vec![Settled::Tombstoned]));
    Some(wrong)
}

pub(crate) async fn renew(world: &mut World, agent: &Agent) -> Vec<String> {
    let renewing = agent.clone();
    let heartbeat = start(async move {
        renewing
            .store
            .heartbeat(renewing.incarnation, 60_000)
            .await
            .unwrap()
    });
    let blocked = world.is_blocked(&heartbeat).await;
    let mut wrong = Vec::new();
    if blocked {
        wrong.push("a heartbeat waits for its own agent's write".to_owned());
    }
    wrong
}

/// Two agents commit to the same partition.
pub(crate) async fn commits_meet(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (one, two) = (world.agent("one").await, world.agent("two").await);
    let topic = world.topic(&one.store, 1).await.key;
    world.hold("commit wrote segments").await;
    let first = commit(&one, 1, vec![run(partition(topic), None, &[3])]);
    world.wait_for("commit wrote segments", 1).await;
    let second = commit(&two, 1, vec![run(partition(topic), None, &[2, 2])]);
    world.is_blocked(&second).await;
    world.release("commit wrote segments").await;
    let offered = [end(first).await.0, end(second).await.0];
    Some(check(world.connection(), &offered, false).await)
}

/// A client's retry reaches another agent while the first attempt is being committed.
pub(crate) async fn retry_meets_its_first_attempt(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (one, two) = (world.agent("one").await, world.agent("two").await);
    let topic = world.topic(&one.store, 1).await.key;
    let batches = || vec![run(partition(topic), Some((5, 0)), &[3])];
    world.hold("commit wrote segments").await;
    let first = commit(&one, 1, batches());
    world.wait_for("commit wrote segments", 1).await;
    let second = commit(&two, 1, batches());
    world.is_blocked(&second).await;
    world.release("commit wrote segments").await;
    let offered = [end(first).await.0, end(second).await.0];
    Some(check(world.connection(), &offered, false).await)
}

/// A topic appears after two commits looked for its head in vain.
pub(crate) async fn create_meets_commits(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (one, two) = (world.agent("one").await, world.agent("two").await);
    let known = world.topic(&one.store, 2).await.key;
    // Keys are dense.
    let coming = TopicKey(known.0 + 1);
    world.hold("commit holds heads").await;
    // Each locks a head of its own first, so that only the coming one could bring them together.
    let own = |index| PartitionKey {
        topic: known,
        partition: index,
    };
    let runs = |index| vec![run(own(index), None, &[1]), run(partition(coming), None, &[3])];
    let first = commit(&one, 1, runs(0));
    let second = commit(&two, 1, runs(1));
    world.wait_for("commit holds heads", 2).await;
    let store = world.store().await;
    assert_eq!(world.topic(&store, 1).await.key, coming);
    // Neither may be done before both have read, however busy the machine is.
    world.hold("commit wrote extents").await;
    world.release("commit holds heads").await;
    world.wait_for("commit wrote extents", 1).await;
    world.is_blocked(&second).await;
    world.release("commit wrote extents").await;
    let offered = [end(first).await.0, end(second).await.0];
    Some(check(world.connection(), &offered, false).await)
}

/// A topic is deleted while a commit to it is under way, and committed to while it is being deleted.
pub(crate) async fn delete_meets_commit(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let topic = world.topic(&agent.store, 2).await;
    let runs = || vec![run(partition(topic.key), Some((5, 0)), &[3])];
    world.hold("commit holds heads").await;
    world.hold("delete holds heads").await;
    let first = commit(&agent, 1, runs());
    world.wait_for("commit holds heads", 1).await;
    let store = agent.store.clone();
    let delete = start(async move { store.delete_topics(&[topic.uuid]).await });
    let mut wrong = Vec::new();
    if !world.is_blocked(&delete).await {
        wrong.push("a topic was deleted under a commit".to_owned());
    }
    world.release("commit holds heads").await;
    let (first, error) = end(first).await;
    assert_eq!(error, None);
    world.wait_for("delete holds heads", 1).await;
    let second = commit(&agent, 2, runs());
    world.is_blocked(&second).await;
    world.release("delete holds heads").await;
    assert_eq!(end(delete).await, Ok(vec![true]));
    let (second, _) = end(second).await;
    let refused = second.committed.as_ref().map(|reply| reply.runs[0][0].outcome);
    if refused != Some(Outcome::Refused(Refusal::UnknownPartition)) {
        wrong.push(format!("a commit to a deleted topic: {refused:?}"));
    }
    wrong.extend(check(world.connection(), &[first, second], false).await);
    Some(wrong)
}

/// A settle comes while its commit is under way.
pub(crate) async fn settle_meets_commit(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let topic = world.topic(&agent.store, 1).await.key;
    world.hold("commit wrote segments").await;
    let commit = commit(&agent, 1, vec![run(partition(topic), None, &[3])]);
    world.wait_for("commit wrote segments", 1).await;
    let settling = agent.clone();
    let settle = start(async move { settling.store.settle(settling.incarnation, &[1]).await });
    world.is_blocked(&settle).await;
    world.release("commit wrote segments").await;
    let (mut offered, _) = end(commit).await;
    offered.settled = end(settle).await.unwrap();
    Some(check(world.connection(), &[offered], false).await)
}

/// A commit comes while its segment is being settled.
pub(crate) async fn commit_meets_settle(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let topic = world.topic(&agent.store, 1).await.key;
    world.hold("settle wrote tombstones").await;
    let settling = agent.clone();
    let settle = start(async move { settling.store.settle(settling.incarnation, &[1]).await });
    world.wait_for("settle wrote tombstones", 1).await;
    let commit = commit(&agent, 1, vec![run(partition(topic), None, &[3])]);
    world.is_blocked(&commit).await;
    world.release("settle wrote tombstones").await;
    let settled = end(settle).await.unwrap();
    let (mut offered, error) = end(commit).await;
    let mut wrong = Vec::new();
    if error != Some(MetastoreError::AlreadySettled) {
        wrong.push(format!("a commit of a settled segment: {error:?}"));
    }
    offered.settled = settled;
    wrong.extend(check(world.connection(), &[offered], false).await);
    Some(wrong)
}

/// A commit is under way for so long that its segment is settled, its agent goes on, and the tombstone goes.
pub(crate) async fn commit_comes_after_its_tombstone(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let topic = world.topic(&agent.store, 1).await.key;
    world.hold("commit wrote extents").await;
    let commit = commit(&agent, 1, vec![run(partition(topic), None, &[3])]);
    world.wait_for("commit wrote extents", 1).await;
    let settled = agent.store.settle(agent.incarnation, &[1]).await.unwrap();
    // What the next commit leaves, which would stop at the same place.
    let next = "INSERT INTO segment (incarnation, seq, kind, state, object_bytes, settled_through, reply)
                VALUES ($1, 2, 0, 0, 1, 1, '{}')";
    sqlx::query(next)
        .bind(agent.incarnation.0)
        .execute(world.connection())
        .await
        .unwrap();
    let gone = agent.store.unneeded(0, 0, 10).await.unwrap();
    agent.store.forget_objects(&gone).await.unwrap();
    world.release("commit wrote extents").await;
    let (mut offered, error) = end(commit).await;
    let mut wrong = Vec::new();
    if error != Some(MetastoreError::AlreadySettled) {
        wrong.push(format!("a commit of a settled segment: {error:?}"));
    }
    offered.settled = settled;
    wrong.extend(check(world.connection(), &[offered], false).await);
    Some(wrong)
}

/// A heartbeat comes while its agent is about to be fenced, too late.
pub(crate) async fn heartbeat_meets_fence(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (one, two) = (world.agent("one").await, world.agent("two").await);
    world.hold("fence holds fences").await;
    let silent = one.incarnation;
    let fence = start(async move { two.store.fence_expired(&[silent], -60_000).await });
    world.wait_for("fence holds fences", 1).await;
    let renewing = one.clone();
    let heartbeat = start(async move { renewing.store.heartbeat(silent, 60_000).await });
    world.is_blocked(&heartbeat).await;
    world.release("fence holds fences").await;
    let fenced = end(fence).await.unwrap();
    let renewed = end(heartbeat).await;
    let mut wrong = Vec::new();
    if fenced != [silent] || renewed != Err(MetastoreError::Fenced) {
        wrong.push(format!("fenced {fenced:?}, and renewed {renewed:?}"));
    }
    Some(wrong)
}

/// A producer comes back at the very moment when it is forgotten, before and after.
pub(crate) async fn forget_meets_commit(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let topic = world.topic(&agent.store, 1).await.key;
    let runs = |first| vec![run(partition(topic), Some((5, first)), &[1])];
    let mut offered = vec![end(commit(&agent, 1, runs(0))).await.0];

    // The producer was idle, and is being appended to: it is not idle any more.
    sleep(Duration::from_millis(2500)).await;
    world.hold("commit wrote segments").await;
    let second = commit(&agent, 2, runs(1));
    world.wait_for("commit wrote segments", 1).await;
    let store = world.store().await;
    let forget = start(async move { store.forget_idle_producers(2000, 100).await });
    world.is_blocked(&forget).await;
    world.release("commit wrote segments").await;
    offered.push(end(second).await.0);
    let mut wrong = Vec::new();
    let forgotten = end(forget).await;
    if forgotten != Ok(0) {
        wrong.push(format!("a producer was forgotten in use: {forgotten:?}"));
        return Some(wrong);
    }

    // The producer is being forgotten: it is known as forgotten, and taken up at the second offer.
    world.hold("forget holds heads").await;
    let store = world.store().await;
    let forget = start(async move { store.forget_idle_producers(0, 100).await });
    world.wait_for("forget holds heads", 1).await;
    let third = commit(&agent, 3, runs(2));
    world.is_blocked(&third).await;
    world.release("forget holds heads").await;
    assert_eq!(end(forget).await, Ok(1));
    offered.push(end(third).await.0);
    offered.push(end(commit(&agent, 4, runs(2))).await.0);
    let outcomes: Vec<_> = offered[2..]
        .iter()
        .map(|offered| offered.committed.as_ref().unwrap().runs[0][0].outcome)
        .collect();
    let expected = [
        Outcome::Refused(Refusal::Gap),
        Outcome::Appended { base_offset: 2 },
    ];
    if outcomes != expected {
        wrong.push(format!("a forgotten producer was answered {outcomes:?}"));
    }
    wrong.extend(check(world.connection(), &offered, true).await);
    Some(wrong)
}

/// A plan is made while a commit is under way: it waits for nothing and sees all of it or nothing.
pub(crate) async fn plan_meets_commit(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let topic = world.topic(&agent.store, 1).await.key;
    world.hold("commit wrote extents").await;
    let commit = commit(&agent, 1, vec![run(partition(topic), None, &[3])]);
    world.wait_for("commit wrote extents", 1).await;
    let ask = PlanRequest {
        partition: partition(topic),
        from: 0,
        bytes_max: 1000,
        extents_max: 10,
    };
    let store = agent.store.clone();
    let plan = start(async move { store.plan(&[ask]).await.unwrap().remove(0) });
    let mut wrong = Vec::new();
    if world.is_blocked(&plan).await {
        wrong.push("a plan waits for a commit".to_owned());
    }
    world.release("commit wrote extents").await;
    end(commit).await;
    let before = end(plan).await;
    let after = agent.store.plan(&[ask]).await.unwrap().remove(0);
    for (plan, extents, next_offset) in [(before, 0, 0), (after, 1, 3)] {
        if plan.extents.len() != extents || plan.head.map(|head| head.next_offset) != Some(next_offset) {
            wrong.push(format!("{plan:?}"));
        }
    }
    Some(wrong)
}
