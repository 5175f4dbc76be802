//! Reading at the tail: what it costs, and how soon commits are seen.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fetch_support;

use std::time::Duration;

use fetch_support::{Cluster, Fetch, batch, offsets};
use futures::future::join_all;
use tokio::time::{Instant, sleep};

/// P6: on the agent that took the writes a consumer at the tail costs no query and no GET.
#[tokio::test(start_paused = true)]
async fn a_tail_consumer_beside_its_producer_costs_no_query_and_no_get() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let (mut producer, mut consumer) = (agent.client(), agent.client());
    // The first fetch learns where the log ends.
    let mut next = 0;
    let fetch = |next| Fetch {
        max_wait_ms: 500,
        ..Fetch::of(&topic, 0, next)
    };
    let first = producer.produce(&topic, 0, batch(&[1], 10)).await;
    next += offsets(&consumer.fetch_one(&fetch(first)).await).len() as i64;
    let (reads, gets) = (cluster.metastore.reads(), cluster.gets());
    let began = Instant::now();
    for round in 0..50 {
        let written = async {
            sleep(Duration::from_millis(20)).await;
            producer.produce(&topic, 0, batch(&[round, round], 100)).await
        };
        let asked = fetch(next);
        let (base, read) = tokio::join!(written, consumer.fetch_one(&asked));
        assert_eq!(base, next);
        assert_eq!(offsets(&read), [next, next + 1]);
        assert_eq!(read.high_watermark, next + 2);
        next += 2;
    }
    assert_eq!(cluster.metastore.reads() - reads, 0);
    // Only cluster.json is read now and then.
    assert!(cluster.gets() - gets <= began.elapsed().as_secs() / 3 + 1);
    let sources = ["memory", "cache", "store"].map(|source| agent.fetched("t", source));
    assert!(sources[0] > 0 && sources[1..] == [0, 0], "{sources:?}");
}

/// A commit of another agent is seen within 150 ms at the median, by one shared poll.
#[tokio::test(start_paused = true)]
async fn commits_of_other_agents_are_seen_soon() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 4).await;
    let mut writer = cluster.writer("elsewhere").await;
    let mut consumers: Vec<_> = (0..4).map(|_| agent.client()).collect();
    let mut delays = Vec::new();
    for round in 0..40_i64 {
        let reads = join_all(consumers.iter_mut().enumerate().map(|(partition, consumer)| {
            let fetch = Fetch {
                max_wait_ms: 5_000,
                ..Fetch::of(&topic, partition as i32, round)
            };
            async move {
                let read = consumer.fetch_one(&fetch).await;
                (offsets(&read), Instant::now())
            }
        }));
        let write = async {
            sleep(Duration::from_millis(150 + cluster.seams.rng.below(400))).await;
            let runs: Vec<_> = (0..4)
                .map(|partition| (&topic, partition, vec![batch(&[1], 10)]))
                .collect();
            writer.write(&runs).await;
            Instant::now()
        };
        let (reads, written) = tokio::join!(reads, write);
        for (offsets, seen) in reads {
            assert_eq!(offsets, [round]);
            delays.push(seen - written);
        }
    }
    delays.sort();
    assert!(
        delays[delays.len() / 2] <= Duration::from_millis(150),
        "{delays:?}"
    );
    assert!(
        delays[delays.len() - 1] <= Duration::from_millis(250),
        "{delays:?}"
    );
    // Each of the segments was fetched once for all four partitions, and everything planned by the poll.
    assert_eq!(agent.fetched("t", "memory"), 0);
    assert!(cluster.gets() <= 40 + 40, "{}", cluster.gets());
    assert!(
        cluster.metastore.calls("plan") <= 40 + 8,
        "{}",
        cluster.metastore.calls("plan")
    );
}

