//! Merging meets fencing, other mergers, archiving, deletion, retention and readers. Each meeting returns what is wrong
//! afterwards.

use esker_metastore::{
    Agents, Archives, ManifestRef, ManifestSummary, MergeRequest, MergedPartition, Merges, MetastoreError,
    PlanRequest, Reads, Removals, Retention, Sweeps, ToMerge, Topics,
};
use esker_model::{LogId, ManifestId, PartitionKey};
use tokio::task::JoinHandle;

use crate::archive_checker::{gaps, left_behind};
use crate::archiving::{archive, request_of_all};
use crate::functions::Mistake;
use crate::meetings::{commit, meeting, partition};
use crate::operations::run;
use crate::world::{Agent, EPOCH, World, end, start};

meeting!(fence_meets_merge);
meeting!(mergers_meet);
meeting!(archive_meets_merge);
meeting!(merge_meets_archive);
meeting!(delete_meets_merge);
meeting!(merge_meets_delete);
meeting!(drop_meets_merge);
meeting!(merge_meets_drop);
meeting!(advance_meets_merge);
meeting!(plan_meets_merge);

/// Records of each commit.
pub(crate) const RECORDS: i64 = 3;

/// Commits and archives so many times: as many extents, in archive segments `seq` and following.
pub(crate) async fn archived(agent: &Agent, partition: PartitionKey, seq: u64, times: u64) {
    for seq in seq..seq + times {
        end(commit(agent, seq, vec![run(partition, None, &[RECORDS as i32])])).await;
        let request = request_of_all(agent, seq).await;
        assert_eq!(agent.store.archive(&request).await, Ok(vec![true]));
    }
}

pub(crate) async fn to_merge(agent: &Agent, partition: PartitionKey) -> ToMerge {
    let found = agent.store.to_merge(&[partition], 1000).await.unwrap();
    found.into_iter().next().flatten().unwrap()
}

/// A manifest that goes on from the present one over these extents.
pub(crate) fn merged(found: &ToMerge, agent: &Agent, seq: u64) -> MergedPartition {
    let first = found.extents.first().map(|extent| extent.base_offset);
    let last = found.extents.last().map(|extent| extent.end_offset);
    let old = found.manifest;
    let base_offset = old.map(|old| old.base_offset).or(first).unwrap_or(0);
    MergedPartition {
        partition: found.partition,
        replaces: found.version,
        extents: found.extents.len() as u64,
        manifest: ManifestRef {
            id: ManifestId {
                log: found.log,
                epoch: EPOCH,
                incarnation: agent.incarnation,
                seq,
            },
            object_bytes: 500,
            base_offset: base_offset.min(found.log_start),
            end_offset: last.or(old.map(|old| old.end_offset)).unwrap_or(base_offset),
        },
        summary: ManifestSummary {
            objects: found.version + 1,
            bytes: 100,
            first_end_offset: base_offset + RECORDS,
            first_bytes: 100,
            first_timestamp: 7,
        },
        unneeded: Vec::new(),
        lost: Vec::new(),
    }
}

pub(crate) fn request_of(agent: &Agent, partitions: Vec<MergedPartition>) -> MergeRequest {
    MergeRequest {
        epoch: EPOCH,
        incarnation: agent.incarnation,
        partitions,
    }
}

/// All that a partition has.
pub(crate) async fn request_of_one(agent: &Agent, partition: PartitionKey, seq: u64) -> MergeRequest {
    let found = to_merge(agent, partition).await;
    request_of(agent, vec![merged(&found, agent, seq)])
}

pub(crate) fn merge(agent: &Agent, request: MergeRequest) -> JoinHandle<esker_metastore::Result<Vec<bool>>> {
    let store = agent.store.clone();
    start(async move { store.merge(&request).await })
}

pub(crate) fn delete(agent: &Agent, log: LogId) -> JoinHandle<esker_metastore::Result<Vec<bool>>> {
    let store = agent.store.clone();
    start(async move { store.delete_topics(&[log.topic]).await })
}

/// A partition of a new topic, with so many archived extents.
pub(crate) async fn archived_partition(world: &World, agent: &Agent, extents: u64) -> (PartitionKey, LogId) {
    let topic = world.topic(&agent.store, 1).await;
    let partition = partition(topic.key);
    archived(agent, partition, 1, extents).await;
    let log = LogId {
        topic: topic.uuid,
        partition: 0,
    };
    (partition, log)
}

