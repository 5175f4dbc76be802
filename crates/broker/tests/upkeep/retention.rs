//! Retention and DeleteRecords, as readers and the bucket see them.

use std::time::Duration;

use esker_metastore::{ConfigChange, ConfigSubject};
use esker_storage::keys::object_key;

use crate::support::World;
use crate::support::faults::Fault;
use crate::world::*;

#[tokio::test]
async fn retention_deletes() {
    let world = World::new();
    // Old when they were produced.
    let agent = archiving(&world, "x", Duration::ZERO).await;
    let mut client = agent.connect();
    create(&mut client, "one", FOR_EVER).await;
    create(&mut client, "two", &[("retention.ms", "1")]).await;
    create(&mut client, "three", &[("retention.ms", "0")]).await;
    let mut records = Records::new();
    produce(&mut client, 5, &mut records).await;
    let short = [partition(2, 0), partition(3, 2)];
    until(async || {
        let heads = world.metastore.heads(&short).await.unwrap();
        heads
            .into_iter()
            .flatten()
            .all(|head| head.log_start == head.next_offset)
    })
    .await;
    let late = serving(&world, "late").await;
    let mut client = late.connect();
    assert_eq!(fetch(&mut client, "two", 0, 0).await.0, 1);
    let end = records[&("two".to_owned(), 0)].len() as i64;
    assert_eq!(fetch(&mut client, "two", 0, end).await, (0, vec![]));
    records.retain(|(topic, _), _| topic == "one");
    until_archived(&world).await;
    all_is_there(&late, &records).await;
    // When the last topic goes, so do the objects.
    let topics = world.metastore.catalog(0).await.unwrap().changed;
    let uuids: Vec<_> = topics.iter().map(|topic| topic.uuid).collect();
    world.metastore.delete_topics(&uuids).await.unwrap();
    until(async || count(&world, "archive").await == 0).await;
}

#[tokio::test]
async fn what_a_manifest_lists_goes_by_bytes() {
    let world = World::new();
    let agent = merging(&world, "x", Duration::ZERO).await;
    let mut client = agent.connect();
    // After six rounds the manifest lists four of them together, and two.
    create(
        &mut client,
        "one",
        &[("retention.ms", "-1"), ("retention.bytes", "150")],
    )
    .await;
    for topic in ["two", "three"] {
        create(&mut client, topic, FOR_EVER).await;
    }
    let mut records = Records::new();
    for _ in 0..6 {
        produce_one(&mut client, "one", 0, 3, &mut records).await;
        until_merged(&world).await;
    }
    let end = records[&("one".to_owned(), 0)].len() as i64;
    let key = partition(1, 0);
    let start = async || world.metastore.heads(&[key]).await.unwrap()[0].unwrap().log_start;
    until(async || start().await > 0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let kept = start().await;
    assert!(kept < end, "the newest stay");
    let (error, found) = fetch(&mut client, "one", 0, kept).await;
    assert_eq!(
        (error, found.first().map(|(offset, _)| *offset <= kept)),
        (0, Some(true))
    );
    let late = serving(&world, "late").await;
    assert_eq!(fetch(&mut late.connect(), "one", 0, kept - 1).await.0, 1);
    all_from(&late, &records, kept).await;
}

#[tokio::test]
async fn what_a_manifest_lists_goes_when_it_is_old() {
    let world = World::new();
    let merger = merging(&world, "x", Duration::ZERO).await;
    let mut client = merger.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 4, &mut records).await;
    until_merged(&world).await;
    // It was from 1970 all the time; now that is too old.
    let topics = world.metastore.catalog(0).await.unwrap().changed;
    let one = topics.iter().find(|topic| topic.name == "one").unwrap();
    let change = ConfigChange {
        subject: ConfigSubject::Topic(one.uuid),
        replace_all: false,
        changes: [("retention.ms".to_owned(), Some("60000".to_owned()))].into(),
    };
    world.metastore.alter_configs(&[change]).await.unwrap();
    let of_one = [partition(1, 0), partition(1, 1), partition(1, 2)];
    until(async || {
        let heads = world.metastore.heads(&of_one).await.unwrap();
        heads
            .into_iter()
            .flatten()
            .all(|head| head.log_start == head.next_offset)
    })
    .await;
    // The objects follow; the others stay.
    until(async || {
        let merged = objects(&world, "merged").await;
        !merged
            .iter()
            .any(|object| object.log().unwrap().topic == one.uuid)
    })
    .await;
    let late = serving(&world, "late").await;
    assert_eq!(fetch(&mut late.connect(), "one", 0, 0).await.0, 1);
    records.retain(|(topic, _), _| topic != "one");
    all_is_there(&merger, &records).await;
    // The log goes on where it ended.
    let mut more = Records::new();
    more.insert(("one".to_owned(), 0), vec![String::new(); 7]);
    produce_one(&mut client, "one", 0, 2, &mut more).await;
}

