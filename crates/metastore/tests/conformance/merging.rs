//! Manifests: archived extents move into them, and what readers are told then.

use esker_metastore::*;
use esker_model::{ClusterEpoch, LogId, ObjectId, PartitionKey, SegmentKind, TopicKey, TopicUuid};
use uuid::Uuid;

use crate::archive_requests::*;
use crate::merge_requests::*;
use crate::runs::*;
use crate::world::{LONG_MS, World, Writer, at, plan_from};

/// A partition with so many extents of 10 records and 100 bytes each, archived to one segment.
async fn archived_partition(world: &World, writer: &Writer, count: usize, seq: u64) -> PartitionKey {
    let partition = at(&world.topic(&format!("topic-{seq}"), 1).await, 0);
    for time in 0..count as i64 {
        let run = timed(TIME + time, plain(partition, &[4, 6]));
        world.commit(writer, vec![run]).await;
    }
    archive_all(world, writer, partition, seq).await;
    partition
}

async fn candidates(world: &World, due: MergeDue) -> Vec<(PartitionKey, bool, u64, bool)> {
    let found = world.store.merge_candidates(&due, None, 100).await.unwrap();
    assert!(found.is_sorted_by_key(|one| one.log));
    // All extents have 100 bytes.
    assert!(found.iter().all(|one| one.extents * 100 == one.bytes));
    let mut found: Vec<_> = found
        .iter()
        .map(|one| (one.partition, one.is_due, one.bytes, one.has_dead))
        .collect();
    found.sort_unstable();
    found
}

pub async fn partitions_are_due_by_bytes_extents_and_age(world: &World) {
    let writer = world.writer("a").await;
    let few = archived_partition(world, &writer, 2, 1).await;
    let many = archived_partition(world, &writer, 5, 2).await;
    world
        .commit(&writer, vec![plain(world.partition().await, &[9])])
        .await;
    let never = MergeDue {
        bytes: 1 << 40,
        extents: 1 << 40,
        age_ms: LONG_MS,
    };
    let (few_due, many_due) = ((few, true, 200, false), (many, true, 500, false));
    assert_eq!(candidates(world, never).await, []);
    assert_eq!(candidates(world, MergeDue { bytes: 501, ..never }).await, []);
    assert_eq!(
        candidates(world, MergeDue { bytes: 500, ..never }).await,
        [many_due]
    );
    assert_eq!(candidates(world, MergeDue { extents: 6, ..never }).await, []);
    assert_eq!(
        candidates(world, MergeDue { extents: 5, ..never }).await,
        [many_due]
    );
    assert_eq!(
        candidates(world, MergeDue { extents: 2, ..never }).await,
        [few_due, many_due]
    );
    world.pass(5).await;
    assert_eq!(
        candidates(world, MergeDue { age_ms: 0, ..never }).await,
        [few_due, many_due]
    );
}

pub async fn candidates_come_in_the_order_of_their_logs(world: &World) {
    let writer = world.writer("a").await;
    let mut logs: Vec<LogId> = Vec::new();
    for seq in 1..=4 {
        let partition = archived_partition(world, &writer, 1, seq).await;
        logs.push(to_merge(world, partition).await.log);
    }
    logs.sort_unstable();
    let found = async |after, limit| -> Vec<LogId> {
        let found = world
            .store
            .merge_candidates(&ALL_DUE, after, limit)
            .await
            .unwrap();
        found.iter().map(|one| one.log).collect()
    };
    assert_eq!(found(None, 100).await, logs);
    assert_eq!(found(None, 3).await, logs[..3]);
    assert_eq!(found(Some(logs[1]), 100).await, logs[2..]);
    assert_eq!(found(Some(logs[1]), 1).await, logs[2..3]);
    assert_eq!(found(Some(logs[3]), 100).await, []);
    let before = LogId {
        partition: -1,
        ..logs[2]
    };
    assert_eq!(found(Some(before), 1).await, logs[2..3]);
}

