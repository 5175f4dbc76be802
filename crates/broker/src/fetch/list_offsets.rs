//! ListOffsets: where a partition's log begins and ends, and where a time is.
//!
//! Linearizable: every answer rests on a read of the primary that began after the request came, is given
//! only by a current member, and only if the epoch gate was open after that read. Otherwise the client
//! gets a retriable error and no offset.

use std::collections::BTreeMap;

use esker_metastore::{Head, TimeQuery};
use esker_model::PartitionKey;
use esker_model::limits::QUERY_PARTITIONS_MAX;
use esker_model::planted::{Mistake, planted};
use esker_protocol::ErrorCode;
use esker_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use esker_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use esker_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use tracing::warn;

use super::by_time::{self, Record};
use super::resolve::{Resolver, TopicRef, check_leader_epoch, may_answer_currently};
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::{Broker, errors};

/// The timestamps that mean something else (KIP-79, KIP-734, KIP-405, KIP-1005), with the first version
/// that knows them.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: (i64, i16) = (-3, 7);
const EARLIEST_LOCAL: (i64, i16) = (-4, 8);
const LATEST_TIERED: (i64, i16) = (-5, 9);

/// First version whose answers carry a leader epoch.
const LEADER_EPOCH: i16 = 4;

/// What is asked about a partition.
#[derive(Clone, Copy)]
enum Question {
    Latest,
    Earliest,
    /// We have no second tier: never an offset.
    Tiered,
    Time(TimeQuery),
}

/// An offset, or that there is none.
type Answer = Result<Option<Record>, ErrorCode>;

/// Answers a ListOffsets request.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let version = context.api_version;
    let committed_only = match request.isolation_level {
        0 | 1 => Ok(request.isolation_level == 1),
        _ => Err(ErrorCode::InvalidRequest),
    };
    let mut twice = Repeated::of(&request.topics);
    let mut resolver = Resolver::new(broker, context, Operation::Describe);
    let mut response = ListOffsetsResponse::default();
    // Places in the response of what has to be asked for.
    let mut open: Vec<((usize, usize), PartitionKey, Question)> = Vec::new();
    for topic in request.topics {
        let state = resolver.topic(TopicRef::Name(&topic.name)).await;
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let outcome = match twice.of_partition(&topic.name, asked.partition_index) {
                Seen::Again => continue,
                Seen::FirstOfMany => Err(ErrorCode::InvalidRequest),
                Seen::Once => match (&state, &committed_only) {
                    (Err(error), _) | (_, Err(error)) => Err(*error),
                    (Ok(state), Ok(_)) => match resolver.partition(state, asked.partition_index).await {
                        Ok(partition) => question(broker, asked, version).map(|asked| (partition, asked)),
                        Err(error) => Err(error),
                    },
                },
            };
            let error = match outcome {
                Ok((partition, question)) => {
                    open.push(((response.topics.len(), partitions.len()), partition, question));
                    ErrorCode::None
                }
                Err(error) => error,
            };
            partitions.push(
                ListOffsetsPartitionResponse::default()
                    .with_partition_index(asked.partition_index)
                    .with_error_code(error.code())
                    .with_offset(-1)
                    .with_timestamp(-1)
                    .with_leader_epoch(-1),
            );
        }
        let topic = ListOffsetsTopicResponse::default()
            .with_name(topic.name)
            .with_partitions(partitions);
        response.topics.push(topic);
    }
    let asked: Vec<_> = open
        .iter()
        .map(|(_, partition, question)| (*partition, *question))
        .collect();
    let answers = answer(broker, &asked, committed_only == Ok(true)).await;
    for (((topic, partition), _, _), answer) in open.iter().zip(answers) {
        let slot = &mut response.topics[*topic].partitions[*partition];
        match answer {
            Ok(Some(record)) => {
                slot.offset = record.offset;
                slot.timestamp = record.timestamp;
                if version >= LEADER_EPOCH {
                    slot.leader_epoch = broker.member.epoch().0;
                }
            }
            Ok(None) => {}
            Err(error) => slot.error_code = error.code(),
        }
    }
    response
}

fn question(broker: &Broker, asked: &ListOffsetsPartition, version: i16) -> Result<Question, ErrorCode> {
    check_leader_epoch(broker, asked.current_leader_epoch)?;
    let known = |(timestamp, since): (i64, i16)| asked.timestamp == timestamp && version >= since;
    match asked.timestamp {
        LATEST => Ok(Question::Latest),
        EARLIEST => Ok(Question::Earliest),
        timestamp @ 0.. => Ok(Question::Time(TimeQuery::AtOrAfter { timestamp, from: 0 })),
        _ if known(MAX_TIMESTAMP) => Ok(Question::Time(TimeQuery::Max)),
        _ if known(EARLIEST_LOCAL) => Ok(Question::Earliest),
        _ if known(LATEST_TIERED) => Ok(Question::Tiered),
        _ => Err(ErrorCode::UnsupportedVersion),
    }
}

