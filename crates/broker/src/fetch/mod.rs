//! The read path: `plan → wait → read → assemble`.
//!
//! A Fetch is answered from the agent's memory where that is possible: the [`HotIndex`] knows where the
//! recent records of each partition lie, recent segments and the cache hold their bytes. At the tail of a
//! partition a consumer on the agent that took the writes costs no query and no GET.
//!
//! What holds:
//! - a reader gets the batches from its offset on, dense and in order, or an error: nothing is skipped;
//! - no offset becomes visible before the epoch gate; the high watermark never goes back;
//! - an agent that may be a zombie, or is cut off from the metastore, goes on serving what it knows,
//!   which is immutable, but claims nothing about what it does not know;
//! - records are slices of memory from the bucket or the producer's socket to the consumer's: only the 16
//!   bytes of a batch that carry its offset and epoch are new;
//! - memory is charged before it is used, and until the response is written.
//!
//! Whatever fails, fails for its partition; every error is one that clients answer by asking again,
//! except OFFSET_OUT_OF_RANGE, which the primary said, and CORRUPT_MESSAGE, which the checksums said.

mod asked;
mod assemble;
mod batches;
mod by_time;
mod hot_index;
pub(crate) mod leader_epoch;
pub(crate) mod list_offsets;
mod plan;
mod read;
mod resolve;
mod share;
mod wait;

use std::time::Duration;

use esker_metastore::Extent;
use esker_model::SegmentId;
use esker_protocol::ErrorCode;
use esker_protocol::fetch_response::{
    FetchPartitionParts, FetchResponseParts, FetchTopicParts, LeaderHint, NodeEndpointParts,
};
use esker_protocol::messages::FetchRequest;
use tracing::error;

use crate::Broker;
use crate::budget::Reservation;
use crate::cluster::Brokers;
use crate::context::RequestContext;
use crate::metrics::FetchLabels;

pub use asked::RESPONSE_BYTES_MAX;
pub use hot_index::{EXTENTS_MAX, HotIndex};
pub use wait::{HeadWatch, POLL_INTERVAL};

use asked::Asked;
use assemble::{Assembly, Limits, Served};
use plan::{Found, Wanted};
pub(crate) use read::SegmentPins;
use read::{Chain, Gathered, ReadError, ReadExtent};

/// A response with an error of our own making waits this long (no longer than the client would wait for
/// records): clients ask again at once.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// First version whose clients look for a hint who leads (KIP-951).
const LEADER_HINTS: i16 = 16;

/// The answer to a Fetch.
pub(crate) struct FetchReply {
    parts: FetchResponseParts,
    hold: Option<Reservation>,
}

impl FetchReply {
    /// The request's error, or that of its first partition that has one.
    pub(crate) fn first_error(&self) -> ErrorCode {
        let partitions = self.parts.topics.iter().flat_map(|topic| &topic.partitions);
        std::iter::once(self.parts.error_code)
            .chain(partitions.map(|partition| partition.error))
            .find(|error| error.is_error())
            .unwrap_or(ErrorCode::None)
    }

    /// The response, and the memory that is charged until it is written.
    pub(crate) fn into_parts(self) -> (FetchResponseParts, Option<Reservation>) {
        (self.parts, self.hold)
    }
}

/// Answers a Fetch request.
pub(crate) async fn handle(broker: &Broker, context: &RequestContext, request: FetchRequest) -> FetchReply {
    let asked = match asked::check(broker, context, request).await {
        Ok(asked) => asked,
        Err(parts) => return FetchReply { parts, hold: None },
    };
    let wanted: Vec<Wanted> =
        asked.partitions.iter().filter_map(|partition| partition.wanted.ok()).collect();
    let mut found = find_or_wait(broker, &asked, &wanted).await;
    let Gathered { mut chains, hold } = read_found(broker, &asked, &wanted, &mut found).await;
    let shares = shares(&asked, &wanted, &found);

    let mut assembly = Assembly::new(broker.member.epoch().0, asked.committed_only, asked.bytes_max);
    let mut topics: Vec<FetchTopicParts> = asked
        .topics
        .iter()
        .map(|topic| FetchTopicParts { name: topic.name.clone(), topic_id: topic.id, partitions: Vec::new() })
        .collect();
    let mut at = 0;
    for partition in &asked.partitions {
        let part = match &partition.wanted {
            Err(error) => FetchPartitionParts::error(partition.index, *error),
            Ok(wanted) => {
                let (found, read, share) = (&found[at], std::mem::take(&mut chains[at]), shares[at]);
                at += 1;
                match found {
                    Err(error) => FetchPartitionParts::error(partition.index, gone(*error, asked.by_id)),
                    Ok(found) => {
                        let limits = Limits { from: wanted.from, bytes_max: wanted.bytes_max, share };
                        let (part, served) = assembly.partition(partition.index, found, limits, read);
                        count(broker, &asked, partition.topic, &served);
                        part
                    }
                }
            }
        };
        topics[partition.topic].partitions.push(part);
    }
    let mut parts = FetchResponseParts { topics, ..FetchResponseParts::empty(ErrorCode::None) };
    if context.api_version >= LEADER_HINTS {
        hint_leaders(broker, context, &asked, &mut parts);
    }
    FetchReply { parts, hold }
}