/// What a reader from the log start finds wrong, where the log ends at `end` and the manifest at `listed`.
pub(crate) async fn read_through(
    agent: &Agent,
    partition: PartitionKey,
    listed: i64,
    end: i64,
) -> Vec<String> {
    let head = agent.store.heads(&[partition]).await.unwrap().remove(0);
    let ask = PlanRequest {
        partition,
        from: head.map_or(0, |head| head.log_start),
        bytes_max: u64::MAX,
        extents_max: 1000,
    };
    let plan = agent.store.plan(&[ask]).await.unwrap().remove(0);
    let mut wrong = gaps(&plan);
    let found = (
        plan.manifest.map_or(0, |manifest| manifest.end_offset),
        plan.head.map(|head| head.next_offset),
    );
    if found != (listed, Some(end)) {
        wrong.push(format!(
            "a manifest and a log to {found:?} instead of {listed} and {end}"
        ));
    }
    wrong
}

/// A merger that passed its fence row is paused and fenced. What a sweep is told afterwards stays true.
pub(crate) async fn fence_meets_merge(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (silent, other) = (world.agent("silent").await, world.agent("other").await);
    let (partition, log) = archived_partition(&world, &silent, 2).await;
    let request = request_of_one(&silent, partition, 1).await;
    world.hold("merge holds fence").await;
    let merging = merge(&silent, request.clone());
    world.wait_for("merge holds fence", 1).await;
    let (sweeping, fenced) = (other.clone(), silent.incarnation);
    let sweep = start(async move {
        let store = &sweeping.store;
        let ended = store.fence_expired(&[fenced], -60_000).await;
        (ended, store.references(EPOCH, &[fenced], &[log]).await)
    });
    world.is_blocked(&sweep).await;
    world.release("merge holds fence").await;
    let merged = end(merging).await;
    let (ended, told) = end(sweep).await;
    assert_eq!(ended, Ok(vec![fenced]));
    let mut wrong = Vec::new();
    let later = other.store.references(EPOCH, &[fenced], &[log]).await;
    if told != later {
        wrong.push(format!(
            "a merger went on after its fencing: {told:?}, then {later:?}"
        ));
    }
    let told = told.unwrap();
    if told.live != [false] || !told.logs[0].exists || merged != Ok(vec![told.logs[0].manifest.is_some()]) {
        wrong.push(format!("merged {merged:?}, and a sweep was told {told:?}"));
    }
    let late = silent.store.merge(&request).await;
    if late != Err(MetastoreError::Fenced) {
        wrong.push(format!("a fenced merger was answered {late:?}"));
    }
    wrong.extend(read_through(&other, partition, 6, 6).await);
    Some(wrong)
}

/// Two mergers took the same extents.
pub(crate) async fn mergers_meet(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let (one, two) = (world.agent("one").await, world.agent("two").await);
    let (partition, log) = archived_partition(&world, &one, 2).await;
    let requests = [
        request_of_one(&one, partition, 1).await,
        request_of_one(&two, partition, 1).await,
    ];
    let first_manifest = requests[0].partitions[0].manifest;
    let [first, second] = requests;
    world.hold("merge wrote manifests").await;
    let first = merge(&one, first);
    world.wait_for("merge wrote manifests", 1).await;
    let second = merge(&two, second);
    world.is_blocked(&second).await;
    world.release("merge wrote manifests").await;
    let outcomes = (end(first).await, end(second).await);
    let mut wrong = Vec::new();
    if outcomes != (Ok(vec![true]), Ok(vec![false])) {
        wrong.push(format!("both merged: {outcomes:?}"));
    }
    let references = one.store.references(EPOCH, &[], &[log]).await.unwrap();
    if references.logs[0].manifest != Some(first_manifest) || !references.logs[0].unneeded.is_empty() {
        wrong.push(format!("referenced: {references:?}"));
    }
    wrong.extend(read_through(&one, partition, 6, 6).await);
    wrong.extend(left_behind(world.connection()).await);
    Some(wrong)
}

/// More is archived while a merge holds the head.
pub(crate) async fn archive_meets_merge(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    archive_and_merge(mistake, "merge wrote manifests").await
}

/// A merge comes while an archiver holds the head.
pub(crate) async fn merge_meets_archive(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    archive_and_merge(mistake, "archive wrote extents").await
}

