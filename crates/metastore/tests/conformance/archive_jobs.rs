//! Who does the work.

use std::collections::BTreeMap;

use esker_metastore::*;

use crate::archive_requests::*;
use crate::merge_requests::*;
use crate::runs::*;
use crate::world::{LONG_MS, World, Writer, at};

pub async fn a_lease_is_held_renewed_and_taken_over(world: &World) {
    let (a, b) = (world.writer("a").await, world.writer("b").await);
    let claim =
        async |job, who: &Writer, lease_ms| world.store.claim_job(job, who.incarnation, lease_ms, 0).await;
    assert_eq!(claim("archive", &a, LONG_MS).await, Ok(true));
    assert_eq!(claim("archive", &b, LONG_MS).await, Ok(false));
    assert_eq!(claim("clean", &b, LONG_MS).await, Ok(true), "another job");
    assert_eq!(claim("archive", &a, LONG_MS).await, Ok(true));
    assert_eq!(
        claim("archive", &a, 20).await,
        Ok(true),
        "the holder may also shorten it"
    );
    world.pass(60).await;
    assert_eq!(claim("archive", &b, LONG_MS).await, Ok(true));
    assert_eq!(claim("archive", &a, LONG_MS).await, Ok(false));
    assert_eq!(claim("clean", &a, LONG_MS).await, Ok(false));
}

pub async fn the_lease_of_one_that_is_gone_is_free(world: &World) {
    let (a, b) = (world.writer("a").await, world.writer("b").await);
    let claim = async |who: &Writer| {
        world
            .store
            .claim_job("archive", who.incarnation, LONG_MS, 0)
            .await
    };
    assert_eq!(claim(&a).await, Ok(true));
    let next = world.writer("a").await;
    assert_eq!(claim(&a).await, Err(MetastoreError::Fenced));
    assert_eq!(claim(&b).await, Ok(true), "the holder is fenced");
    assert_eq!(claim(&next).await, Ok(false));
    world.store.leave(b.incarnation).await.unwrap();
    assert_eq!(claim(&next).await, Ok(true), "the holder has left");
    assert_eq!(claim(&b).await, Err(MetastoreError::Fenced));
}

pub async fn a_job_that_was_done_is_not_due_for_a_while_whoever_asks(world: &World) {
    let (a, b) = (world.writer("a").await, world.writer("b").await);
    let claim =
        async |who: &Writer, every_ms| world.store.claim_job("sweep", who.incarnation, 1, every_ms).await;
    let nothing = JobReport::new();
    let report = async |who: &Writer, done| {
        let told = world.store.report_job("sweep", who.incarnation, &nothing, done);
        told.await.unwrap();
    };
    assert_eq!(claim(&a, LONG_MS).await, Ok(true), "it was never done");
    report(&a, false).await;
    assert_eq!(claim(&a, LONG_MS).await, Ok(true), "it was not done yet");
    world.pass(20).await;
    report(&b, true).await;
    assert_eq!(claim(&b, LONG_MS).await, Ok(true), "nor by one without the lease");
    world.pass(20).await;
    assert_eq!(claim(&a, LONG_MS).await, Ok(true));
    report(&a, true).await;
    report(&a, false).await;
    world.pass(20).await;
    for who in [&a, &b] {
        assert_eq!(claim(who, LONG_MS).await, Ok(false), "it was done just now");
    }
    let next = world.writer("a").await;
    assert_eq!(claim(&next, LONG_MS).await, Ok(false));
    assert_eq!(claim(&next, 10).await, Ok(true), "that was long ago");
    world.pass(20).await;
    assert_eq!(claim(&b, 0).await, Ok(true));
    assert_eq!(claim(&b, LONG_MS).await, Ok(false));
}

