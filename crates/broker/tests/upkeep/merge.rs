//! Merging, as readers, the metastore and the bucket see it.

use std::time::Duration;

use esker_broker::MergeLimits;
use esker_metastore::{AgentProfile, ArchiveRequest, ArchivedPartition, Extent, HISTORY_READ, Registration};
use esker_model::{ClusterEpoch, IncarnationId, ObjectId, SegmentId, SegmentKind};
use esker_protocol::messages::ListOffsetsRequest;
use esker_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use esker_storage::keys::{key_of, object_key};
use esker_storage::manifest::Manifest;
use esker_storage::metrics::Op;
use uuid::Uuid;

use crate::support::{Agent, Client, World, topic_name};
use crate::world::*;

/// An agent that has merged so many batches of each partition, and what is in them.
async fn merged(world: &World, batches: usize) -> (Agent, Records) {
    let agent = merging(world, "x", Duration::ZERO).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, batches, &mut records).await;
    until_merged(world).await;
    (agent, records)
}

#[tokio::test]
async fn records_are_the_same_after_merging_for_those_who_saw_them_and_those_who_come_later() {
    let world = World::new();
    let (busy, other) = (serving(&world, "busy").await, serving(&world, "other").await);
    let mut client = busy.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 20, &mut records).await;
    all_is_there(&other, &records).await;
    // Two at once, and more comes meanwhile.
    let mergers = [
        merging(&world, "x", Duration::ZERO).await,
        merging(&world, "y", Duration::ZERO).await,
    ];
    for _ in 0..10 {
        produce(&mut client, 3, &mut records).await;
        all_is_there(&other, &records).await;
    }
    until_merged(&world).await;
    for key in every_partition() {
        let plan = plan(&world, key, 0).await;
        let manifest = plan.manifest.unwrap();
        assert_eq!((manifest.base_offset, plan.extents.len()), (0, 0));
        assert_eq!(manifest.end_offset, plan.head.unwrap().next_offset);
    }
    let late = serving(&world, "late").await;
    for agent in [&busy, &other, &late, &mergers[0], &mergers[1]] {
        all_is_there(agent, &records).await;
    }
    // What is small was written again: few objects are left of many rounds.
    until(async || count(&world, "archive").await == 0).await;
    let merged = count(&world, "merged").await;
    assert!(merged < every_partition().len() * 8, "{merged} merged segments");
    assert_eq!(count(&world, "manifest").await, every_partition().len());
}

#[tokio::test]
async fn the_metastore_has_a_bounded_number_of_rows() {
    let world = World::new();
    let limits = MergeLimits {
        extents: 4,
        ..MERGE_NOTHING
    };
    let pace = Pace {
        merge: limits,
        ..Pace::default()
    };
    let agent = upkeep(&world, "x", pace).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    for _ in 0..12 {
        produce(&mut client, 1, &mut records).await;
        until_archived(&world).await;
    }
    let bound = 4 * every_partition().len() as u64;
    until(async || world.metastore.upkeep_status().await.unwrap().archived_extents <= bound).await;
    assert!(agent.metrics.upkeep.merge.partitions.get() >= 2 * every_partition().len() as u64);
    all_is_there(&agent, &records).await;
    all_is_there(&serving(&world, "late").await, &records).await;
}

#[tokio::test]
async fn what_a_manifest_lists_is_read_once_and_planned_once() {
    let world = World::new();
    let (_agent, records) = merged(&world, 10).await;
    let late = serving(&world, "late").await;
    let before = late.requests.requests(Op::Get, "ok");
    for _ in 0..16 {
        all_is_there(&late, &records).await;
    }
    let read = late.requests.requests(Op::Get, "ok") - before;
    // For each partition its manifest and each of its chunks; and cluster.json now and then.
    let merged = count(&world, "merged").await as u64;
    let expected = every_partition().len() as u64 + merged;
    assert!(
        (expected..expected + 5).contains(&read),
        "{read} GETs, {expected} expected"
    );
}