#[tokio::test]
async fn deleted_records_go_from_the_bucket() {
    let world = World::new();
    let agent = merging(&world, "x", Duration::ZERO).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    for _ in 0..3 {
        produce(&mut client, 2, &mut records).await;
        until_merged(&world).await;
    }
    let end = records[&("one".to_owned(), 0)].len() as i64;
    // In the middle of an entry: it stays, and reads begin there.
    delete_records(&mut client, "one", 0, end - 1).await;
    assert_eq!(fetch(&mut client, "one", 0, end - 2).await.0, 1);
    let last = records[&("one".to_owned(), 0)].last().cloned().unwrap();
    let (error, found) = fetch(&mut client, "one", 0, end - 1).await;
    assert_eq!((error, found.last()), (0, Some(&(end - 1, last))));
    // All of it: nothing of the partition is left but an empty manifest.
    delete_records(&mut client, "one", 0, end).await;
    let log = {
        let manifest = plan(&world, partition(1, 0), -1).await.manifest;
        manifest.map(|manifest| manifest.id.log)
    };
    let topics = world.metastore.catalog(0).await.unwrap().changed;
    let topic = topics.iter().find(|topic| topic.name == "one").unwrap().uuid;
    assert!(log.is_none_or(|log| log.topic == topic));
    until(async || {
        let merged = objects(&world, "merged").await;
        let of_it = |object: &esker_model::ObjectId| {
            object
                .log()
                .is_some_and(|log| log.topic == topic && log.partition == 0)
        };
        !merged.iter().any(of_it)
    })
    .await;
    produce_one(&mut client, "one", 0, 2, &mut records).await;
    until_merged(&world).await;
    let late = serving(&world, "late").await;
    let (_, found) = fetch(&mut late.connect(), "one", 0, end).await;
    assert_eq!(found.len(), 2);
    records.retain(|(topic, partition), _| (topic.as_str(), *partition) != ("one", 0));
    all_is_there(&late, &records).await;
}

#[tokio::test]
async fn a_hole_at_the_beginning_does_not_keep_what_lies_behind_it() {
    let world = World::new();
    let archiver = archiving(&world, "x", LONG).await;
    let mut client = archiver.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    for _ in 0..2 {
        produce(&mut client, 1, &mut records).await;
        until_archived(&world).await;
    }
    archiver.broker.drain().await;
    let key = partition(1, 0);
    let first = plan(&world, key, 0).await.extents[0];
    world.bucket.delete(&object_key(&first.segment)).await.unwrap();
    let merger = merging(&world, "y", Duration::ZERO).await;
    until_merged(&world).await;
    // The log begins where the hole ends, and nobody writes any more.
    delete_records(&mut merger.connect(), "one", 0, first.end_offset).await;
    until(async || {
        let manifest = plan(&world, key, 0).await.manifest;
        manifest.is_some_and(|manifest| manifest.base_offset == first.end_offset)
    })
    .await;
    let topics = world.metastore.catalog(0).await.unwrap().changed;
    let one = topics.iter().find(|topic| topic.name == "one").unwrap();
    let change = ConfigChange {
        subject: ConfigSubject::Topic(one.uuid),
        replace_all: false,
        changes: [("retention.ms".to_owned(), Some("60000".to_owned()))].into(),
    };
    world.metastore.alter_configs(&[change]).await.unwrap();
    until(async || {
        let head = world.metastore.heads(&[key]).await.unwrap()[0].unwrap();
        head.log_start == head.next_offset
    })
    .await;
}

#[tokio::test]
async fn a_call_that_fails_does_not_keep_what_was_deleted() {
    let world = World::new();
    let agent = archiving(&world, "x", Duration::ZERO).await;
    let mut client = agent.connect();
    create(&mut client, "one", FOR_EVER).await;
    create(&mut client, "two", &[("retention.ms", "3600000000")]).await;
    create(&mut client, "three", FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 2, &mut records).await;
    until_archived(&world).await;
    agent
        .faults
        .queue_upkeep("retain", &vec![Fault::Unavailable; 10_000]);
    let chunks = async || world.metastore.upkeep_status().await.unwrap().archived_extents;
    let before = chunks().await;
    let end = records[&("one".to_owned(), 0)].len() as i64;
    delete_records(&mut client, "one", 0, end).await;
    until(async || chunks().await < before).await;
    assert!(agent.faults.upkeep_left("retain") < 10_000);
}
