//! All clients together on two agents.

use std::time::Duration;

use esker_history::event::{Client, Retention};
use esker_history::{History, Terms, What};
use esker_protocol::batch::Codec;
use esker_protocol::messages::CreateTopicsRequest;
use esker_protocol::messages::create_topics_request::CreatableTopic;
use esker_sim::clients::metadata::{Cluster, topic_name};
use esker_sim::clients::{
    AdminPlan, ClientContext, ConsumerPlan, ListerPlan, Phase, ProducerKind, ProducerPlan, TopicPlan,
    read_through, run_admin, run_consumer, run_lister, run_producer,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{World, judge, producer_plan};

const KINDS: [ProducerKind; 4] = [
    ProducerKind::Librdkafka,
    ProducerKind::Java,
    ProducerKind::Plain,
    ProducerKind::Careless,
];
const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

async fn create(ctx: ClientContext, name: &str, partitions: i32) -> Uuid {
    let topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    let cluster = Cluster::new(ctx, Duration::from_secs(10));
    let host = cluster.any_host();
    let (_, answer) = cluster.call(&host, 7, &request).await.unwrap();
    assert_eq!(answer.topics[0].error_code, 0);
    answer.topics[0].topic_id
}

fn consumer_plan(topics: &[(&str, &[i32])]) -> ConsumerPlan {
    ConsumerPlan {
        topics: topics
            .iter()
            .map(|(name, all)| ((*name).to_owned(), all.to_vec()))
            .collect(),
        by_id: true,
        from_start: true,
        rewinds: false,
        max_wait: Duration::from_millis(300),
        min_bytes: 1,
        max_bytes: 4096,
        pause: Duration::ZERO,
        wanders: false,
    }
}

/// Runs all clients for a while; the history of it.
async fn run(seed: u64, cut: Option<Duration>) -> History {
    let mut world = World::new(seed);
    world.agent("a", cut).await;
    world.agent("b", cut).await;
    let topic = create(world.client("setup"), "t", 3).await;
    let mut producers = JoinSet::new();
    for (n, kind) in KINDS.into_iter().cycle().take(8).enumerate() {
        let mut plan = ProducerPlan {
            by_id: n % 3 != 0,
            codec: CODECS[n % CODECS.len()],
            ..producer_plan(kind, "t", &[0, 1, 2])
        };
        if plan.by_id {
            plan.topics.push(("churned".into(), vec![0, 1]));
        }
        producers.spawn(run_producer(
            world.client(&format!("producer {n} {kind:?}")),
            plan,
        ));
    }
    let mut readers = JoinSet::new();
    let all: [(&str, &[i32]); 2] = [("t", &[0, 1, 2]), ("churned", &[0, 1])];
    let stable: [(&str, &[i32]); 1] = [("t", &[0, 1, 2])];
    readers.spawn(run_consumer(world.client("consumer"), consumer_plan(&all)));
    let wandering = ConsumerPlan {
        by_id: false,
        rewinds: true,
        wanders: true,
        pause: Duration::from_millis(200),
        max_bytes: 100_000,
        ..consumer_plan(&stable)
    };
    readers.spawn(run_consumer(world.client("wandering consumer"), wandering));
    let late = ConsumerPlan {
        from_start: false,
        ..consumer_plan(&stable)
    };
    readers.spawn(run_consumer(world.client("late consumer"), late));
    let lister = ListerPlan {
        topics: vec![("t".into(), vec![0, 1, 2])],
        pause: Duration::from_millis(100),
    };
    readers.spawn(run_lister(world.client("lister"), lister));
    let admin = AdminPlan {
        churn: vec![TopicPlan {
            name: "churned".into(),
            partitions: 2,
            retention: Retention::EVERYTHING,
        }],
        pause: Duration::from_secs(2),
    };
    readers.spawn(run_admin(world.client("admin"), admin));

    tokio::time::sleep(Duration::from_secs(20)).await;
    world.record.note(What::Healed);
    world.phase.send_replace(Phase::Flush);
    while producers.join_next().await.transpose().unwrap().is_some() {}
    world.phase.send_replace(Phase::Drain);
    // The admin stays until the end.
    while readers.len() > 1 {
        readers.join_next().await.unwrap().unwrap();
    }
    for host in world.hosts.clone() {
        for partition in 0..3 {
            let (ctx, topic) = (world.client("reader"), ("t".to_owned(), topic));
            let (start, end) = read_through(ctx, host.clone(), topic, partition).await.unwrap();
            assert!(start == 0 && end > 0, "{start} {end}");
        }
        let last = world
            .record
            .with(|history| history.topics.last().cloned())
            .unwrap();
        if last.name == "churned" && last.deleted_from_us.is_none() {
            for partition in 0..2 {
                let (ctx, topic) = (world.client("reader"), (last.name.clone(), last.id));
                read_through(ctx, host.clone(), topic, partition).await.unwrap();
            }
        }
    }
    world.phase.send_replace(Phase::Over);
    readers.join_next().await.unwrap().unwrap();
    world.record.take()
}

fn count(history: &History, client: u32, is: impl Fn(&What) -> bool) -> usize {
    let events = history
        .events
        .iter()
        .filter(|event| event.client == Some(Client(client)));
    events.filter(|event| is(&event.what)).count()
}

fn client(history: &History, name: &str) -> u32 {
    history.clients.iter().position(|client| client == name).unwrap() as u32
}

#[tokio::test(start_paused = true)]
async fn a_quiet_day() {
    let history = run(1, None).await;
    for (at, name) in history.clients.iter().enumerate() {
        let at = at as u32;
        if name.starts_with("producer") {
            assert!(
                count(&history, at, |what| matches!(what, What::Acked { .. })) > 100,
                "{name}"
            );
            assert_eq!(
                count(&history, at, |what| matches!(what, What::Unanswered { .. })),
                0,
                "{name}"
            );
            assert_eq!(
                count(&history, at, |what| matches!(what, What::Finished)),
                1,
                "{name}"
            );
        }
    }
    let fetched = |name: &str| {
        let is = |what: &What| matches!(what, What::Fetched { seen, .. } if !seen.is_empty());
        count(&history, client(&history, name), is)
    };
    for name in ["consumer", "wandering consumer", "late consumer"] {
        assert!(fetched(name) > 50, "{name}: {}", fetched(name));
    }
    let listed = |what: &What| matches!(what, What::Listed { error: 0, .. });
    assert!(count(&history, client(&history, "lister"), listed) > 100);
    let churned: Vec<_> = history
        .topics
        .iter()
        .filter(|topic| topic.name == "churned")
        .collect();
    assert!(churned.len() > 2, "{churned:?}");
    for topic in churned {
        let created_us = topic.created_from_us.unwrap();
        assert!(
            topic
                .deleted_from_us
                .is_none_or(|deleted_us| deleted_us > created_us)
        );
    }
    judge(&history, &Terms::default());
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_history() {
    let cut = Some(Duration::from_secs(2));
    let (first, second) = (run(6, cut).await, run(6, cut).await);
    assert_eq!(first.topics, second.topics);
    for (one, other) in first.events.iter().zip(&second.events) {
        assert_eq!(one, other);
    }
    assert_eq!(first.events.len(), second.events.len());
}

#[tokio::test(start_paused = true)]
async fn connections_that_break() {
    for seed in 2..5 {
        let history = run(seed, Some(Duration::from_secs(2))).await;
        let unanswered = |what: &What| matches!(what, What::Unanswered { .. });
        for name in ["producer 0 Librdkafka", "producer 1 Java"] {
            assert!(count(&history, client(&history, name), unanswered) > 0, "{name}");
        }
        judge(&history, &Terms::default());
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_cannot_be_read_is_told() {
    let world = World::new(1);
    let topic = ("t".to_owned(), Uuid::from_u128(1));
    let read = read_through(world.client("reader"), "nowhere".into(), topic, 0).await;
    assert!(read.unwrap_err().contains("no answer"));
    assert_eq!(world.record.now_us() / 1_000_000, 60);
}