#[tokio::test]
async fn archived_records_that_are_gone_become_a_hole_and_the_rest_goes_on() {
    let world = World::new();
    let archiver = archiving(&world, "x", LONG).await;
    let mut client = archiver.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    for _ in 0..3 {
        produce(&mut client, 1, &mut records).await;
        until_archived(&world).await;
    }
    archiver.broker.drain().await;
    // The object with the second record of the first partition.
    let extents = plan(&world, partition(1, 0), 0).await.extents;
    assert_eq!(extents.len(), 3);
    let lost = extents[1].segment;
    world.bucket.delete(&object_key(&lost)).await.unwrap();
    let merger = merging(&world, "y", Duration::ZERO).await;
    until_merged(&world).await;
    assert!(merger.metrics.upkeep.archive.holes.get() >= 1);
    let late = serving(&world, "late").await;
    let mut client = late.connect();
    for ((topic, partition), values) in &records {
        for offset in [0, 2] {
            let (error, found) = fetch(&mut client, topic, *partition, offset).await;
            assert_eq!(error, 0);
            assert_eq!(found[0], (offset, values[offset as usize].clone()));
        }
    }
    assert_eq!(fetch(&mut client, "one", 0, 1).await, (2, vec![]));
}

#[tokio::test]
async fn a_merged_segment_that_is_gone_stays_listed_and_merging_goes_on() {
    let world = World::new();
    let (agent, mut records) = merged(&world, 1).await;
    let listed = plan(&world, partition(1, 0), 0).await.manifest.unwrap();
    let of_it = |object: &&ObjectId| object.log() == Some(listed.id.log);
    let merged = objects(&world, "merged").await;
    let lost = *merged.iter().find(of_it).unwrap();
    world.bucket.delete(&key_of(&lost)).await.unwrap();
    // Cached, it can still be read and would be written again.
    agent.broker.drain().await;
    let agent = merging(&world, "y", Duration::ZERO).await;
    let mut client = agent.connect();
    for _ in 0..3 {
        produce(&mut client, 1, &mut records).await;
        until_merged(&world).await;
    }
    assert_eq!(agent.metrics.upkeep.archive.holes.get(), 0);
    let late = serving(&world, "late").await;
    let mut reader = late.connect();
    assert_eq!(fetch(&mut reader, "one", 0, 0).await, (2, vec![]));
    let (error, found) = fetch(&mut reader, "one", 0, 1).await;
    assert_eq!(error, 0);
    assert_eq!(found[0], (1, records[&("one".to_owned(), 0)][1].clone()));
    records.retain(|of, _| *of != ("one".to_owned(), 0));
    all_is_there(&late, &records).await;
}

/// The segment is tried with what waits behind it, without it, with it again: what waits is looked at every other time.
#[tokio::test]
async fn a_merged_segment_and_what_waits_behind_it_are_gone_and_merging_goes_on() {
    let world = World::new();
    let (agent, mut records) = merged(&world, 1).await;
    agent.broker.drain().await;
    let archiver = archiving(&world, "y", LONG).await;
    let mut client = archiver.connect();
    produce(&mut client, 1, &mut records).await;
    until_archived(&world).await;
    archiver.broker.drain().await;
    for kind in ["merged", "archive"] {
        for object in objects(&world, kind).await {
            world.bucket.delete(&key_of(&object)).await.unwrap();
        }
    }
    let agent = merging(&world, "z", Duration::ZERO).await;
    let mut client = agent.connect();
    produce(&mut client, 1, &mut records).await;
    until_merged(&world).await;
    assert_eq!(
        agent.metrics.upkeep.archive.holes.get(),
        every_partition().len() as u64
    );
    let mut reader = serving(&world, "late").await.connect();
    for ((topic, partition), values) in &records {
        for offset in [0, 1] {
            assert_eq!(fetch(&mut reader, topic, *partition, offset).await, (2, vec![]));
        }
        let (error, found) = fetch(&mut reader, topic, *partition, 2).await;
        assert_eq!(error, 0);
        assert_eq!(found[0], (2, values[2].clone()));
    }
}

/// The offset of the first record at or after a time (-3: of the largest), and its time.
async fn offset_for(client: &mut Client, topic: &str, timestamp: i64) -> (i64, i64) {
    let part = ListOffsetsPartition::default()
        .with_partition_index(0)
        .with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![part]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    let answer = client.call(7, &request).await;
    let part = &answer.topics[0].partitions[0];
    assert_eq!(part.error_code, 0);
    (part.offset, part.timestamp)
}

