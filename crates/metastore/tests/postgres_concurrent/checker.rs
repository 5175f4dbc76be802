//! Is what the database holds possible under the model?
//!
//! Returns what is wrong, in words; empty if all is well. It relies on nothing but the answers that
//! callers got and the tables.

use std::collections::BTreeMap;

use esker_metastore::{Extent, Settled};
use esker_model::sequence::{Offer, Outcome, judge};
use esker_model::{IncarnationId, PartitionKey, ProducerEpoch, TopicKey};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::operations::Offered;

/// An extent as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    partition: PartitionKey,
    base_offset: i64,
    end_offset: i64,
    incarnation: IncarnationId,
    seq: i64,
}

impl Stored {
    /// An extent of an ingest segment that an archiver saw.
    pub(crate) fn of(partition: PartitionKey, extent: &Extent) -> Self {
        Self {
            partition,
            base_offset: extent.base_offset,
            end_offset: extent.end_offset,
            incarnation: extent.segment.incarnation,
            seq: extent.segment.seq as i64,
        }
    }
}

/// Checks everything where nothing was archived. `forgetful`: producers were forgotten, so that they may have started above 0.
pub(crate) async fn check(
    connection: &mut PgConnection,
    offered: &[Offered],
    forgetful: bool,
) -> Vec<String> {
    check_archived(connection, offered, forgetful, &[]).await
}

/// As [`check`], where archivers moved these.
pub(crate) async fn check_archived(
    connection: &mut PgConnection,
    offered: &[Offered],
    forgetful: bool,
    archived: &[Stored],
) -> Vec<String> {
    let mut extents = stored(connection).await;
    // Some of them stand in their buckets still.
    extents.extend(
        archived
            .iter()
            .filter(|extent| !extents.contains(extent))
            .cloned()
            .collect::<Vec<_>>(),
    );
    extents.sort_by_key(|extent| (extent.partition, extent.base_offset, extent.end_offset));
    let heads = heads(connection).await;
    let mut wrong = Vec::new();
    dense(&extents, &heads, &mut wrong);
    answers_agree(offered, &mut wrong);
    // What a deleted topic had goes with its bucket: nobody reads it.
    let kept = |partition| archived.is_empty() || heads.contains_key(&partition);
    extents.retain(|extent| kept(extent.partition));
    extents_as_answered(&extents, offered, kept, &mut wrong);
    sequences(offered, forgetful, &mut wrong);
    if deadlocks(connection).await > 0 {
        wrong.push("there were deadlocks".to_owned());
    }
    wrong
}

/// The number of extents of an incarnation.
pub(crate) async fn extents_of(connection: &mut PgConnection, incarnation: IncarnationId) -> i64 {
    sqlx::query("SELECT count(*) FROM extent WHERE incarnation = $1")
        .bind(incarnation.0)
        .fetch_one(connection)
        .await
        .unwrap()
        .get(0)
}

async fn stored(connection: &mut PgConnection) -> Vec<Stored> {
    let rows = sqlx::query(
        "SELECT topic_id, partition, base_offset, end_offset, incarnation, seq FROM extent
         ORDER BY topic_id, partition, base_offset, end_offset",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    let stored = rows.iter().map(|row| Stored {
        partition: PartitionKey {
            topic: TopicKey(row.get(0)),
            partition: row.get(1),
        },
        base_offset: row.get(2),
        end_offset: row.get(3),
        incarnation: IncarnationId(row.get::<Uuid, _>(4)),
        seq: row.get(5),
    });
    stored.collect()
}

pub(crate) async fn heads(connection: &mut PgConnection) -> BTreeMap<PartitionKey, i64> {
    let rows = sqlx::query("SELECT topic_id, partition, next_offset FROM log_head")
        .fetch_all(connection)
        .await
        .unwrap();
    let heads = rows.iter().map(|row| {
        let partition = PartitionKey {
            topic: TopicKey(row.get(0)),
            partition: row.get(1),
        };
        (partition, row.get(2))
    });
    heads.collect()
}

