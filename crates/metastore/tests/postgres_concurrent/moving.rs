//! Extents that move into another archive segment, and segments that go, meet merging, fencing and each other. Each
//! meeting returns what is wrong afterwards.

use esker_metastore::{
    Agents, ArchiveRequest, ArchivedPartition, Archives, MetastoreError, Removals, Retention, Sweeps,
};
use esker_model::{LogId, ObjectId, PartitionKey, SegmentKind};
use tokio::task::JoinHandle;

use crate::archive_checker::left_behind;
use crate::archiving::{moved, request_of_all};
use crate::functions::Mistake;
use crate::meetings::{commit, meeting, partition};
use crate::merging::{RECORDS, archived_partition, delete, merge, read_through, request_of_one, to_merge};
use crate::operations::run;
use crate::world::{Agent, EPOCH, World, end, start};

meeting!(move_meets_merge);
meeting!(merge_meets_move);
meeting!(fence_meets_move);
meeting!(movers_meet);
meeting!(drop_meets_move);
meeting!(move_meets_drop);
meeting!(advance_meets_move);
meeting!(releases_meet);

/// All extents of a partition, as one in another archive segment.
async fn move_of_all(agent: &Agent, partition: PartitionKey, seq: u64) -> ArchiveRequest {
    let found = to_merge(agent, partition).await;
    let mut extent = moved(&found.extents[0], agent, seq);
    extent.end_offset = found.extents.last().unwrap().end_offset;
    ArchiveRequest {
        epoch: EPOCH,
        incarnation: agent.incarnation,
        partitions: vec![ArchivedPartition {
            partition,
            extents: vec![extent],
        }],
    }
}

fn move_archived(agent: &Agent, request: ArchiveRequest) -> JoinHandle<esker_metastore::Result<Vec<bool>>> {
    let store = agent.store.clone();
    start(async move { store.move_archived(&request).await })
}

/// Archive segments that may go.
async fn unneeded_archives(agent: &Agent) -> Vec<u64> {
    let unneeded = agent.store.unneeded(0, 0, 100).await.unwrap();
    let archives = unneeded.iter().filter_map(|object| match object {
        ObjectId::Segment(id) if id.kind == SegmentKind::Archive => Some(id.seq),
        _ => None,
    });
    archives.collect()
}

/// A merge comes while the extents that it counted move into another segment.
pub(crate) async fn move_meets_merge(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let (partition, _) = archived_partition(&world, &agent, 2).await;
    let merge_request = request_of_one(&agent, partition, 1).await;
    let move_request = move_of_all(&agent, partition, 3).await;
    world.hold("move wrote extents").await;
    let moving = move_archived(&agent, move_request);
    world.wait_for("move wrote extents", 1).await;
    let merging = merge(&agent, merge_request);
    world.is_blocked(&merging).await;
    world.release("move wrote extents").await;
    let outcomes = [end(moving).await, end(merging).await];
    let mut wrong = Vec::new();
    if outcomes != [Ok(vec![true]), Ok(vec![false])] {
        wrong.push(format!(
            "other extents than those counted were merged: {outcomes:?}"
        ));
    }
    if unneeded_archives(&agent).await != [1, 2] {
        wrong.push("the segments that were left did not go".to_owned());
    }
    wrong.extend(read_through(&agent, partition, 0, 6).await);
    wrong.extend(left_behind(world.connection()).await);
    Some(wrong)
}

/// Extents are to move that a merge just takes.
pub(crate) async fn merge_meets_move(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let (partition, _) = archived_partition(&world, &agent, 2).await;
    let merge_request = request_of_one(&agent, partition, 1).await;
    let move_request = move_of_all(&agent, partition, 3).await;
    world.hold("merge wrote manifests").await;
    let merging = merge(&agent, merge_request);
    world.wait_for("merge wrote manifests", 1).await;
    let moving = move_archived(&agent, move_request);
    world.is_blocked(&moving).await;
    world.release("merge wrote manifests").await;
    let outcomes = [end(merging).await, end(moving).await];
    let mut wrong = Vec::new();
    if outcomes != [Ok(vec![true]), Ok(vec![false])] {
        wrong.push(format!("extents moved that were merged: {outcomes:?}"));
    }
    wrong.extend(read_through(&agent, partition, 6, 6).await);
    wrong.extend(left_behind(world.connection()).await);
    Some(wrong)
}

