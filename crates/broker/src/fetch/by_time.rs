//! Records by time: which record of a partition is the first at or after a timestamp, and which has the
//! largest.
//!
//! The metastore names an extent by its largest timestamp, or the manifest where the older ones are listed; the headers of its batches narrow it down, and
//! the records of their batches are looked at (KIP-79, KIP-734: a timestamp names a record, not a batch).
//! If an extent does not hold what its timestamp promised (that record was peeled off as a duplicate, or
//! lies before the offset looked from), the search goes on in the next extent that promises enough.
//!
//! A batch whose records cannot be opened answers as a whole, with its first offset and its header's
//! timestamp: earlier than exact, but nothing is skipped, and the search does not end there for ever.

use std::cmp::Reverse;

use esker_metastore::{Extent, Head, TimeQuery, TimeReply, TimeRequest};
use esker_model::limits::QUERY_PARTITIONS_MAX;
use esker_model::{PartitionKey, SegmentId};
use esker_protocol::ErrorCode;
use esker_protocol::batch::Batch;
use esker_protocol::records::{OpenBatch, RecordsError};
use futures::{StreamExt, stream};
use tracing::{debug, error, warn};

use super::assemble::of_read_error;
use super::batches::ExtentBatches;
use super::listed;
use super::read::{ReadError, read_extent};
use super::resolve::may_answer_currently;
use crate::{Broker, errors};

/// Extents that one search looks into. More are needed only where headers promise timestamps that the
/// records do not have.
const HOPS_MAX: usize = 64;

/// Extents that one request looks into at a time.
const SEARCHES_MAX: usize = 4;

/// A batch that is larger than this once decompressed is not opened. No budget covers the decompressed
/// bytes: they live while one thread looks at them, so there are never more of them than threads.
const OPENED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub offset: i64,
    pub timestamp: i64,
}

/// The answer to a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub head: Head,
    pub record: Option<Record>,
}

/// A search that goes on.
#[derive(Clone, Copy)]
struct Open {
    at: usize,
    query: TimeQuery,
    goal: Goal,
    /// The object that was not there when this was looked for before.
    missing: Option<SegmentId>,
    /// Likewise of a manifest.
    replaced: bool,
}

/// What a search wants to know.
#[derive(Clone, Copy)]
enum Goal {
    /// The first record at or after the timestamp.
    First,
    /// The first of the records with the largest timestamp; the best so far.
    Largest(Option<Record>),
}

/// Answers searches, linearizably: each rests on what the primary said after the request came, and on
/// the epoch gate after that.
pub(super) async fn search(
    broker: &Broker,
    wanted: &[(PartitionKey, TimeQuery)],
) -> Vec<Result<Answer, ErrorCode>> {
    let mut answers: Vec<Option<Result<Answer, ErrorCode>>> = vec![None; wanted.len()];
    let begin = |(at, (_, query)): (usize, &(PartitionKey, TimeQuery))| {
        let goal = match query {
            TimeQuery::AtOrAfter { .. } => Goal::First,
            TimeQuery::Max => Goal::Largest(None),
        };
        Open {
            at,
            query: *query,
            goal,
            missing: None,
            replaced: false,
        }
    };
    let mut open: Vec<Open> = wanted.iter().enumerate().map(begin).collect();
    for _ in 0..HOPS_MAX {
        if open.is_empty() {
            break;
        }
        let (mut found, mut again) = (Vec::new(), Vec::new());
        for part in open.chunks(QUERY_PARTITIONS_MAX) {
            ask(broker, wanted, part, &mut answers, &mut found, &mut again).await;
        }
        let looked: Vec<_> = stream::iter(found)
            .map(|(one, head, extent)| async move {
                (
                    one,
                    head,
                    extent,
                    look_into(broker, &extent, one, head.log_start).await,
                )
            })
            .buffer_unordered(SEARCHES_MAX)
            .collect()
            .await;
        open = again;
        for (one, head, extent, outcome) in looked {
            match outcome {
                Ok(record) => match one.proceed(record, &extent) {
                    Some(next) => open.push(next),
                    None => answers[one.at] = Some(Ok(Answer { head, record })),
                },
                // Its records may have moved: the metastore knows where.
                Err(ReadError::Missing) if one.missing != Some(extent.segment) => {
                    open.push(Open {
                        missing: Some(extent.segment),
                        ..one
                    });
                }
                Err(error) => answers[one.at] = Some(Err(of_read_error(error))),
            }
        }
        open.sort_unstable_by_key(|one| one.at);
    }
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or(Err(ErrorCode::KafkaStorageError)))
        .collect()
}