pub async fn who_has_the_lease_reports(world: &World) {
    let (a, b) = (world.writer("a").await, world.writer("b").await);
    let report = |rounds| BTreeMap::from([("rounds".to_owned(), rounds), ("bytes".to_owned(), 1 << 40)]);
    // Nobody has it.
    world
        .store
        .report_job("archive", a.incarnation, &report(1), false)
        .await
        .unwrap();
    assert_eq!(world.store.upkeep_status().await.unwrap().jobs, []);
    for job in ["sweep", "archive"] {
        world
            .store
            .claim_job(job, a.incarnation, LONG_MS, 0)
            .await
            .unwrap();
    }
    world
        .store
        .report_job("archive", a.incarnation, &report(2), false)
        .await
        .unwrap();
    world
        .store
        .report_job("archive", b.incarnation, &report(3), false)
        .await
        .unwrap();
    world.pass(20).await;
    let jobs = world.store.upkeep_status().await.unwrap().jobs;
    let names: Vec<_> = jobs
        .iter()
        .map(|job| (job.name.as_str(), job.node_name.as_deref()))
        .collect();
    assert_eq!(names, [("archive", Some("a")), ("sweep", Some("a"))]);
    assert_eq!(jobs[0].report, report(2));
    assert!(
        (20..LONG_MS).contains(&jobs[0].report_age_ms.unwrap()),
        "{jobs:?}"
    );
    assert_eq!((&jobs[1].report, jobs[1].report_age_ms), (&BTreeMap::new(), None));
    // What was told stays when somebody else takes over, or nobody does.
    world.store.leave(a.incarnation).await.unwrap();
    world
        .store
        .claim_job("archive", b.incarnation, LONG_MS, 0)
        .await
        .unwrap();
    let jobs = world.store.upkeep_status().await.unwrap().jobs;
    assert_eq!(
        (jobs[0].node_name.as_deref(), &jobs[0].report),
        (Some("b"), &report(2))
    );
    assert_eq!(jobs[1].node_name, None);
}

pub async fn the_status_counts_what_there_is_to_do(world: &World) {
    let status = async || UpkeepStatus {
        waiting_age_ms: 0,
        ..world.store.upkeep_status().await.unwrap()
    };
    assert_eq!(status().await, UpkeepStatus::default());
    let (a, b) = (world.writer("a").await, world.writer("b").await);
    let topic = world.topic("orders", 2).await;
    let gone = world.topic("gone", 1).await;
    for _ in 0..2 {
        let runs = vec![plain(at(&topic, 0), &[10]), plain(at(&topic, 1), &[10])];
        world.commit(&a, runs).await;
    }
    world.store.delete_topics(&[gone.uuid]).await.unwrap();
    world.store.settle(a.incarnation, &[a.take_seq()]).await.unwrap();
    world.store.leave(b.incarnation).await.unwrap();
    world.pass(20).await;
    assert!(world.store.upkeep_status().await.unwrap().waiting_age_ms >= 20);
    let mut expected = UpkeepStatus {
        waiting_segments: 2,
        waiting_bytes: 2_000_000,
        unneeded_objects: 1,
        topics_to_empty: 1,
        to_sweep: 1,
        ..UpkeepStatus::default()
    };
    assert_eq!(status().await, expected);
    archive_all(world, &a, at(&topic, 0), 1).await;
    archive_all(world, &a, at(&topic, 1), 2).await;
    let waiting = world.store.waiting_segments(0, u64::MAX, 10).await.unwrap();
    world.store.release(&[waiting[0].id]).await.unwrap();
    merge(world, &a, at(&topic, 0), 2, 1).await;
    merge(world, &a, at(&topic, 1), 1, 2).await;
    merge(world, &a, at(&topic, 1), 0, 3).await;
    expected.waiting_segments = 1;
    expected.waiting_bytes = 1_000_000;
    expected.archived_extents = 1;
    expected.archive_segments = 1;
    expected.manifests = 2;
    expected.manifest_bytes = 1_000;
    // An ingest segment, a tombstone, an archive segment, a manifest.
    expected.unneeded_objects = 4;
    assert_eq!(status().await, expected);
}