async fn deadlocks(connection: &mut PgConnection) -> i64 {
    sqlx::query("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        .fetch_one(connection)
        .await
        .unwrap()
        .get(0)
}

/// Offsets are dense from 0 to the head, and given once.
fn dense(extents: &[Stored], heads: &BTreeMap<PartitionKey, i64>, wrong: &mut Vec<String>) {
    let mut ends: BTreeMap<PartitionKey, i64> = BTreeMap::new();
    for extent in extents {
        let end = ends.entry(extent.partition).or_default();
        if extent.base_offset != *end {
            wrong.push(format!("offset {end} is followed by {extent:?}"));
        }
        *end = extent.end_offset.max(*end);
    }
    for (partition, next_offset) in heads {
        let end = ends.get(partition).copied().unwrap_or(0);
        if end != *next_offset {
            wrong.push(format!(
                "the head of {partition} says {next_offset}, its extents end at {end}"
            ));
        }
    }
}

/// Everybody who asked about a segment heard the same.
fn answers_agree(offered: &[Offered], wrong: &mut Vec<String>) {
    for one in offered {
        let reply = one.reply();
        for settled in &one.settled {
            let agrees = match settled {
                Settled::Committed(other) => Some(other) == reply,
                Settled::Tombstoned => reply.is_none(),
            };
            if !agrees {
                wrong.push(format!(
                    "segment {} of {}: {settled:?}, but also {reply:?}",
                    one.segment.seq, one.incarnation
                ));
            }
        }
    }
}

/// The extents are those that the answers say, no more and no fewer. Segments nobody heard of again may
/// have been committed or not, as a whole.
fn extents_as_answered(
    extents: &[Stored],
    offered: &[Offered],
    kept: impl Fn(PartitionKey) -> bool,
    wrong: &mut Vec<String>,
) {
    let mut by_segment: BTreeMap<(IncarnationId, i64), Vec<Stored>> = BTreeMap::new();
    for extent in extents {
        let key = (extent.incarnation, extent.seq);
        by_segment.entry(key).or_default().push(extent.clone());
    }
    for one in offered {
        let found = by_segment.remove(&(one.incarnation, one.segment.seq as i64));
        let unheard = one.reply().is_none() && one.settled.is_empty();
        if unheard {
            continue;
        }
        let mut expected = Vec::new();
        for run in appended(one).into_iter().filter(|run| kept(run.partition)) {
            expected.push(Stored {
                partition: run.partition,
                base_offset: run.base_offset,
                end_offset: run.base_offset + run.records,
                incarnation: one.incarnation,
                seq: one.segment.seq as i64,
            });
        }
        expected.sort_by_key(|extent| (extent.partition, extent.base_offset));
        let found = found.unwrap_or_default();
        if found != expected {
            wrong.push(format!("answered {expected:?}, stored {found:?}"));
        }
    }
    for extent in by_segment.into_values().flatten() {
        wrong.push(format!("nobody offered {extent:?}"));
    }
}

/// A run, or the accepted part of it, as a reply told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Appended {
    base_offset: i64,
    records: i64,
    partition: PartitionKey,
    /// Producer and first sequence.
    producer: Option<(i64, i32)>,
}

/// What was appended of each producer, in offset order.
type Histories = BTreeMap<(PartitionKey, i64), Vec<Appended>>;

/// What a segment's reply appended.
fn appended(one: &Offered) -> Vec<Appended> {
    let mut appended = Vec::new();
    let Some(reply) = one.reply() else {
        return appended;
    };
    for (run, pieces) in one.segment.runs.iter().zip(&reply.runs) {
        for piece in pieces {
            if let Outcome::Appended { base_offset } = piece.outcome {
                let count = |batches: &[esker_metastore::RunBatch]| {
                    batches.iter().map(|batch| i64::from(batch.records)).sum::<i64>()
                };
                let peeled = count(&run.batches[..piece.first_batch]);
                let records = count(&run.batches[piece.first_batch..piece.first_batch + piece.batches]);
                let producer = run
                    .producer
                    .map(|producer| (producer.id.0, producer.first_sequence + peeled as i32));
                appended.push(Appended {
                    base_offset,
                    records,
                    partition: run.partition,
                    producer,
                });
            }
        }
    }
    appended
}

/// In offset order, the pure rule accepts what was appended of each producer; and a duplicate was
/// answered with the offset at which its first record really stands.
fn sequences(offered: &[Offered], forgetful: bool, wrong: &mut Vec<String>) {
    let mut histories = Histories::new();
    for run in offered.iter().flat_map(appended) {
        if let Some((producer, _)) = run.producer {
            histories.entry((run.partition, producer)).or_default().push(run);
        }
    }
    for ((partition, producer), runs) in &mut histories {
        runs.sort();
        let mut memory = None;
        for run in runs.iter() {
            let Some((_, first)) = run.producer else { continue };
            let (base_offset, records) = (run.base_offset, run.records);
            let offer = Offer {
                epoch: ProducerEpoch(0),
                first,
                batches: &[records as i32],
                max_timestamp: 7,
            };
            let appended = Outcome::Appended { base_offset };
            let mut outcome = judge(&mut memory, forgetful, &offer, base_offset)[0].outcome;
            if forgetful && outcome != appended {
                // Forgotten in between: taken up where the client went on, at 0 at once, above it when noted.
                memory = None;
                outcome = judge(&mut memory, true, &offer, base_offset)[0].outcome;
                if outcome != appended {
                    outcome = judge(&mut memory, true, &offer, base_offset)[0].outcome;
                }
            }
            if outcome != appended {
                wrong.push(format!(
                    "producer {producer} in {partition}: sequence {first} was appended at {base_offset}, \
                     the model says {outcome:?}"
                ));
            }
        }
    }
    for one in offered {
        duplicates(one, &histories, wrong);
    }
}

fn duplicates(one: &Offered, histories: &Histories, wrong: &mut Vec<String>) {
    let Some(reply) = one.reply() else { return };
    for (run, pieces) in one.segment.runs.iter().zip(&reply.runs) {
        for piece in pieces {
            let Outcome::Duplicate { base_offset, .. } = piece.outcome else {
                continue;
            };
            let producer = run.producer.expect("a duplicate has a producer");
            let before = run.batches[..piece.first_batch].iter();
            let sequence = producer.first_sequence + before.map(|batch| batch.records).sum::<i32>();
            let history = histories.get(&(run.partition, producer.id.0));
            let stands = history.into_iter().flatten().any(|run| {
                let first = run.producer.map_or(0, |(_, first)| first);
                let into = i64::from(sequence) - i64::from(first);
                (0..run.records).contains(&into) && run.base_offset + into == base_offset
            });
            if !stands {
                wrong.push(format!(
                    "producer {} in {}: sequence {sequence} does not stand at {base_offset}",
                    producer.id, run.partition
                ));
            }
        }
    }
}
