//! The limits of a Fetch: of the client, of memory, and how they are shared out.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fetch_support;

use std::time::Duration;

use esker_protocol::messages::FetchRequest;
use fetch_support::{Cluster, Fetch, batch, offsets};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn negative_limits_are_refused() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let mut client = agent.client();
    let base = Fetch::of(&topic, 0, 0);
    for bad in [
        Fetch {
            max_bytes: -1,
            ..base.clone()
        },
        Fetch {
            min_bytes: -1,
            ..base.clone()
        },
        Fetch {
            max_wait_ms: -1,
            ..base.clone()
        },
        Fetch {
            isolation: 2,
            ..base.clone()
        },
    ] {
        let response = client.fetch(&bad).await;
        assert_eq!(
            (
                response.error_code,
                response.responses[0].partitions[0].error_code
            ),
            (42, 42)
        );
        let response = client
            .fetch(&Fetch {
                version: 13,
                ..bad.clone()
            })
            .await;
        assert_eq!((response.error_code, response.responses.len()), (42, 0));
        let response = client.fetch(&Fetch { version: 4, ..bad }).await;
        assert_eq!(response.responses[0].partitions[0].error_code, 42);
    }
}

#[tokio::test(start_paused = true)]
async fn limits_keep_batches_whole_and_one_always_comes() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 3).await;
    let mut writer = cluster.writer("elsewhere").await;
    let one = batch(&[1], 1000);
    let size = one.len() as i32;
    for _ in 0..2 {
        let runs: Vec<_> = [0, 2]
            .map(|partition| (&topic, partition, vec![one.clone(); 5]))
            .into();
        writer.write(&runs).await;
    }
    let mut client = agent.client();
    let mut read = async |fetch: Fetch<'_>| {
        let response = client.fetch(&fetch).await;
        response.responses[0]
            .partitions
            .iter()
            .map(|one| offsets(one).len())
            .collect::<Vec<_>>()
    };
    let base = Fetch {
        partitions: vec![(0, 0), (1, 0), (2, 0)],
        ..Fetch::of(&topic, 0, 0)
    };
    assert_eq!(read(base.clone()).await, [10, 0, 10]);
    // The limit of a partition; the first with something to give gives one batch at least.
    assert_eq!(
        read(Fetch {
            partition_max_bytes: size * 3,
            ..base.clone()
        })
        .await,
        [3, 0, 3]
    );
    assert_eq!(
        read(Fetch {
            partition_max_bytes: size * 3 - 1,
            ..base.clone()
        })
        .await,
        [2, 0, 2]
    );
    assert_eq!(
        read(Fetch {
            partition_max_bytes: size - 1,
            ..base.clone()
        })
        .await,
        [1, 0, 0]
    );
    assert_eq!(
        read(Fetch {
            partition_max_bytes: 0,
            ..base.clone()
        })
        .await,
        [1, 0, 0]
    );
    // The limit of the request is dealt out when it does not reach for all.
    assert_eq!(
        read(Fetch {
            max_bytes: size * 8,
            ..base.clone()
        })
        .await,
        [4, 0, 4]
    );
    assert_eq!(
        read(Fetch {
            max_bytes: 1,
            ..base.clone()
        })
        .await,
        [1, 0, 0]
    );
    assert_eq!(
        read(Fetch {
            max_bytes: 0,
            ..base.clone()
        })
        .await,
        [1, 0, 0]
    );
    let reversed = Fetch {
        partitions: vec![(1, 0), (2, 9), (0, 0)],
        max_bytes: 1,
        ..base.clone()
    };
    assert_eq!(read(reversed).await, [0, 1, 0]);
    // From the middle, across extents.
    let middle = Fetch {
        partitions: vec![(0, 4)],
        partition_max_bytes: size * 2,
        ..base.clone()
    };
    assert_eq!(read(middle).await, [2]);
}

#[tokio::test(start_paused = true)]
async fn a_large_backlog_is_read_in_order_without_a_gap() {
    let cluster = Cluster::new();
    // Little memory: responses get smaller, nothing is lost.
    let agent = cluster.agent_with("a", 64 << 20).await;
    let topic = cluster.topic("t", 2).await;
    let mut writer = cluster.writer("elsewhere").await;
    for at in 0..60 {
        let batches = vec![batch(&[at; 3], 20_000); 10];
        writer
            .write(&[(&topic, 0, batches.clone()), (&topic, 1, batches)])
            .await;
    }
    let mut client = agent.client();
    let mut next = [0, 0];
    let mut rounds = 0;
    while next != [1800, 1800] {
        let fetch = Fetch {
            partition_max_bytes: 50 << 20,
            ..Fetch::of(&topic, 0, 0)
        };
        let response = client
            .fetch(&Fetch {
                partitions: vec![(0, next[0]), (1, next[1])],
                ..fetch
            })
            .await;
        for part in &response.responses[0].partitions {
            let at = part.partition_index as usize;
            assert_eq!(part.error_code, 0);
            for offset in offsets(part) {
                assert_eq!(offset, next[at]);
                next[at] += 1;
            }
        }
        rounds += 1;
        assert!(rounds < 100);
    }
    assert!(rounds > 5, "responses are bounded by memory");
    assert_eq!(cluster.gets(), 60 + 1, "once per agent, and cluster.json");
}

/// A backlog of many small segments in one partition leaves room for the others, though the client always
/// asks in the same order.
#[tokio::test(start_paused = true)]
async fn a_long_chain_of_segments_starves_nobody() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 2).await;
    let mut writer = cluster.writer("elsewhere").await;
    for _ in 0..100 {
        writer.write(&[(&topic, 0, vec![batch(&[1], 100)])]).await;
    }
    for _ in 0..2 {
        writer.write(&[(&topic, 1, vec![batch(&[1], 100)])]).await;
    }
    let mut client = agent.client();
    let fetch = Fetch {
        partitions: vec![(0, 0), (1, 0)],
        ..Fetch::of(&topic, 0, 0)
    };
    let response = client.fetch(&fetch).await;
    let read: Vec<_> = response.responses[0].partitions.iter().map(offsets).collect();
    assert_eq!(read[0], (0..62).collect::<Vec<_>>());
    assert_eq!(read[1], [0, 1]);
}

/// A response that a client does not take keeps its memory; others wait for it, and then get their records.
#[tokio::test(start_paused = true)]
async fn memory_that_is_held_makes_others_wait() {
    let cluster = Cluster::new();
    // Twelve mebibytes of it are for fetch responses.
    let agent = cluster.agent_with("a", 64 << 20).await;
    let topic = cluster.topic("t", 2).await;
    let mut writer = cluster.writer("elsewhere").await;
    for partition in [0, 0, 1] {
        writer
            .write(&[(&topic, partition, vec![batch(&[1], 500_000); 10])])
            .await;
    }
    let greedy = |partition| Fetch {
        partition_max_bytes: 50 << 20,
        ..Fetch::of(&topic, partition, 0)
    };
    let (mut slow, mut quick) = (agent.client(), agent.client());
    slow.send(12, &greedy(0).request()).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let taken = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        slow.receive::<FetchRequest>(12).await
    };
    let began = Instant::now();
    let fetch = greedy(1);
    let waited = async {
        let read = quick.fetch_one(&fetch).await;
        (read, began.elapsed())
    };
    let (first, (second, waited)) = tokio::join!(taken, waited);
    assert!(!offsets(&first.responses[0].partitions[0]).is_empty());
    assert!(offsets(&second).len() >= 10);
    assert!(waited >= Duration::from_secs(2), "{waited:?}");
}
