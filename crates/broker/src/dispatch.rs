//! From a frame to the handler of its API, and from the handler's answer to a frame.
//!
//! Unknown APIs and versions, unreadable headers and bodies close the connection without a reply, as
//! Kafka does; ApiVersions of an unknown version gets the one answer that every client understands.

use std::sync::Arc;

use bytes::Bytes;
use esker_model::seams::Instant;
use esker_protocol::header::{self, Incoming};
use esker_protocol::request::{self, Checked};
use esker_protocol::response::{self, ResponseBody};
use esker_protocol::{ErrorCode, Request, RequestHeader, versions};
use tracing::error;

use crate::Broker;
use crate::budget::{Reservation, TooLarge};
use crate::connection::limits::{FREE_FRAME_BYTES, FREE_HEAP_BYTES, HEAP_CHARGES};
use crate::connection::{Outcome, Pending, Reply};
use crate::context::{ConnectionContext, RequestContext, zone_of_client_id};
use crate::groups::{offsets, requests};
use crate::metrics::{ApiLabels, RequestLabels, TraceLabels, ZoneLabels};
use crate::trace::{Note, Trace};
use crate::{cluster, fetch, produce, producers, topics};

/// A connection as its requests see it.
pub(crate) struct Session {
    broker: Arc<Broker>,
    connection: Arc<ConnectionContext>,
    /// The last client id seen, so that a client that repeats itself costs nothing.
    client: Option<(Arc<str>, Option<Arc<str>>)>,
}

impl Session {
    pub(crate) fn new(broker: Arc<Broker>, connection: Arc<ConnectionContext>) -> Self {
        Self {
            broker,
            connection,
            client: None,
        }
    }

    /// Handles one frame. For a produce request this returns when its batches are in the hot segment.
    pub(crate) async fn handle(&mut self, frame: Bytes) -> Pending {
        let began = self.broker.seams.clock.now();
        let frame_bytes = frame.len();
        let (header, body) = match header::decode_request_header(frame) {
            Ok(Incoming::Request(header, body)) => (header, body),
            Ok(Incoming::UnsupportedApiVersions(header)) => {
                let reply = response::encode_unsupported_api_versions(header.correlation_id);
                return Pending::Now(Outcome::Reply(Reply::new(vec![reply], None)));
            }
            Err(err) => return Pending::Now(Outcome::Close(err.to_string())),
        };
        let checked = match request::check_request(&header, body) {
            Ok(checked) => checked,
            Err(err) => return Pending::Now(Outcome::Close(err.to_string())),
        };
        let heap = match self.charge_heap(&checked).await {
            Ok(heap) => heap,
            Err(err) => return Pending::Now(Outcome::Close(err.to_string())),
        };
        let request = match checked.decode() {
            Ok(request) => request,
            Err(err) => return Pending::Now(Outcome::Close(err.to_string())),
        };
        let turn = if lists_all(&request) {
            Arc::clone(&self.broker.listings).acquire_owned().await.ok()
        } else {
            None
        };
        let trace = self.trace(&header, began, frame_bytes);
        let charged = heap.is_some() || frame_bytes > FREE_FRAME_BYTES;
        let context = self.context(&header, charged, trace.clone());
        let answer = Answer {
            broker: Arc::clone(&self.broker),
            header,
            request_bytes: frame_bytes,
            began,
            trace: trace.clone(),
        };
        let pending = match trace {
            None => self.route(context, request, answer).await,
            // Apart, so that connections have no room for it.
            Some(trace) => trace.within(Box::pin(self.route(context, request, answer))).await,
        };
        match pending {
            Pending::Now(Outcome::Reply(mut reply)) => {
                reply.turn = turn;
                // What is held for records does not cover what the answer has beside them.
                reply.hold = reply.hold.map(|hold| hold.sharing(heap.map(Arc::new)));
                Pending::Now(Outcome::Reply(reply))
            }
            Pending::Later(outcome) if heap.is_some() => Pending::Later(Box::pin(async move {
                match outcome.await {
                    Outcome::Reply(reply) => Outcome::Reply(Reply { hold: heap, ..reply }),
                    outcome => outcome,
                }
            })),
            pending => pending,
        }
    }

    /// Charges what a request becomes when it is decoded and answered, unless that is little.
    async fn charge_heap(&self, request: &Checked) -> Result<Option<Reservation>, TooLarge> {
        let heap = request.heap_bytes();
        if heap <= FREE_HEAP_BYTES {
            return Ok(None);
        }
        let pool = &self.broker.budget.decoded;
        pool.fits(heap)?;
        Ok(pool.reserve_at_most(heap * HEAP_CHARGES).await)
    }

