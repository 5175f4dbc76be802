//! Hosts that answer produce requests by script, and note what was asked.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use esker_history::event::{Client, Life};
use esker_history::{History, What};
use esker_model::seams::SeededRng;
use esker_protocol::batch::BatchHeader;
use esker_protocol::header::{Incoming, RequestHeader, decode_request_header};
use esker_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use esker_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use esker_protocol::messages::{
    BrokerId, InitProducerIdResponse, MetadataResponse, ProduceRequest, ProduceResponse,
};
use esker_protocol::request::{Request, decode_request};
use esker_protocol::response::{Response, encode_response};
use esker_sim::clients::metadata::topic_name;
use esker_sim::clients::{ClientContext, Phase, ProducerPlan, run_producer};
use esker_sim::net::{Connection, Door, Network};
use esker_sim::record::Recorder;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

/// How long an answer takes, unless a test says otherwise.
const LATENCY: Duration = Duration::from_millis(10);
/// The id that every producer gets.
pub(crate) const PRODUCER: i64 = 77;

/// What is said to one produce request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Say {
    /// Written.
    Ok,
    /// An error.
    Error(i16),
    /// Nothing, nor to anything that comes later on this connection.
    Nothing,
    /// The connection ends.
    Close,
}

/// A produce request for one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Arrival {
    pub(crate) at_us: u64,
    pub(crate) host: usize,
    pub(crate) partition: i32,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
    pub(crate) acks: i16,
    pub(crate) say: Say,
    /// When it was answered.
    pub(crate) answered_us: Option<u64>,
}

struct State {
    says: VecDeque<Say>,
    /// What is said when the script is over.
    then: Say,
    arrivals: Vec<Arrival>,
    leader: usize,
    topic: Option<Uuid>,
    next_offset: i64,
    latency: Duration,
}

/// Two hosts, and a producer's way to them.
#[derive(Clone)]
pub(crate) struct Script {
    state: Arc<Mutex<State>>,
    pub(crate) record: Recorder,
    network: Network,
    pub(crate) phase: watch::Sender<Phase>,
}

impl Script {
    /// Answers with these, then with `then`.
    pub(crate) fn new(says: &[Say], then: Say) -> Self {
        let script = Self {
            state: Arc::new(Mutex::new(State {
                says: says.iter().copied().collect(),
                then,
                arrivals: Vec::new(),
                leader: 0,
                topic: Some(Uuid::from_u128(1)),
                next_offset: 0,
                latency: LATENCY,
            })),
            record: Recorder::begin(),
            network: Network::default(),
            phase: watch::Sender::new(Phase::Load),
        };
        for host in 0..2 {
            let door = Arc::new(ScriptDoor {
                life: script.record.life(&host.to_string()),
                script: script.clone(),
                host,
            });
            script.network.add(&host.to_string(), door);
        }
        script
    }

    /// Every answer takes so long, one after the other.
    pub(crate) fn slow(self, latency: Duration) -> Self {
        self.state.lock().latency = latency;
        self
    }

    /// Another host leads from now on.
    pub(crate) fn lead(&self, host: usize) {
        self.state.lock().leader = host;
    }

    /// The topic has this id from now on, or is gone.
    pub(crate) fn topic(&self, id: Option<u128>) {
        self.state.lock().topic = id.map(Uuid::from_u128);
    }

    /// This is said from now on.
    pub(crate) fn say(&self, then: Say) {
        self.state.lock().then = then;
    }

    /// Lets a producer make batches for `load`, then finish; what it did and what arrived.
    pub(crate) async fn run(&self, plan: ProducerPlan, load: Duration) -> (History, Vec<Arrival>) {
        let ctx = ClientContext {
            me: self.record.client("producer"),
            name: "producer".into(),
            rng: Arc::new(SeededRng::new(5)),
            network: self.network.clone(),
            bootstrap: vec!["0".into(), "1".into()],
            record: self.record.clone(),
            phase: self.phase.subscribe(),
        };
        let running = tokio::spawn(run_producer(ctx, plan));
        tokio::time::sleep(load).await;
        self.phase.send_replace(Phase::Flush);
        tokio::time::timeout(Duration::from_secs(300), running)
            .await
            .expect("the producer does not finish")
            .unwrap();
        (
            self.record.take(),
            std::mem::take(&mut self.state.lock().arrivals),
        )
    }

