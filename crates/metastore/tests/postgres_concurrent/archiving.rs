//! Archiving meets commits, other archivers, fencing, deletion and readers. Each meeting returns what is wrong
//! afterwards.

use esker_metastore::{
    Agents, ArchiveRequest, ArchivedPartition, Archives, ChunkRange, Extent, MetastoreError, PlanRequest,
    Reads, Removals, Topics,
};
use esker_model::{ObjectId, PartitionKey, SegmentId, SegmentKind};
use tokio::task::JoinHandle;

use crate::functions::Mistake;
use crate::meetings::{commit, meeting, partition};
use crate::operations::run;
use crate::world::{Agent, EPOCH, World, end, start};

meeting!(fence_meets_archive);
meeting!(archivers_meet);
meeting!(commit_meets_archive);
meeting!(delete_meets_archive);
meeting!(commit_meets_empty);
meeting!(plan_meets_empty);

const BUCKETS: u64 = 8;

/// The same records in an archive segment of this agent.
pub(crate) fn moved(extent: &Extent, agent: &Agent, seq: u64) -> Extent {
    Extent {
        segment: SegmentId {
            kind: SegmentKind::Archive,
            epoch: EPOCH,
            incarnation: agent.incarnation,
            seq,
        },
        chunk: Some(ChunkRange {
            position: 0,
            bytes: 1000,
            crc: 7,
        }),
        producer: None,
        ..*extent
    }
}

/// Moves extents, ascending by partition and offset, into one archive segment: those that lie end to end together.
pub(crate) fn request_of(found: &[(PartitionKey, Extent)], agent: &Agent, seq: u64) -> ArchiveRequest {
    let mut partitions: Vec<ArchivedPartition> = Vec::new();
    for (partition, extent) in found {
        let extent = moved(extent, agent, seq);
        match partitions.last_mut() {
            Some(last)
                if last.partition == *partition
                    && last.extents.last().map(|last| last.end_offset) == Some(extent.base_offset) =>
            {
                last.extents.push(extent);
            }
            _ => partitions.push(ArchivedPartition {
                partition: *partition,
                extents: vec![extent],
            }),
        }
    }
    ArchiveRequest {
        epoch: EPOCH,
        incarnation: agent.incarnation,
        partitions,
    }
}

/// Moves everything that waits.
pub(crate) async fn request_of_all(agent: &Agent, seq: u64) -> ArchiveRequest {
    let waiting = agent.store.waiting_segments(0, u64::MAX, 10_000).await.unwrap();
    let ids: Vec<_> = waiting.iter().map(|segment| segment.id).collect();
    request_of(&agent.store.unarchived(&ids).await.unwrap(), agent, seq)
}

pub(crate) fn archive(
    agent: &Agent,
    request: ArchiveRequest,
) -> JoinHandle<esker_metastore::Result<Vec<bool>>> {
    let store = agent.store.clone();
    start(async move { store.archive(&request).await })
}

/// What a reader from the beginning finds wrong.
async fn read_through(agent: &Agent, partition: PartitionKey, end: i64) -> Vec<String> {
    let ask = PlanRequest {
        partition,
        from: 0,
        bytes_max: u64::MAX,
        extents_max: 1000,
    };
    let plan = agent.store.plan(&[ask]).await.unwrap().remove(0);
    let mut at = 0;
    let mut wrong = Vec::new();
    for extent in &plan.extents {
        if extent.base_offset != at {
            wrong.push(format!("offset {at} is followed by {extent:?}"));
        }
        at = extent.end_offset;
    }
    if at != end || plan.head.map(|head| head.next_offset) != Some(end) {
        wrong.push(format!("{:?} and extents to {at} instead of {end}", plan.head));
    }
    wrong
}

/// An archiver that passed its fence row is paused and fenced.
pub(crate) async fn fence_meets_archive(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (silent, other) = (world.agent("silent").await, world.agent("other").await);
    let topic = world.topic(&silent.store, 1).await.key;
    end(commit(&silent, 1, vec![run(partition(topic), None, &[3])])).await;
    let request = request_of_all(&silent, 1).await;
    world.hold("archive holds fence").await;
    let archiving = archive(&silent, request.clone());
    world.wait_for("archive holds fence", 1).await;
    let (store, fenced) = (other.store.clone(), silent.incarnation);
    let fencing = start(async move { store.fence_expired(&[fenced], -60_000).await });
    let blocked = world.is_blocked(&fencing).await;
    world.release("archive holds fence").await;
    let mut wrong = Vec::new();
    if end(archiving).await != Ok(vec![true]) || !blocked {
        wrong.push("an archiver went on after its fencing".to_owned());
    }
    assert_eq!(end(fencing).await, Ok(vec![silent.incarnation]));
    let late = silent.store.archive(&request).await;
    if late != Err(MetastoreError::Fenced) {
        wrong.push(format!("a fenced archiver was answered {late:?}"));
    }
    wrong.extend(read_through(&other, partition(topic), 3).await);
    Some(wrong)
}

/// Two archivers took the same records.
pub(crate) async fn archivers_meet(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (one, two) = (world.agent("one").await, world.agent("two").await);
    let topic = world.topic(&one.store, 1).await.key;
    end(commit(&one, 1, vec![run(partition(topic), None, &[3])])).await;
    let requests = [request_of_all(&one, 1).await, request_of_all(&two, 1).await];
    let [first, second] = requests;
    world.hold("archive wrote extents").await;
    let first = archive(&one, first);
    world.wait_for("archive wrote extents", 1).await;
    let second = archive(&two, second);
    world.is_blocked(&second).await;
    world.release("archive wrote extents").await;
    let outcomes = (end(first).await, end(second).await);
    let mut wrong = Vec::new();
    if outcomes != (Ok(vec![true]), Ok(vec![false])) {
        wrong.push(format!("both archived: {outcomes:?}"));
    }
    wrong.extend(read_through(&one, partition(topic), 3).await);
    Some(wrong)
}

