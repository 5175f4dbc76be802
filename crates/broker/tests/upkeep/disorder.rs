//! Segments that wait in another order than that of their records' offsets, as after a failover to a server whose clock
//! is behind.

use std::sync::Arc;
use std::time::Duration;

use esker_broker::BrokerConfig;
use esker_model::seams::{Clock, Instant, SystemClock};
use esker_protocol::records::BatchBuilder;
use esker_storage::metrics::Op;
use parking_lot::Mutex;

use crate::support::World;
use crate::world::*;

/// A clock that stands still until it is let go.
struct Standing {
    real: SystemClock,
    behind: Mutex<Option<Duration>>,
}

impl Standing {
    fn let_go(&self) {
        *self.behind.lock() = Some(self.real.now().0);
    }
}

impl Clock for Standing {
    fn now(&self) -> Instant {
        let behind = *self.behind.lock();
        Instant(behind.map_or(Duration::ZERO, |behind| self.real.now().0.saturating_sub(behind)))
    }

    fn wall_ms(&self) -> i64 {
        self.real.wall_ms()
    }
}

#[tokio::test]
async fn what_comes_first_is_archived_though_more_than_a_round_stands_before_it() {
    let clock = Arc::new(Standing {
        real: SystemClock::new(),
        behind: Mutex::new(None),
    });
    let world = World::with_clock(Arc::clone(&clock) as _);
    // What was committed at the same time is told in the order of its writers.
    let mut writers = [serving(&world, "x").await, serving(&world, "y").await];
    writers.sort_by_key(|agent| agent.broker.membership().incarnation());
    let [later, earlier] = writers;
    let mut client = earlier.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 2, &mut records).await;
    let mut client = later.connect();
    produce(&mut client, 1, &mut records).await;
    let filler = "x".repeat(400_000);
    for _ in 0..50 {
        let batch = BatchBuilder::new().record(1_000, None, Some(filler.as_bytes()), &[]);
        let answer = client.produce("one", 0, batch.build().unwrap()).await;
        assert_eq!(answer.error_code, 0);
    }
    records.remove(&("one".to_owned(), 0));
    let segments = count(&world, "ingest").await as u64;
    let settings = |config| BrokerConfig {
        archive_interval: Duration::from_millis(80),
        archive_grace: LONG,
        merge: MERGE_NOTHING,
        sweep_interval: LONG,
        // A round is an eighth of it.
        memory_bytes: 64 * 1024 * 1024,
        ..config
    };
    let archiver = world.agent_with("archiver", settings).await;
    // Nothing is old enough, but rounds are full.
    tokio::time::sleep(Duration::from_millis(500)).await;
    clock.let_go();
    until_archived(&world).await;
    all_is_there(&serving(&world, "late").await, &records).await;
    // What cannot be archived was neither read nor written.
    let read = archiver.requests.requests(Op::Get, "ok");
    assert!(read < segments + 5, "{read} reads of {segments} segments");
    // They are released, and counted, a moment after the last of their records is archived.
    until(async || archiver.metrics.upkeep.archive.segments.get() >= segments).await;
    assert_eq!(archiver.metrics.upkeep.archive.segments.get(), segments);
    assert!(archiver.metrics.upkeep.archive.objects.get() <= 10);
}
