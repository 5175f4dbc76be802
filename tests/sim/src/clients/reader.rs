//! Reading a partition from end to end through one agent, when nothing is done to the system any more.

use std::sync::Arc;
use std::time::Duration;

use esker_history::What;
use esker_history::event::{Partition, Query};
use uuid::Uuid;

use super::consumer::fetching::{self, Asked, Limits};
use super::metadata::{Cluster, RETRY_BACKOFF};
use super::offsets::{self, Place};
use super::{ClientContext, payload};

/// It must be possible within this time.
const LIMIT: Duration = Duration::from_secs(60);

/// Reads one partition of the topic (name, id) through `host`, from its log start to the end that it had when
/// the reading began; returns (log start, end). Where the log start overtakes it, it begins anew.
///
/// The answers are in the history as `Listed` and `Fetched`, and in the end `ReadThrough`. Errors: what stood
/// in the way last, when the time was over; bytes that are not what was written.
pub async fn read_through(
    ctx: ClientContext,
    host: String,
    topic: (String, Uuid),
    partition: i32,
) -> Result<(i64, i64), String> {
    let (name, uuid) = topic;
    let mut reader = Reader {
        cluster: Cluster::new(ctx.clone(), super::PATIENCE),
        host,
        place: Place {
            partition: Partition {
                topic: ctx.record.topic(&name, uuid),
                index: partition,
            },
            topic: name,
        },
        uuid,
        trouble: "no answer".into(),
    };
    match tokio::time::timeout(LIMIT, reader.read()).await {
        Ok(result) => result,
        Err(_) => Err(format!(
            "partition {partition} of {} was not read through {} within {} s: {}",
            reader.place.topic,
            reader.host,
            LIMIT.as_secs(),
            reader.trouble
        )),
    }
}

const OUT_OF_RANGE: i16 = 1;
const CORRUPT_MESSAGE: i16 = 2;

struct Reader {
    cluster: Arc<Cluster>,
    host: String,
    place: Place,
    uuid: Uuid,
    /// What stood in the way last.
    trouble: String,
}

impl Reader {
    async fn read(&mut self) -> Result<(i64, i64), String> {
        loop {
            if let Some(bounds) = self.read_once().await? {
                return Ok(bounds);
            }
        }
    }

    /// Reads from the present log start; `None` if that overtook it.
    async fn read_once(&mut self) -> Result<Option<(i64, i64)>, String> {
        let ctx = self.cluster.ctx.clone();
        let began_us = ctx.record.now_us();
        let log_start = self.offset(Query::Earliest).await;
        let end = self.offset(Query::Latest).await;
        let mut position = log_start;
        let mut through = None;
        while position < end {
            let asked = self.ask(position);
            let limits = Limits {
                by_id: true,
                max_wait: Duration::from_millis(500),
                min_bytes: 1,
                max_bytes: 1 << 20,
            };
            let asked = std::slice::from_ref(&asked);
            let Ok(mut answer) = fetching::fetch(&self.cluster, &self.host, asked, limits).await else {
                self.wait(format!("no answer to a Fetch at {position}")).await;
                continue;
            };
            let Some(data) = answer.partitions.pop() else {
                continue;
            };
            let read = payload::read(data.records.unwrap_or_default(), position);
            through = Some(answer.life);
            let what = What::Fetched {
                partition: self.place.partition,
                by_name: false,
                from: position,
                asked_us: answer.asked_us,
                by: through,
                error: data.error_code,
                high_watermark: data.high_watermark,
                log_start: data.log_start_offset,
                seen: read.seen,
            };
            ctx.record.tell(ctx.me, what);
            if let Some(damage) = read.damage {
                let (offset, why) = (damage.offset, damage.why);
                let text = format!("damaged at {offset}: {why}");
                let partition = self.place.partition;
                ctx.record.tell(
                    ctx.me,
                    What::Damaged {
                        partition,
                        offset,
                        why,
                    },
                );
                return Err(text);
            }
            match read.next {
                Some(next) if next > position => position = next,
                _ => {
                    let error = data.error_code;
                    let lost = ctx.record.lost_until(self.place.partition, position);
                    if let Some(next) = lost.filter(|_| error == CORRUPT_MESSAGE) {
                        position = next;
                        continue;
                    }
                    self.wait(format!(
                        "a Fetch at {position} of {end} brings nothing, error {error}"
                    ))
                    .await;
                    if error == OUT_OF_RANGE {
                        return Ok(None);
                    }
                }
            }
        }
        // An empty log is read without a Fetch.
        if through.is_none() {
            through = self.cluster.open_link(&self.host).map(|link| link.life());
        }
        let what = What::ReadThrough {
            partition: self.place.partition,
            through,
            began_us,
            log_start,
            end,
        };
        ctx.record.tell(ctx.me, what);
        Ok(Some((log_start, end)))
    }

    fn ask(&self, from: i64) -> Asked {
        Asked {
            topic: self.place.topic.clone(),
            uuid: self.uuid,
            partition: self.place.partition,
            from,
        }
    }

    async fn offset(&mut self, query: Query) -> i64 {
        loop {
            let places = std::slice::from_ref(&self.place);
            let listed = offsets::list(&self.cluster, &self.host, places, query).await;
            match listed.as_deref() {
                Ok([(0, offset), ..]) => return *offset,
                Ok(answers) => self.wait(format!("ListOffsets {query:?}: {answers:?}")).await,
                Err(_) => self.wait(format!("no answer to ListOffsets {query:?}")).await,
            }
        }
    }

    async fn wait(&mut self, trouble: String) {
        self.trouble = trouble;
        tokio::time::sleep(2 * RETRY_BACKOFF).await;
    }
}