/// A mover that passed its fence row is paused and fenced. What a sweep is told afterwards stays true.
pub(crate) async fn fence_meets_move(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (silent, other) = (world.agent("silent").await, world.agent("other").await);
    let (partition, _) = archived_partition(&world, &silent, 2).await;
    let request = move_of_all(&silent, partition, 3).await;
    let object = request.partitions[0].extents[0].segment;
    world.hold("move holds fence").await;
    let moving = move_archived(&silent, request.clone());
    world.wait_for("move holds fence", 1).await;
    let (sweeping, fenced) = (other.clone(), silent.incarnation);
    let sweep = start(async move {
        let store = &sweeping.store;
        let ended = store.fence_expired(&[fenced], -60_000).await;
        (ended, store.orphans(EPOCH, &[object]).await)
    });
    world.is_blocked(&sweep).await;
    world.release("move holds fence").await;
    let moved = end(moving).await;
    let (ended, told) = end(sweep).await;
    assert_eq!(ended, Ok(vec![fenced]));
    let mut wrong = Vec::new();
    if (moved.as_deref(), told.as_deref()) != (Ok(&[true][..]), Ok(&[][..])) {
        wrong.push(format!(
            "a mover went on after its fencing: {moved:?}, orphans {told:?}"
        ));
    }
    let late = silent.store.move_archived(&request).await;
    if late != Err(MetastoreError::Fenced) {
        wrong.push(format!("a fenced mover was answered {late:?}"));
    }
    wrong.extend(read_through(&other, partition, 0, 6).await);
    wrong.extend(left_behind(world.connection()).await);
    Some(wrong)
}

/// Two movers took the same extents.
pub(crate) async fn movers_meet(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (one, two) = (world.agent("one").await, world.agent("two").await);
    let (partition, _) = archived_partition(&world, &one, 2).await;
    let mut second = move_of_all(&two, partition, 1).await;
    // In two extents, as they lay: it has the same range, and not the same rows.
    let found = to_merge(&two, partition).await;
    second.partitions[0].extents = found
        .extents
        .iter()
        .map(|extent| moved(extent, &two, 1))
        .collect();
    let first = move_of_all(&one, partition, 3).await;
    world.hold("move wrote extents").await;
    let first = move_archived(&one, first);
    world.wait_for("move wrote extents", 1).await;
    let second = move_archived(&two, second);
    world.is_blocked(&second).await;
    world.release("move wrote extents").await;
    let outcomes = [end(first).await, end(second).await];
    let mut wrong = Vec::new();
    // Both may be right, one after the other: the second moves what the first left.
    if outcomes != [Ok(vec![true]), Ok(vec![true])] {
        wrong.push(format!("moving: {outcomes:?}"));
    }
    wrong.extend(read_through(&one, partition, 0, 6).await);
    wrong.extend(left_behind(world.connection()).await);
    Some(wrong)
}

/// The first extent of a partition and the third, to another archive segment: what lies between them stays.
async fn move_of_two(agent: &Agent, partition: PartitionKey, seq: u64) -> ArchiveRequest {
    let found = to_merge(agent, partition).await;
    let apart = [0, 2].map(|at| ArchivedPartition {
        partition,
        extents: vec![moved(&found.extents[at], agent, seq)],
    });
    ArchiveRequest {
        epoch: EPOCH,
        incarnation: agent.incarnation,
        partitions: apart.to_vec(),
    }
}

/// Extents are to move that are just being forgotten.
pub(crate) async fn drop_meets_move(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    dropped_and_moved(mistake, "drop dropped").await
}