/// One statement per interval for everybody who waits, none when nobody does.
#[tokio::test(start_paused = true)]
async fn waiting_is_shared_and_costs_nothing_when_nobody_waits() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 50).await;
    let mut consumers: Vec<_> = (0..50).map(|_| agent.client()).collect();
    let fetches = consumers.iter_mut().enumerate().map(|(partition, consumer)| {
        let fetch = Fetch {
            max_wait_ms: 10_000,
            ..Fetch::of(&topic, partition as i32, 0)
        };
        async move { consumer.fetch_one(&fetch).await }
    });
    let began = Instant::now();
    let read = join_all(fetches).await;
    assert_eq!(began.elapsed().as_millis() / 100, 100);
    assert!(
        read.iter()
            .all(|one| one.high_watermark == 0 && one.error_code == 0)
    );
    let heads = cluster.metastore.calls("heads");
    assert!((95..=101).contains(&heads), "{heads}");
    sleep(Duration::from_secs(5)).await;
    let after = cluster.metastore.calls("heads");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(cluster.metastore.calls("heads"), after);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_waits_for_its_bytes_and_no_longer_than_it_says() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 2).await;
    let (mut producer, mut consumer) = (agent.client(), agent.client());
    let one = batch(&[1], 1000);
    let fetch = Fetch {
        max_wait_ms: 2_000,
        min_bytes: 2_500,
        ..Fetch::of(&topic, 0, 0)
    };
    let fetch = Fetch {
        partitions: vec![(0, 0), (1, 0)],
        ..fetch
    };
    let began = Instant::now();
    let write = async {
        for at in 0..3 {
            sleep(Duration::from_millis(100)).await;
            producer.produce(&topic, at % 2, one.clone()).await;
        }
    };
    let (response, ()) = tokio::join!(consumer.fetch(&fetch), write);
    let read = &response.responses[0].partitions;
    assert_eq!((offsets(&read[0]), offsets(&read[1])), (vec![0, 1], vec![0]));
    assert!(
        began.elapsed() < Duration::from_millis(600),
        "{:?}",
        began.elapsed()
    );
    // Too little comes: at the end of the wait the client gets what there is.
    let began = Instant::now();
    let write = async {
        sleep(Duration::from_millis(100)).await;
        producer.produce(&topic, 0, one.clone()).await;
    };
    let asked = Fetch {
        min_bytes: 100_000,
        ..Fetch {
            max_wait_ms: 700,
            ..Fetch::of(&topic, 0, 2)
        }
    };
    let (read, ()) = tokio::join!(consumer.fetch_one(&asked), write);
    assert_eq!(offsets(&read), [2]);
    assert_eq!(began.elapsed().as_millis() / 10, 70);
    // A whole large batch counts as bytes there are, however small the partition's limit.
    let began = Instant::now();
    consumer
        .fetch_one(&Fetch {
            max_wait_ms: 700,
            min_bytes: 0,
            ..Fetch::of(&topic, 0, 3)
        })
        .await;
    assert!(began.elapsed() < Duration::from_millis(10));
}

/// A client whose one partition always has data still learns what others write to its other one.
#[tokio::test(start_paused = true)]
async fn a_busy_partition_does_not_hide_a_quiet_one() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 2).await;
    let (mut producer, mut consumer) = (agent.client(), agent.client());
    for _ in 0..200 {
        producer.produce(&topic, 0, batch(&[1], 100)).await;
    }
    let fetch = |offset| Fetch {
        max_wait_ms: 500,
        partition_max_bytes: 200,
        partitions: vec![(0, offset), (1, 0)],
        ..Fetch::of(&topic, 0, offset)
    };
    consumer.fetch(&fetch(0)).await;
    sleep(Duration::from_secs(1)).await;
    let mut writer = cluster.writer("elsewhere").await;
    writer.write(&[(&topic, 1, vec![batch(&[1], 10)])]).await;
    let mut rounds = 0;
    let mut next = 0;
    loop {
        let response = consumer.fetch(&fetch(next)).await;
        let read = &response.responses[0].partitions;
        assert!(!offsets(&read[0]).is_empty());
        if offsets(&read[1]) == [0] {
            break;
        }
        next += 1;
        rounds += 1;
        assert!(rounds < 20);
        sleep(Duration::from_millis(20)).await;
    }
}

/// An ingest segment is fetched once per agent, whole, however many ask for whatever part of it.
#[tokio::test(start_paused = true)]
async fn a_segment_is_fetched_once_per_agent() {
    let cluster = Cluster::new();
    let topic = cluster.topic("t", 8).await;
    let mut writer = cluster.writer("elsewhere").await;
    let runs: Vec<_> = (0..8)
        .map(|partition| {
            (
                &topic,
                partition,
                (0..10).map(|at| batch(&[at, at], 500)).collect(),
            )
        })
        .collect();
    writer.write(&runs).await;
    for name in ["a", "b"] {
        let agent = cluster.agent(name).await;
        let gets = cluster.gets();
        let mut consumers: Vec<_> = (0..64).map(|_| agent.client()).collect();
        let reads = join_all(consumers.iter_mut().enumerate().map(|(at, consumer)| {
            let fetch = Fetch::of(&topic, at as i32 % 8, at as i64 % 20);
            async move { offsets(&consumer.fetch_one(&fetch).await) }
        }));
        for (at, offsets) in reads.await.into_iter().enumerate() {
            // The batch that holds the offset comes whole.
            let first = at as i64 % 20 / 2 * 2;
            assert_eq!(offsets, (first..20).collect::<Vec<_>>());
        }
        assert_eq!(cluster.gets() - gets, 1);
        assert!(agent.fetched("t", "store") > 0 && agent.fetched("t", "cache") > 0);
    }
}