    /// Counts bytes of records by where the client is.
    fn count_zone(&self, direction: &'static str, client: Option<&str>, bytes: usize) {
        let labels = ZoneLabels::of(direction, client, self.broker.config.zone.as_deref());
        let counter = self.broker.metrics.zone_bytes.get_or_create(&labels);
        counter.inc_by(bytes as u64);
    }

    /// The trace of a request, if it is chosen.
    fn trace(&self, header: &RequestHeader, began: Instant, frame_bytes: usize) -> Option<Arc<Trace>> {
        let trace = self.broker.tracer.begin(began)?;
        let text = |text: &str| Note::Text(text.to_owned().into());
        let mut notes = vec![
            ("messaging.system", Note::Text("kafka".into())),
            ("network.peer.address", text(&self.connection.peer)),
            ("esker.api_version", Note::Number(i64::from(header.api_version))),
            (
                "esker.request_bytes",
                Note::Number(i64::try_from(frame_bytes).unwrap_or(i64::MAX)),
            ),
        ];
        if let Some(client_id) = header.client_id.as_deref() {
            notes.push(("messaging.client.id", text(client_id)));
        }
        trace.name(versions::api_name(header.api_key).unwrap_or("unknown"), notes);
        Some(trace)
    }

    fn context(
        &mut self,
        header: &RequestHeader,
        charged: bool,
        trace: Option<Arc<Trace>>,
    ) -> RequestContext {
        let id = header.client_id.as_deref().unwrap_or("");
        let (client_id, zone) = match &self.client {
            Some((known, zone)) if &**known == id => (Arc::clone(known), zone.clone()),
            _ => {
                let zone = zone_of_client_id(id)
                    .or(self.connection.listener.zone.as_deref())
                    .map(Arc::from);
                let client_id: Arc<str> = Arc::from(id);
                self.client = Some((Arc::clone(&client_id), zone.clone()));
                (client_id, zone)
            }
        };
        RequestContext {
            connection: Arc::clone(&self.connection),
            client_id,
            zone,
            api_version: header.api_version,
            charged,
            trace,
        }
    }

    async fn route(&self, context: RequestContext, request: Request, answer: Answer) -> Pending {
        let broker = &self.broker;
        macro_rules! answer_with {
            ($handler:path, $request:expr) => {
                Pending::Now(answer.encode(&$handler(broker, &context, $request).await))
            };
        }
        // What may take minutes must not keep the connection from being read: that it was closed would not be noticed.
        macro_rules! answer_later {
            ($handler:path, $request:expr) => {{
                let broker = Arc::clone(broker);
                Pending::Later(Box::pin(async move {
                    answer.encode(&$handler(&broker, &context, $request).await)
                }))
            }};
        }
        match request {
            Request::Produce(request) => {
                self.count_zone("in", context.zone.as_deref(), answer.request_bytes);
                let acks = request.acks;
                let taken = produce::accept(broker, &context, request).await;
                if acks == 0 {
                    return Pending::Now(answer.silence(taken.refused()));
                }
                Pending::Later(Box::pin(async move { answer.encode(&taken.answer().await) }))
            }
            Request::Fetch(request) => {
                let rack = (!request.rack_id.is_empty()).then(|| request.rack_id.clone());
                let reply = fetch::handle(broker, &context, request).await;
                let error = reply.first_error();
                let (parts, hold, _charge) = reply.into_parts();
                let encoded = parts.encode(&answer.header);
                let bytes = encoded.iter().flatten().map(Bytes::len).sum();
                self.count_zone("out", context.zone.as_deref().or(rack.as_deref()), bytes);
                Pending::Now(answer.finish(encoded, error, hold))
            }
            Request::ListOffsets(request) => answer_with!(fetch::list_offsets::handle, request),
            Request::OffsetForLeaderEpoch(request) => answer_with!(fetch::leader_epoch::handle, request),
            Request::Metadata(request) => answer_with!(topics::metadata::handle, request),
            Request::DescribeTopicPartitions(request) => {
                answer_with!(topics::describe_partitions::handle, request)
            }
            Request::CreateTopics(request) => answer_with!(topics::create::handle, request),
            Request::DeleteTopics(request) => answer_with!(topics::delete::handle, request),
            Request::DeleteRecords(request) => answer_with!(topics::delete_records::handle, request),
            Request::CreatePartitions(request) => answer_with!(topics::create_partitions::handle, request),
            Request::DescribeConfigs(request) => answer_with!(topics::describe_configs::handle, request),
            Request::AlterConfigs(request) => answer_with!(topics::alter_configs::handle, request),
            Request::IncrementalAlterConfigs(request) => {
                answer_with!(topics::incremental_alter_configs::handle, request)
            }
            Request::ListConfigResources(request) => {
                answer_with!(topics::list_config_resources::handle, request)
            }
            Request::DescribeLogDirs(request) => answer_with!(topics::log_dirs::handle, request),
            Request::ElectLeaders(request) => answer_with!(topics::elect_leaders::handle, request),
            Request::AlterPartitionReassignments(request) => {
                answer_with!(topics::reassignments::alter, request)
            }
            Request::ListPartitionReassignments(request) => {
                answer_with!(topics::reassignments::list, request)
            }
            Request::DescribeProducers(request) => answer_with!(producers::describe::handle, request),
            Request::InitProducerId(request) => answer_with!(producers::init_producer_id::handle, request),
            Request::ApiVersions(request) => answer_with!(cluster::api_versions::handle, request),
            Request::DescribeCluster(request) => answer_with!(cluster::describe_cluster::handle, request),
            Request::FindCoordinator(request) => answer_with!(cluster::find_coordinator::handle, request),
            Request::JoinGroup(request) => answer_later!(requests::join::handle, request),
            Request::SyncGroup(request) => answer_later!(requests::sync::handle, request),
            Request::Heartbeat(request) => answer_with!(requests::heartbeat::handle, request),
            Request::LeaveGroup(request) => answer_with!(requests::leave::handle, request),
            Request::ConsumerGroupHeartbeat(request) => {
                answer_with!(requests::consumer_heartbeat::handle, request)
            }
            Request::ConsumerGroupDescribe(request) => {
                answer_with!(requests::consumer_describe::handle, request)
            }
            Request::DescribeGroups(request) => answer_with!(requests::describe::handle, request),
            Request::ListGroups(request) => answer_with!(requests::list::handle, request),
            Request::DeleteGroups(request) => answer_with!(requests::delete::handle, request),
            Request::OffsetCommit(request) => answer_with!(offsets::commit::handle, request),
            Request::OffsetFetch(request) => answer_with!(offsets::fetch::handle, request),
            Request::OffsetDelete(request) => answer_with!(offsets::delete::handle, request),
        }
    }
}

