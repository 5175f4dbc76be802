//! One broker on stores in memory, on a runtime whose time is paused.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use esker_broker::budget::{Budget, MEMORY_BYTES_MIN};
use esker_broker::connection::limits::PRODUCE_OVERHEAD_BYTES;
use esker_broker::{Broker, ListenerConfig};
use esker_protocol::StrBytes;
use esker_protocol::client::{self, ClientRequest, decode_response};
use esker_protocol::frame::SIZE_BYTES;
use esker_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use esker_protocol::messages::{MetadataRequest, ProduceRequest, TopicName};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::{Builder, Runtime};

use super::expect::expect;
use super::replies;
use super::start::{PROBE_PEER, PROBE_TOPIC, start_broker};
use super::stream::Stream;
use super::tasks::Tasks;
use crate::heap::peak_of;
use crate::seeds::batches;

/// How long a client waits for its replies. The longest fetch waits longer: its client has gone by then.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a client keeps its sending side open, if it does.
const LINGERING: Duration = Duration::from_secs(2);
/// Background work that is still under way gets this long to end.
const SETTLING: Duration = Duration::from_secs(40);
/// Heap that the broker may take for one connection: as much as the whole budget of the smallest agent.
const HEAP_BYTES_MAX: usize = MEMORY_BYTES_MIN as usize;
/// Bytes that a connection holds in either direction before it has to wait.
const PIPE_BYTES: usize = 64 * 1024;

/// A broker and what it stands on.
pub(super) struct World {
    runtime: Runtime,
    broker: Arc<Broker>,
    listener: Arc<ListenerConfig>,
    tasks: Arc<Tasks>,
    inputs: u32,
}