/// Whichever waits at this point is met by the other; both succeed, and the next manifest goes on from there.
async fn archive_and_merge(mistake: Option<&Mistake>, point: &'static str) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let (partition, _) = archived_partition(&world, &agent, 2).await;
    let merge_request = request_of_one(&agent, partition, 1).await;
    end(commit(&agent, 3, vec![run(partition, None, &[2])])).await;
    let archive_request = request_of_all(&agent, 3).await;
    let start = |merges| match merges {
        true => merge(&agent, merge_request.clone()),
        false => archive(&agent, archive_request.clone()),
    };
    let merge_is_first = point.starts_with("merge");
    world.hold(point).await;
    let first = start(merge_is_first);
    world.wait_for(point, 1).await;
    let second = start(!merge_is_first);
    world.is_blocked(&second).await;
    world.release(point).await;
    let outcomes = [end(first).await, end(second).await];
    let mut wrong = Vec::new();
    if outcomes != [Ok(vec![true]), Ok(vec![true])] {
        wrong.push(format!("archiving and merging: {outcomes:?}"));
    }
    wrong.extend(read_through(&agent, partition, 6, 8).await);
    let next = request_of_one(&agent, partition, 2).await;
    let next = agent.store.merge(&next).await;
    if next != Ok(vec![true]) {
        wrong.push(format!("the next merge: {next:?}"));
    }
    wrong.extend(read_through(&agent, partition, 8, 8).await);
    wrong.extend(left_behind(world.connection()).await);
    Some(wrong)
}

/// A topic is deleted under a merger.
pub(crate) async fn delete_meets_merge(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let (partition, log) = archived_partition(&world, &agent, 2).await;
    let request = request_of_one(&agent, partition, 1).await;
    world.hold("merge holds heads").await;
    let merging = merge(&agent, request);
    world.wait_for("merge holds heads", 1).await;
    let deleting = delete(&agent, log);
    let mut wrong = Vec::new();
    if !world.is_blocked(&deleting).await {
        wrong.push("a topic was deleted under a merger".to_owned());
    }
    world.release("merge holds heads").await;
    let outcomes = [end(merging).await, end(deleting).await];
    if outcomes != [Ok(vec![true]), Ok(vec![true])] {
        wrong.push(format!("merging and deleting: {outcomes:?}"));
    }
    wrong.extend(nothing_refers_to(&agent, log).await);
    wrong.extend(left_behind(world.connection()).await);
    Some(wrong)
}

/// A merge comes while its topic is being deleted.
pub(crate) async fn merge_meets_delete(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let (partition, log) = archived_partition(&world, &agent, 2).await;
    let request = request_of_one(&agent, partition, 1).await;
    world.hold("delete holds heads").await;
    let deleting = delete(&agent, log);
    world.wait_for("delete holds heads", 1).await;
    let merging = merge(&agent, request);
    world.is_blocked(&merging).await;
    world.release("delete holds heads").await;
    let outcomes = [end(deleting).await, end(merging).await];
    let mut wrong = Vec::new();
    if outcomes != [Ok(vec![true]), Ok(vec![false])] {
        wrong.push(format!("deleting and merging: {outcomes:?}"));
    }
    wrong.extend(nothing_refers_to(&agent, log).await);
    wrong.extend(left_behind(world.connection()).await);
    Some(wrong)
}

async fn nothing_refers_to(agent: &Agent, log: LogId) -> Vec<String> {
    let mut wrong = Vec::new();
    let references = agent.store.references(EPOCH, &[], &[log]).await.unwrap();
    if references.logs[0].exists || references.logs[0].manifest.is_some() {
        wrong.push(format!("something refers to a deleted log: {references:?}"));
    }
    let to_empty = agent.store.topics_to_empty(0, 10).await;
    if to_empty != Ok(vec![log.topic]) {
        wrong.push(format!("to empty: {to_empty:?}"));
    }
    wrong
}

/// Moves the log start over the first extent.
async fn advance(agent: &Agent, partition: PartitionKey) {
    let heads = agent.store.advance_log_start(&[(partition, RECORDS)]).await;
    assert_eq!(heads.unwrap()[0].map(|head| head.log_start), Some(RECORDS));
}

/// A merge comes while what lies below the log start is being forgotten.
pub(crate) async fn drop_meets_merge(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    dropped_and_merged(mistake, "drop dropped", true).await
}

/// What lies below the log start is forgotten while a merge takes it.
pub(crate) async fn merge_meets_drop(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    dropped_and_merged(mistake, "merge wrote manifests", false).await
}