pub async fn what_is_to_be_merged_is_told_as_one(world: &World) {
    let writer = world.writer("a").await;
    let partition = archived_partition(world, &writer, 3, 1).await;
    let extents = world.extents(partition, 0).await;
    let nowhere = PartitionKey {
        topic: TopicKey(partition.topic.0 + 1000),
        partition: 0,
    };
    let found = world.store.to_merge(&[nowhere, partition], 2).await.unwrap();
    assert_eq!(found[0], None);
    let one = found[1].as_ref().unwrap();
    assert_eq!(one.extents, extents[..2]);
    assert_eq!(
        (one.partition, one.version, one.manifest, one.log_start),
        (partition, 0, None, 0)
    );
    assert!(one.archived_ms > 0);
    let manifest = merge(world, &writer, partition, 2, 1).await;
    let one = to_merge(world, partition).await;
    assert_eq!((one.version, one.manifest), (1, Some(manifest)));
    assert_eq!(one.extents, extents[2..]);
}

pub async fn what_is_known_of_a_manifest_is_what_was_said(world: &World) {
    let writer = world.writer("a").await;
    let other = archived_partition(world, &writer, 1, 1).await;
    let partition = archived_partition(world, &writer, 3, 2).await;
    let nowhere = PartitionKey {
        topic: TopicKey(partition.topic.0 + 1000),
        partition: 0,
    };
    let known = async || {
        let asked = [other, nowhere, partition];
        let known = world.store.known_manifests(&asked).await.unwrap();
        assert_eq!(known[..2], [None, None]);
        known[2]
    };
    assert_eq!(known().await, None);
    for (count, seq, said) in [(1, 1, 20), (2, 2, 40)] {
        let mut new = merged(&writer, &to_merge(world, partition).await, count, seq);
        new.summary = ManifestSummary {
            objects: said,
            bytes: said + 1,
            first_end_offset: 10,
            first_bytes: said + 2,
            first_timestamp: said as i64 + 3,
        };
        let (id, summary) = (new.manifest.id, new.summary);
        let request = merge_request(&writer, vec![new]);
        assert_eq!(world.store.merge(&request).await, Ok(vec![true]));
        assert_eq!(known().await, Some(KnownManifest { id, summary }));
    }
}

pub async fn merged_extents_are_listed_in_the_manifest(world: &World) {
    let writer = world.writer("a").await;
    let partition = archived_partition(world, &writer, 4, 1).await;
    world.commit(&writer, vec![plain(partition, &[10])]).await;
    let before = world.extents(partition, 0).await;
    let head = world.head(partition).await;
    let manifest = merge(world, &writer, partition, 3, 1).await;
    assert_eq!((manifest.base_offset, manifest.end_offset), (0, 30));
    assert_eq!(world.head(partition).await, head);
    for (from, listed, first) in [
        (0, true, 3),
        (29, true, 3),
        (30, false, 3),
        (39, false, 3),
        (40, false, 4),
        (50, false, 5),
    ] {
        let plan = world
            .store
            .plan(&[plan_from(partition, from)])
            .await
            .unwrap()
            .remove(0);
        assert_eq!(plan.manifest, listed.then_some(manifest), "from {from}");
        assert_eq!(plan.extents, before[first..], "from {from}");
        assert_eq!(plan.head, head);
    }
    // The segment is needed for what was left.
    assert_eq!(unneeded_archives(world).await, []);
    let second = merge(world, &writer, partition, 1, 2).await;
    assert_eq!((second.base_offset, second.end_offset), (0, 40));
    let gone = [
        ObjectId::Segment(archive_segment(&writer, 1)),
        ObjectId::Manifest(manifest.id),
    ];
    assert_eq!(all_unneeded(world).await, gone);
    assert_eq!(world.extents(partition, 0).await, before[4..]);
    world.store.forget_objects(&gone).await.unwrap();
    assert_eq!(all_unneeded(world).await, []);
    // The log goes on.
    archive_all(world, &writer, partition, 2).await;
    assert_eq!(world.head(partition).await.unwrap().archived_to, 50);
    merge(world, &writer, partition, 1, 3).await;
    assert_eq!(world.extents(partition, 0).await, []);
}

