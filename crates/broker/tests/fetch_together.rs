//! Producers and consumers on several agents at once, on real threads: every reader sees every offset once,
//! in order, and the same bytes.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fetch_support;

use std::sync::Arc;
use std::time::Duration;

use esker_protocol::batch::Batches;
use fetch_support::{Cluster, Fetch, batch};

const PARTITIONS: i32 = 3;
const BATCHES: usize = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_readers_agree() {
    let cluster = Cluster::new();
    let topic = Arc::new(cluster.topic("t", PARTITIONS).await);
    let agents = Arc::new([cluster.agent("a").await, cluster.agent("b").await]);
    let mut tasks = Vec::new();
    for (at, agent) in agents.iter().enumerate() {
        for partition in 0..PARTITIONS {
            let (topic, mut client) = (Arc::clone(&topic), agent.client());
            tasks.push(tokio::spawn(async move {
                for round in 0..BATCHES {
                    let times = vec![at as i64; round % 3 + 1];
                    client.produce(&topic, partition, batch(&times, round % 50)).await;
                }
            }));
        }
    }
    let total: i64 = (0..BATCHES).map(|round| (round % 3 + 1) as i64).sum::<i64>() * 2;
    let mut readers = Vec::new();
    for reader in 0..6 {
        let (topic, mut client) = (Arc::clone(&topic), agents[reader % 2].client());
        readers.push(tokio::spawn(async move {
            let mut logs = vec![Vec::new(); PARTITIONS as usize];
            let mut next = vec![0_i64; PARTITIONS as usize];
            while next.iter().any(|next| *next < total) {
                let fetch = Fetch {
                    partitions: (0..PARTITIONS).zip(next.iter().copied()).collect(),
                    max_wait_ms: 500,
                    // Some readers take small bites.
                    partition_max_bytes: if reader < 2 { 400 } else { 1 << 20 },
                    ..Fetch::of(&topic, 0, 0)
                };
                let response = client.fetch(&fetch).await;
                for part in &response.responses[0].partitions {
                    assert_eq!(part.error_code, 0);
                    let at = part.partition_index as usize;
                    for batch in Batches::new(part.records.clone().unwrap()) {
                        let batch = batch.unwrap();
                        batch.check_crc().unwrap();
                        assert_eq!(batch.header.base_offset, next[at]);
                        next[at] = batch.header.next_offset();
                        assert!(next[at] <= part.high_watermark);
                        logs[at].push(batch.bytes);
                    }
                }
            }
            logs
        }));
    }
    let all = async {
        for task in tasks {
            task.await.unwrap();
        }
        let mut logs = Vec::new();
        for reader in readers {
            logs.push(reader.await.unwrap());
        }
        logs
    };
    let logs = tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
    assert!(logs.iter().all(|log| *log == logs[0]));
}