    fn metadata(&self) -> MetadataResponse {
        let state = self.state.lock();
        let brokers = (0..2).map(|host: i32| {
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(host))
                .with_host(host.to_string().into())
        });
        let topic = MetadataResponseTopic::default().with_name(Some(topic_name("t")));
        let topic = match state.topic {
            Some(id) => topic.with_topic_id(id).with_partitions(
                (0..2)
                    .map(|index| {
                        MetadataResponsePartition::default()
                            .with_partition_index(index)
                            .with_leader_id(BrokerId(state.leader as i32))
                    })
                    .collect(),
            ),
            None => topic.with_error_code(3),
        };
        MetadataResponse::default()
            .with_brokers(brokers.collect())
            .with_topics(vec![topic])
    }

    /// Notes what arrived; what to say to the request.
    fn arrived(&self, host: usize, request: &ProduceRequest) -> Vec<(usize, Say)> {
        let mut state = self.state.lock();
        let mut says = Vec::new();
        for data in request.topic_data.iter().flat_map(|topic| &topic.partition_data) {
            let header = BatchHeader::parse(data.records.as_ref().unwrap()).unwrap();
            let say = state.says.pop_front().unwrap_or(state.then);
            says.push((state.arrivals.len(), say));
            state.arrivals.push(Arrival {
                at_us: self.record.now_us(),
                host,
                partition: data.index,
                epoch: header.producer_epoch,
                sequence: header.base_sequence,
                acks: request.acks,
                say,
                answered_us: None,
            });
        }
        says
    }

    /// The answer; `None`: there is none.
    fn answer(&self, request: &ProduceRequest, says: &[(usize, Say)]) -> ProduceResponse {
        let mut state = self.state.lock();
        let mut says = says.iter();
        let topics = request.topic_data.iter().map(|topic| {
            let partitions = topic.partition_data.iter().map(|data| {
                let (at, say) = says.next().unwrap();
                state.arrivals[*at].answered_us = Some(self.record.now_us());
                let answer = PartitionProduceResponse::default().with_index(data.index);
                match say {
                    Say::Error(code) => answer.with_error_code(*code).with_base_offset(-1),
                    _ => {
                        state.next_offset += 1;
                        answer.with_base_offset(state.next_offset - 1)
                    }
                }
            });
            TopicProduceResponse::default()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
                .with_partition_responses(partitions.collect())
        });
        ProduceResponse::default().with_responses(topics.collect())
    }

    async fn serve(self, host: usize, stream: DuplexStream) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (queue, mut requests) = mpsc::unbounded_channel();
        let taking = async {
            while let Ok(size) = reader.read_u32().await {
                let mut frame = vec![0; size as usize];
                reader.read_exact(&mut frame).await.unwrap();
                let (header, request) = decode(frame.into());
                let says = match &request {
                    Request::Produce(request) => self.arrived(host, request),
                    _ => Vec::new(),
                };
                queue.send((header, request, says)).unwrap();
            }
        };
        let answering = async {
            while let Some((header, request, says)) = requests.recv().await {
                let latency = self.state.lock().latency;
                tokio::time::sleep(latency).await;
                let response: Response = match &request {
                    Request::Metadata(_) => self.metadata().into(),
                    Request::InitProducerId(_) => InitProducerIdResponse::default()
                        .with_producer_id(PRODUCER.into())
                        .into(),
                    Request::Produce(request) => {
                        match says.first() {
                            Some((_, Say::Nothing)) => std::future::pending().await,
                            Some((_, Say::Close)) => return,
                            _ => {}
                        }
                        self.answer(request, &says).into()
                    }
                    other => panic!("{other:?}"),
                };
                let frame = encode_response(&header, &response).unwrap();
                if writer.write_all(&frame).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            () = taking => {}
            () = answering => {}
        }
    }
}

fn decode(frame: Bytes) -> (RequestHeader, Request) {
    let Incoming::Request(header, body) = decode_request_header(frame).unwrap() else {
        panic!("not a request");
    };
    let request = decode_request(&header, body).unwrap();
    (header, request)
}

struct ScriptDoor {
    script: Script,
    life: Life,
    host: usize,
}

#[async_trait]
impl Door for ScriptDoor {
    async fn connect(&self, _client: Client) -> io::Result<Connection> {
        let (near, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(self.script.clone().serve(self.host, far));
        Ok(Connection {
            stream: Box::new(near),
            life: self.life,
        })
    }
}

/// The sequences that arrived, with their epochs.
pub(crate) fn sequences(arrivals: &[Arrival]) -> Vec<(i16, i32)> {
    arrivals
        .iter()
        .map(|arrival| (arrival.epoch, arrival.sequence))
        .collect()
}

/// How many requests were on their way at most.
pub(crate) fn in_flight_max(arrivals: &[Arrival]) -> usize {
    let at = |us: u64| {
        let on_way = |arrival: &&Arrival| {
            arrival.at_us <= us && arrival.answered_us.is_none_or(|answered_us| answered_us > us)
        };
        arrivals.iter().filter(on_way).count()
    };
    arrivals
        .iter()
        .map(|arrival| at(arrival.at_us))
        .max()
        .unwrap_or(0)
}

/// How often something is in a history.
pub(crate) fn count(history: &History, is: impl Fn(&What) -> bool) -> usize {
    history.events.iter().filter(|event| is(&event.what)).count()
}

/// Checks that attempts and ends are noted as they should: each attempt has one answer, and each batch that
/// was sent one end.
pub(crate) fn check_books(history: &History) {
    use std::collections::BTreeMap;
    let mut open = BTreeMap::new();
    for event in &history.events {
        let (batch, change) = match &event.what {
            What::Sent { batch, .. } => (*batch, "sent"),
            What::Acked { batch, .. } => (*batch, "acked"),
            What::Refused { batch, .. } | What::Unanswered { batch } => (*batch, "failed"),
            What::GivenUp { batch } => (*batch, "given up"),
            _ => continue,
        };
        let before = open.insert(batch, change);
        let fits = match change {
            "sent" => matches!(before, None | Some("failed")),
            "acked" | "failed" => before == Some("sent"),
            _ => before == Some("failed"),
        };
        assert!(fits, "{batch:?} {change} after {before:?}");
    }
    for (batch, state) in open {
        assert!(matches!(state, "acked" | "given up"), "{batch:?} ends {state}");
    }
    assert_eq!(count(history, |what| matches!(what, What::Finished)), 1);
}
