//! Figures of SQLite in a file, for people.
//!
//! `cargo test --release -p esker-metastore --test conformance figures -- --ignored --nocapture`;
//! `TMPDIR` chooses the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{MetastoreMetrics, TimeQuery, TimeRequest};
use esker_model::seams::SystemClock;

use crate::runs::plain;
use crate::world::{World, at};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn figures() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let open = || {
        let clock = Arc::new(SystemClock::new());
        SqliteMetastore::open(&path, clock, MetastoreMetrics::default()).unwrap()
    };
    for what in ["create", "open"] {
        let start = Instant::now();
        let store = open();
        println!("{what}: {:?}", start.elapsed());
        drop(store);
    }
    let world = Arc::new(World::of(Box::new(open())));
    let writer = Arc::new(world.writer("a").await);
    let topic = world.topic("many", 100).await;
    let run = move |index| plain(at(&topic, index % 100), &[10]);
    for (callers, runs) in [(1, 1), (1, 100), (8, 1)] {
        let done = Arc::new(AtomicI64::new(0));
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..callers {
            let (world, writer, done, run) = (world.clone(), writer.clone(), done.clone(), run.clone());
            tasks.spawn(async move {
                while start.elapsed() < Duration::from_secs(2) {
                    world.commit(&writer, (0..runs).map(&run).collect()).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tasks.join_all().await;
        let commits = done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
        println!("{callers} callers, {runs} runs each: {commits:.0} commits/s");
    }
    let partition = run(0).partition;
    let start = Instant::now();
    for _ in 0..1000 {
        world.extents(partition, i64::MAX - 1).await;
    }
    println!("plan at the tail: {:?}", start.elapsed() / 1000);
    let query = TimeQuery::Max;
    let start = Instant::now();
    let request = TimeRequest { partition, query };
    world.store.find_by_time(&[request]).await.unwrap();
    println!(
        "largest time of {} extents: {:?}",
        world.extents(partition, 0).await.len(),
        start.elapsed()
    );
}
