//! Measures how many bytes are kept of each topic, for the people who pay for them.
//!
//! What holds: one agent does it, and only its metrics show the sizes; when another takes over, it shows them no more. The
//! statements follow the number of partitions, not what is stored. A partition whose size cannot be told at the moment (see
//! [`stored_bytes`]) counts with what was last seen of its topic's other partitions only: the sum is a little small then.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use esker_metastore::{JobReport, MetastoreError};
use esker_model::PartitionKey;
use tracing::debug;

use super::Upkeep;
use super::job::{Lease, Work};
use crate::topics::stored_bytes;

/// Between two rounds.
const EVERY: Duration = Duration::from_secs(5 * 60);

/// The job of one incarnation.
pub(super) struct Measure {
    upkeep: Upkeep,
}

impl Measure {
    pub(super) fn new(upkeep: Upkeep) -> Self {
        Self { upkeep }
    }

    async fn measure(&self, lease: &Lease) -> Result<Option<BTreeMap<String, u64>>, MetastoreError> {
        let mut sizes = BTreeMap::new();
        for topic in self.upkeep.catalog.all() {
            if !lease.renew().await {
                return Ok(None);
            }
            let partitions: Vec<PartitionKey> = (0..topic.topic.partitions)
                .filter_map(|index| topic.partition(index))
                .collect();
            let known = stored_bytes::of(self.upkeep.metastore.as_ref(), &partitions).await?;
            sizes.insert(topic.topic.name.clone(), known.into_iter().flatten().sum());
        }
        Ok(Some(sizes))
    }
}

#[async_trait]
impl Work for Measure {
    const NAME: &'static str = "measure";

    fn every(&self) -> Duration {
        EVERY.min(self.upkeep.interval)
    }

    async fn round(&mut self, lease: &Lease) {
        match self.measure(lease).await {
            Ok(sizes) => self.upkeep.topics.show_stored(sizes.as_ref()),
            Err(err) => debug!(%err, "topics are measured in the next round"),
        }
    }

    fn is_done_elsewhere(&mut self) {
        self.upkeep.topics.show_stored(None);
    }

    fn report(&self) -> JobReport {
        JobReport::new()
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        self.upkeep.topics.show_stored(None);
    }
}