async fn dropped_and_merged(mistake: Option<&Mistake>, pause: &str, drop_first: bool) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let (partition, _) = archived_partition(&world, &agent, 3).await;
    advance(&agent, partition).await;
    let request = request_of_one(&agent, partition, 1).await;
    let store = agent.store.clone();
    let dropping = async move { store.drop_archived(100).await };
    world.hold(pause).await;
    let (dropping, merging) = if drop_first {
        let dropping = start(dropping);
        world.wait_for(pause, 1).await;
        let merging = merge(&agent, request);
        world.is_blocked(&merging).await;
        (dropping, merging)
    } else {
        let merging = merge(&agent, request);
        world.wait_for(pause, 1).await;
        let dropping = start(dropping);
        world.is_blocked(&dropping).await;
        (dropping, merging)
    };
    world.release(pause).await;
    let outcomes = (end(merging).await, end(dropping).await);
    let mut wrong = Vec::new();
    // Who comes first takes the extent; the merge holds in either case.
    if outcomes.0 != Ok(vec![true]) || outcomes.1 != Ok(1) {
        wrong.push(format!("merging and dropping: {outcomes:?}"));
    }
    wrong.extend(read_through(&agent, partition, 9, 9).await);
    // Once it is gone, a merge that counted it is refused.
    archived(&agent, partition, 4, 2).await;
    let request = request_of_one(&agent, partition, 2).await;
    let moved = agent.store.advance_log_start(&[(partition, 12)]).await;
    assert_eq!(moved.unwrap()[0].map(|head| head.log_start), Some(12));
    assert_eq!(agent.store.drop_archived(100).await, Ok(1));
    let refused = agent.store.merge(&request).await;
    if refused != Ok(vec![false]) {
        wrong.push(format!("merging what was dropped: {refused:?}"));
    }
    wrong.extend(read_through(&agent, partition, 0, 15).await);
    wrong.extend(left_behind(world.connection()).await);
    Some(wrong)
}

/// The log start moves while a merge holds the head.
pub(crate) async fn advance_meets_merge(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let (partition, _) = archived_partition(&world, &agent, 2).await;
    let request = request_of_one(&agent, partition, 1).await;
    world.hold("merge holds heads").await;
    let merging = merge(&agent, request);
    world.wait_for("merge holds heads", 1).await;
    let advancing = agent.clone();
    let advancing = start(async move { advance(&advancing, partition).await });
    world.is_blocked(&advancing).await;
    world.release("merge holds heads").await;
    let merged = end(merging).await;
    end(advancing).await;
    let mut wrong = Vec::new();
    if merged != Ok(vec![true]) {
        wrong.push(format!("merging: {merged:?}"));
    }
    wrong.extend(read_through(&agent, partition, 6, 6).await);
    // The other way round: a manifest must not begin above the log start, wherever that is by now.
    archived(&agent, partition, 3, 1).await;
    let mut request = request_of_one(&agent, partition, 2).await;
    request.partitions[0].manifest.base_offset = RECORDS;
    world.hold("advance holds heads").await;
    let store = agent.store.clone();
    let advancing = start(async move { store.advance_log_start(&[(partition, 5)]).await });
    world.wait_for("advance holds heads", 1).await;
    let merging = merge(&agent, request);
    world.is_blocked(&merging).await;
    world.release("advance holds heads").await;
    end(advancing).await.unwrap();
    let merged = end(merging).await;
    if merged != Ok(vec![true]) {
        wrong.push(format!("merging after the log start moved: {merged:?}"));
    }
    wrong.extend(read_through(&agent, partition, 9, 9).await);
    wrong.extend(left_behind(world.connection()).await);
    Some(wrong)
}

/// Plans are made at every step of a merge: they wait for nothing and have no gap.
pub(crate) async fn plan_meets_merge(mistake: Option<&Mistake>) -> Option<Vec<String>> {
    let mut world = World::new(0, mistake).await?;
    let agent = world.agent("one").await;
    let (partition, _) = archived_partition(&world, &agent, 2).await;
    let mut wrong = Vec::new();
    // The first manifest, and one that replaces it, with records behind it.
    for round in 1..=2 {
        let (before, after) = (6 * (round - 1), 6 * round);
        let request = request_of_one(&agent, partition, round as u64).await;
        let seq = 3 * round as u64;
        end(commit(&agent, seq, vec![run(partition, None, &[RECORDS as i32])])).await;
        let behind = request_of_all(&agent, seq).await;
        assert_eq!(agent.store.archive(&behind).await, Ok(vec![true]));
        let steps = [
            "merge holds fence",
            "merge holds heads",
            "merge wrote manifests",
            "release looked",
        ];
        world.hold(steps[0]).await;
        let merging = merge(&agent, request);
        for (at, step) in steps.iter().enumerate() {
            world.wait_for(step, 1).await;
            let reader = agent.clone();
            let listed = before;
            let reading =
                start(async move { read_through(&reader, partition, listed, after + RECORDS).await });
            if world.is_blocked(&reading).await {
                wrong.push(format!("a plan waits for a merge: {step}"));
                break;
            }
            wrong.extend(end(reading).await);
            if let Some(next) = steps.get(at + 1) {
                world.hold(next).await;
            }
            world.release(step).await;
        }
        if end(merging).await != Ok(vec![true]) {
            wrong.push(format!("merge {round} was refused"));
        }
        wrong.extend(read_through(&agent, partition, after, after + RECORDS).await);
        // So that the next round has two extents, too.
        archived(&agent, partition, seq + 1, 1).await;
    }
    wrong.extend(left_behind(world.connection()).await);
    Some(wrong)
}
