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
use esker_model::seams::Instant;
use tracing::debug;

use super::Upkeep;
use super::job::{Lease, Work};
use crate::topics::stored_bytes;

/// Between two measurements.
const EVERY: Duration = Duration::from_secs(5 * 60);
/// Between two looks: the lease, which is shorter than [`EVERY`], stays with whoever has it.
const LOOKS: Duration = Duration::from_secs(20);

/// The job of one incarnation.
pub(super) struct Measure {
    upkeep: Upkeep,
    measured: Option<Instant>,
}

impl Measure {
    pub(super) fn new(upkeep: Upkeep) -> Self {
        Self {
            upkeep,
            measured: None,
        }
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
        LOOKS.min(self.upkeep.interval)
    }

    async fn round(&mut self, lease: &Lease) {
        let now = self.upkeep.seams.clock.now();
        let every = EVERY.min(self.upkeep.interval);
        if self.measured.is_some_and(|measured| now - measured < every) {
            return;
        }
        match self.measure(lease).await {
            Ok(sizes) => {
                self.upkeep.topics.show_stored(sizes.as_ref());
                self.measured = sizes.is_some().then_some(now);
            }
            Err(err) => debug!(%err, "topics are measured in the next round"),
        }
    }

    fn is_done_elsewhere(&mut self) {
        self.measured = None;
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
