//! Records that move, and go, while the check runs.

use std::sync::atomic::Ordering;

use esker_metastore::Topics;
use esker_storage::keys::{manifest_key, object_key};

use super::world::{World, found};
use crate::check::deep::doubt::Doubts;
use crate::check::deep::ingest::Tail;

#[tokio::test]
async fn from_an_ingest_segment_to_an_archive_segment() {
    let world = World::new(1).await;
    let ingest = world.ingest(&[(0, &[2, 3])]).await;
    let (deep, tail) = (world.deep(), Tail::default());
    deep.walk(&world.log(0), 0, 5, &Doubts::default(), &tail)
        .await
        .unwrap();
    // The plan is old when the segment is read.
    world.archive(&[0], &[]).await;
    world.bucket.delete(&object_key(&ingest)).await.unwrap();
    deep.flush(tail.take().await, &Doubts::default()).await.unwrap();
    assert_eq!(found(&deep), Vec::<String>::new());
    assert_eq!(deep.progress.offsets.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn from_an_archive_segment_to_a_merged_one_that_is_gone() {
    let world = World::new(1).await;
    world.ingest(&[(0, &[2, 3])]).await;
    let archive = world.archive(&[0], &[]).await;
    let plan = world.plan(0, 0).await;
    let merged = world.merge(0, 0, |_| ()).await;
    world.bucket.delete(&object_key(&archive)).await.unwrap();
    let look = async || {
        let (deep, tail) = (world.deep(), Tail::default());
        let extents = plan.extents.clone();
        deep.verify(&world.log(0), extents, 5, &Doubts::default(), &tail)
            .await
            .unwrap();
        found(&deep)
    };
    assert_eq!(look().await, Vec::<String>::new());
    let key = object_key(&merged.segments[0]);
    world.bucket.delete(&key).await.unwrap();
    assert_eq!(look().await, [format!("missing 0 0..5 {key}")]);
    let key = manifest_key(&merged.root);
    world.bucket.delete(&key).await.unwrap();
    assert_eq!(look().await, [format!("missing 0 0..5 {key}")]);
}

#[tokio::test]
async fn below_the_log_start_and_with_their_topic() {
    let world = World::new(1).await;
    let first = world.ingest(&[(0, &[2])]).await;
    world.ingest(&[(0, &[3])]).await;
    let (deep, tail) = (world.deep(), Tail::default());
    deep.walk(&world.log(0), 0, 5, &Doubts::default(), &tail)
        .await
        .unwrap();
    world.advance(0, 2).await;
    world.bucket.delete(&object_key(&first)).await.unwrap();
    deep.flush(tail.take().await, &Doubts::default()).await.unwrap();
    assert_eq!(found(&deep), Vec::<String>::new());

    deep.walk(&world.log(0), 2, 5, &Doubts::default(), &tail)
        .await
        .unwrap();
    let second = world.plan(0, 2).await.extents[0].segment;
    world.bucket.delete(&object_key(&second)).await.unwrap();
    world.metastore.delete_topics(&[world.topic.uuid]).await.unwrap();
    deep.flush(tail.take().await, &Doubts::default()).await.unwrap();
    assert_eq!(found(&deep), Vec::<String>::new());
}
