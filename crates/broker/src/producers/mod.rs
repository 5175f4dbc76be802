//! Producer ids, which make retries recognisable (KIP-98).
//!
//! What holds: an id is given out once, by one agent, ever. Ids come in blocks from the metastore; what an
//! agent has left of its block when it ends is lost, never reused. While a block is fetched everybody waits
//! for that one question, and everybody shares its failure.

pub(crate) mod describe;
pub(crate) mod init_producer_id;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use esker_metastore::{Metastore, MetastoreError};
use esker_model::ProducerId;
use tokio::sync::Mutex;

/// Ids taken from the metastore at a time.
const BLOCK: u32 = 1000;

/// The producer ids of one agent.
pub struct ProducerIds {
    metastore: Arc<dyn Metastore>,
    /// Questions to the metastore that have begun.
    begun: AtomicU64,
    block: Mutex<Block>,
}

#[derive(Default)]
struct Block {
    free: Range<i64>,
    /// The last question that failed, and how.
    failed: Option<(u64, MetastoreError)>,
}

impl ProducerIds {
    /// No ids yet: the first producer fetches a block.
    pub fn new(metastore: Arc<dyn Metastore>) -> Self {
        Self {
            metastore,
            begun: AtomicU64::new(0),
            block: Mutex::default(),
        }
    }

    /// An id that nobody has or will have. Dropping the future loses at most one block.
    pub async fn next(&self) -> Result<ProducerId, MetastoreError> {
        let before = self.begun.load(Ordering::SeqCst);
        let mut block = self.block.lock().await;
        if let Some(id) = block.free.next() {
            return Ok(ProducerId(id));
        }
        // A question that began while this caller waited has failed: asking again would make a queue.
        if let Some((question, error)) = &block.failed
            && *question > before
        {
            return Err(error.clone());
        }
        let question = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        match self.metastore.allocate_producer_ids(BLOCK).await {
            Ok(first) => {
                block.failed = None;
                block.free = first.saturating_add(1)..first.saturating_add(i64::from(BLOCK));
                Ok(ProducerId(first))
            }
            Err(error) => {
                block.failed = Some((question, error.clone()));
                Err(error)
            }
        }
    }
}
