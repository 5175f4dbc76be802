//! Is what the archive's tables hold, and what readers are told of it, possible?
//!
//! As the checker of commits: returns what is wrong, in words; empty if all is well.

use std::collections::BTreeMap;

use esker_metastore::{ManifestRef, Plan};
use esker_model::{IncarnationId, PartitionKey};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::checker::heads;

/// What is wrong with a plan of everything from the log start on: the manifest and the extents cover it, end to end.
pub(crate) fn gaps(plan: &Plan) -> Vec<String> {
    let Some(head) = plan.head else {
        return vec!["a plan of no partition".to_owned()];
    };
    let mut wrong = Vec::new();
    let mut at = head.log_start;
    // The first extent may begin below the log start, but not below the manifest's end.
    let mut from = i64::MIN;
    if let Some(manifest) = plan.manifest {
        if manifest.base_offset > at || manifest.end_offset > head.archived_to {
            wrong.push(format!("{head:?}, but {manifest:?}"));
        }
        at = manifest.end_offset.max(at);
        from = manifest.end_offset;
    }
    for extent in &plan.extents {
        if !(from..=at).contains(&extent.base_offset) {
            let manifest = plan
                .manifest
                .map(|manifest| (manifest.base_offset, manifest.end_offset));
            wrong.push(format!(
                "a plan jumps from {at} to {extent:?}; {head:?}, manifest {manifest:?}"
            ));
        }
        at = extent.end_offset;
        from = at;
    }
    if head.next_offset != at {
        wrong.push(format!("{head:?}, but extents to {at}"));
    }
    wrong
}

/// As [`gaps`], of what is archived.
pub(crate) fn gaps_in_archive(plan: &Plan) -> Vec<String> {
    let mut plan = plan.clone();
    if let Some(head) = &mut plan.head {
        head.next_offset = head.archived_to;
        let end = head.archived_to;
        plan.extents.retain(|extent| extent.base_offset < end);
    }
    gaps(&plan)
}

/// Checks merges that mergers were told to have made: each replaced the one before it and reached beyond, and the last
/// one of a partition is its manifest. And what all of them left.
pub(crate) async fn check_merged(
    connection: &mut PgConnection,
    merged: &[(PartitionKey, u64, ManifestRef)],
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut chains: BTreeMap<PartitionKey, Vec<(u64, ManifestRef)>> = BTreeMap::new();
    for (partition, replaces, manifest) in merged {
        chains.entry(*partition).or_default().push((*replaces, *manifest));
    }
    let heads = heads(connection).await;
    for (partition, chain) in &mut chains {
        chain.sort_by_key(|(replaces, _)| *replaces);
        let mut end = 0;
        for (at, (replaces, manifest)) in chain.iter().enumerate() {
            if *replaces != at as u64 || manifest.end_offset <= end {
                wrong.push(format!(
                    "in {partition} {manifest:?} replaced version {replaces}, the {at}th"
                ));
            }
            end = manifest.end_offset;
        }
        let row = sqlx::query(
            "SELECT version, incarnation, seq, end_offset FROM manifest WHERE topic_id = $1 AND partition = $2",
        )
        .bind(partition.topic.0)
        .bind(partition.partition)
        .fetch_optional(&mut *connection)
        .await
        .unwrap();
        let stored = row.map(|row| {
            (
                row.get::<i64, _>(0) as usize,
                IncarnationId(row.get::<Uuid, _>(1)),
                row.get::<i64, _>(2) as u64,
                row.get::<i64, _>(3),
            )
        });
        let last = chain.last().map(|(_, manifest)| {
            let id = manifest.id;
            (chain.len(), id.incarnation, id.seq, manifest.end_offset)
        });
        if stored != last.filter(|_| heads.contains_key(partition)) {
            wrong.push(format!("{partition} has {stored:?}, merged was {last:?}"));
        }
    }
    wrong.extend(left_behind(connection).await);
    wrong
}

/// What the tables of the archive have that they never should: extents in a segment that was released, segments
/// without extents that were not, gaps below `archived_to`, manifests of nothing.
pub(crate) async fn left_behind(connection: &mut PgConnection) -> Vec<String> {
    let mut wrong = Vec::new();
    for (what, sql) in [
        (
            "extents lie in a segment that is not live",
            "SELECT count(*) FROM archive_extent e
             WHERE e.kind = 1 AND NOT EXISTS (
                 SELECT FROM archive_segment s
                 WHERE s.incarnation = e.incarnation AND s.seq = e.seq AND s.state = 0)",
        ),
        (
            "segments without extents were not released",
            "SELECT count(*) FROM archive_segment s
             WHERE s.state = 0 AND NOT EXISTS (
                 SELECT FROM archive_extent e WHERE e.incarnation = s.incarnation AND e.seq = s.seq AND e.kind = 1)",
        ),
        (
            "archived extents do not end where the next one begins, or the archive ends",
            "SELECT count(*) FROM (
                 SELECT e.end_offset, lead(e.base_offset, 1, lh.archived_to) OVER (
                     PARTITION BY e.topic_id, e.partition ORDER BY e.end_offset) AS next
                 FROM archive_extent e
                 LEFT JOIN log_head lh ON lh.topic_id = e.topic_id AND lh.partition = e.partition
             ) x WHERE x.end_offset IS DISTINCT FROM x.next",
        ),
        (
            "manifests do not end where their partition's archived extents begin, or the archive ends",
            "SELECT count(*) FROM manifest m
             LEFT JOIN log_head lh ON lh.topic_id = m.topic_id AND lh.partition = m.partition
             WHERE m.base_offset > lh.log_start OR greatest(m.end_offset, lh.log_start) < coalesce((
                 SELECT min(e.base_offset) FROM archive_extent e
                 WHERE e.topic_id = m.topic_id AND e.partition = m.partition), lh.archived_to)
             OR m.end_offset > coalesce((
                 SELECT min(e.base_offset) FROM archive_extent e
                 WHERE e.topic_id = m.topic_id AND e.partition = m.partition), lh.archived_to)
             OR lh.topic_id IS NULL",
        ),
        (
            "manifests are referred to and may go",
            "SELECT count(*) FROM manifest m
             JOIN topic t ON t.topic_id = m.topic_id
             JOIN unneeded_object o ON o.topic_uuid = t.topic_uuid AND o.partition = m.partition AND o.kind = 3
                 AND o.incarnation = m.incarnation AND o.seq = m.seq",
        ),
        (
            "of a manifest's versions so many are missing among those that may go",
            "SELECT coalesce(sum(m.version - 1 - (
                 SELECT count(*) FROM unneeded_object o
                 WHERE o.topic_uuid = t.topic_uuid AND o.partition = m.partition AND o.kind = 3)), 0)::bigint
             FROM manifest m JOIN topic t ON t.topic_id = m.topic_id",
        ),
    ] {
        let row = sqlx::query(sql).fetch_one(&mut *connection).await.unwrap();
        let count: i64 = row.get(0);
        if count != 0 {
            wrong.push(format!("{count} times: {what}"));
        }
    }
    wrong
}

/// How many manifests of an incarnation are referred to or were.
pub(crate) async fn manifests_of(connection: &mut PgConnection, incarnation: IncarnationId) -> i64 {
    sqlx::query(
        "SELECT (SELECT count(*) FROM manifest WHERE incarnation = $1)
              + (SELECT count(*) FROM unneeded_object WHERE incarnation = $1 AND kind = 3)",
    )
    .bind(incarnation.0)
    .fetch_one(connection)
    .await
    .unwrap()
    .get(0)
}