pub async fn what_a_new_manifest_does_not_need_goes_with_the_old_one(world: &World) {
    let writer = world.writer("a").await;
    let partition = archived_partition(world, &writer, 2, 1).await;
    let first = merge(world, &writer, partition, 1, 1).await;
    let from = to_merge(world, partition).await;
    let leaf = manifest_id(&writer, from.log, 2);
    let segments = [1, 2].map(|seq| merged_segment(&writer, from.log, seq));
    let unneeded = vec![
        ObjectId::Segment(segments[1]),
        ObjectId::Manifest(leaf),
        ObjectId::Segment(segments[0]),
    ];
    let new = MergedPartition {
        unneeded,
        ..merged(&writer, &from, 0, 3)
    };
    let refused = MergedPartition {
        replaces: 0,
        ..new.clone()
    };
    let refused = merge_request(&writer, vec![refused]);
    assert_eq!(world.store.merge(&refused).await, Ok(vec![false]));
    assert_eq!(all_unneeded(world).await, []);
    let request = merge_request(&writer, vec![new]);
    assert_eq!(world.store.merge(&request).await, Ok(vec![true]));
    let mut gone = vec![
        ObjectId::Segment(segments[0]),
        ObjectId::Segment(segments[1]),
        ObjectId::Manifest(first.id),
        ObjectId::Manifest(leaf),
    ];
    assert_eq!(all_unneeded(world).await, gone);
    assert_eq!(world.store.unneeded(LONG_MS, 0, 10).await, Ok(vec![]));
    let forgotten = gone.remove(2);
    world.store.forget_objects(&[forgotten]).await.unwrap();
    assert_eq!(all_unneeded(world).await, gone);
}

pub async fn an_archive_segment_that_holes_name_is_kept_longer(world: &World) {
    let writer = world.writer("a").await;
    let mut partitions = Vec::new();
    for seq in 1..=3 {
        partitions.push(archived_partition(world, &writer, 2, seq).await);
    }
    let mut requests = Vec::new();
    for (seq, partition) in (1..).zip(&partitions) {
        let lost = (seq < 3).then(|| archive_segment(&writer, seq));
        requests.push(MergedPartition {
            lost: lost.into_iter().collect(),
            ..merged(&writer, &to_merge(world, *partition).await, 2, seq)
        });
    }
    let archives = async |grace_ms| -> Vec<_> {
        let found = world.store.unneeded(grace_ms, 0, 100).await.unwrap();
        let archive = |object: &ObjectId| match object {
            ObjectId::Segment(id) if id.kind == SegmentKind::Archive => Some(id.seq),
            _ => None,
        };
        let mut seqs: Vec<_> = found.iter().filter_map(archive).collect();
        seqs.sort_unstable();
        seqs
    };
    // One that is refused keeps nothing.
    let refused = MergedPartition {
        lost: vec![archive_segment(&writer, 3)],
        replaces: 1,
        ..requests[2].clone()
    };
    let refused = merge_request(&writer, vec![refused]);
    assert_eq!(world.store.merge(&refused).await, Ok(vec![false]));
    // Part of one, and the rest of it later, without a hole.
    let first = MergedPartition {
        lost: requests[1].lost.clone(),
        ..merged(&writer, &to_merge(world, partitions[1]).await, 1, 12)
    };
    let first = merge_request(&writer, vec![first]);
    assert_eq!(world.store.merge(&first).await, Ok(vec![true]));
    assert_eq!(archives(0).await, [0u64; 0]);
    requests[1] = merged(&writer, &to_merge(world, partitions[1]).await, 1, 22);
    let request = merge_request(&writer, requests);
    assert_eq!(world.store.merge(&request).await, Ok(vec![true; 3]));
    assert_eq!(archives(0).await, [3]);
    assert_eq!(archives(-HOLE_KEPT_MS - LONG_MS).await, [1, 2, 3]);
    assert_eq!(archives(-HOLE_KEPT_MS + LONG_MS).await, [3]);
}

