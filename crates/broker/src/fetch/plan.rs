//! Planning: which extents hold the records that a reader wants.
//!
//! The hot index is asked first, then what earlier plans said of archived records, then the manifest that one of them
//! named; for all partitions of a request that none of these covers, one call asks the metastore, which knows recent
//! records and names the manifest that lists the older ones. Of archived records it asks for much more than the reader
//! wants now: one plan leads it a long way. What holds for an answer:
//!
//! - its extents lie end to end, and the first holds the wanted offset: nothing is skipped;
//! - it shows nothing above the high watermark (the last stable offset for those who read committed
//!   records), and nothing that a query showed while the epoch gate was closed after it;
//! - OFFSET_OUT_OF_RANGE comes from the primary, through the gate, and only from a current member.
//!
//! A query that does not cover the offset, or has a gap, is repeated a few times: another agent may have
//! written in between. If that does not help, what is contiguous from the offset on is served; if there
//! is nothing, the client gets a retriable error. A failing metastore costs the partitions that need it
//! a retriable error; those that the index covers go on.

mod known;

use std::time::Duration;

use esker_metastore::{Extent, Head, Plan, PlanRequest};
use esker_model::PartitionKey;
use esker_model::limits::{PLAN_EXTENTS_MAX, QUERY_PARTITIONS_MAX};
use esker_model::seams::Instant;
use esker_protocol::ErrorCode;
use futures::{StreamExt, stream};
use tracing::warn;

use super::assemble::of_read_error;
use super::hot_index::{bytes_from, enough};
use super::listed;
use super::read::ReadError;
use crate::{Broker, errors};
pub(super) use known::in_index;

/// Queries for one offset before its reader is sent away.
const ATTEMPTS_MAX: usize = 4;

/// The wait before a query is repeated, without jitter; doubles each time.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(5);

/// Extents that are looked at for one request, all partitions together, unless there are so many
/// partitions that [`EXTENTS_PER_PARTITION_MIN`] for each are more.
const REQUEST_EXTENTS_MAX: usize = 65_536;
const EXTENTS_PER_PARTITION_MIN: usize = 2;

/// The metastore is asked for at least so many bytes where records may be archived, so that what it says is
/// remembered, if a request needs plans for so few partitions that each may have [`HISTORY_EXTENTS_MIN`] extents.
const HISTORY_PLAN_BYTES: u64 = 256 << 20;
const HISTORY_EXTENTS_MIN: usize = 32;

/// Manifests that one request reads.
const MANIFESTS_MAX: usize = 64;

/// No manifest is read later than this after a request's first: other partitions of the request wait for it, and so does
/// a client, for 30 seconds by default.
const MANIFEST_PATIENCE: Duration = Duration::from_secs(5);

/// Manifests that one request reads at a time.
const MANIFEST_READS_MAX: usize = 8;

/// What a reader wants of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The partition.
    pub partition: PartitionKey,
    /// The first offset.
    pub from: i64,
    /// Bytes that are of use.
    pub bytes_max: u64,
    /// Only records of transactions that ended, and those outside of transactions.
    pub committed_only: bool,
}

impl Wanted {
    /// The first offset that this reader may not see.
    fn end(&self, head: Head) -> i64 {
        if self.committed_only {
            head.last_stable_offset.min(head.next_offset)
        } else {
            head.next_offset
        }
    }
}

/// Where the records lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The partition's head as this agent reports it.
    pub head: Head,
    /// The reader may see offsets below this.
    pub end: i64,
    /// Contiguous, the first holds the wanted offset; none if there is nothing to read yet.
    pub extents: Vec<Extent>,
}

impl Found {
    /// Bytes that can be read from `from` on, about.
    pub(super) fn bytes(&self, from: i64) -> u64 {
        self.extents
            .iter()
            .map(|extent| bytes_from(extent, from).max(1))
            .sum()
    }
}

/// Takes from what was found what is not read this time.
pub(super) fn leave_out(found: &mut [Result<Found, ErrorCode>], places: impl IntoIterator<Item = usize>) {
    for at in places {
        if let Ok(found) = &mut found[at] {
            found.extents.clear();
        }
    }
}

/// Extents that are looked at for each of so many partitions.
pub(super) fn extents_max(partitions: usize) -> usize {
    (REQUEST_EXTENTS_MAX / partitions.max(1)).clamp(EXTENTS_PER_PARTITION_MIN, PLAN_EXTENTS_MAX)
}

