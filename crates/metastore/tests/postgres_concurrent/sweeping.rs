//! Sweeping meets those whose objects it asks about. Each meeting returns what is wrong afterwards.

use esker_metastore::{Agents, Sweeps};
use esker_model::{IncarnationId, SegmentId, SegmentKind};

use crate::archiving::{archive, request_of_all};
use crate::functions::Mistake;
use crate::meetings::{commit, meeting, partition};
use crate::operations::run;
use crate::world::{Agent, EPOCH, World, end, start};

meeting!(orphans_meet_commit);
meeting!(orphans_meet_archive);
meeting!(fence_meets_swept);

fn object(kind: SegmentKind, incarnation: IncarnationId, seq: u64) -> SegmentId {
    SegmentId {
        kind,
        epoch: EPOCH,
        incarnation,
        seq,
    }
}

/// Fences an agent and asks whether one of its objects is an orphan, while the agent is paused at a point after which
/// it will refer to the object.
async fn fence_and_ask(
    world: &mut World,
    other: &Agent,
    asked: SegmentId,
    pause: &str,
) -> tokio::task::JoinHandle<Vec<SegmentId>> {
    let mut told = other.store.orphans(EPOCH, &[asked]).await.unwrap();
    let store = other.store.clone();
    let sweep = start(async move {
        let fenced = store.fence_expired(&[asked.incarnation], -60_000).await;
        assert_eq!(fenced, Ok(vec![asked.incarnation]));
        told.extend(store.orphans(EPOCH, &[asked]).await.unwrap());
        told
    });
    world.is_blocked(&sweep).await;
    world.release(pause).await;
    sweep
}

/// A sweep asks about a segment whose commit is under way, before and after the agent is fenced.
pub(crate) async fn orphans_meet_commit(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let other = world.agent("other").await;
    let topic = world.topic(&other.store, 1).await.key;
    let mut wrong = Vec::new();
    for pause in [
        "commit holds fence",
        "commit wrote extents",
        "commit wrote segments",
    ] {
        let agent = world.agent("silent").await;
        let asked = object(SegmentKind::Ingest, agent.incarnation, 1);
        world.hold(pause).await;
        let committing = commit(&agent, 1, vec![run(partition(topic), None, &[3])]);
        world.wait_for(pause, 1).await;
        let sweep = fence_and_ask(&mut world, &other, asked, pause).await;
        let (offered, error) = end(committing).await;
        let told = end(sweep).await;
        if offered.committed.is_none() || !told.is_empty() {
            wrong.push(format!("called an orphan: {told:?}, at {pause}, then {error:?}"));
        }
    }
    // One that was never committed is one as soon as its agent ended, and not before.
    let agent = world.agent("silent").await;
    let never = object(SegmentKind::Ingest, agent.incarnation, 1);
    let before = other.store.orphans(EPOCH, &[never]).await;
    agent.store.leave(agent.incarnation).await.unwrap();
    let after = other.store.orphans(EPOCH, &[never]).await;
    if (before, after) != (Ok(vec![]), Ok(vec![never])) {
        wrong.push("an orphan was not told as such".to_owned());
    }
    Some(wrong)
}

/// A sweep asks about an archive segment whose archiving is under way.
pub(crate) async fn orphans_meet_archive(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let other = world.agent("other").await;
    let topic = world.topic(&other.store, 1).await.key;
    let mut wrong = Vec::new();
    for (seq, pause) in ["archive holds fence", "archive wrote extents"]
        .into_iter()
        .enumerate()
    {
        let agent = world.agent("silent").await;
        end(commit(
            &other,
            seq as u64 + 1,
            vec![run(partition(topic), None, &[3])],
        ))
        .await;
        let asked = object(SegmentKind::Archive, agent.incarnation, 1);
        let request = request_of_all(&agent, 1).await;
        world.hold(pause).await;
        let archiving = archive(&agent, request);
        world.wait_for(pause, 1).await;
        let sweep = fence_and_ask(&mut world, &other, asked, pause).await;
        let archived = end(archiving).await;
        let told = end(sweep).await;
        if archived != Ok(vec![true]) || !told.is_empty() {
            wrong.push(format!(
                "called an orphan: {told:?}, at {pause}, then {archived:?}"
            ));
        }
    }
    Some(wrong)
}

/// An incarnation ends while one is told that it was swept. It was not: it lived.
pub(crate) async fn fence_meets_swept(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (late, other) = (world.agent("late").await, world.agent("other").await);
    let gone = world.agent("gone").await;
    gone.store.leave(gone.incarnation).await.unwrap();
    world.hold("swept holds fences").await;
    let ids = [late.incarnation, gone.incarnation];
    let store = other.store.clone();
    let sweeping = start(async move { store.swept(&ids).await });
    world.wait_for("swept holds fences", 1).await;
    let (store, fenced) = (other.store.clone(), late.incarnation);
    let fencing = start(async move { store.fence_expired(&[fenced], -60_000).await });
    world.is_blocked(&fencing).await;
    world.release("swept holds fences").await;
    let forgotten = end(sweeping).await;
    assert_eq!(end(fencing).await, Ok(vec![fenced]));
    let mut wrong = Vec::new();
    let to_sweep = other.store.to_sweep(10).await;
    if (&forgotten, &to_sweep) != (&Ok(1), &Ok(vec![fenced])) {
        wrong.push(format!(
            "one that lived counts as swept: {forgotten:?}, {to_sweep:?}"
        ));
    }
    Some(wrong)
}