/// A partition is archived while more is committed to it.
pub(crate) async fn commit_meets_archive(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let topic = world.topic(&agent.store, 1).await.key;
    end(commit(&agent, 1, vec![run(partition(topic), None, &[3])])).await;
    let request = request_of_all(&agent, 1).await;
    world.hold("commit wrote segments").await;
    let committing = commit(&agent, 2, vec![run(partition(topic), None, &[2])]);
    world.wait_for("commit wrote segments", 1).await;
    let archiving = archive(&agent, request);
    world.is_blocked(&archiving).await;
    world.release("commit wrote segments").await;
    end(committing).await;
    let mut wrong = Vec::new();
    let archived = end(archiving).await;
    if archived != Ok(vec![true]) {
        wrong.push(format!("archiving: {archived:?}"));
    }
    let ids = [1, 2].map(|seq| SegmentId {
        kind: SegmentKind::Ingest,
        epoch: EPOCH,
        incarnation: agent.incarnation,
        seq,
    });
    let released = agent.store.release(&ids).await;
    if released != Ok(vec![true, false]) {
        wrong.push(format!("released: {released:?}"));
    }
    wrong.extend(read_through(&agent, partition(topic), 5).await);
    Some(wrong)
}

/// A topic is deleted under an archiver, and archived while it is being deleted.
pub(crate) async fn delete_meets_archive(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let topic = world.topic(&agent.store, 1).await;
    end(commit(&agent, 1, vec![run(partition(topic.key), None, &[3])])).await;
    let first = request_of_all(&agent, 1).await;
    end(commit(&agent, 2, vec![run(partition(topic.key), None, &[2])])).await;
    let mut second = request_of_all(&agent, 2).await;
    second.partitions[0].extents.remove(0);
    world.hold("archive holds heads").await;
    world.hold("delete holds heads").await;
    let archiving = archive(&agent, first);
    world.wait_for("archive holds heads", 1).await;
    let store = agent.store.clone();
    let delete = start(async move { store.delete_topics(&[topic.uuid]).await });
    world.is_blocked(&delete).await;
    world.release("archive holds heads").await;
    let mut outcomes = vec![end(archiving).await];
    world.wait_for("delete holds heads", 1).await;
    let archiving = archive(&agent, second);
    world.is_blocked(&archiving).await;
    world.release("delete holds heads").await;
    assert_eq!(end(delete).await, Ok(vec![true]));
    outcomes.push(end(archiving).await);
    let mut wrong = Vec::new();
    if outcomes != [Ok(vec![true]), Ok(vec![false])] {
        wrong.push(format!("archiving: {outcomes:?}"));
    }
    // The segment of the first has nothing any more; the second never became referenced.
    let unneeded = agent.store.unneeded(0, 0, 10).await.unwrap();
    let gone =
        matches!(unneeded[..], [ObjectId::Segment(id)] if id.kind == SegmentKind::Archive && id.seq == 1);
    if !gone {
        wrong.push(format!("unneeded: {unneeded:?}"));
    }
    Some(wrong)
}

/// A bucket is emptied while a commit that wrote into it is open.
pub(crate) async fn commit_meets_empty(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let topic = world.topic(&agent.store, 1).await.key;
    end(commit(&agent, 1, vec![run(partition(topic), None, &[3])])).await;
    let request = request_of_all(&agent, 1).await;
    assert_eq!(agent.store.archive(&request).await, Ok(vec![true]));
    world.hold("commit wrote extents").await;
    let committing = commit(&agent, 2, vec![run(partition(topic), None, &[2])]);
    world.wait_for("commit wrote extents", 1).await;
    let store = agent.store.clone();
    let emptying = start(async move { store.empty_buckets().await });
    let mut wrong = Vec::new();
    if !world.is_blocked(&emptying).await {
        wrong.push("a bucket was emptied under a commit".to_owned());
    }
    world.release("commit wrote extents").await;
    end(committing).await;
    let emptied = end(emptying).await;
    if emptied != Ok(0) {
        wrong.push(format!("emptied {emptied:?} of {BUCKETS} buckets"));
    }
    wrong.extend(read_through(&agent, partition(topic), 5).await);
    if !wrong.is_empty() {
        return Some(wrong);
    }
    let request = request_of_all(&agent, 2).await;
    assert_eq!(agent.store.archive(&request).await, Ok(vec![true]));
    let emptied = agent.store.empty_buckets().await;
    if emptied != Ok(1) {
        wrong.push(format!("emptied {emptied:?} when all was archived"));
    }
    wrong.extend(read_through(&agent, partition(topic), 5).await);
    Some(wrong)
}

/// A plan is asked for while a bucket is being emptied: it waits for a moment, and finds all.
pub(crate) async fn plan_meets_empty(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let topic = world.topic(&agent.store, 1).await.key;
    end(commit(&agent, 1, vec![run(partition(topic), None, &[3])])).await;
    let request = request_of_all(&agent, 1).await;
    assert_eq!(agent.store.archive(&request).await, Ok(vec![true]));
    world.hold("empty holds bucket").await;
    let store = agent.store.clone();
    let emptying = start(async move { store.empty_buckets().await });
    world.wait_for("empty holds bucket", 1).await;
    let reader = agent.clone();
    let reading = start(async move { read_through(&reader, partition(topic), 3).await });
    world.is_blocked(&reading).await;
    world.release("empty holds bucket").await;
    assert_eq!(end(emptying).await, Ok(1));
    Some(end(reading).await)
}