/// Finds what readers want: what this agent knows, and the rest by asking the metastore.
pub(super) async fn find(
    broker: &Broker,
    wanted: &[Wanted],
    fresh_only: bool,
) -> Vec<Result<Found, ErrorCode>> {
    let extents_max = extents_max(wanted.len());
    let mut known: Vec<_> = wanted
        .iter()
        .map(|one| in_index(broker, one, fresh_only, extents_max))
        .collect();
    let with_more = |at: usize| Some((at, known::manifest_with_more(broker, &wanted[at], extents_max)?));
    let to_read: Vec<_> = (0..wanted.len())
        .filter(|at| known[*at].is_none())
        .filter_map(with_more)
        .take(MANIFESTS_MAX)
        .collect();
    let manifests_left = MANIFESTS_MAX - to_read.len();
    let deadline = manifest_deadline(broker);
    let read = to_read.into_iter().map(|(at, manifest)| async move {
        let read = known::read_on(broker, &wanted[at], manifest, extents_max, deadline).await;
        (at, read)
    });
    let mut read = stream::iter(read.collect::<Vec<_>>()).buffered(MANIFEST_READS_MAX);
    let mut unavailable = Vec::new();
    while let Some((at, read)) = read.next().await {
        known[at] = in_index(broker, &wanted[at], fresh_only, extents_max);
        if read == Err(ReadError::Unavailable) {
            unavailable.push(at);
        }
    }
    let mut answers: Vec<_> = known.into_iter().map(|known| known.map(Ok)).collect();
    for at in unavailable {
        // The metastore would name the same manifest, or another one in the same bucket.
        answers[at].get_or_insert(Err(of_read_error(ReadError::Unavailable)));
    }
    ask(broker, wanted, answers, manifests_left).await
}

/// The time from which on a request reads no manifest.
fn manifest_deadline(broker: &Broker) -> Instant {
    broker.seams.clock.now().plus(MANIFEST_PATIENCE)
}

/// Finds what readers want by asking the metastore.
pub(super) async fn find_in_metastore(broker: &Broker, wanted: &[Wanted]) -> Vec<Result<Found, ErrorCode>> {
    ask(broker, wanted, vec![None; wanted.len()], MANIFESTS_MAX).await
}

/// Fills in what is not known yet.
async fn ask(
    broker: &Broker,
    wanted: &[Wanted],
    mut answers: Vec<Option<Result<Found, ErrorCode>>>,
    mut manifests_left: usize,
) -> Vec<Result<Found, ErrorCode>> {
    for attempt in 1..=ATTEMPTS_MAX {
        let open: Vec<usize> = (0..wanted.len()).filter(|at| answers[*at].is_none()).collect();
        if open.is_empty() {
            break;
        }
        if attempt > 1 {
            let pause = ATTEMPT_PAUSE.saturating_mul(1 << (attempt - 2));
            tokio::time::sleep(broker.seams.rng.jitter(pause)).await;
        }
        let extents_max = extents_max(open.len());
        for part in open.chunks(QUERY_PARTITIONS_MAX) {
            let requests: Vec<_> = part
                .iter()
                .map(|at| request(broker, &wanted[*at], extents_max))
                .collect();
            let read_at = broker.seams.clock.now();
            let plans = match broker.metastore.plan(&requests).await {
                Ok(plans) => add_listed(broker, &requests, plans, &mut manifests_left).await,
                Err(err) => {
                    broker
                        .unanswered
                        .tell(|untold| warn!(%err, untold, "cannot ask the metastore where records lie"));
                    part.iter()
                        .for_each(|at| answers[*at] = Some(Err(errors::of_metastore(&err))));
                    continue;
                }
            };
            let seen = Seen {
                gate_open: broker.gate.is_open(),
                current: broker.member.is_current(),
                last_attempt: attempt == ATTEMPTS_MAX,
            };
            for (at, plan) in part.iter().zip(plans) {
                let (plan, unread) = match plan {
                    Listed::Plan(plan) => (plan, false),
                    Listed::Unread(plan) => (plan, true),
                    // It was replaced a moment ago: the metastore knows by which one.
                    Listed::Failed(ReadError::Missing) if !seen.last_attempt => continue,
                    Listed::Failed(error) => {
                        answers[*at] = Some(Err(of_read_error(error)));
                        continue;
                    }
                };
                let head = visible_head(broker, &wanted[*at], &plan, read_at, seen);
                answers[*at] = match head {
                    Ok(head) if unread => Some(Ok(Found {
                        head,
                        end: wanted[*at].end(head),
                        extents: Vec::new(),
                    })),
                    Ok(head) => judge(&wanted[*at], head, plan.extents, extents_max, seen),
                    Err(error) => Some(Err(error)),
                };
            }
        }
    }
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or(Err(ErrorCode::KafkaStorageError)))
        .collect()
}

/// A plan with what manifests list.
enum Listed {
    Plan(Plan),
    /// There are too many manifests for one request: nothing is found for this partition, this time.
    Unread(Plan),
    Failed(ReadError),
}

