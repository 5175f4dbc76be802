//! Registrations whose outcome nobody hears of.

use std::time::Duration;

use esker_protocol::records::BatchBuilder;

use crate::support::faults::Fault;
use crate::support::{Agent, World};
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
    agent.faults.queue_upkeep("registered", &[Fault::Unavailable]);
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
async fn an_archive_segment_that_was_registered_and_let_go_stays_for_its_grace() {
    let world = World::new();
    let agent = archiving(&world, "x", LONG).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    agent.faults.queue_upkeep("archive", &[Fault::LostReply]);
    let asking = ["registered", "release"];
    for method in asking {
        agent
            .faults
            .queue_upkeep(method, &vec![Fault::Unavailable; 10_000]);
    }
    produce_one(&mut client, "one", 0, 3, &mut Records::new()).await;
    until_archived(&world).await;
    delete_records(&mut client, "one", 0, 3).await;
    until(async || world.metastore.upkeep_status().await.unwrap().archived_extents == 0).await;
    for method in asking {
        agent.faults.clear_upkeep(method);
    }
    // When the ingest segment is let go, it is known what became of the archive segment.
    agent.faults.queue_upkeep("release", &[Fault::None]);
    until(async || agent.faults.upkeep_left("release") == 0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(count(&world, "archive").await, 1);
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

/// An agent that has moved what was left in an archive segment: eight records of the first partition of "two", which
/// are two chunks. Its calls met these faults, the first of which lost a reply.
async fn moved(world: &World, faults: &[Fault]) -> (Agent, Records) {
    let busy = serving(world, "busy").await;
    let mut client = busy.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    for (topic, count) in [("one", 28), ("two", 8)] {
        let values = records.entry((topic.to_owned(), 0)).or_default();
        for number in 0..count {
            let value = format!("{number}{}", "x".repeat(900_000));
            let batch = BatchBuilder::new().record(1_000, None, Some(value.as_bytes()), &[]);
            let answer = client.produce(topic, 0, batch.build().unwrap()).await;
            assert_eq!(answer.error_code, 0);
            values.push(value);
        }
    }
    busy.broker.drain().await;
    // All of it is archived in one round.
    let pace = Pace {
        grace: Duration::ZERO,
        merge: MERGE_NOTHING,
        ..Pace::default()
    };
    let agent = upkeep(world, "x", pace).await;
    until_archived(world).await;
    let before = plan(world, partition(2, 0), 0).await.extents[0].segment;
    agent.faults.queue_upkeep("move_archived", faults);
    delete_records(&mut agent.connect(), "one", 0, 28).await;
    records.remove(&("one".to_owned(), 0));
    until(async || agent.faults.upkeep_left("move_archived") < faults.len()).await;
    let extents = plan(world, partition(2, 0), 0).await.extents;
    assert_eq!(extents.len(), 2);
    assert!(extents.iter().all(|extent| extent.segment != before));
    (agent, records)
}

#[tokio::test]
async fn a_move_that_was_done_keeps_its_segment_when_a_later_call_has_no_effect() {
    let world = World::new();
    let faults = [
        Fault::LostReply,
        Fault::Unavailable,
        Fault::Lost,
        Fault::Unavailable,
    ];
    let (agent, records) = moved(&world, &faults).await;
    for most in [2, 0] {
        until(async || agent.faults.upkeep_left("move_archived") <= most).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(count(&world, "archive").await, 1);
    }
    all_is_there(&serving(&world, "late").await, &records).await;
}

#[tokio::test]
async fn a_move_that_was_done_keeps_its_segment_when_it_cannot_be_done_again() {
    let world = World::new();
    let mut faults = vec![Fault::Lost; 10_000];
    faults[0] = Fault::LostReply;
    let (agent, records) = moved(&world, &faults).await;
    // Of what it moved, the first goes.
    delete_records(&mut agent.connect(), "two", 0, 4).await;
    let left = async || world.metastore.upkeep_status().await.unwrap().archived_extents;
    until(async || left().await == 1).await;
    agent.faults.clear_upkeep("move_archived");
    agent.faults.queue_upkeep("move_archived", &[Fault::None]);
    until(async || agent.faults.upkeep_left("move_archived") == 0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(count(&world, "archive").await, 1);
    all_from(&serving(&world, "late").await, &records, 4).await;
}

#[tokio::test]
async fn a_segment_is_deleted_when_it_is_known_that_nothing_was_moved_into_it() {
    let world = World::new();
    let agent = {
        let mut faults = vec![Fault::Lost; 10_000];
        faults[0] = Fault::LostReply;
        moved(&world, &faults).await.0
    };
    // All that it moved goes: its segment has a row, and goes with that.
    delete_records(&mut agent.connect(), "two", 0, 8).await;
    agent.faults.clear_upkeep("move_archived");
    until(async || count(&world, "archive").await == 0).await;
}
