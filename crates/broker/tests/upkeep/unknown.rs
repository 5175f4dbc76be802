//! Registrations whose outcome nobody hears of.

use std::time::Duration;

use crate::support::World;
use crate::support::faults::Fault;
use crate::world::*;

/// Archives while calls of a method meet faults; returns what is left in the bucket under a prefix beyond what is
/// needed.
async fn with_faults(method: &'static str, faults: &[Fault]) -> (World, Records) {
    let world = World::new();
    let agent = merging(&world, "x", Duration::ZERO).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    agent.faults.queue_upkeep(method, faults);
    for _ in 0..3 {
        produce(&mut client, 2, &mut records).await;
        until_merged(&world).await;
    }
    all_is_there(&agent, &records).await;
    all_is_there(&serving(&world, "late").await, &records).await;
    (world, records)
}

#[tokio::test]
async fn archive_segments_are_deleted_when_it_is_known_that_they_are_not_needed() {
    for faults in [
        &[Fault::Lost, Fault::Lost][..],
        &[Fault::LostReply],
        &[Fault::Lost, Fault::None, Fault::LostReply],
        &[Fault::Unavailable],
    ] {
        let (world, _) = with_faults("archive", faults).await;
        // All are merged: none is needed.
        until(async || count(&world, "archive").await == 0).await;
    }
}

#[tokio::test]
async fn manifests_are_deleted_when_it_is_known_that_they_replaced_none() {
    for faults in [
        &[Fault::Lost, Fault::Lost][..],
        &[Fault::LostReply],
        &[Fault::Lost, Fault::None, Fault::LostReply],
        &[Fault::Unavailable],
    ] {
        let (world, _) = with_faults("merge", faults).await;
        let present = every_partition().len();
        until(async || count(&world, "manifest").await == present).await;
        // Each merged segment is listed.
        let mut listed = 0;
        for key in every_partition() {
            let manifest = plan(&world, key, 0).await.manifest.unwrap();
            let object = world.bucket.get_manifest(&manifest.id).await.unwrap();
            let manifest = esker_storage::manifest::Manifest::decode(&object).unwrap();
            listed += manifest.objects() as usize;
        }
        until(async || count(&world, "merged").await == listed).await;
    }
}

#[tokio::test]
async fn what_two_wrote_at_once_is_needed_once() {
    let world = World::new();
    let busy = serving(&world, "busy").await;
    let mut client = busy.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 6, &mut records).await;
    let archivers = [
        archiving(&world, "x", Duration::ZERO).await,
        archiving(&world, "y", Duration::ZERO).await,
    ];
    until_archived(&world).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let needed = world.metastore.upkeep_status().await.unwrap().archive_segments as usize;
    until(async || count(&world, "archive").await == needed).await;
    all_is_there(&archivers[0], &records).await;
}