impl World {
    pub(super) fn start() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let tasks = Arc::new(Tasks::on(&runtime));
        let listener = Arc::new(ListenerConfig {
            name: "PLAINTEXT".into(),
            security_protocol: "PLAINTEXT".into(),
            bound: "0.0.0.0:9092".into(),
            advertised_host: "agent".into(),
            advertised_port: 9092,
            zone: Some("z".into()),
        });
        let broker = runtime.block_on(start_broker(Arc::clone(&tasks) as _, Arc::clone(&listener)));
        Self {
            runtime,
            broker,
            listener,
            tasks,
            inputs: 0,
        }
    }

    /// How many inputs were fed.
    pub(super) fn inputs(&self) -> u32 {
        self.inputs
    }

    /// Sends what a client sends, checks what it receives, and that the broker is well afterwards.
    pub(super) fn feed(&mut self, stream: &Stream) {
        self.inputs += 1;
        let ((received, in_time), peak) = peak_of(|| self.runtime.block_on(self.converse(stream)));
        assert!(peak <= HEAP_BYTES_MAX, "one connection took {peak} bytes");
        self.runtime.block_on(async {
            check_replies(stream, &received, in_time);
            self.settle().await;
            self.probe().await;
            self.settle().await;
        });
    }

    /// Ends the broker in good order; nothing of it may be left.
    pub(super) fn end(self) {
        self.runtime.block_on(async {
            self.check_produce_memory().await;
            self.broker.drain().await;
            let ended = tokio::time::timeout(SETTLING, async {
                while self.tasks.any_left().await {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
            assert!(
                ended.await.is_ok(),
                "left behind after draining: {:?}",
                self.tasks.names()
            );
        });
    }

    /// One connection: everything that it received, and whether it ended before the client's patience did.
    async fn converse(&self, stream: &Stream) -> (Vec<u8>, bool) {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let serve = self
            .broker
            .serve(far, Arc::clone(&self.listener), "client".into());
        let (mut reader, mut writer) = tokio::io::split(near);
        let mut received = Vec::new();
        let send = async {
            for piece in stream.bytes.chunks(stream.piece) {
                if writer.write_all(piece).await.is_err() {
                    return; // The broker closed the connection.
                }
            }
            if stream.lingers {
                tokio::time::sleep(LINGERING).await;
            }
            let _ = writer.shutdown().await;
        };
        if stream.goes_away {
            // Whatever is under way loses its connection at some moment.
            let both = async { tokio::join!(serve, send) };
            let _ = tokio::time::timeout(Duration::from_millis(stream.bytes.len() as u64 % 50), both).await;
            return (Vec::new(), false);
        }
        let receive = async {
            let _ = reader.read_to_end(&mut received).await;
        };
        let all = async { tokio::join!(serve, send, receive) };
        let in_time = tokio::time::timeout(PATIENCE, all).await.is_ok();
        (received, in_time)
    }

    /// Waits until what the input began is over: then all memory but the cache's and the recent segments' is
    /// free.
    async fn settle(&self) {
        let idle = async {
            loop {
                self.tasks.check().await;
                let used = |share: &str| {
                    self.broker
                        .memory()
                        .iter()
                        .any(|one| one.r#use == share && one.used > 0)
                };
                if !used("control") && !used("fetch") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        assert!(
            tokio::time::timeout(SETTLING, idle).await.is_ok(),
            "memory is still charged: {:?}",
            self.broker.memory()
        );
    }

    /// Another client is served.
    async fn probe(&self) {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let serve = self
            .broker
            .serve(far, Arc::clone(&self.listener), PROBE_PEER.into());
        let ask = async {
            let mut client = near;
            let metadata = MetadataRequest::default().with_topics(Some(Vec::new()));
            let answer = ask(&mut client, 12, &metadata).await;
            assert_eq!(answer.brokers.len(), 1);
            let data = PartitionProduceData::default()
                .with_index(0)
                .with_records(Some(batches::plain(1)));
            let topic = TopicProduceData::default()
                .with_name(TopicName(StrBytes::from_static_str(PROBE_TOPIC)))
                .with_partition_data(vec![data]);
            let produce = ProduceRequest::default()
                .with_acks(-1)
                .with_timeout_ms(10_000)
                .with_topic_data(vec![topic]);
            let answer = ask(&mut client, 9, &produce).await;
            let partition = &answer.responses[0].partition_responses[0];
            assert_eq!(
                (partition.error_code, partition.base_offset),
                (0, i64::from(self.inputs) - 1)
            );
        };
        let both = async { tokio::join!(serve, ask) };
        assert!(
            tokio::time::timeout(PATIENCE, both).await.is_ok(),
            "another client was not served"
        );
    }

    /// All memory for large produce requests can be had: whoever announces as much as there is gets it, for which
    /// everything else that it holds must be given up.
    async fn check_produce_memory(&self) {
        let produce = || {
            self.broker
                .memory()
                .into_iter()
                .find(|one| one.r#use == "produce")
                .unwrap()
        };
        // What is left of the maximum is for small frames.
        let all = Budget::new(MEMORY_BYTES_MIN).produce.bytes();
        let (near, far) = tokio::io::duplex(1 << 20);
        let serve = self
            .broker
            .serve(far, Arc::clone(&self.listener), PROBE_PEER.into());
        let announce = async {
            let mut client = near;
            let size = u32::try_from(all - PRODUCE_OVERHEAD_BYTES as u64).unwrap();
            client.write_all(&size.to_be_bytes()).await.unwrap();
            client.write_all(&vec![0; 128 * 1024]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(produce().used, all, "memory of earlier requests is still charged");
        };
        tokio::join!(serve, announce);
        assert_eq!(produce().used, 0);
    }
}

/// Every reply that is owed came, in order, and can be read.
fn check_replies(stream: &Stream, received: &[u8], in_time: bool) {
    let owed = expect(stream);
    let mut rest = Bytes::copy_from_slice(received);
    let mut count = 0;
    while let Some(reply) = next_frame(&mut rest) {
        let expected = owed.replies.get(count).expect("a reply that nobody asked for");
        replies::check(expected, &reply);
        count += 1;
    }
    if in_time {
        assert!(rest.is_empty(), "a reply was cut off");
        assert!(
            count == owed.replies.len() || owed.may_end_early,
            "{count} of {} replies came",
            owed.replies.len()
        );
    }
}

fn next_frame(rest: &mut Bytes) -> Option<Bytes> {
    let prefix = rest.first_chunk::<{ SIZE_BYTES }>()?;
    let size = usize::try_from(i32::from_be_bytes(*prefix)).expect("a size is not negative");
    let end = SIZE_BYTES + size;
    (rest.len() >= end).then(|| rest.split_to(end).split_off(SIZE_BYTES))
}

/// Sends a request and waits for its answer.
async fn ask<R: ClientRequest>(client: &mut DuplexStream, version: i16, request: &R) -> R::Response {
    let header = client::request_header::<R>(version, 1, "probe");
    client
        .write_all(&client::encode_request(&header, request).unwrap())
        .await
        .unwrap();
    let size = client.read_u32().await.expect("an answer");
    let mut frame = vec![0; size as usize];
    client.read_exact(&mut frame).await.expect("a whole answer");
    decode_response::<R>(version, Bytes::from(frame)).unwrap().1
}