#[tokio::test]
async fn records_are_found_by_time_in_manifests() {
    let world = World::new();
    let (agent, mut records) = merged(&world, 5).await;
    agent.broker.drain().await;
    // Some that no manifest lists, younger ones.
    let late = serving(&world, "late").await;
    let mut client = late.connect();
    let listed = records[&("one".to_owned(), 0)].len() as i64;
    produce(&mut client, 2, &mut records).await;
    let all = records[&("one".to_owned(), 0)].len() as i64;
    for offset in [0, 1, listed - 1, listed, all - 1] {
        assert_eq!(
            offset_for(&mut client, "one", 1_000 + offset).await,
            (offset, 1_000 + offset)
        );
    }
    assert_eq!(offset_for(&mut client, "one", 1).await, (0, 1_000));
    assert_eq!(offset_for(&mut client, "one", 1_000 + all).await, (-1, -1));
    assert_eq!(
        offset_for(&mut client, "one", -3).await,
        (all - 1, 1_000 + all - 1)
    );
    // Where all is listed, the largest is.
    let merger = merging(&world, "y", Duration::ZERO).await;
    until_merged(&world).await;
    let mut client = merger.connect();
    assert_eq!(
        offset_for(&mut client, "one", -3).await,
        (all - 1, 1_000 + all - 1)
    );
    delete_records(&mut client, "one", 0, 3).await;
    assert_eq!(offset_for(&mut client, "one", 1).await, (3, 1_003));
}

#[tokio::test]
async fn archive_segments_that_are_mostly_dead_are_packed_anew() {
    let world = World::new();
    let pace = Pace {
        grace: Duration::ZERO,
        merge: MERGE_NOTHING,
        ..Pace::default()
    };
    let agent = upkeep(&world, "x", pace).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    // One topic has far more than the others, all in the same objects.
    let mut records = Records::new();
    let filler = "x".repeat(400_000);
    for _ in 0..8 {
        let batch =
            esker_protocol::records::BatchBuilder::new().record(1_000, None, Some(filler.as_bytes()), &[]);
        let answer = client.produce("one", 0, batch.build().unwrap()).await;
        assert_eq!(answer.error_code, 0);
        for topic in ["two", "three"] {
            produce_one(&mut client, topic, 1, 2, &mut records).await;
        }
    }
    until_archived(&world).await;
    let before: Vec<ObjectId> = objects(&world, "archive").await;
    let bytes = async || {
        let listed: Vec<_> = futures::TryStreamExt::try_collect(world.bucket.list("archive"))
            .await
            .unwrap();
        listed
            .iter()
            .map(|object: &esker_storage::ObjectInfo| object.bytes)
            .sum::<u64>()
    };
    assert!(bytes().await > 3_000_000);
    delete_records(&mut client, "one", 0, 8).await;
    until(async || bytes().await < 100_000).await;
    assert!(agent.metrics.upkeep.merge.moved_bytes.get() > 0);
    let after = objects(&world, "archive").await;
    assert!(
        after.iter().any(|object| !before.contains(object)),
        "what is left lies elsewhere"
    );
    all_is_there(&agent, &records).await;
    all_is_there(&serving(&world, "late").await, &records).await;
}

/// What the manifest of partition 0 of the first topic lists, with its leaves.
async fn manifest(world: &World) -> (Manifest, Vec<Manifest>) {
    let read = async |id| Manifest::decode(&world.bucket.get_manifest(id).await.unwrap()).unwrap();
    let present = plan(world, partition(1, 0), 0).await.manifest.unwrap();
    let root = read(&present.id).await;
    let mut leaves = Vec::new();
    for leaf in &root.leaves {
        leaves.push(read(&leaf.id).await);
    }
    (root, leaves)
}

#[tokio::test]
async fn a_long_manifest_has_leaves_and_loses_them_from_its_beginning() {
    let world = World::new();
    // Each batch is an entry of its own.
    let pace = Pace {
        merge: MergeLimits {
            object_bytes: 1,
            manifest_entries: 4,
            leaf_entries: 2,
            ..MERGE_ALL
        },
        ..Pace::default()
    };
    let agent = upkeep(&world, "x", pace).await;
    let mut client = agent.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    for _ in 0..12 {
        produce_one(&mut client, "one", 0, 1, &mut records).await;
    }
    until_merged(&world).await;
    let (root, leaves) = manifest(&world).await;
    assert_eq!((root.leaves.len(), root.entries.len()), (4, 4));
    assert!(leaves.iter().all(|leaf| leaf.entries.len() == 2));
    all_is_there(&agent, &records).await;
    all_is_there(&serving(&world, "late").await, &records).await;
    // The log start passes a leaf, and stands within the next.
    delete_records(&mut client, "one", 0, 3).await;
    until(async || manifest(&world).await.0.base_offset == 3).await;
    assert_eq!(manifest(&world).await.1, leaves[1..]);
    until(async || count(&world, "merged").await == 9).await;
    until(async || count(&world, "manifest").await == 4).await;
    all_from(&agent, &records, 3).await;
    all_from(&serving(&world, "later").await, &records, 3).await;
}