/// Finds the records wanted; if there are too few, waits for more as long as the client allows.
async fn find_or_wait(broker: &Broker, asked: &Asked, wanted: &[Wanted]) -> Vec<Result<Found, ErrorCode>> {
    let mut found = plan::find(broker, wanted, asked.max_wait.is_zero()).await;
    if !is_ready(asked, wanted, &found) {
        let wait = async {
            tokio::select! {
                biased;
                _ = broker.member.until_stopped() => {}
                () = wait_for_more(broker, asked, wanted, &mut found) => {}
            }
        };
        let _ = tokio::time::timeout(asked.max_wait, wait).await;
        // At the end of the wait the client gets what there is, if it was not worth waking up for.
        for (one, found) in wanted.iter().zip(&mut found) {
            if let (Some(now), Ok(_)) = (plan::in_index(broker, one, false), &found) {
                *found = Ok(now);
            }
        }
    }
    let ours = |found: &Result<Found, ErrorCode>| {
        matches!(found, Err(ErrorCode::KafkaStorageError | ErrorCode::NotLeaderOrFollower))
    };
    if found.iter().any(ours) {
        tokio::time::sleep(FAILURE_PAUSE.min(asked.max_wait)).await;
    }
    // Partitions that had nothing while others had enough: what other agents write there is looked for
    // all the same, or a client whose other partitions are always busy would never see it.
    broker.heads.note(wanted.iter().zip(&found).filter_map(|(wanted, found)| {
        let nothing = found.as_ref().is_ok_and(|found| found.extents.is_empty());
        let stale = || broker.hot_index.head(wanted.partition).is_some_and(|(_, at)| !broker.heads.is_fresh(at));
        (nothing && stale()).then_some(wanted.partition)
    }));
    found
}

/// Whether the client need not wait: an error, enough bytes, no patience, or nothing asked for.
fn is_ready(asked: &Asked, wanted: &[Wanted], found: &[Result<Found, ErrorCode>]) -> bool {
    asked.max_wait.is_zero()
        || wanted.len() < asked.partitions.len()
        || wanted.is_empty()
        || found.iter().any(Result::is_err)
        || available(wanted, found).iter().sum::<u64>() >= asked.min_bytes
}

/// Bytes that each partition could give, as far as extents tell.
fn available(wanted: &[Wanted], found: &[Result<Found, ErrorCode>]) -> Vec<u64> {
    let bytes = |(wanted, found): (&Wanted, &Result<Found, ErrorCode>)| match found {
        Ok(found) => found.bytes(wanted.from).min(wanted.bytes_max),
        Err(_) => 0,
    };
    wanted.iter().zip(found).map(bytes).collect()
}

/// Returns when there is enough. `found` is right whenever this is dropped.
async fn wait_for_more(
    broker: &Broker,
    asked: &Asked,
    wanted: &[Wanted],
    found: &mut [Result<Found, ErrorCode>],
) {
    loop {
        // In this order: what moves after the heads were looked at is noticed when waiting begins.
        let heads: Vec<_> = wanted
            .iter()
            .filter_map(|one| Some((one.partition, broker.hot_index.head(one.partition)?.0)))
            .collect();
        look_again(broker, wanted, found).await;
        if is_ready(asked, wanted, found) {
            return;
        }
        let so_far: u64 = available(wanted, found).iter().sum();
        if let Some(watching) = broker.heads.wait(&heads, asked.min_bytes.saturating_sub(so_far)) {
            watching.waiting.woken().await;
        }
    }
}

/// Looks at the index again, and asks the metastore where the index lost track.
async fn look_again(broker: &Broker, wanted: &[Wanted], found: &mut [Result<Found, ErrorCode>]) {
    let mut lost = Vec::new();
    for (at, one) in wanted.iter().enumerate() {
        match plan::in_index(broker, one, false) {
            Some(now) => found[at] = Ok(now),
            // A reader of history goes on with what it found there.
            None if found[at].as_ref().is_ok_and(|found| !found.extents.is_empty()) => {}
            None => lost.push(at),
        }
    }
    if !lost.is_empty() {
        let again: Vec<Wanted> = lost.iter().map(|at| wanted[*at]).collect();
        for (at, answer) in lost.into_iter().zip(plan::find(broker, &again, false).await) {
            found[at] = answer;
        }
    }
}

