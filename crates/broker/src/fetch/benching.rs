//! The read path without its wait, for micro-benchmarks: `plan → read → assemble`.
//!
//! What a Fetch finds is put into [`hot_index`] and [`recent`] beforehand, as the commit stage does. As long as
//! both cover it, none of the stages waits.

use std::time::Duration;

use esker_model::PartitionKey;
use esker_protocol::fetch_response::{FetchPartitionParts, FetchResponseParts, FetchTopicParts};
use esker_protocol::{ErrorCode, StrBytes};
use uuid::Uuid;

use super::asked::Asked;
use super::assemble::{Assembly, Limits};
use super::gather::{self, Gathered};
use super::hot_index::HotIndex;
use super::plan::{self, Found, Wanted};
use crate::Broker;
use crate::produce::RecentSegments;

/// Where the broker knows the recent extents of each partition from.
pub fn hot_index(broker: &Broker) -> &HotIndex {
    &broker.hot_index
}

/// The segments that the broker keeps in memory for readers.
pub fn recent(broker: &Broker) -> &RecentSegments {
    &broker.recent
}

/// A checked Fetch request of one topic.
pub struct Question {
    asked: Asked,
    wanted: Vec<Wanted>,
}

impl Question {
    /// Asks for each partition from an offset on, for `partition_bytes_max` bytes of each and `bytes_max` of all.
    pub fn new(from: &[(PartitionKey, i64)], partition_bytes_max: u64, bytes_max: u64) -> Self {
        let wanted = |(partition, from): &(PartitionKey, i64)| Wanted {
            partition: *partition,
            from: *from,
            bytes_max: partition_bytes_max,
            committed_only: false,
        };
        Self {
            asked: Asked {
                topics: Vec::new(),
                partitions: Vec::new(),
                min_bytes: 1,
                max_wait: Duration::from_millis(500),
                bytes_max,
                committed_only: false,
                by_id: true,
            },
            wanted: from.iter().map(wanted).collect(),
        }
    }
}

/// What was found for each partition.
pub struct Plans(Vec<Result<Found, ErrorCode>>);

impl Plans {
    /// Extents of all partitions.
    pub fn extents(&self) -> usize {
        self.0.iter().flatten().map(|found| found.extents.len()).sum()
    }
}

/// Finds where the records lie.
pub async fn plan(broker: &Broker, question: &Question) -> Plans {
    Plans(plan::find(broker, &question.wanted, false).await)
}

/// What was read for each partition.
pub struct Gathering(Gathered);

impl Gathering {
    /// Extents of all partitions whose bytes are there.
    pub fn extents(&self) -> usize {
        let read = self.0.chains.iter().flatten();
        read.filter(|one| one.bytes.is_ok()).count()
    }
}

/// Reads what was found.
pub async fn read(broker: &Broker, question: &Question, plans: &mut Plans) -> Gathering {
    Gathering(gather::read_found(broker, &question.asked, &question.wanted, &mut plans.0).await)
}

/// Makes the response out of what was read, as [`super::handle`] does, but for its counters by topic and its hints
/// at other leaders.
pub fn assemble(
    broker: &Broker,
    question: &Question,
    plans: &Plans,
    gathering: Gathering,
) -> FetchResponseParts {
    let Question { asked, wanted } = question;
    let shares = gather::shares(asked, wanted, &plans.0);
    let mut assembly = Assembly::new(broker.member.epoch().0, asked.committed_only, asked.bytes_max);
    let mut partitions = Vec::with_capacity(wanted.len());
    for (((wanted, found), share), read) in wanted.iter().zip(&plans.0).zip(shares).zip(gathering.0.chains) {
        let index = wanted.partition.partition;
        partitions.push(match found {
            Err(error) => FetchPartitionParts::error(index, *error),
            Ok(found) => {
                let limits = Limits {
                    from: wanted.from,
                    bytes_max: wanted.bytes_max,
                    share,
                };
                assembly.partition(index, found, limits, read).0
            }
        });
    }
    FetchResponseParts {
        topics: vec![FetchTopicParts {
            name: StrBytes::from_static_str(""),
            topic_id: Uuid::from_u128(1),
            partitions,
        }],
        ..FetchResponseParts::empty(ErrorCode::None)
    }
}
