//! Agents on machines whose clocks are wrong: records are stamped and judged by the metastore's clock, by which they
//! expire.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use esker_broker::BrokerConfig;
use esker_model::PartitionKey;
use esker_model::seams::{Clock, Instant, SystemClock};
use esker_protocol::messages::CreateTopicsRequest;
use esker_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use esker_protocol::records::BatchBuilder;
use esker_protocol::{ErrorCode, StrBytes, batch};
use support::{Client, World, plain_batch, topic_name};

const HOUR_MS: i64 = 3_600_000;
/// The longest that a heartbeat may take.
const ROUND_TRIP_MS: i64 = 2_500;
/// What is rounded down, and what the machine's own clocks disagree about in a second.
const COARSE_MS: i64 = 100;

/// A clock that was set wrong.
struct Off {
    real: SystemClock,
    by_ms: i64,
}

impl Clock for Off {
    fn now(&self) -> Instant {
        self.real.now()
    }

    fn wall_ms(&self) -> i64 {
        self.real.wall_ms() + self.by_ms
    }
}

/// Agents whose wall clocks are off, on a metastore whose clock is right.
fn world(by_ms: i64) -> World {
    let mut world = World::new();
    world.seams.clock = Arc::new(Off {
        real: SystemClock::new(),
        by_ms,
    });
    world
}

async fn create(client: &mut Client, topic: &str, configs: &[(&'static str, &'static str)]) {
    let configs = configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(Some(StrBytes::from_static_str(value)))
    });
    let topic = CreatableTopic::default()
        .with_name(topic_name(topic))
        .with_num_partitions(1)
        .with_replication_factor(1)
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(5000);
    assert_eq!(client.call(7, &request).await.topics[0].error_code, 0);
}

async fn log_start(world: &World, topic: &str) -> i64 {
    let topics = world.metastore.catalog(0).await.unwrap().changed;
    let found = topics.iter().find(|found| found.name == topic).unwrap();
    let partition = PartitionKey {
        topic: found.key,
        partition: 0,
    };
    let heads = world.metastore.heads(&[partition]).await.unwrap();
    heads[0].unwrap().log_start
}

fn record_of(timestamp_ms: i64) -> Bytes {
    BatchBuilder::new()
        .record(timestamp_ms, None, Some(b"value"), &[])
        .build()
        .unwrap()
}

#[tokio::test]
async fn append_times_are_the_metastores() {
    for by_ms in [-2 * HOUR_MS, 2 * HOUR_MS] {
        let world = world(by_ms);
        let agent = world.agent("a").await;
        let mut client = agent.connect();
        create(&mut client, "t", &[("message.timestamp.type", "LogAppendTime")]).await;
        for offset in 0..3 {
            let before_ms = SystemClock::new().wall_ms();
            let answer = client.produce("t", 0, plain_batch(2)).await;
            let after_ms = SystemClock::new().wall_ms();
            assert_eq!((answer.error_code, answer.base_offset), (0, 2 * offset));
            let stamped_ms = answer.log_append_time_ms;
            assert!(
                (before_ms - COARSE_MS..=after_ms + ROUND_TRIP_MS).contains(&stamped_ms),
                "{before_ms} <= {stamped_ms} <= {after_ms}, {by_ms} ms off"
            );
            let fetched = client.fetch("t", 0, 2 * offset).await.records.unwrap();
            let stored = batch::single_batch(Some(fetched), support::PRODUCE_VERSION).unwrap();
            assert_eq!(stored.header.max_timestamp, stamped_ms);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// An agent that is two hours behind gave records a time at which they had expired already.
#[tokio::test]
async fn records_with_an_append_time_are_kept_for_as_long_as_their_topic_says() {
    let world = world(-2 * HOUR_MS);
    let settings = |config| BrokerConfig {
        archive_interval: Duration::from_millis(20),
        ..config
    };
    let agent = world.agent_with("a", settings).await;
    let mut client = agent.connect();
    let configs = [
        ("message.timestamp.type", "LogAppendTime"),
        ("retention.ms", "3600000"),
    ];
    create(&mut client, "kept", &configs).await;
    let configs = [("message.timestamp.type", "LogAppendTime"), ("retention.ms", "1")];
    create(&mut client, "gone", &configs).await;
    for topic in ["kept", "gone"] {
        assert_eq!(client.produce(topic, 0, plain_batch(3)).await.error_code, 0);
    }
    let expired = async {
        while log_start(&world, "gone").await < 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), expired)
        .await
        .unwrap();
    // Whoever removed those looks at these as well.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(log_start(&world, "kept").await, 0);
}

#[tokio::test]
async fn what_lies_in_the_future_is_judged_by_the_metastores_clock() {
    for by_ms in [-2 * HOUR_MS, 2 * HOUR_MS] {
        let world = world(by_ms);
        let agent = world.agent("a").await;
        let mut client = agent.connect();
        let configs = [
            ("message.timestamp.after.max.ms", "3600000"),
            ("message.timestamp.before.max.ms", "3600000"),
        ];
        create(&mut client, "t", &configs).await;
        let now_ms = SystemClock::new().wall_ms();
        let answer = client.produce("t", 0, record_of(now_ms)).await;
        assert_eq!(answer.error_code, 0, "{by_ms} ms off: {answer:?}");
        for wrong_ms in [-HOUR_MS * 3 / 2, HOUR_MS * 3 / 2] {
            let answer = client.produce("t", 0, record_of(now_ms + wrong_ms)).await;
            assert_eq!(answer.error_code, ErrorCode::InvalidTimestamp.code());
        }
    }
}
