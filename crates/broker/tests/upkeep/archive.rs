//! Archiving, as readers and the bucket see it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use esker_broker::BrokerConfig;
use esker_metastore::{AgentProfile, Registration};
use esker_model::{ClusterEpoch, IncarnationId, ObjectId};
use esker_storage::cache::{CacheKey, LruCache, SegmentCache};
use esker_storage::metrics::Op;
use esker_storage::segment::Tail;
use uuid::Uuid;

use crate::support::World;
use crate::world::*;

#[tokio::test]
async fn records_are_the_same_after_archiving_for_those_who_saw_them_and_those_who_come_later() {
    let world = World::new();
    let (busy, other) = (serving(&world, "busy").await, serving(&world, "other").await);
    let mut client = busy.connect();
    for topic in TOPICS {
        create(&mut client, topic, FOR_EVER).await;
    }
    let mut records = Records::new();
    produce(&mut client, 20, &mut records).await;
    all_is_there(&other, &records).await;
    let ingest = count(&world, "ingest").await;
    // Two at once, and more comes meanwhile.
    let archivers = [
        archiving(&world, "x", Duration::ZERO).await,
        archiving(&world, "y", Duration::ZERO).await,
    ];
    produce(&mut client, 20, &mut records).await;
    until_archived(&world).await;
    // What the writer has settled goes; it settles with its next segment.
    produce(&mut client, 1, &mut records).await;
    until_archived(&world).await;
    until(async || count(&world, "ingest").await < ingest / 4).await;
    assert!(count(&world, "archive").await > 0);
    let late = serving(&world, "late").await;
    for agent in [&busy, &other, &late, &archivers[0], &archivers[1]] {
        all_is_there(agent, &records).await;
    }
    let holes: u64 = archivers
        .iter()
        .map(|agent| agent.metrics.upkeep.archive.holes.get())
        .sum();
    assert_eq!(holes, 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_a_hole_and_the_rest_goes_on() {
    let world = World::new();
    let busy = serving(&world, "busy").await;
    let mut client = busy.connect();
    for topic in TOPICS {
        create(&mut client, topic, FOR_EVER).await;
    }
    let mut records = Records::new();
    produce(&mut client, 3, &mut records).await;
    // The object with the second batch of the first partition.
    let lost = {
        let plan = esker_metastore::PlanRequest {
            partition: partition(1, 0),
            from: 1,
            bytes_max: 1,
            extents_max: 1,
        };
        world.metastore.plan(&[plan]).await.unwrap()[0].extents[0]
    };
    let key = esker_storage::keys::object_key(&lost.segment);
    world.bucket.delete(&key).await.unwrap();
    let archiver = archiving(&world, "x", Duration::from_secs(60)).await;
    until_archived(&world).await;
    assert_eq!(archiver.metrics.upkeep.archive.holes.get(), 1);
    let late = serving(&world, "late").await;
    let mut client = late.connect();
    let values = &records[&("one".to_owned(), 0)];
    assert_eq!(fetch(&mut client, "one", 0, 0).await.1[0], (0, values[0].clone()));
    assert_eq!(fetch(&mut client, "one", 0, 1).await, (2, vec![]));
    let end = lost.end_offset;
    assert_eq!(
        fetch(&mut client, "one", 0, end).await.1[0],
        (end, values[end as usize].clone())
    );
    records.remove(&("one".to_owned(), 0));
    all_is_there(&late, &records).await;
}

#[tokio::test]
async fn an_ingest_segment_is_read_once_for_all_its_partitions() {
    let world = World::new();
    let busy = serving(&world, "busy").await;
    let mut client = busy.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 10, &mut records).await;
    let ingest = count(&world, "ingest").await as u64;
    let archiver = archiving(&world, "x", LONG).await;
    until_archived(&world).await;
    // It asks for cluster.json now and then, and for nothing else.
    let read = archiver.requests.requests(Op::Get, "ok");
    assert!((ingest..ingest + 5).contains(&read), "{read} of {ingest}");
    // Who wrote them has them in memory.
    let world = World::new();
    let archiver = archiving(&world, "x", LONG).await;
    let mut client = archiver.connect();
    create_all(&mut client, FOR_EVER).await;
    produce(&mut client, 10, &mut Records::new()).await;
    until_archived(&world).await;
    assert!(archiver.requests.requests(Op::Get, "ok") < 5);
}

#[tokio::test]
async fn what_is_damaged_in_memory_is_asked_for_in_the_bucket() {
    let world = World::new();
    let busy = serving(&world, "busy").await;
    let mut client = busy.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 2, &mut records).await;
    let pace = Pace::default();
    let settings = |config| BrokerConfig {
        archive_interval: Duration::from_millis(80),
        archive_grace: pace.grace,
        ..config
    };
    // Every segment is in its cache, with a wrong byte in the last record.
    let damaged = Arc::new(LruCache::new(1 << 26));
    for object in objects(&world, "ingest").await {
        let ObjectId::Segment(id) = object else { panic!() };
        let mut bytes = world.bucket.get_segment(&id).await.unwrap().to_vec();
        let tail = Tail::of_object(&bytes.clone().into()).unwrap();
        bytes[tail.payload_bytes() as usize - 1] ^= 1;
        let load = Box::pin(async move { Ok(Bytes::from(bytes)) });
        damaged.get(CacheKey::whole(id), load).await.unwrap();
    }
    let archiver = world.agent_on("x", settings, damaged).await;
    until_archived(&world).await;
    assert_eq!(archiver.metrics.upkeep.archive.holes.get(), 0);
    all_is_there(&serving(&world, "late").await, &records).await;
}

#[tokio::test]
async fn nothing_is_archived_beside_an_agent_that_cannot_read_it() {
    let world = World::new();
    let archiver = archiving(&world, "x", LONG).await;
    // Of a release before there was an archive.
    let old = Registration {
        node_name: "old".into(),
        incarnation: IncarnationId(Uuid::from_u128(1)),
        epoch: ClusterEpoch(1),
        profile: AgentProfile::default(),
    };
    world.metastore.register(&old).await.unwrap();
    until(async || archiver.broker.membership().live().len() == 2).await;
    let mut client = archiver.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 2, &mut records).await;
    // How much waits is told all the same.
    until(async || archiver.metrics.upkeep.archive.backlog_seconds.get() >= 1).await;
    assert_eq!(count(&world, "archive").await, 0);
    world.metastore.leave(old.incarnation).await.unwrap();
    until_archived(&world).await;
    all_is_there(&archiver, &records).await;
}