impl Open {
    /// Where to look after an extent gave `record`; `None`: it is the answer.
    fn proceed(self, record: Option<Record>, extent: &Extent) -> Option<Open> {
        let next = |timestamp, from, goal| {
            Some(Open {
                query: TimeQuery::AtOrAfter { timestamp, from },
                goal,
                missing: None,
                replaced: false,
                ..self
            })
        };
        match (self.query, self.goal) {
            (TimeQuery::AtOrAfter { timestamp, .. }, Goal::First) if record.is_none() => {
                next(timestamp, extent.end_offset, Goal::First)
            }
            (_, Goal::First) => None,
            // The extent that promises the largest timestamp of all, and keeps its promise.
            (TimeQuery::Max, Goal::Largest(_))
                if record.is_some_and(|record| record.timestamp >= extent.max_timestamp) =>
            {
                None
            }
            // It does not: a part of its run was peeled off as a duplicate, deleted, or its header is
            // wrong. Every extent that promises more than the best record so far has to be looked into.
            (query, Goal::Largest(_)) => {
                let above = record.map_or(i64::MIN, |best| best.timestamp.saturating_add(1));
                let from = if query == TimeQuery::Max {
                    0
                } else {
                    extent.end_offset
                };
                next(above, from, Goal::Largest(record))
            }
        }
    }

    fn best(self) -> Option<Record> {
        match self.goal {
            Goal::First => None,
            Goal::Largest(best) => best,
        }
    }
}

/// The same answer with what the manifest lists taken into account.
async fn with_listed(broker: &Broker, query: TimeQuery, reply: TimeReply) -> Result<TimeReply, ReadError> {
    let (Some(manifest), Some(head)) = (reply.manifest, reply.head) else {
        return Ok(reply);
    };
    let listed = match query {
        TimeQuery::AtOrAfter { timestamp, from } => {
            listed::find_time(broker, manifest, timestamp, from.max(head.log_start)).await?
        }
        TimeQuery::Max => listed::find_largest(broker, manifest, head.log_start).await?,
    };
    let is_better = |listed: &Extent, other: Extent| match query {
        // What is listed comes first.
        TimeQuery::AtOrAfter { .. } => true,
        TimeQuery::Max => listed.max_timestamp >= other.max_timestamp,
    };
    let better = listed.filter(|listed| reply.extent.is_none_or(|other| is_better(listed, other)));
    Ok(TimeReply {
        extent: better.or(reply.extent),
        ..reply
    })
}

/// Asks the metastore where to look; what needs no look is answered.
async fn ask(
    broker: &Broker,
    wanted: &[(PartitionKey, TimeQuery)],
    open: &[Open],
    answers: &mut [Option<Result<Answer, ErrorCode>>],
    found: &mut Vec<(Open, Head, Extent)>,
    again: &mut Vec<Open>,
) {
    let requests: Vec<_> = open
        .iter()
        .map(|one| TimeRequest {
            partition: wanted[one.at].0,
            query: one.query,
        })
        .collect();
    let replies = match broker.metastore.find_by_time(&requests).await {
        Ok(replies) => replies,
        Err(err) => {
            broker
                .unanswered
                .tell(|untold| warn!(%err, untold, "cannot ask the metastore for records by time"));
            return open
                .iter()
                .for_each(|one| answers[one.at] = Some(Err(errors::of_metastore(&err))));
        }
    };
    if let Err(error) = may_answer_currently(broker) {
        return open.iter().for_each(|one| answers[one.at] = Some(Err(error)));
    }
    let replies: Vec<_> = stream::iter(open.iter().copied().zip(replies))
        .map(|(one, reply)| async move { (one, with_listed(broker, one.query, reply).await) })
        .buffered(SEARCHES_MAX)
        .collect()
        .await;
    for (one, reply) in replies {
        let reply = match reply {
            Ok(reply) => reply,
            Err(ReadError::Missing) if !one.replaced => {
                // It was replaced a moment ago: the metastore knows by which one.
                again.push(Open {
                    replaced: true,
                    ..one
                });
                continue;
            }
            Err(error) => {
                answers[one.at] = Some(Err(of_read_error(error)));
                continue;
            }
        };
        match (reply.head, reply.extent) {
            (None, _) => answers[one.at] = Some(Err(ErrorCode::UnknownTopicOrPartition)),
            (Some(head), None) => {
                answers[one.at] = Some(Ok(Answer {
                    head,
                    record: one.best(),
                }))
            }
            (Some(head), Some(extent)) => found.push((one, head, extent)),
        }
    }
}