#[tokio::test]
async fn segments_that_cannot_be_read_do_not_keep_others_from_being_packed() {
    let world = World::new();
    let busy = serving(&world, "busy").await;
    let mut client = busy.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce_one(&mut client, "two", 0, 9, &mut records).await;
    produce_one(&mut client, "three", 0, 64, &mut Records::new()).await;
    let filler = "x".repeat(400_000);
    for _ in 0..8 {
        let batch =
            esker_protocol::records::BatchBuilder::new().record(1_000, None, Some(filler.as_bytes()), &[]);
        let answer = client.produce("one", 0, batch.build().unwrap()).await;
        assert_eq!(answer.error_code, 0);
    }
    busy.broker.drain().await;
    let agent = upkeep(&world, "x", Pace::default()).await;
    until_archived(&world).await;
    scatter(&world, partition(3, 0)).await;
    delete_records(&mut agent.connect(), "one", 0, 8).await;
    until(async || agent.metrics.upkeep.merge.moved_bytes.get() > 0).await;
    all_is_there(&serving(&world, "late").await, &records).await;
}

/// Says that each record of a partition, which is one extent, lies in an archive segment of its own that is large and
/// not there.
async fn scatter(world: &World, partition: esker_model::PartitionKey) {
    let incarnation = IncarnationId(Uuid::from_u128(1));
    let registration = Registration {
        node_name: "gone".into(),
        incarnation,
        epoch: ClusterEpoch(1),
        profile: AgentProfile {
            history: HISTORY_READ,
            ..AgentProfile::default()
        },
    };
    world.metastore.register(&registration).await.unwrap();
    let extents = plan(world, partition, 0).await.extents;
    let [whole] = extents[..] else {
        panic!("{extents:?}")
    };
    let one = |offset: i64| Extent {
        base_offset: offset,
        end_offset: offset + 1,
        segment: SegmentId {
            kind: SegmentKind::Archive,
            epoch: ClusterEpoch(1),
            incarnation,
            seq: offset as u64 + 1,
        },
        object_bytes: 2 << 20,
        ..whole
    };
    let request = ArchiveRequest {
        epoch: ClusterEpoch(1),
        incarnation,
        partitions: vec![ArchivedPartition {
            partition,
            extents: (whole.base_offset..whole.end_offset).map(one).collect(),
        }],
    };
    assert_eq!(world.metastore.move_archived(&request).await, Ok(vec![true]));
}

#[tokio::test]
async fn a_manifest_that_is_gone_is_done_without_when_nothing_that_it_lists_is_needed() {
    let world = World::new();
    let (agent, mut records) = merged(&world, 2).await;
    agent.broker.drain().await;
    let key = partition(1, 0);
    let lost = plan(&world, key, 0).await.manifest.unwrap();
    world
        .bucket
        .delete(&key_of(&ObjectId::Manifest(lost.id)))
        .await
        .unwrap();
    let agent = merging(&world, "y", Duration::ZERO).await;
    let mut client = agent.connect();
    produce(&mut client, 1, &mut records).await;
    until_archived(&world).await;
    until(async || agent.metrics.upkeep.merge.failures.get() > 2).await;
    let now = plan(&world, key, 0).await;
    assert_eq!(now.manifest, Some(lost), "nobody knows what it lists");
    delete_records(&mut client, "one", 0, lost.end_offset).await;
    until_merged(&world).await;
    let late = serving(&world, "late").await;
    let only = [("one".to_owned(), 0)].map(|of| (of.clone(), records[&of].clone()));
    all_from(&late, &only.into(), lost.end_offset).await;
    records.remove(&("one".to_owned(), 0));
    all_is_there(&late, &records).await;
}