/// Puts what manifests list before what the metastore knows.
async fn add_listed(
    broker: &Broker,
    requests: &[PlanRequest],
    plans: Vec<Plan>,
    manifests_left: &mut usize,
) -> Vec<Listed> {
    let deadline = manifest_deadline(broker);
    let read = requests.iter().copied().zip(plans).map(|(request, mut plan)| {
        let is_below = plan.head.is_some_and(|head| request.from < head.log_start);
        let manifest = plan.manifest.filter(|_| !is_below);
        let may_read = manifest.is_none() || *manifests_left > 0;
        *manifests_left -= usize::from(manifest.is_some() && may_read);
        async move {
            let Some(manifest) = manifest else {
                return Listed::Plan(plan);
            };
            let recent = std::mem::take(&mut plan.extents);
            if !may_read {
                return Listed::Unread(plan);
            }
            let limits = (request.bytes_max, request.extents_max);
            match listed::extents(broker, manifest, request.from, limits, deadline).await {
                Ok(extents) => plan.extents = extents,
                Err(error) => return Listed::Failed(error),
            }
            let end = plan.extents.last().map(|last| last.end_offset);
            if end == Some(manifest.end_offset) {
                plan.extents.extend(recent);
            }
            Listed::Plan(plan)
        }
    });
    stream::iter(read.collect::<Vec<_>>())
        .buffered(MANIFEST_READS_MAX)
        .collect()
        .await
}

/// What the metastore is asked.
fn request(broker: &Broker, wanted: &Wanted, extents_max: usize) -> PlanRequest {
    let known = broker.hot_index.head(wanted.partition);
    let remembered =
        extents_max >= HISTORY_EXTENTS_MIN && known.is_none_or(|(head, _)| wanted.from < head.archived_to);
    let bytes_min = if remembered { HISTORY_PLAN_BYTES } else { 1 };
    PlanRequest {
        partition: wanted.partition,
        from: wanted.from,
        bytes_max: wanted.bytes_max.max(bytes_min),
        extents_max,
    }
}

/// The circumstances of a query.
#[derive(Clone, Copy)]
struct Seen {
    gate_open: bool,
    current: bool,
    last_attempt: bool,
}

/// Takes a plan into the index if the gate allows it, and says how far readers may see now.
fn visible_head(
    broker: &Broker,
    wanted: &Wanted,
    plan: &Plan,
    read_at: Instant,
    seen: Seen,
) -> Result<Head, ErrorCode> {
    let Some(head) = plan.head else {
        broker.hot_index.forget(wanted.partition);
        broker.history.forget(wanted.partition);
        return Err(ErrorCode::UnknownTopicOrPartition);
    };
    if seen.gate_open {
        let head = broker
            .hot_index
            .absorb(wanted.partition, &plan.extents, head, read_at);
        broker
            .history
            .remember(wanted.partition, &plan.extents, plan.manifest);
        return Ok(head);
    }
    // What was visible before stays so.
    match broker.hot_index.head(wanted.partition) {
        Some((known, _)) => Ok(known),
        None => Err(ErrorCode::KafkaStorageError),
    }
}

/// What a plan means for its reader; `None`: plan again.
fn judge(
    wanted: &Wanted,
    head: Head,
    mut extents: Vec<Extent>,
    extents_max: usize,
    seen: Seen,
) -> Option<Result<Found, ErrorCode>> {
    if wanted.from < head.log_start || wanted.from > head.next_offset {
        return Some(Err(match (seen.current, seen.gate_open) {
            (true, true) => ErrorCode::OffsetOutOfRange,
            (true, false) => ErrorCode::KafkaStorageError,
            (false, _) => ErrorCode::NotLeaderOrFollower,
        }));
    }
    let end = wanted.end(head);
    if wanted.from >= end {
        return Some(Ok(Found {
            head,
            end,
            extents: Vec::new(),
        }));
    }
    // Above the visible high watermark lies only what a closed gate hides.
    extents.truncate(extents.partition_point(|extent| extent.end_offset <= head.next_offset));
    // A gap behind what is wanted is met by whoever wants what lies there.
    extents.truncate(enough(&extents, wanted.from, wanted.bytes_max, extents_max));
    let whole = contiguous_from(&extents, wanted.from);
    if (whole < extents.len() || whole == 0) && !seen.last_attempt {
        return None;
    }
    if whole == 0 {
        warn!(partition = %wanted.partition, from = wanted.from, "no extent holds this offset");
        return Some(Err(ErrorCode::KafkaStorageError));
    }
    extents.truncate(whole);
    extents.truncate(extents.partition_point(|extent| extent.base_offset < end));
    Some(Ok(Found { head, end, extents }))
}

/// How many of the extents lie end to end, if the first holds `from`; else 0.
fn contiguous_from(extents: &[Extent], from: i64) -> usize {
    match extents.first() {
        Some(first) if first.base_offset <= from && from < first.end_offset => {
            let breaks = extents
                .windows(2)
                .position(|pair| pair[0].end_offset != pair[1].base_offset);
            breaks.map_or(extents.len(), |at| at + 1)
        }
        _ => 0,
    }
}

#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;