/// Looks for the record in one extent, at or above `log_start` and above what the query excludes. For the
/// largest timestamp: the best record so far, of this extent or before.
async fn look_into(
    broker: &Broker,
    extent: &Extent,
    search: Open,
    log_start: i64,
) -> Result<Option<Record>, ReadError> {
    let (slices, _held) = read_extent(broker, extent).await?;
    let damaged = |damage| {
        error!(segment = %extent.segment, position = extent.position, %damage, "stored batches are damaged");
        ReadError::Corrupt
    };
    let (timestamp, from) = match search.query {
        TimeQuery::AtOrAfter { timestamp, from } => (timestamp, from.max(log_start)),
        TimeQuery::Max => (i64::MIN, log_start),
    };
    let mut batches = ExtentBatches::new(extent, &slices);
    batches.skip_to(from).map_err(damaged)?;
    let mut candidates = Vec::new();
    while let Some(stored) = batches.next_if(|_| true).map_err(damaged)? {
        if !stored.header.attributes.is_control() && stored.header.max_timestamp >= timestamp {
            candidates.push(stored);
        }
    }
    if matches!(search.goal, Goal::Largest(_)) {
        // The sort is stable: of equal ones the first stays first.
        candidates.sort_by_key(|stored| Reverse(stored.header.max_timestamp));
    }
    let mut best = search.best();
    let limit = broker.budget.opened_bytes_max.min(OPENED_BYTES_MAX);
    for stored in candidates {
        let header = stored.header;
        match search.goal {
            Goal::First => {
                if let Some(record) = first_at_or_after(&stored.into_batch(), timestamp, from, limit) {
                    return Ok(Some(record));
                }
            }
            Goal::Largest(_) => {
                if best.is_some_and(|best| best.timestamp >= header.max_timestamp) {
                    break;
                }
                let largest = first_with_largest(&stored.into_batch(), from, limit);
                let better = |one: &Record| best.is_none_or(|best| one.timestamp > best.timestamp);
                best = largest.filter(better).or(best);
            }
        }
        // Opening a batch takes a while: let others run.
        tokio::task::yield_now().await;
    }
    Ok(best)
}

fn first_at_or_after(batch: &Batch, timestamp: i64, from: i64, limit: usize) -> Option<Record> {
    let found = records(batch, from, limit, |record| {
        if record.timestamp >= timestamp {
            Some(record)
        } else {
            None
        }
    });
    found.unwrap_or_else(|err| as_a_whole(batch, from, &err))
}

fn first_with_largest(batch: &Batch, from: i64, limit: usize) -> Option<Record> {
    let mut best: Option<Record> = None;
    let looked = records(batch, from, limit, |record| {
        if best.is_none_or(|best| record.timestamp > best.timestamp) {
            best = Some(record);
        }
        None
    });
    match looked {
        Ok(_) => best,
        Err(err) => as_a_whole(batch, from, &err),
    }
}

/// Visits the records from an offset on until one is picked.
fn records(
    batch: &Batch,
    from: i64,
    limit: usize,
    mut pick: impl FnMut(Record) -> Option<Record>,
) -> Result<Option<Record>, RecordsError> {
    for record in OpenBatch::open(batch, limit)?.records() {
        let record = record?;
        let record = Record {
            offset: record.offset,
            timestamp: record.timestamp,
        };
        if record.offset >= from
            && let Some(picked) = pick(record)
        {
            return Ok(Some(picked));
        }
    }
    Ok(None)
}

fn as_a_whole(batch: &Batch, from: i64, err: &RecordsError) -> Option<Record> {
    // Clients write such batches: a line for each would be theirs to cause.
    debug!(offset = batch.header.base_offset, %err, "a batch cannot be opened: it is found by its header");
    let offset = batch.header.base_offset.max(from);
    Some(Record {
        offset,
        timestamp: batch.header.max_timestamp,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use esker_protocol::batch::Batch;
    use esker_protocol::records::BatchBuilder;

    use super::*;

    fn batch(timestamps: &[i64]) -> Batch {
        let builder = BatchBuilder::new().base_offset(100);
        let record = |batch: BatchBuilder, at: &i64| batch.record(*at, None, Some(b"value"), &[]);
        let mut bytes = timestamps.iter().fold(builder, record).build().unwrap();
        Batch::split_from(&mut bytes).unwrap()
    }

    fn found(offset: i64, timestamp: i64) -> Option<Record> {
        Some(Record { offset, timestamp })
    }

    #[test]
    fn records_before_the_offset_looked_from_do_not_count() {
        let batch = batch(&[9, 5, 7, 7, 6]);
        assert_eq!(first_at_or_after(&batch, 6, 0, OPENED_BYTES_MAX), found(100, 9));
        assert_eq!(first_at_or_after(&batch, 6, 101, OPENED_BYTES_MAX), found(102, 7));
        assert_eq!(first_at_or_after(&batch, 8, 101, OPENED_BYTES_MAX), None);
        assert_eq!(first_with_largest(&batch, 0, OPENED_BYTES_MAX), found(100, 9));
        assert_eq!(first_with_largest(&batch, 101, OPENED_BYTES_MAX), found(102, 7));
        assert_eq!(first_with_largest(&batch, 105, OPENED_BYTES_MAX), None);
    }

    #[test]
    fn a_batch_that_cannot_be_opened_answers_as_a_whole() {
        let mut broken = batch(&[9, 5]);
        let mut bytes = broken.bytes.to_vec();
        bytes.truncate(70);
        broken.bytes = Bytes::from(bytes);
        assert_eq!(first_at_or_after(&broken, 9, 0, OPENED_BYTES_MAX), found(100, 9));
        assert_eq!(first_with_largest(&broken, 101, OPENED_BYTES_MAX), found(101, 9));
    }
}
