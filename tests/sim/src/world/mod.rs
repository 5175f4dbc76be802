//! Everything around the brokers of one run: clocks, tasks, network, object store, metastore, and what
//! breaks.
//!
//! One thread, one seed: whatever is drawn is drawn in the order in which tasks run, and tasks run in the
//! order that the seed gave. A run repeats itself as long as nothing in it looks at a real clock, at real
//! randomness or at another thread.

pub mod agent;
pub mod clock;
mod leases;
mod loss;
mod metastore;
pub mod nemesis;
mod objects;
mod outside;
mod pipe;
pub mod reach;
mod store;
pub mod tally;
mod tasks;
mod trace;
pub mod weather;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{MetastoreError, MetastoreMetrics, Topics};
use esker_model::seams::{Rng, SeededRng};
use object_store::memory::InMemory;
use parking_lot::RwLock;
use uuid::Uuid;

use crate::record::Recorder;
use clock::{MachineClock, WorldClock};
use leases::Leases;
use objects::Fates;
use tally::Tally;
pub use trace::Trace;
use weather::Weather;

/// What all parties of one run share.
pub struct World {
    /// Draws everything that happens around the brokers.
    pub rng: SeededRng,
    /// The seed of the run; parts that need their own randomness mix it with their name.
    pub seed: u64,
    /// What clients see, and what is done to the system.
    pub record: Recorder,
    /// What the stores and the network are like just now.
    pub weather: RwLock<Weather>,
    /// What happened at the stores, in one number.
    pub trace: Trace,
    /// Segments that agents read whole from the bucket.
    pub segment_reads: AtomicU64,
    /// What happened, counted.
    pub tally: Tally,
    leases: Leases,
    fates: Fates,
    clock: WorldClock,
    database: Arc<SqliteMetastore>,
    objects: Arc<InMemory>,
}

impl World {
    /// An empty world. Must be called inside a runtime whose time is paused.
    pub fn new(seed: u64, weather: Weather) -> Result<Arc<Self>, MetastoreError> {
        let clock = WorldClock::start();
        let database = SqliteMetastore::in_memory(
            Arc::new(MachineClock::exact(clock.clone())),
            MetastoreMetrics::default(),
        )?;
        Ok(Arc::new(Self {
            rng: SeededRng::new(mix(seed, "world")),
            seed,
            record: Recorder::begin(),
            weather: RwLock::new(weather),
            trace: Trace::default(),
            segment_reads: AtomicU64::new(0),
            tally: Tally::default(),
            leases: Leases::default(),
            fates: Fates::default(),
            clock,
            database: Arc::new(database),
            objects: Arc::new(InMemory::new()),
        }))
    }

    /// The objects in the bucket, for who acts outside of the agents.
    pub fn objects(&self) -> &Arc<InMemory> {
        &self.objects
    }

    /// The database, for who acts outside of the agents.
    pub fn database(&self) -> &Arc<SqliteMetastore> {
        &self.database
    }

    /// Topics that exist, by id, with their partitions.
    pub async fn partitions(&self) -> BTreeMap<Uuid, i32> {
        let topics = self.database.catalog(0).await.map(|catalog| catalog.changed);
        let topics = topics.unwrap_or_default().into_iter();
        topics.map(|topic| (topic.uuid.0, topic.partitions)).collect()
    }

    /// The world's own clock.
    pub fn clock(&self) -> &WorldClock {
        &self.clock
    }

    /// Whether something that happens `per_mille` times of a thousand happens now.
    pub fn chance(&self, per_mille: u32) -> bool {
        per_mille > 0 && self.rng.below(1000) < u64::from(per_mille)
    }

    /// A duration between two others.
    pub fn between(&self, (from, to): (Duration, Duration)) -> Duration {
        let span = to.saturating_sub(from).as_micros() as u64;
        from + Duration::from_micros(self.rng.below(span + 1))
    }

    /// A number of milliseconds between two others, as a duration.
    pub fn between_ms(&self, from: u64, to: u64) -> Duration {
        self.between((Duration::from_millis(from), Duration::from_millis(to)))
    }

    /// The present weather.
    pub fn weather(&self) -> Weather {
        self.weather.read().clone()
    }
}

/// A seed for one part of a run, so that parts do not disturb each other's draws.
pub fn mix(seed: u64, part: &str) -> u64 {
    let mut mixed = seed ^ 0x9e37_79b9_7f4a_7c15;
    for byte in part.bytes() {
        mixed = (mixed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        mixed ^= mixed >> 29;
    }
    mixed
}
