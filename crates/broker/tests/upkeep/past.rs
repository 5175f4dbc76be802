//! A metastore that may have lost commits refuses what archiving and merging ask.

use std::time::Duration;

use crate::support::World;
use crate::support::faults::Fault;
use crate::world::*;

#[tokio::test]
async fn archive_segments_that_were_refused_do_not_stay() {
    let world = World::new();
    let agent = archiving(&world, "x", Duration::ZERO).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    agent.faults.queue_upkeep("archive", &[Fault::DifferentPast; 3]);
    produce(&mut client, 2, &mut records).await;
    until_archived(&world).await;
    assert!(agent.metrics.upkeep.archive.failures.get() >= 3);
    let needed = world.metastore.upkeep_status().await.unwrap().archive_segments as usize;
    until(async || count(&world, "archive").await == needed).await;
    all_is_there(&serving(&world, "late").await, &records).await;
}

#[tokio::test]
async fn merged_segments_and_manifests_that_were_refused_do_not_stay() {
    let world = World::new();
    let agent = merging(&world, "x", Duration::ZERO).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    agent.faults.queue_upkeep("merge", &[Fault::DifferentPast; 3]);
    produce(&mut client, 2, &mut records).await;
    until_merged(&world).await;
    assert!(agent.metrics.upkeep.merge.failures.get() >= 3);
    let partitions = every_partition().len();
    for kind in ["merged", "manifest"] {
        until(async || count(&world, kind).await == partitions).await;
    }
    all_is_there(&serving(&world, "late").await, &records).await;
}

#[tokio::test]
async fn nothing_is_written_as_long_as_no_lease_is_given() {
    let world = World::new();
    let agent = archiving(&world, "x", Duration::ZERO).await;
    // More than are asked for meanwhile.
    agent
        .faults
        .queue_upkeep("claim_job", &[Fault::DifferentPast; 1_000]);
    // A round may have begun.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 2, &mut records).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(agent.metrics.upkeep.archive.objects.get(), 0);
    agent.faults.clear_upkeep("claim_job");
    until_archived(&world).await;
    all_is_there(&serving(&world, "late").await, &records).await;
}
