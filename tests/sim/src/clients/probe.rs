//! When nothing is done to the system any more, a consumer that waits at the tail hears of a new record soon:
//! from the agent that took the write at once, from another one after a moment.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use esker_history::What;
use esker_history::event::{Batch, Partition, Query, Records};
use esker_protocol::batch::Codec;
use esker_protocol::messages::ProduceRequest;
use esker_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use uuid::Uuid;

use super::consumer::fetching::{self, Asked, Limits};
use super::metadata::{Cluster, topic_name};
use super::offsets::{self, Place};
use super::{ClientContext, payload};

/// From the acknowledgement to the waiting consumer, whatever agent it waits at.
pub const PROMPT: Duration = Duration::from_millis(1_500);

/// How long the consumer would wait.
const WAIT: Duration = Duration::from_secs(20);

const OUT_OF_RANGE: i16 = 1;

/// Produce by topic id.
const PRODUCE: i16 = 13;

/// Waits at the tail of a partition of the topic (name, id) through `at`, produces through `through`, and
/// says in the history if the record comes late or not at all.
pub async fn probe(ctx: ClientContext, at: String, through: String, topic: (String, Uuid), number: u64) {
    let told = ctx.clone();
    let what = format!("a record produced through {through} and waited for at {at}");
    if let Err(why) = prompt(ctx, at, through, topic, number).await {
        told.record.tell(
            told.me,
            What::Stuck {
                why: format!("{what} {why}"),
            },
        );
    }
}

async fn prompt(
    ctx: ClientContext,
    at: String,
    through: String,
    (name, uuid): (String, Uuid),
    number: u64,
) -> Result<(), String> {
    let cluster = Cluster::new(ctx.clone(), super::PATIENCE);
    let place = Place {
        partition: Partition {
            topic: ctx.record.topic(&name, uuid),
            index: 0,
        },
        topic: name,
    };
    let listed = offsets::list(&cluster, &at, std::slice::from_ref(&place), Query::Latest).await;
    let Ok(&[(0, end)]) = listed.as_deref() else {
        return Err(format!("cannot be waited for: {listed:?}"));
    };
    let waiting = tokio::task::spawn({
        // On a connection of its own: a broker answers the requests of one connection in order.
        let (cluster, place) = (Cluster::new(ctx.clone(), super::PATIENCE), place.clone());
        async move { wait(&cluster, &at, &place, uuid, end).await }
    });
    tokio::time::sleep(Duration::from_millis(400)).await;
    produce(&cluster, &through, &place, uuid, number).await?;
    let acked = tokio::time::Instant::now();
    match tokio::time::timeout(WAIT * 2, waiting).await {
        Ok(Ok(Ok(()))) if acked.elapsed() <= PROMPT => Ok(()),
        Ok(Ok(Ok(()))) => Err(format!(
            "came {:.1} s after its acknowledgement",
            acked.elapsed().as_secs_f64()
        )),
        Ok(Ok(Err(why))) => Err(why),
        _ => Err("never came".to_owned()),
    }
}

async fn wait(cluster: &Arc<Cluster>, at: &str, place: &Place, uuid: Uuid, from: i64) -> Result<(), String> {
    let asked = Asked {
        topic: place.topic.clone(),
        uuid,
        partition: place.partition,
        from,
    };
    let limits = Limits {
        by_id: true,
        max_wait: WAIT,
        min_bytes: 1,
        max_bytes: 1 << 20,
    };
    let answer = fetching::fetch(cluster, at, std::slice::from_ref(&asked), limits).await;
    let Ok(mut answer) = answer else {
        return Err("was not answered".to_owned());
    };
    let Some(data) = answer.partitions.pop() else {
        return Err("was answered with nothing".to_owned());
    };
    let read = payload::read(data.records.unwrap_or_else(Bytes::new), from);
    let came = !read.seen.is_empty();
    let what = What::Fetched {
        partition: place.partition,
        by_name: false,
        from,
        asked_us: answer.asked_us,
        by: Some(answer.life),
        error: data.error_code,
        high_watermark: data.high_watermark,
        log_start: data.log_start_offset,
        seen: read.seen,
    };
    cluster.ctx.record.tell(cluster.ctx.me, what);
    // What nobody has to keep may be gone again by then.
    if came || data.error_code == OUT_OF_RANGE {
        Ok(())
    } else {
        Err(format!("did not come, error {}", data.error_code))
    }
}

async fn produce(
    cluster: &Arc<Cluster>,
    through: &str,
    place: &Place,
    uuid: Uuid,
    number: u64,
) -> Result<(), String> {
    let ctx = &cluster.ctx;
    let records = Records {
        by: ctx.me,
        first: number,
        count: 1,
    };
    let batch = Batch { by: ctx.me, number };
    let made_ms = ctx.record.now_us() / 1000;
    let bytes = payload::build(records, made_ms, None, Codec::None, 20).map_err(|err| err.to_string())?;
    ctx.record.tell(
        ctx.me,
        What::Made {
            batch,
            bytes: bytes.len() as u64,
            max_timestamp_ms: payload::max_timestamp_ms(records, made_ms),
        },
    );
    let data = PartitionProduceData::default()
        .with_index(place.partition.index)
        .with_records(Some(bytes));
    let topic = TopicProduceData::default()
        .with_name(topic_name(&place.topic))
        .with_topic_id(uuid)
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic]);
    let link = cluster
        .link(through)
        .await
        .map_err(|_| "cannot be produced: no connection")?;
    ctx.record.tell(
        ctx.me,
        What::Sent {
            batch,
            partition: place.partition,
            by_name: false,
            identity: None,
            records,
            to: Some(link.life()),
        },
    );
    let answer = link.send(PRODUCE, &request, Duration::from_secs(35)).await;
    let Ok(answer) = answer else {
        ctx.record.tell(ctx.me, What::Unanswered { batch });
        ctx.record.tell(ctx.me, What::GivenUp { batch });
        return Err("cannot be produced: no answer".to_owned());
    };
    let answer = answer
        .responses
        .first()
        .and_then(|topic| topic.partition_responses.first());
    let Some(answer) = answer else {
        return Err("was answered with nothing".to_owned());
    };
    let (error, base_offset, by) = (answer.error_code, answer.base_offset, Some(link.life()));
    if error == 0 {
        let log_start = answer.log_start_offset;
        ctx.record.tell(
            ctx.me,
            What::Acked {
                batch,
                base_offset,
                log_start,
                by,
            },
        );
        return Ok(());
    }
    ctx.record.tell(
        ctx.me,
        What::Refused {
            batch,
            error,
            base_offset,
            by,
        },
    );
    ctx.record.tell(ctx.me, What::GivenUp { batch });
    Err(format!("cannot be produced: error {error}"))
}
