//! What a producer needs before its first record: the leaders of the topic's partitions, and an id.

use std::time::Duration;

use esker_model::seams::{Instant, Seams};
use esker_protocol::messages::InitProducerIdRequest;

use super::BACKOFF;
use crate::client::{ClientError, Cluster, Result, is_retriable};

/// The leaders of a topic's partitions; waits for a topic that is being created.
pub(super) async fn leaders(cluster: &mut Cluster, seams: &Seams, topic: &str) -> Result<Vec<i32>> {
    let deadline = seams.clock.now().plus(cluster.deadline());
    // A broker that creates topics on demand answers "unknown" first; one that does not, always.
    let unknown_until = seams.clock.now().plus(UNKNOWN_TOPIC_PATIENCE);
    loop {
        match cluster.topic(topic, true).await {
            Ok(topic) if topic.partitions.iter().all(|partition| partition.leader >= 0) => {
                return Ok(topic
                    .partitions
                    .iter()
                    .map(|partition| partition.leader)
                    .collect());
            }
            Ok(_) if seams.clock.now() >= deadline => {
                return Err(ClientError::Input(format!(
                    "topic {topic} has partitions without a leader"
                )));
            }
            Err(error)
                if !error.is_retriable() || over(&error, seams.clock.now(), deadline, unknown_until) =>
            {
                return Err(error);
            }
            Ok(_) | Err(_) => tokio::time::sleep(BACKOFF).await,
        }
    }
}

/// How long a topic may be unknown while the broker creates it.
const UNKNOWN_TOPIC_PATIENCE: Duration = Duration::from_secs(3);

/// Whether to stop hoping: at once where nobody listens, so that a wrong address is said quickly.
fn over(error: &ClientError, now: Instant, deadline: Instant, unknown_until: Instant) -> bool {
    match error {
        ClientError::Connect { .. } => true,
        ClientError::Refused { code, .. } if is_retriable(*code) => now >= unknown_until,
        _ => now >= deadline,
    }
}

pub(super) async fn init_producer_id(cluster: &mut Cluster, seams: &Seams) -> Result<(i64, i16)> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(60_000);
    let deadline = seams.clock.now().plus(cluster.deadline());
    loop {
        let response = cluster.any().await?.call(&request).await?;
        let what = || "cannot get a producer id".to_owned();
        match ClientError::check(response.error_code, what, None) {
            Ok(()) => return Ok((response.producer_id.0, response.producer_epoch)),
            Err(error) if error.is_retriable() && seams.clock.now() < deadline => {
                tokio::time::sleep(BACKOFF).await;
            }
            Err(error) => return Err(error),
        }
    }
}
