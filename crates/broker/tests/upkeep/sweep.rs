//! The sweep: what nothing refers to goes, what something refers to stays.

use std::time::Duration;

use bytes::Bytes;
use esker_model::{
    ClusterEpoch, IncarnationId, LogId, ManifestId, ObjectId, SegmentId, SegmentKind, TopicUuid,
};
use esker_storage::keys::key_of;
use uuid::Uuid;

use crate::support::{Agent, World};
use crate::world::*;

async fn sweeping(world: &World, name: &str) -> Agent {
    let pace = Pace {
        merge: MERGE_ALL,
        sweep: Duration::from_millis(60),
        ..Pace::default()
    };
    upkeep(world, name, pace).await
}

/// Objects of every kind with these numbers, by one incarnation.
fn every_kind(incarnation: IncarnationId, log: LogId, seq: u64) -> [ObjectId; 4] {
    every_kind_in(ClusterEpoch(1), incarnation, log, seq)
}

fn every_kind_in(epoch: ClusterEpoch, incarnation: IncarnationId, log: LogId, seq: u64) -> [ObjectId; 4] {
    let segment = |kind| {
        ObjectId::Segment(SegmentId {
            kind,
            epoch,
            incarnation,
            seq,
        })
    };
    [
        segment(SegmentKind::Ingest),
        segment(SegmentKind::Archive),
        segment(SegmentKind::Merged(log)),
        ObjectId::Manifest(ManifestId {
            log,
            epoch,
            incarnation,
            seq,
        }),
    ]
}

async fn put(world: &World, id: &ObjectId) {
    let deadline = world.seams.clock.now().plus(Duration::from_secs(5));
    let payload = vec![Bytes::from(vec![7; 100])];
    world
        .bucket
        .put_new(&key_of(id), payload, [7; 32], deadline)
        .await
        .unwrap();
}

async fn is_there(world: &World, id: &ObjectId) -> bool {
    world.bucket.head(&key_of(id)).await.is_ok()
}

async fn log_of(world: &World, topic: &str) -> LogId {
    let topics = world.metastore.catalog(0).await.unwrap().changed;
    LogId {
        topic: topics.iter().find(|one| one.name == topic).unwrap().uuid,
        partition: 1,
    }
}

/// How many sweeps have ended, as the last sweeper told.
async fn swept(world: &World) -> i64 {
    let status = world.metastore.upkeep_status().await.unwrap();
    let job = status.jobs.into_iter().find(|job| job.name == "sweep");
    job.and_then(|job| job.report.get("sweeps").copied()).unwrap_or(0)
}

/// Waits until so many sweeps have ended.
async fn sweeps(world: &World, more: i64) {
    let before = swept(world).await;
    until(async || swept(world).await >= before + more).await;
}

#[tokio::test]
async fn orphans_of_those_who_do_not_live_go_whenever_they_land() {
    let world = World::new();
    let agent = sweeping(&world, "x").await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 4, &mut records).await;
    until_merged(&world).await;
    let nowhere = LogId {
        topic: TopicUuid(Uuid::from_u128(5)),
        partition: 0,
    };
    let strange = IncarnationId(Uuid::from_u128(9));
    let logs = [log_of(&world, "one").await, nowhere];
    // Who restored the cluster elsewhere writes in a later epoch.
    let of_another = logs.map(|log| every_kind_in(ClusterEpoch(2), strange, log, 100));
    for object in of_another.iter().flatten() {
        put(&world, object).await;
    }
    // A late put may land after any number of sweeps.
    for round in 0..3 {
        for log in logs {
            let orphans = every_kind(strange, log, 100 + round);
            for orphan in &orphans {
                put(&world, orphan).await;
            }
            for orphan in &orphans {
                until(async || !is_there(&world, orphan).await).await;
            }
        }
    }
    for object in of_another.iter().flatten() {
        assert!(is_there(&world, object).await, "{object:?}");
    }
    all_is_there(&agent, &records).await;
    all_is_there(&serving(&world, "late").await, &records).await;
}

#[tokio::test]
async fn what_the_living_wrote_and_what_is_referred_to_stays() {
    let world = World::new();
    let first = merging(&world, "first", Duration::ZERO).await;
    let mut client = first.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 6, &mut records).await;
    until_merged(&world).await;
    // Everything was written by one who does not live any more.
    first.broker.drain().await;
    let living = serving(&world, "living").await;
    let log = log_of(&world, "one").await;
    let kept = every_kind(living.broker.membership().incarnation(), log, 1_000);
    for object in &kept {
        put(&world, object).await;
    }
    let agent = sweeping(&world, "x").await;
    sweeps(&world, 3).await;
    for object in &kept {
        assert!(is_there(&world, object).await, "{object:?}");
    }
    all_is_there(&serving(&world, "late").await, &records).await;
    // Once that one has gone, too, so do they.
    living.broker.drain().await;
    for object in &kept {
        until(async || !is_there(&world, object).await).await;
    }
    all_is_there(&agent, &records).await;
    // And the incarnations are forgotten.
    until(async || world.metastore.upkeep_status().await.unwrap().to_sweep == 0).await;
}

#[tokio::test]
async fn a_segment_that_was_given_up_goes_with_its_tombstone() {
    let world = World::new();
    let busy = serving(&world, "busy").await;
    let agent = sweeping(&world, "x").await;
    let mut client = busy.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 2, &mut records).await;
    // Its commit is lost, and a tombstone decides.
    busy.faults.queue(&[crate::support::faults::Fault::Lost]);
    let answer = client.produce("one", 0, crate::support::plain_batch(1)).await;
    assert_ne!(answer.error_code, 0);
    let given_up = busy.faults.commits().last().unwrap().segments[0].seq;
    let incarnation = busy.broker.membership().incarnation();
    let object = every_kind(incarnation, log_of(&world, "one").await, given_up)[0];
    assert!(is_there(&world, &object).await);
    // It settles with its next segments.
    produce(&mut client, 2, &mut records).await;
    until(async || !is_there(&world, &object).await).await;
    // Should it land once more, nothing knows it.
    put(&world, &object).await;
    until(async || !is_there(&world, &object).await).await;
    all_is_there(&agent, &records).await;
}

#[tokio::test]
async fn agents_that_live_shorter_than_half_an_interval_sweep_once_in_each() {
    let world = World::new();
    let log = LogId {
        topic: TopicUuid(Uuid::from_u128(5)),
        partition: 0,
    };
    let strange = IncarnationId(Uuid::from_u128(9));
    let pace = || Pace {
        sweep: Duration::from_secs(6),
        ..Pace::default()
    };
    let orphan = every_kind(strange, log, 1)[0];
    put(&world, &orphan).await;
    let began = world.seams.clock.now();
    let first = upkeep(&world, "first", pace()).await;
    until(async || !is_there(&world, &orphan).await).await;
    until(async || swept(&world).await == 1).await;
    assert!(
        world.seams.clock.now().since(began) < Duration::from_secs(3),
        "it has not waited that long"
    );
    first.broker.drain().await;
    // The next ones know that it was done.
    let late = every_kind(strange, log, 2)[0];
    put(&world, &late).await;
    for name in ["second", "third"] {
        let agent = upkeep(&world, name, pace()).await;
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        assert!(is_there(&world, &late).await);
        agent.broker.drain().await;
    }
    let _last = upkeep(&world, "last", pace()).await;
    until(async || !is_there(&world, &late).await).await;
}
