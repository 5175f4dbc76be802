//! What nothing refers to, and incarnations that are forgotten.

use esker_metastore::*;
use esker_model::{ClusterEpoch, IncarnationId, LogId, ObjectId, SegmentId, TopicUuid};
use uuid::Uuid;

use crate::archive_requests::*;
use crate::merge_requests::*;
use crate::runs::*;
use crate::world::{EPOCH, World, Writer, at};

async fn orphans(world: &World, segments: &[SegmentId]) -> Vec<SegmentId> {
    world.store.orphans(EPOCH, segments).await.unwrap()
}

/// An incarnation that nobody knows.
fn stranger() -> Writer {
    Writer::of(IncarnationId(Uuid::from_u128(99)))
}

pub async fn what_a_living_incarnation_wrote_is_no_orphan(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    world.commit(&writer, vec![plain(partition, &[10])]).await;
    archive_all(world, &writer, partition, 1).await;
    let given_up = writer.take_seq();
    world.store.settle(writer.incarnation, &[given_up]).await.unwrap();
    let unknown = [ingest_segment(&writer, 7), archive_segment(&writer, 7)];
    let known = [
        ingest_segment(&writer, 1),
        archive_segment(&writer, 1),
        ingest_segment(&writer, given_up),
    ];
    let all = [known.as_slice(), unknown.as_slice()].concat();
    assert_eq!(orphans(world, &all).await, []);
    // Once it ended, what it made known stays known.
    world.store.leave(writer.incarnation).await.unwrap();
    assert_eq!(orphans(world, &all).await, unknown);
    // Nothing makes anything of a stranger known.
    let strange = [ingest_segment(&stranger(), 1), archive_segment(&stranger(), 1)];
    assert_eq!(orphans(world, &strange).await, strange);
    let merged = merged_segment(&stranger(), log(1), 1);
    assert_eq!(orphans(world, &[merged]).await, [], "a manifest says");
    assert_eq!(orphans(world, &[]).await, []);
}

pub async fn what_was_settled_without_a_commit_is_an_orphan(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let [never, committed] = [writer.take_seq(), writer.take_seq()];
    let mut request = writer.request(vec![vec![plain(partition, &[10])]]);
    request.segments[0].seq = committed;
    world.store.commit(request).await.unwrap();
    let late = ingest_segment(&writer, never);
    assert_eq!(orphans(world, &[late]).await, []);
    let request = CommitRequest {
        settled_through: never,
        ..writer.request(vec![vec![]])
    };
    world.store.commit(request).await.unwrap();
    assert_eq!(
        orphans(world, &[late, ingest_segment(&writer, committed)]).await,
        [late]
    );
}

pub async fn another_epoch_is_told_nothing(world: &World) {
    world.writer("a").await;
    let wrong = || MetastoreError::WrongEpoch {
        expected: 2,
        found: 1,
    };
    let segments = [ingest_segment(&stranger(), 1)];
    assert_eq!(
        world.store.orphans(ClusterEpoch(2), &segments).await,
        Err(wrong())
    );
    let asked = world.store.references(ClusterEpoch(2), &[], &[]).await;
    assert_eq!(asked, Err(wrong()));
}

fn log(number: u128) -> LogId {
    LogId {
        topic: TopicUuid(Uuid::from_u128(number)),
        partition: 0,
    }
}

pub async fn references_are_told_with_who_lives(world: &World) {
    let (a, b) = (world.writer("a").await, world.writer("b").await);
    let topic = world.topic("orders", 2).await;
    let partition = at(&topic, 0);
    for seq in 1..=2 {
        world.commit(&a, vec![plain(partition, &[10])]).await;
        archive_all(world, &a, partition, seq).await;
    }
    let first = merge(world, &a, partition, 1, 1).await;
    let of = |partition| LogId {
        topic: topic.uuid,
        partition,
    };
    let second = MergedPartition {
        unneeded: vec![ObjectId::Segment(merged_segment(&a, of(0), 5))],
        ..merged(&a, &to_merge(world, partition).await, 1, 2)
    };
    let manifest = second.manifest;
    let request = merge_request(&a, vec![second]);
    assert_eq!(world.store.merge(&request).await, Ok(vec![true]));
    world.store.leave(b.incarnation).await.unwrap();
    let incarnations = [a.incarnation, b.incarnation, stranger().incarnation];
    let logs = [of(1), log(1), of(0), of(2)];
    let references = world.store.references(EPOCH, &incarnations, &logs).await.unwrap();
    assert_eq!(references.live, [true, false, false]);
    let plain = LogReferences {
        exists: true,
        ..LogReferences::default()
    };
    let rich = LogReferences {
        exists: true,
        manifest: Some(manifest),
        objects: 3,
        unneeded: vec![
            ObjectId::Segment(merged_segment(&a, of(0), 5)),
            ObjectId::Manifest(first.id),
        ],
    };
    let nothing = LogReferences::default();
    assert_eq!(
        references.logs,
        [plain, nothing.clone(), rich.clone(), nothing.clone()]
    );
    // What is to be removed of a topic that is gone is still to be removed.
    world.store.delete_topics(&[topic.uuid]).await.unwrap();
    let references = world.store.references(EPOCH, &[], &[of(0)]).await.unwrap();
    let left = LogReferences {
        unneeded: rich.unneeded,
        ..nothing
    };
    assert_eq!(references.logs, [left]);
}

pub async fn swept_incarnations_are_forgotten_with_their_last_segment(world: &World) {
    let (a, b) = (world.writer("a").await, world.writer("b").await);
    let partition = world.partition().await;
    world.commit(&a, vec![plain(partition, &[10])]).await;
    assert_eq!(world.store.to_sweep(10).await, Ok(vec![]));
    // Nobody sweeps the living.
    assert_eq!(world.store.swept(&[a.incarnation, b.incarnation]).await, Ok(0));
    world.store.heartbeat(a.incarnation, 60_000).await.unwrap();
    world.store.leave(a.incarnation).await.unwrap();
    let next = world.writer("b").await;
    let mut ended = vec![a.incarnation, b.incarnation];
    ended.sort_unstable();
    let mut found = world.store.to_sweep(10).await.unwrap();
    found.sort_unstable();
    assert_eq!(found, ended);
    assert_eq!(world.store.to_sweep(1).await.unwrap().len(), 1);
    assert_eq!(world.store.swept(&ended).await, Ok(1));
    assert_eq!(world.store.to_sweep(10).await, Ok(vec![]));
    // What it committed is still needed, and goes its way.
    let segment = ingest_segment(&a, 1);
    let waiting = world.store.waiting_segments(0, u64::MAX, 10).await.unwrap();
    assert_eq!(waiting.iter().map(|one| one.id).collect::<Vec<_>>(), [segment]);
    archive_all(world, &next, partition, 1).await;
    assert_eq!(world.store.release(&[segment]).await, Ok(vec![true]));
    assert_eq!(unneeded(world).await, [segment]);
    assert_eq!(world.store.swept(&[]).await, Ok(0));
    forget(world, &[segment]).await;
    assert_eq!(world.store.swept(&[]).await, Ok(1));
    // It does not come back, and neither does what is forgotten.
    let late = a.request(vec![vec![plain(partition, &[1])]]);
    assert_eq!(world.store.commit(late).await, Err(MetastoreError::Fenced));
    assert_eq!(
        orphans(world, &[ingest_segment(&a, 2)]).await,
        [ingest_segment(&a, 2)]
    );
}
