//! One agent on stores in memory, for the stages that need what the parts of an agent share.
//!
//! Its background tasks are spawned and, because nothing drives the runtime after the start, never run: they
//! neither disturb a time nor add to a count. The clock stands still, for the same reason (and because the system's
//! cannot be read under valgrind: it hides the vDSO, which rustix looks for).

use std::sync::Arc;
use std::time::Duration;

use esker_broker::authorizer::AllowAll;
use esker_broker::metrics::BrokerMetrics;
use esker_broker::{Broker, BrokerConfig, Dependencies};
use esker_metastore::MetastoreMetrics;
use esker_metastore::sqlite::SqliteMetastore;
use esker_model::seams::{Clock, Instant, Seams, SeededRng, TokioSpawner};
use esker_storage::Bucket;
use esker_storage::cache::LruCache;
use futures::FutureExt;
use tokio::runtime::{Builder, Runtime};

use crate::inputs::NOW_MS;

const CACHE_BYTES: u64 = 64 << 20;

/// It is always the time of all records.
pub struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Instant {
        Instant(Duration::from_secs(1))
    }

    fn wall_ms(&self) -> i64 {
        NOW_MS
    }
}

pub struct Agent {
    pub broker: Arc<Broker>,
    runtime: Runtime,
}

impl Agent {
    pub fn start(memory_bytes: u64) -> Self {
        let runtime = runtime();
        let broker = runtime.block_on(async {
            let seams = Seams {
                clock: Arc::new(StillClock),
                rng: Arc::new(SeededRng::new(1)),
                spawner: Arc::new(TokioSpawner::current()),
            };
            let clock = Arc::clone(&seams.clock);
            let metastore = SqliteMetastore::in_memory(clock, MetastoreMetrics::default()).unwrap();
            let on = Dependencies {
                metastore: Arc::new(metastore),
                bucket: Bucket::memory(seams.clone()),
                cache: Arc::new(LruCache::new(CACHE_BYTES)),
                authorizer: Arc::new(AllowAll),
                metrics: BrokerMetrics::default(),
                tracer: esker_broker::trace::Tracer::off(),
                seams,
            };
            let config = BrokerConfig {
                memory_bytes,
                ..BrokerConfig::default()
            };
            Broker::start(config, on).await.unwrap()
        });
        Self { broker, runtime }
    }

    /// What a future that never waits comes to.
    pub fn now<T>(&self, future: impl Future<Output = T>) -> T {
        now(&self.runtime, future)
    }
}

/// A runtime that is there for those who ask for one, and drives nothing by itself.
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// What a future that never waits comes to, polled once.
pub fn now<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let _context = runtime.enter();
    future
        .now_or_never()
        .expect("everything is in memory: nothing has to be waited for")
}