/// Whether the answer's size follows what there is rather than what was asked.
fn lists_all(request: &Request) -> bool {
    match request {
        Request::Metadata(request) => request.topics.as_ref().is_none_or(Vec::is_empty),
        Request::DescribeConfigs(_)
        | Request::DescribeTopicPartitions(_)
        | Request::DescribeGroups(_)
        | Request::ConsumerGroupDescribe(_)
        | Request::ListGroups(_)
        | Request::DescribeLogDirs(_)
        | Request::DescribeProducers(_)
        | Request::ListConfigResources(_) => true,
        _ => false,
    }
}

/// What is needed to answer a request.
struct Answer {
    broker: Arc<Broker>,
    header: RequestHeader,
    /// Bytes of its frame.
    request_bytes: usize,
    began: Instant,
    trace: Option<Arc<Trace>>,
}

impl Answer {
    fn encode<B: ResponseBody + FirstError>(&self, body: &B) -> Outcome {
        let encoded = response::encode_response(&self.header, body).map(|frame| vec![frame]);
        self.finish(encoded, body.first_error(), None)
    }

    fn finish(
        &self,
        encoded: Result<Vec<Bytes>, response::EncodeError>,
        error: ErrorCode,
        hold: Option<Reservation>,
    ) -> Outcome {
        self.count(error);
        match encoded {
            Ok(slices) => Outcome::Reply(Reply::new(slices, hold)),
            Err(err) => {
                error!(%err, "a response could not be encoded: closing the connection");
                Outcome::Close(err.to_string())
            }
        }
    }

    fn silence(&self, refused: Option<ErrorCode>) -> Outcome {
        self.count(refused.unwrap_or(ErrorCode::None));
        match refused {
            Some(error) => Outcome::Close(format!("a produce request with acks=0 failed: {}", error.name())),
            None => Outcome::Silence,
        }
    }

    fn count(&self, error: ErrorCode) {
        let api = versions::api_name(self.header.api_key).unwrap_or("unknown");
        let metrics = &self.broker.metrics;
        metrics
            .requests
            .get_or_create(&RequestLabels {
                api,
                error: error.name(),
            })
            .inc();
        let took = self.broker.seams.clock.now() - self.began;
        metrics.request_seconds.get_or_create(&ApiLabels { api }).observe(
            took.as_secs_f64(),
            self.trace.as_deref().map(TraceLabels::of),
            None,
        );
        if let Some(trace) = &self.trace {
            trace.answered(error.is_error().then(|| error.name()));
        }
    }
}

mod first_error;
use first_error::FirstError;
