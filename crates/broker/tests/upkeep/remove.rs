//! What goes, and what does not hold it up.

use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;

use crate::stubborn::Stubborn;
use crate::support::World;
use crate::world::*;

#[tokio::test]
async fn a_bucket_that_refuses_deletes_holds_up_nothing_else() {
    let store = Arc::new(Stubborn::default());
    *store.keeps_all.lock() = true;
    let world = World::on(Arc::clone(&store) as _);
    let agent = merging(&world, "x", Duration::ZERO).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 4, &mut records).await;
    until_merged(&world).await;
    until(async || agent.metrics.upkeep.remove.failures.get() > 2).await;
    produce(&mut client, 4, &mut records).await;
    until_merged(&world).await;
    all_is_there(&agent, &records).await;
    assert!(count(&world, "archive").await > 0);
    // Once it is allowed again, everything goes that was to go.
    *store.keeps_all.lock() = false;
    until(async || count(&world, "archive").await == 0).await;
    until(async || count(&world, "manifest").await == every_partition().len()).await;
    all_is_there(&serving(&world, "late").await, &records).await;
}

#[tokio::test]
async fn an_object_that_cannot_be_deleted_does_not_keep_the_others() {
    let store = Arc::new(Stubborn::default());
    let world = World::on(Arc::clone(&store) as _);
    let busy = serving(&world, "busy").await;
    let mut client = busy.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 4, &mut records).await;
    let first = objects(&world, "ingest").await[0];
    store
        .kept
        .lock()
        .insert(Path::from(esker_storage::keys::key_of(&first)));
    busy.broker.drain().await;
    let agent = merging(&world, "x", Duration::ZERO).await;
    until_merged(&world).await;
    until(async || objects(&world, "ingest").await == [first]).await;
    all_is_there(&agent, &records).await;
    store.kept.lock().clear();
    until(async || count(&world, "ingest").await == 0).await;
}

#[tokio::test]
async fn a_deleted_topic_leaves_nothing_in_the_bucket() {
    let world = World::new();
    let agent = merging(&world, "x", Duration::ZERO).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 6, &mut records).await;
    until_merged(&world).await;
    let topics = world.metastore.catalog(0).await.unwrap().changed;
    let of = |name: &str| topics.iter().find(|topic| topic.name == name).unwrap().uuid;
    let (gone, kept) = (of("one"), of("two"));
    let left = async |topic| {
        let merged = objects(&world, "merged").await;
        let all = merged.into_iter().chain(objects(&world, "manifest").await);
        all.filter(|object| object.log().unwrap().topic == topic).count()
    };
    assert!(left(gone).await > 0);
    world.metastore.delete_topics(&[gone]).await.unwrap();
    until(async || left(gone).await == 0).await;
    assert!(left(kept).await > 0);
    records.retain(|(topic, _), _| topic != "one");
    all_is_there(&agent, &records).await;
    until(async || world.metastore.topics_to_empty(0, 10).await.unwrap().is_empty()).await;
    // The last ones take everything with them.
    world.metastore.delete_topics(&[kept, of("three")]).await.unwrap();
    for prefix in ["ingest", "archive", "merged", "manifest"] {
        until(async || count(&world, prefix).await == 0).await;
    }
}

#[tokio::test]
async fn the_last_segment_of_an_agent_that_is_quiet_goes_too() {
    let world = World::new();
    let busy = serving(&world, "busy").await;
    let _upkeep = archiving(&world, "x", Duration::ZERO).await;
    let mut client = busy.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 3, &mut records).await;
    until_archived(&world).await;
    until(async || count(&world, "ingest").await == 0).await;
    // It is counted once.
    let status = async || world.metastore.upkeep_status().await.unwrap();
    until(async || status().await.unneeded_objects == 0).await;
    all_is_there(&busy, &records).await;
    produce(&mut client, 3, &mut records).await;
    all_is_there(&busy, &records).await;
}

#[tokio::test]
async fn an_object_that_cannot_be_deleted_does_not_keep_what_belonged_to_other_topics() {
    let store = Arc::new(Stubborn::default());
    let world = World::on(Arc::clone(&store) as _);
    let agent = merging(&world, "x", Duration::ZERO).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 6, &mut records).await;
    until_merged(&world).await;
    let topics = world.metastore.catalog(0).await.unwrap().changed;
    let of = |name: &str| topics.iter().find(|topic| topic.name == name).unwrap().uuid;
    let left = async |topic| -> Vec<_> {
        let merged = objects(&world, "merged").await;
        let all = merged.into_iter().chain(objects(&world, "manifest").await);
        all.filter(|object| object.log().unwrap().topic == topic)
            .collect()
    };
    let first = left(of("one")).await[0];
    let key = Path::from(esker_storage::keys::key_of(&first));
    store.kept.lock().insert(key);
    for name in ["one", "two", "three"] {
        world.metastore.delete_topics(&[of(name)]).await.unwrap();
    }
    for name in ["two", "three"] {
        until(async || left(of(name)).await.is_empty()).await;
    }
    until(async || left(of("one")).await == [first]).await;
    let to_empty = async || world.metastore.topics_to_empty(0, 10).await.unwrap();
    until(async || to_empty().await == [of("one")]).await;
    store.kept.lock().clear();
    until(async || to_empty().await.is_empty()).await;
    assert_eq!(left(of("one")).await, []);
}

#[tokio::test]
async fn what_was_written_for_nothing_and_stays_is_counted() {
    let store = Arc::new(Stubborn::default());
    let world = World::on(Arc::clone(&store) as _);
    // Only what was written for nothing is deleted.
    let agent = merging(&world, "x", LONG).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    *store.keeps_all.lock() = true;
    *store.refuses.lock() = Some("manifest");
    produce(&mut client, 4, &mut Records::new()).await;
    until(async || agent.metrics.upkeep.remove.failures.get() > 0).await;
    *store.refuses.lock() = None;
    *store.keeps_all.lock() = false;
    until_merged(&world).await;
    until(async || count(&world, "merged").await == every_partition().len()).await;
}

#[tokio::test]
async fn what_was_written_for_nothing_goes() {
    let store = Arc::new(Stubborn::default());
    let world = World::on(Arc::clone(&store) as _);
    let agent = merging(&world, "x", Duration::ZERO).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    // Merged segments are put, and nothing can list them.
    *store.refuses.lock() = Some("manifest");
    produce(&mut client, 4, &mut records).await;
    until(async || agent.metrics.upkeep.merge.failures.get() > 5).await;
    until(async || count(&world, "merged").await == 0).await;
    *store.refuses.lock() = None;
    until_merged(&world).await;
    until(async || count(&world, "merged").await == every_partition().len()).await;
    all_is_there(&serving(&world, "late").await, &records).await;
}
