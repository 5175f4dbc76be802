//! The read path: `plan → wait → read → assemble`.
//!
//! A Fetch is answered from the agent's memory where that is possible: the [`HotIndex`] knows where the
//! recent records of each partition lie, recent segments and the cache hold their bytes. At the tail of a
//! partition a consumer on the agent that took the writes costs no query and no GET. A consumer of archived
//! records costs one query for hundreds of chunks, and one GET for each, however many read them together.
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
pub(crate) mod batches;
#[cfg(feature = "benching")]
pub(crate) mod benching;
mod by_time;
mod damaged;
mod find;
mod gather;
mod hints;
mod history;
mod history_apart;
mod hot_index;
pub(crate) mod leader_epoch;
pub(crate) mod list_offsets;
pub(crate) mod listed;
mod pins;
mod plan;
mod read;
mod read_ahead;
mod readers;
pub(crate) mod resolve;
mod sessions;
mod share;
mod stage;
mod together;
mod turns;
mod wait;

use esker_protocol::ErrorCode;
use esker_protocol::fetch_response::{FetchPartitionParts, FetchResponseParts};
use esker_protocol::messages::FetchRequest;

use crate::Broker;
use crate::budget::Reservation;
use crate::context::RequestContext;

pub use asked::RESPONSE_BYTES_MAX;
pub(crate) use damaged::Damaged;
pub(crate) use history::HistoryPlans;
pub use history_apart::HistoryApart;
pub use hot_index::{EXTENTS_MAX, HotIndex};
pub use listed::extent as listed_extent;
pub(crate) use pins::SegmentPins;
pub(crate) use read_ahead::ReadAhead;
pub(crate) use readers::{HistoryReaders, Readers};
pub(crate) use sessions::{FetchSessions, SESSIONS_MAX};
pub use wait::{HeadWatch, POLL_INTERVAL};

use asked::{Asked, Checked};
use assemble::{Assembly, Limits, Served};
use gather::Gathered;
use plan::Wanted;
use sessions::Report;
use stage::Stage;

/// Partitions that are planned, read or assembled in one go; then others have their turn: a request may name tens of
/// thousands.
const PARTITIONS_PER_TURN: usize = 256;

/// The answer to a Fetch.
pub(crate) struct FetchReply {
    parts: FetchResponseParts,
    hold: Option<Reservation>,
    charge: Option<Reservation>,
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

    /// The response, the memory that is charged until it is written, and that which is until it is encoded.
    pub(crate) fn into_parts(self) -> (FetchResponseParts, Option<Reservation>, Option<Reservation>) {
        (self.parts, self.hold, self.charge)
    }
}

/// Answers a Fetch request.
pub(crate) async fn handle(broker: &Broker, context: &RequestContext, request: FetchRequest) -> FetchReply {
    let checked = asked::check(broker, context, request).await;
    let Checked {
        asked,
        mut session,
        charge,
    } = match checked {
        Ok(checked) => checked,
        Err(parts) => {
            return FetchReply {
                parts,
                hold: None,
                charge: None,
            };
        }
    };
    let mut stage = Stage::begin(broker, context);
    let charged = context.charged || charge.is_some();
    let wanted: Vec<Wanted> = asked
        .partitions
        .iter()
        .filter_map(|partition| partition.wanted.ok())
        .collect();
    let mut found = find::find_or_wait(broker, &asked, &wanted, charged).await;
    stage.ends("find records, or wait");
    turns::take(broker, &mut found);
    together::stay(broker, &asked, &wanted, &mut found).await;
    yield_after(wanted.len()).await;
    let Gathered { mut chains, hold } = gather::read_found(broker, &asked, &wanted, &mut found).await;
    stage.ends("read");
    read_ahead::begin(broker, &wanted, &chains);
    let shares = gather::shares(&asked, &wanted, &found);

    yield_after(wanted.len()).await;
    let mut assembly = Assembly::new(broker.member.epoch().0, asked.committed_only, asked.bytes_max);
    let mut report = Report::new(&asked, &session);
    let mut at = 0;
    for (place, partition) in asked.partitions.iter().enumerate() {
        if place % PARTITIONS_PER_TURN == PARTITIONS_PER_TURN - 1 {
            tokio::task::yield_now().await;
        }
        let part = match &partition.wanted {
            Err(error) => FetchPartitionParts::error(partition.index, *error),
            Ok(wanted) => {
                let (found, read, share) = (&found[at], std::mem::take(&mut chains[at]), shares[at]);
                at += 1;
                match found {
                    Err(error) => FetchPartitionParts::error(partition.index, gone(*error, asked.by_id)),
                    Ok(found) => {
                        let limits = Limits {
                            from: wanted.from,
                            bytes_max: wanted.bytes_max,
                            share,
                        };
                        let (part, served) = assembly.partition(partition.index, found, limits, read);
                        count(&asked, partition.topic, &served);
                        part
                    }
                }
            }
        };
        report.tell(&mut session, place, partition.topic, part);
    }
    let (topics, places) = report.into_topics();
    yield_after(wanted.len()).await;
    let mut parts = FetchResponseParts {
        topics,
        session_id: session.end(broker),
        ..FetchResponseParts::empty(ErrorCode::None)
    };
    hints::hint_leaders(broker, context, &asked, &mut parts, &places);
    stage.ends("assemble");
    FetchReply { parts, hold, charge }
}

/// Between two stages of a request that names so many partitions others have their turn.
async fn yield_after(partitions: usize) {
    if partitions >= PARTITIONS_PER_TURN {
        tokio::task::yield_now().await;
    }
}

/// A topic that went away while it was read: by id it has another code.
fn gone(error: ErrorCode, by_id: bool) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition => crate::errors::unknown_topic(by_id),
        error => error,
    }
}

fn count(asked: &Asked, topic: usize, served: &Served) {
    let Some(state) = &asked.topics[topic].state else {
        return;
    };
    for (source, bytes) in served {
        state.meter.fetched(source.label(), *bytes);
    }
}