pub async fn manifests_that_do_not_fit_are_refused_alone(world: &World) {
    let writer = world.writer("a").await;
    let mut cases = Vec::new();
    for seq in 1..=9 {
        let partition = archived_partition(world, &writer, 3, seq).await;
        world.commit(&writer, vec![plain(partition, &[10])]).await;
        cases.push(merged(&writer, &to_merge(world, partition).await, 2, seq));
    }
    let nowhere = PartitionKey {
        topic: TopicKey(cases[8].partition.topic.0 + 1000),
        partition: 0,
    };
    // Not the present manifest.
    cases[1].replaces = 1;
    // Not all extents below its end, or more than there are.
    cases[2].extents = 1;
    cases[3].extents = 3;
    // In the middle of an extent, and beyond what is archived.
    cases[4].manifest.end_offset = 15;
    cases[5].manifest.end_offset = 40;
    // Records that are needed would be in neither.
    cases[6].manifest.base_offset = 1;
    cases[7].manifest.end_offset = -1;
    cases[7].extents = 0;
    cases.push(MergedPartition {
        partition: nowhere,
        ..cases[8].clone()
    });
    let expected = [true, false, false, false, false, false, false, false, true, false];
    let request = merge_request(&writer, cases.clone());
    assert_eq!(world.store.merge(&request).await, Ok(expected.to_vec()));
    for (case, accepted) in cases[..9].iter().zip(expected) {
        let from = to_merge(world, case.partition).await;
        assert_eq!(from.version, u64::from(accepted));
        assert_eq!(from.extents.len(), if accepted { 1 } else { 3 });
    }
    assert_eq!(all_unneeded(world).await, []);
    // The same again: somebody was faster.
    let again = merge_request(&writer, vec![cases[0].clone(), cases[8].clone()]);
    assert_eq!(world.store.merge(&again).await, Ok(vec![false, false]));
    assert_eq!(
        world.store.merge(&merge_request(&writer, vec![])).await,
        Ok(vec![])
    );
}

pub async fn who_may_not_merge_changes_nothing(world: &World) {
    let old = world.writer("a").await;
    let partition = archived_partition(world, &old, 2, 1).await;
    let from = to_merge(world, partition).await;
    let good = merge_request(&old, vec![merged(&old, &from, 2, 1)]);
    let elsewhere = MergeRequest {
        epoch: ClusterEpoch(2),
        ..good.clone()
    };
    let wrong = Err(MetastoreError::WrongEpoch {
        expected: 2,
        found: 1,
    });
    assert_eq!(world.store.merge(&elsewhere).await, wrong);
    let other = world.writer("b").await;
    let foreign = merge_request(&other, good.partitions.clone());
    let refused = world.store.merge(&foreign).await;
    assert!(matches!(refused, Err(MetastoreError::Corrupt(_))), "{refused:?}");
    world.writer("a").await;
    assert_eq!(world.store.merge(&elsewhere).await, wrong);
    assert_eq!(world.store.merge(&good).await, Err(MetastoreError::Fenced));
    assert_eq!(to_merge(world, partition).await, from);
}

pub async fn what_lies_below_the_log_start_makes_a_candidate(world: &World) {
    let writer = world.writer("a").await;
    let partition = archived_partition(world, &writer, 4, 1).await;
    merge(world, &writer, partition, 3, 1).await;
    let never = MergeDue {
        bytes: 1 << 40,
        extents: 1 << 40,
        age_ms: LONG_MS,
    };
    // The first entry ends at 10.
    for (log_start, has_dead) in [(9, false), (10, true), (35, true)] {
        world
            .store
            .advance_log_start(&[(partition, log_start)])
            .await
            .unwrap();
        let expected: &[_] = if has_dead {
            &[(partition, false, 0, true)]
        } else {
            &[]
        };
        assert_eq!(candidates(world, never).await, expected);
    }
    assert_eq!(candidates(world, ALL_DUE).await, [(partition, true, 100, true)]);
    // Nothing of it is left: an empty one takes its place.
    let from = to_merge(world, partition).await;
    let mut empty = merged(&writer, &from, 0, 2);
    empty.manifest.base_offset = 30;
    empty.manifest.end_offset = 30;
    assert_eq!(
        world.store.merge(&merge_request(&writer, vec![empty])).await,
        Ok(vec![true])
    );
    assert_eq!(candidates(world, never).await, []);
    let plan = world
        .store
        .plan(&[plan_from(partition, 0)])
        .await
        .unwrap()
        .remove(0);
    assert_eq!((plan.manifest, plan.extents.len()), (None, 1));
    let manifest = merge(world, &writer, partition, 1, 3).await;
    assert_eq!((manifest.base_offset, manifest.end_offset), (30, 40));
}

