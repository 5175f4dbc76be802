//! What a Fetch is answered, case by case.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fetch_support;

use std::time::Duration;

use esker_protocol::StrBytes;
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use esker_protocol::messages::{FetchRequest, TopicName};
use fetch_support::{Cluster, Fetch, batch, offsets};
use tokio::time::Instant;
use uuid::Uuid;

#[tokio::test(start_paused = true)]
async fn every_version_reads_the_same_records() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let mut writer = cluster.writer("elsewhere").await;
    writer
        .write(&[(&topic, 0, vec![batch(&[1, 2], 10), batch(&[3], 10)])])
        .await;
    let mut client = agent.client();
    for version in 4..=18 {
        let read = client
            .fetch_one(&Fetch {
                version,
                ..Fetch::of(&topic, 0, 1)
            })
            .await;
        assert_eq!(offsets(&read), [0, 1, 2], "v{version}");
        assert_eq!((read.high_watermark, read.last_stable_offset), (3, 3));
        assert_eq!(read.log_start_offset, if version >= 5 { 0 } else { -1 });
        assert!(read.aborted_transactions.is_none());
        assert_eq!(read.preferred_read_replica.0, -1);
        let committed = Fetch {
            version,
            isolation: 1,
            ..Fetch::of(&topic, 0, 0)
        };
        let read = client.fetch_one(&committed).await;
        assert_eq!(
            (offsets(&read).len(), read.aborted_transactions.unwrap().len()),
            (3, 0)
        );
        let empty = client
            .fetch_one(&Fetch {
                version,
                ..Fetch::of(&topic, 0, 3)
            })
            .await;
        assert_eq!((empty.error_code, empty.records.unwrap().len()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn errors_have_kafkas_codes_and_no_offsets() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let mut writer = cluster.writer("elsewhere").await;
    writer.write(&[(&topic, 0, vec![batch(&[1], 10)])]).await;
    let mut client = agent.client();
    let base = Fetch {
        max_wait_ms: 60_000,
        ..Fetch::of(&topic, 0, 0)
    };
    let unknown = fetch_support::unknown_topic(&topic);
    let cases = [
        (
            Fetch {
                partitions: vec![(0, 2)],
                ..base.clone()
            },
            1,
        ),
        (
            Fetch {
                partitions: vec![(0, -1)],
                ..base.clone()
            },
            1,
        ),
        (
            Fetch {
                partitions: vec![(1, 0)],
                ..base.clone()
            },
            3,
        ),
        (
            Fetch {
                partitions: vec![(-1, 0)],
                ..base.clone()
            },
            3,
        ),
        (
            Fetch {
                topic: &unknown,
                ..base.clone()
            },
            3,
        ),
        (
            Fetch {
                leader_epoch: 2,
                ..base.clone()
            },
            75,
        ),
        (
            Fetch {
                leader_epoch: 0,
                ..base.clone()
            },
            74,
        ),
        (
            Fetch {
                leader_epoch: 1,
                ..base.clone()
            },
            0,
        ),
        (
            Fetch {
                leader_epoch: -7,
                ..base.clone()
            },
            0,
        ),
        (
            Fetch {
                replica: 1,
                ..base.clone()
            },
            6,
        ),
        (
            Fetch {
                replica: 1,
                version: 16,
                ..base.clone()
            },
            6,
        ),
        (
            Fetch {
                partition_max_bytes: -1,
                ..base.clone()
            },
            42,
        ),
        (
            Fetch {
                version: 13,
                topic: &unknown,
                ..base.clone()
            },
            100,
        ),
        (
            Fetch {
                version: 13,
                partitions: vec![(1, 0)],
                ..base.clone()
            },
            3,
        ),
    ];
    for (fetch, error) in cases {
        let began = Instant::now();
        let read = client.fetch_one(&fetch).await;
        assert_eq!(read.error_code, error);
        if error != 0 {
            assert_eq!(
                (
                    read.high_watermark,
                    read.last_stable_offset,
                    read.log_start_offset
                ),
                (-1, -1, -1)
            );
            assert_eq!(read.records.map(|records| records.len()), Some(0));
        }
        assert!(began.elapsed() < Duration::from_millis(100), "errors do not wait");
    }
    let hinted = client
        .fetch(&Fetch {
            leader_epoch: 0,
            version: 16,
            ..base.clone()
        })
        .await;
    let leader = &hinted.responses[0].partitions[0].current_leader;
    assert_eq!(
        (leader.leader_epoch, hinted.node_endpoints[0].node_id),
        (1, leader.leader_id)
    );
}

#[tokio::test(start_paused = true)]
async fn topics_and_partitions_made_elsewhere_are_found_and_deleted_ones_are_gone() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let mut client = agent.client();
    let topic = cluster.topic("t", 1).await;
    // No heartbeat came in between.
    assert_eq!(client.fetch_one(&Fetch::of(&topic, 0, 0)).await.error_code, 0);
    use esker_metastore::{NewPartitions, Topics};
    let more = NewPartitions {
        topic: topic.uuid,
        partitions: 2,
    };
    cluster.metastore.create_partitions(&[more]).await.unwrap()[0]
        .as_ref()
        .unwrap();
    assert_eq!(client.fetch_one(&Fetch::of(&topic, 1, 0)).await.error_code, 0);
    // Deleted while somebody waits.
    let fetch = Fetch {
        max_wait_ms: 30_000,
        ..Fetch::of(&topic, 0, 0)
    };
    let by_id = Fetch {
        version: 13,
        ..fetch.clone()
    };
    let mut other = agent.client();
    let began = Instant::now();
    let delete = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.metastore.delete_topics(&[topic.uuid]).await.unwrap();
    };
    let (read, by_id, ()) = tokio::join!(client.fetch_one(&fetch), other.fetch_one(&by_id), delete);
    assert_eq!((read.error_code, by_id.error_code), (3, 100));
    assert!(
        began.elapsed() < Duration::from_millis(600),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_request_is_answered_at_once() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let mut client = agent.client();
    let began = Instant::now();
    let response = client
        .ask(
            12,
            &FetchRequest::default().with_max_wait_ms(10_000).with_min_bytes(1),
        )
        .await;
    assert_eq!((response.error_code, response.responses.len()), (0, 0));
    let nameless = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str("")))
        .with_partitions(vec![FetchPartition::default()]);
    let request = FetchRequest::default()
        .with_max_wait_ms(10_000)
        .with_topics(vec![nameless]);
    assert_eq!(
        client.ask(12, &request).await.responses[0].partitions[0].error_code,
        3
    );
    let nil = FetchTopic::default()
        .with_topic_id(Uuid::nil())
        .with_partitions(vec![FetchPartition::default()]);
    let request = FetchRequest::default()
        .with_max_wait_ms(10_000)
        .with_topics(vec![nil]);
    assert_eq!(
        client.ask(13, &request).await.responses[0].partitions[0].error_code,
        100
    );
    assert!(began.elapsed() < Duration::from_millis(200));
}