async fn answer(broker: &Broker, asked: &[(PartitionKey, Question)], committed_only: bool) -> Vec<Answer> {
    let end = |head: Head| {
        if committed_only {
            head.last_stable_offset.min(head.next_offset)
        } else {
            head.next_offset
        }
    };
    let by_head: Vec<usize> = (0..asked.len())
        .filter(|at| !matches!(asked[*at].1, Question::Time(_)))
        .collect();
    let by_time: Vec<usize> = (0..asked.len())
        .filter(|at| matches!(asked[*at].1, Question::Time(_)))
        .collect();
    let mut answers: Vec<Answer> = vec![Err(ErrorCode::KafkaStorageError); asked.len()];

    let partitions: Vec<_> = by_head.iter().map(|at| asked[*at].0).collect();
    for (at, head) in by_head.into_iter().zip(current_heads(broker, &partitions).await) {
        answers[at] = head.map(|head| {
            let offset = match asked[at].1 {
                Question::Latest => Some(end(head)),
                Question::Earliest => Some(head.log_start),
                Question::Tiered | Question::Time(_) => None,
            };
            offset.map(|offset| Record {
                offset,
                timestamp: -1,
            })
        });
    }

    let searches: Vec<_> = by_time
        .iter()
        .filter_map(|at| match asked[*at] {
            (partition, Question::Time(query)) => Some((partition, query)),
            _ => None,
        })
        .collect();
    if !searches.is_empty() {
        for (at, found) in by_time.into_iter().zip(by_time::search(broker, &searches).await) {
            // What a reader may not see yet is not there, and no timestamp is not the largest.
            answers[at] = found.map(|found| {
                found
                    .record
                    .filter(|record| record.offset < end(found.head) && record.timestamp >= 0)
            });
        }
    }
    answers
}

/// The heads of partitions as the primary has them, if they may be told.
pub(crate) async fn current_heads(
    broker: &Broker,
    partitions: &[PartitionKey],
) -> Vec<Result<Head, ErrorCode>> {
    let mut answers = Vec::with_capacity(partitions.len());
    for part in partitions.chunks(QUERY_PARTITIONS_MAX) {
        if planted(Mistake::ListFromIndex) {
            let known: Vec<_> = part
                .iter()
                .filter_map(|partition| Some(broker.hot_index.head(*partition)?.0))
                .collect();
            if known.len() == part.len() {
                answers.extend(known.into_iter().map(Ok));
                continue;
            }
        }
        let read_at = broker.seams.clock.now();
        let heads = match broker.metastore.heads(part).await {
            Ok(heads) => heads,
            Err(err) => {
                broker
                    .unanswered
                    .tell(|untold| warn!(%err, untold, "cannot ask the metastore for log heads"));
                answers.extend(part.iter().map(|_| Err(errors::of_metastore(&err))));
                continue;
            }
        };
        if let Err(error) = may_answer_currently(broker) {
            answers.extend(part.iter().map(|_| Err(error)));
            continue;
        }
        answers.extend(part.iter().zip(heads).map(|(partition, head)| match head {
            // Whoever is told of these offsets finds them here from now on.
            Some(head) => Ok(broker.hot_index.absorb(*partition, &[], head, read_at)),
            None => {
                broker.hot_index.forget(*partition);
                Err(ErrorCode::UnknownTopicOrPartition)
            }
        }));
    }
    answers
}

/// Partitions that a request names more than once get one entry, with INVALID_REQUEST.
struct Repeated(BTreeMap<(String, i32), (u32, bool)>);

enum Seen {
    Once,
    FirstOfMany,
    Again,
}

impl Repeated {
    fn of(topics: &[ListOffsetsTopic]) -> Self {
        let mut counts = BTreeMap::new();
        for topic in topics {
            for partition in &topic.partitions {
                let key = (topic.name.to_string(), partition.partition_index);
                counts.entry(key).or_insert((0, false)).0 += 1;
            }
        }
        counts.retain(|_, (count, _)| *count > 1);
        Self(counts)
    }

    fn of_partition(&mut self, topic: &str, partition: i32) -> Seen {
        if self.0.is_empty() {
            return Seen::Once;
        }
        match self.0.get_mut(&(topic.to_owned(), partition)) {
            None => Seen::Once,
            Some((_, seen)) if *seen => Seen::Again,
            Some((_, seen)) => {
                *seen = true;
                Seen::FirstOfMany
            }
        }
    }
}