pub async fn queries_by_time_are_told_of_the_manifest(world: &World) {
    let writer = world.writer("a").await;
    let partition = archived_partition(world, &writer, 4, 1).await;
    let manifest = merge(world, &writer, partition, 2, 1).await;
    let ask = async |query| {
        let replies = world
            .store
            .find_by_time(&[TimeRequest { partition, query }])
            .await;
        let reply = replies.unwrap().remove(0);
        (reply.manifest, reply.extent.map(|extent| extent.base_offset))
    };
    let from = |timestamp, from| TimeQuery::AtOrAfter { timestamp, from };
    assert_eq!(ask(from(0, 0)).await, (Some(manifest), Some(20)));
    assert_eq!(ask(from(TIME + 3, 19)).await, (Some(manifest), Some(30)));
    assert_eq!(ask(from(TIME + 9, 0)).await, (Some(manifest), None));
    assert_eq!(ask(from(0, 20)).await, (None, Some(20)));
    assert_eq!(ask(TimeQuery::Max).await, (Some(manifest), Some(30)));
    world.store.advance_log_start(&[(partition, 20)]).await.unwrap();
    assert_eq!(ask(from(0, 0)).await, (None, Some(20)));
    assert_eq!(ask(TimeQuery::Max).await, (None, Some(30)));
}

pub async fn a_manifest_goes_with_its_topic(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 2).await;
    for partition in [at(&topic, 0), at(&topic, 1)] {
        world.commit(&writer, vec![plain(partition, &[10])]).await;
        archive_all(world, &writer, partition, 1 + partition.partition as u64).await;
    }
    let manifest = merge(world, &writer, at(&topic, 0), 1, 1).await;
    let from = to_merge(world, at(&topic, 1)).await;
    let late = merge_request(&writer, vec![merged(&writer, &from, 1, 2)]);
    assert_eq!(world.store.topics_to_empty(0, 10).await, Ok(vec![]));
    world.store.delete_topics(&[topic.uuid]).await.unwrap();
    assert_eq!(world.store.merge(&late).await, Ok(vec![false]));
    assert_eq!(world.store.to_merge(&[at(&topic, 0)], 9).await, Ok(vec![None]));
    assert_eq!(candidates(world, ALL_DUE).await, []);
    // Its objects are found by its id.
    let gone = [1, 2].map(|seq| ObjectId::Segment(archive_segment(&writer, seq)));
    assert_eq!(all_unneeded(world).await, gone);
    assert_eq!(world.store.topics_to_empty(LONG_MS, 10).await, Ok(vec![]));
    assert_eq!(world.store.topics_to_empty(0, 10).await, Ok(vec![topic.uuid]));
    world.pass(5).await;
    let other = world.topic("orders", 1).await;
    world.store.delete_topics(&[other.uuid]).await.unwrap();
    assert_eq!(
        world.store.topics_to_empty(0, 10).await,
        Ok(vec![topic.uuid, other.uuid])
    );
    assert_eq!(world.store.topics_to_empty(0, 1).await, Ok(vec![topic.uuid]));
    let nobody = TopicUuid(Uuid::from_u128(7));
    world.store.topics_emptied(&[topic.uuid, nobody]).await.unwrap();
    assert_eq!(world.store.topics_to_empty(0, 10).await, Ok(vec![other.uuid]));
    let log = manifest.id.log;
    let references = world
        .store
        .references(crate::world::EPOCH, &[], &[log])
        .await
        .unwrap();
    assert_eq!(references.logs, [LogReferences::default()]);
}

pub async fn stored_bytes_are_those_listed_and_those_not(world: &World) {
    let writer = world.writer("a").await;
    let partition = archived_partition(world, &writer, 4, 1).await;
    world.commit(&writer, vec![plain(partition, &[10])]).await;
    let size = async |extents_max| {
        let sizes = world.store.stored_bytes(&[partition], extents_max).await;
        sizes.unwrap()[0]
    };
    assert_eq!((size(5).await, size(4).await), (Some(500), None));
    // What the manifest says of itself, and two extents.
    merge(world, &writer, partition, 3, 1).await;
    assert_eq!((size(2).await, size(1).await), (Some(700), None));
    archive_all(world, &writer, partition, 2).await;
    merge(world, &writer, partition, 2, 2).await;
    assert_eq!(size(0).await, Some(500));
    // Below the log start, and not dropped yet.
    let start = world.store.advance_log_start(&[(partition, 50)]).await;
    assert_eq!(start.unwrap()[0].unwrap().log_start, 50);
    assert_eq!(size(0).await, Some(500));
    merge(world, &writer, partition, 0, 3).await;
    assert_eq!(size(0).await, Some(0), "the manifest lists nothing");
    world.commit(&writer, vec![plain(partition, &[3])]).await;
    assert_eq!(size(1).await, Some(30));
}