/// What of the response each partition may fill.
fn shares(asked: &Asked, wanted: &[Wanted], found: &[Result<Found, ErrorCode>]) -> Vec<u64> {
    let available = available(wanted, found);
    let shares = share::divide(asked.bytes_max, &available);
    // Who gets all that seems to be there is held by its own limit only: the estimate may be low.
    let unless_cut = |(at, share): (usize, u64)| {
        if share >= available[at] { wanted[at].bytes_max } else { share }
    };
    shares.into_iter().enumerate().map(unless_cut).collect()
}

/// Reads what was found. Where an object is gone, plans again: its records may have moved. Only if the
/// new plan names the same object is it lost.
async fn read_found(
    broker: &Broker,
    asked: &Asked,
    wanted: &[Wanted],
    found: &mut [Result<Found, ErrorCode>],
) -> Gathered {
    let shares = share::divide(asked.bytes_max, &available(wanted, found));
    let mut first = true;
    let chains: Vec<Chain<'_>> = wanted
        .iter()
        .zip(found.iter())
        .zip(&shares)
        .map(|((wanted, found), share)| {
            let extents = extents_of(found);
            // The first that has something gives a batch, whatever the limits.
            let read = *share > 0 || (first && !extents.is_empty());
            first &= extents.is_empty();
            Chain { extents: if read { extents } else { &[] }, from: wanted.from, bytes: *share }
        })
        .collect();
    let mut gathered = read::gather(broker, &chains, None).await;
    let missing: Vec<(usize, SegmentId)> = (0..wanted.len())
        .filter_map(|at| Some((at, missing_segment(&gathered.chains[at])?)))
        .collect();
    if missing.is_empty() {
        return gathered;
    }
    let again: Vec<Wanted> = missing.iter().map(|(at, _)| wanted[*at]).collect();
    again.iter().for_each(|one| broker.hot_index.forget_extents(one.partition));
    let plans = plan::find_in_metastore(broker, &again).await;
    for ((at, lost), plan) in missing.iter().zip(plans) {
        let same = extents_of(&plan).first().is_some_and(|first| first.segment == *lost);
        found[*at] = if same {
            error!(partition = %wanted[*at].partition, segment = %lost, "a segment with records is not in the bucket");
            Err(ErrorCode::CorruptMessage)
        } else {
            plan
        };
    }
    let chains: Vec<Chain<'_>> = missing
        .iter()
        .map(|(at, _)| Chain { extents: extents_of(&found[*at]), from: wanted[*at].from, bytes: shares[*at] })
        .collect();
    let more = read::gather(broker, &chains, gathered.hold.take()).await;
    gathered.hold = more.hold;
    for ((at, _), chain) in missing.into_iter().zip(more.chains) {
        gathered.chains[at] = chain;
    }
    gathered
}

fn extents_of(found: &Result<Found, ErrorCode>) -> &[Extent] {
    found.as_ref().map(|found| found.extents.as_slice()).unwrap_or_default()
}

/// The segment of the first extent, if its object is not there. One further on is met by the next request.
fn missing_segment(chain: &[ReadExtent]) -> Option<SegmentId> {
    let first = chain.first().filter(|one| matches!(one.bytes, Err(ReadError::Missing)));
    first.map(|one| one.extent.segment)
}

/// A topic that went away while it was read: by id it has another code.
fn gone(error: ErrorCode, by_id: bool) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition => crate::errors::unknown_topic(by_id),
        error => error,
    }
}

fn count(broker: &Broker, asked: &Asked, topic: usize, served: &Served) {
    let Some(state) = &asked.topics[topic].state else { return };
    for (source, bytes) in served {
        let labels = FetchLabels { topic: state.topic.name.clone(), source: source.label() };
        broker.metrics.fetch_bytes.get_or_create(&labels).inc_by(*bytes);
    }
}

/// Tells clients that are at the wrong agent, or behind in epochs, who leads.
fn hint_leaders(broker: &Broker, context: &RequestContext, asked: &Asked, parts: &mut FetchResponseParts) {
    let moves = |error| matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
    if !parts.topics.iter().flat_map(|topic| &topic.partitions).any(|one| moves(one.error)) {
        return;
    }
    let brokers = Brokers::known_to(broker, context);
    for (topic, asked) in parts.topics.iter_mut().zip(&asked.topics) {
        let Some(state) = &asked.state else { continue };
        for partition in topic.partitions.iter_mut().filter(|one| moves(one.error)) {
            let leader = brokers.place(state.topic.uuid, partition.index, 1).leader;
            let leader_epoch = broker.member.epoch().0;
            partition.current_leader = Some(LeaderHint { leader_id: leader.0, leader_epoch });
            let named = parts.node_endpoints.iter().any(|node| node.node_id == leader.0);
            if let (false, Some(known)) = (named, brokers.all.iter().find(|one| one.id.0 == leader.0)) {
                parts.node_endpoints.push(NodeEndpointParts {
                    node_id: leader.0,
                    host: known.host.clone(),
                    port: known.port,
                    rack: known.rack.clone(),
                });
            }
        }
    }
}