/// What lies below the log start is forgotten while a mover is at work, who was told of it before.
pub(crate) async fn move_meets_drop(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    dropped_and_moved(mistake, "move wrote extents").await
}

/// Whichever waits at this point is met by the other: nothing that is forgotten comes back, and nobody waits.
async fn dropped_and_moved(mistake: Option<&Mistake>, point: &'static str) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let (partition, _) = archived_partition(&world, &agent, 3).await;
    let request = move_of_two(&agent, partition, 4).await;
    let heads = agent.store.advance_log_start(&[(partition, 2 * RECORDS)]).await;
    assert_eq!(heads.unwrap()[0].map(|head| head.log_start), Some(2 * RECORDS));
    let store = agent.store.clone();
    let drop = async move { store.drop_archived(100).await };
    let mut wrong = Vec::new();
    world.hold(point).await;
    let (dropping, moving, blocked) = if point.starts_with("drop") {
        let dropping = start(drop);
        world.wait_for(point, 1).await;
        let moving = move_archived(&agent, request);
        let blocked = world.is_blocked(&moving).await;
        (dropping, moving, blocked)
    } else {
        let moving = move_archived(&agent, request);
        world.wait_for(point, 1).await;
        let dropping = start(drop);
        let blocked = world.is_blocked(&dropping).await;
        (dropping, moving, blocked)
    };
    world.release(point).await;
    let outcomes = (end(dropping).await, end(moving).await);
    if blocked || outcomes != (Ok(2), Ok(vec![false, true])) {
        wrong.push(format!(
            "dropping and moving: {outcomes:?}, one waited: {blocked}"
        ));
    }
    wrong.extend(read_through(&agent, partition, 0, 3 * RECORDS).await);
    wrong.extend(left_behind(world.connection()).await);
    Some(wrong)
}

/// A move comes while the log start moves over what it was told of.
pub(crate) async fn advance_meets_move(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let (partition, _) = archived_partition(&world, &agent, 3).await;
    let request = move_of_two(&agent, partition, 4).await;
    world.hold("advance holds heads").await;
    let store = agent.store.clone();
    let advancing = start(async move { store.advance_log_start(&[(partition, 2 * RECORDS)]).await });
    world.wait_for("advance holds heads", 1).await;
    let moving = move_archived(&agent, request);
    world.is_blocked(&moving).await;
    world.release("advance holds heads").await;
    end(advancing).await.unwrap();
    let moved = end(moving).await;
    let mut wrong = Vec::new();
    if moved != Ok(vec![false, true]) {
        wrong.push(format!("what lies below the log start by now moved: {moved:?}"));
    }
    wrong.extend(read_through(&agent, partition, 0, 3 * RECORDS).await);
    wrong.extend(left_behind(world.connection()).await);
    Some(wrong)
}

/// The last extents of one archive segment go by two ways at once.
pub(crate) async fn releases_meet(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let (merged, dropped) = (
        world.topic(&agent.store, 1).await,
        world.topic(&agent.store, 1).await,
    );
    let runs = [merged.key, dropped.key].map(|topic| run(partition(topic), None, &[RECORDS as i32]));
    end(commit(&agent, 1, runs.to_vec())).await;
    let request = request_of_all(&agent, 1).await;
    assert_eq!(agent.store.archive(&request).await, Ok(vec![true, true]));
    let request = request_of_one(&agent, partition(merged.key), 1).await;
    world.hold("release looked").await;
    let merging = merge(&agent, request);
    world.wait_for("release looked", 1).await;
    let log = LogId {
        topic: dropped.uuid,
        partition: 0,
    };
    let deleting = delete(&agent, log);
    world.is_blocked(&deleting).await;
    world.release("release looked").await;
    assert_eq!(end(merging).await, Ok(vec![true]));
    assert_eq!(end(deleting).await, Ok(vec![true]));
    Some(left_behind(world.connection()).await)
}
