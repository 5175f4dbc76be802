//! Fetch sessions over the wire: what is told, what is left out, and how a session ends.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "../fetch_support/mod.rs"]
mod fetch_support;
mod room;

use std::time::Duration;

use esker_broker::budget::MEMORY_BYTES_MIN;
use esker_metastore::{NewPartitions, Topic, Topics};
use esker_protocol::StrBytes;
use esker_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use esker_protocol::messages::fetch_request::ForgottenTopic;
use esker_protocol::messages::{DeleteRecordsRequest, FetchRequest, FetchResponse, TopicName};
use fetch_support::{Agent, Client, Cluster, Fetch, batch, offsets};
use tokio::time::{Instant, sleep};

/// A client with one session.
struct Reader<'t> {
    client: Client,
    fetch: Fetch<'t>,
}

/// Index, error, high watermark and records of each partition.
type Told = Vec<(i32, i16, i64, Vec<i64>)>;

fn told(response: &FetchResponse) -> Told {
    assert_eq!(response.error_code, 0);
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions
        .map(|one| {
            (
                one.partition_index,
                one.error_code,
                one.high_watermark,
                offsets(one),
            )
        })
        .collect()
}

impl<'t> Reader<'t> {
    /// Begins a session; also what the first answer tells.
    async fn begin(agent: &Agent, fetch: Fetch<'t>) -> (Reader<'t>, Told) {
        let mut client = agent.client();
        let response = client
            .fetch(&Fetch {
                session: (0, 0),
                ..fetch.clone()
            })
            .await;
        assert!(response.session_id > 0);
        let told = told(&response);
        let session = (response.session_id, 1);
        (
            Reader {
                client,
                fetch: Fetch { session, ..fetch },
            },
            told,
        )
    }

    /// The next request, which names these partitions.
    fn request(&mut self, partitions: &[(i32, i64)], forgotten: &[i32]) -> FetchRequest {
        let mut request = Fetch {
            partitions: partitions.to_vec(),
            ..self.fetch.clone()
        }
        .request();
        if partitions.is_empty() {
            request.topics.clear();
        }
        let topic = if self.fetch.version >= 13 {
            ForgottenTopic::default().with_topic_id(self.fetch.topic.uuid.0)
        } else {
            ForgottenTopic::default().with_topic(name(self.fetch.topic))
        };
        if !forgotten.is_empty() {
            request.forgotten_topics_data = vec![topic.with_partitions(forgotten.to_vec())];
        }
        self.fetch.session.1 += 1;
        request
    }

    async fn go_on(&mut self, partitions: &[(i32, i64)], forgotten: &[i32]) -> Told {
        let request = self.request(partitions, forgotten);
        let response = self.client.ask(self.fetch.version, &request).await;
        assert_eq!(response.session_id, self.fetch.session.0);
        told(&response)
    }

    /// The next request names nothing and is answered with this error, or with none if it is 0.
    async fn error(&mut self) -> i16 {
        let request = self.request(&[], &[]);
        self.client.ask(self.fetch.version, &request).await.error_code
    }
}

fn name(topic: &Topic) -> TopicName {
    TopicName(StrBytes::from_string(topic.name.clone()))
}

fn fetches(agent: &Agent, session: &'static str) -> u64 {
    let labels = esker_broker::metrics::SessionLabels { session };
    agent.metrics.fetches.get_or_create(&labels).get()
}

#[tokio::test(start_paused = true)]
async fn a_session_tells_what_is_news_and_waits_for_it() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 4).await;
    let mut producer = agent.client();
    for partition in 0..3 {
        producer.produce(&topic, partition, batch(&[1], 10)).await;
    }
    for version in [7, 12, 13, 18] {
        let fetch = Fetch {
            version,
            max_wait_ms: 500,
            partitions: vec![(0, 0), (1, 1), (2, 1)],
            ..Fetch::of(&topic, 0, 0)
        };
        let (mut reader, first) = Reader::begin(&agent, fetch).await;
        let end = first[0].2;
        // Everything is told, with records or without.
        let of_0 = (0..end).collect::<Vec<_>>();
        assert_eq!(first[0], (0, 0, end, of_0));
        assert_eq!((first[1].1, first[2].1, first.len()), (0, 0, 3));
        let ends: Vec<i64> = first.iter().map(|told| told.2).collect();
        // Nothing is news: it is waited for, and costs no question to the metastore.
        let at_end = [(0, ends[0]), (1, ends[1]), (2, ends[2])];
        assert_eq!(reader.go_on(&at_end, &[]).await, []);
        let (began, plans) = (Instant::now(), cluster.metastore.calls("plan"));
        assert_eq!(reader.go_on(&[], &[]).await, []);
        assert_eq!(began.elapsed().as_millis() / 10, 50);
        assert_eq!(cluster.metastore.calls("plan"), plans);
        // A wait ends when one of the session's partitions gets records, though the request does not name it.
        let write = async {
            sleep(Duration::from_millis(100)).await;
            producer.produce(&topic, 1, batch(&[1, 2], 10)).await
        };
        let began = Instant::now();
        let (news, base) = tokio::join!(reader.go_on(&[], &[]), write);
        assert_eq!(news, [(1, 0, base + 2, vec![base, base + 1])]);
        assert!(began.elapsed() < Duration::from_millis(300));
        // One is added, one forgotten: the first is told of, and the other one not any more.
        assert_eq!(
            reader.go_on(&[(1, base + 2), (3, 0)], &[2]).await,
            [(3, 0, 0, vec![])]
        );
        producer.produce(&topic, 2, batch(&[1], 10)).await;
        assert_eq!(reader.go_on(&[], &[]).await, []);
        // The last ones are forgotten: the session is closed.
        let request = reader.request(&[], &[0, 1, 3]);
        let last = reader.client.ask(version, &request).await;
        assert_eq!((last.session_id, told(&last)), (0, vec![]));
        assert_eq!(reader.error().await, 70);
    }
    assert_eq!(
        (fetches(&agent, "new"), fetches(&agent, "incremental")),
        (4, 6 * 4)
    );
    assert_eq!(
        (fetches(&agent, "refused"), agent.metrics.fetch_sessions.get()),
        (4, 0)
    );
    assert_eq!(agent.metrics.fetch_session_partitions.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_not_there_have_kafkas_codes() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let elsewhere = cluster.agent("b").await;
    let topic = cluster.topic("t", 1).await;
    for (version, other) in [(12, 13), (18, 7)] {
        let (mut reader, _) = Reader::begin(
            &agent,
            Fetch {
                version,
                ..Fetch::of(&topic, 0, 0)
            },
        )
        .await;
        let (id, _) = reader.fetch.session;
        for (session, error) in [
            ((id, 2), 71),
            ((id, -2), 71),
            ((id ^ 1, 1), 70),
            ((0, 1), 70),
            ((-5, 1), 70),
        ] {
            let fetch = Fetch {
                session,
                ..reader.fetch.clone()
            };
            let response = reader.client.fetch(&fetch).await;
            assert_eq!(
                (response.error_code, response.session_id),
                (error, 0),
                "{session:?}"
            );
            assert!(response.responses.is_empty());
        }
        let by_other = Fetch {
            version: other,
            ..reader.fetch.clone()
        };
        assert_eq!(reader.client.fetch(&by_other).await.error_code, 106);
        // Another agent does not know it.
        let mut there = elsewhere.client();
        assert_eq!(there.fetch(&reader.fetch).await.error_code, 70);
        // None of that has touched it.
        assert_eq!(reader.go_on(&[], &[]).await, []);
        // Bad limits leave it alone as well.
        let bad = Fetch {
            min_bytes: -1,
            ..reader.fetch.clone()
        };
        assert_eq!(reader.client.fetch(&bad).await.error_code, 42);
        // A full request closes it and makes another one; one with epoch -1 closes it.
        let again = Fetch {
            session: (id, 0),
            ..reader.fetch.clone()
        };
        let next = reader.client.fetch(&again).await.session_id;
        assert!(next > 0 && next != id);
        assert_eq!(reader.error().await, 70);
        let close = Fetch {
            session: (next, -1),
            ..reader.fetch.clone()
        };
        let closed = reader.client.fetch(&close).await;
        assert_eq!((closed.session_id, told(&closed).len()), (0, 1));
        reader.fetch.session = (next, 1);
        assert_eq!(reader.error().await, 70);
    }
    // Nobody who says that it is a follower keeps consumers out.
    let follower = Fetch {
        replica: 1,
        session: (0, 0),
        ..Fetch::of(&topic, 0, 0)
    };
    assert_eq!(agent.client().fetch(&follower).await.session_id, 0);
    assert_eq!(agent.metrics.fetch_sessions.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn errors_are_told_until_they_are_gone() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let fetch = Fetch {
        max_wait_ms: 10_000,
        partitions: vec![(0, 0), (1, 0)],
        ..Fetch::of(&topic, 0, 0)
    };
    let (mut reader, first) = Reader::begin(&agent, fetch).await;
    let error = (1, 3, -1, vec![]);
    assert_eq!(first, [(0, 0, 0, vec![]), error.clone()]);
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(reader.go_on(&[], &[]).await, vec![error.clone()]);
        assert!(began.elapsed() < Duration::from_secs(1), "errors do not wait");
    }
    let more = NewPartitions {
        topic: topic.uuid,
        partitions: 2,
    };
    cluster.metastore.create_partitions(&[more]).await.unwrap();
    reader.fetch.max_wait_ms = 200;
    // Nothing but that it is solved.
    assert_eq!(reader.go_on(&[], &[]).await, [(1, 0, 0, vec![])]);
    assert_eq!(reader.go_on(&[], &[]).await, []);
}

#[tokio::test(start_paused = true)]
async fn offsets_alone_are_news() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 2).await;
    let mut producer = agent.client();
    for _ in 0..20 {
        producer.produce(&topic, 0, batch(&[1], 1000)).await;
        producer.produce(&topic, 1, batch(&[1], 1000)).await;
    }
    let fetch = Fetch {
        partitions: vec![(0, 20), (1, 20)],
        max_bytes: 1000,
        max_wait_ms: 100,
        ..Fetch::of(&topic, 0, 0)
    };
    let (mut reader, _) = Reader::begin(&agent, fetch).await;
    assert_eq!(reader.go_on(&[], &[]).await, []);
    // Both have something, and the answer has room for one: the other one has a new high watermark.
    producer.produce(&topic, 0, batch(&[1], 1000)).await;
    producer.produce(&topic, 1, batch(&[1], 1000)).await;
    assert_eq!(
        reader.go_on(&[], &[]).await,
        [(0, 0, 21, vec![20]), (1, 0, 21, vec![])]
    );
    // The one that gave records comes last now, so the other one has its turn.
    assert_eq!(reader.go_on(&[], &[]).await, [(1, 0, 21, vec![20])]);
    assert_eq!(reader.go_on(&[], &[]).await, [(0, 0, 21, vec![20])]);
    assert_eq!(reader.go_on(&[(0, 21), (1, 21)], &[]).await, []);
    // The log start moves.
    let partition = DeleteRecordsPartition::default()
        .with_partition_index(1)
        .with_offset(7);
    let delete = DeleteRecordsRequest::default().with_topics(vec![
        DeleteRecordsTopic::default()
            .with_name(name(&topic))
            .with_partitions(vec![partition]),
    ]);
    let deleted = producer.ask(2, &delete).await;
    assert_eq!(deleted.topics[0].partitions[0].error_code, 0);
    let mut news = Vec::new();
    for _ in 0..20 {
        let request = reader.request(&[], &[]);
        let response = reader.client.ask(12, &request).await;
        let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        news.extend(partitions.map(|one| (one.partition_index, one.log_start_offset, offsets(one))));
    }
    assert_eq!(news, [(1, 7, vec![])]);
}

#[tokio::test(start_paused = true)]
async fn deleted_topics_are_told_and_names_found_again() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let stays = cluster.topic("s", 1).await;
    let mut producer = agent.client();
    producer.produce(&topic, 0, batch(&[1], 10)).await;
    let fetch = Fetch {
        max_wait_ms: 50,
        ..Fetch::of(&topic, 0, 1)
    };
    let (mut by_name, _) = Reader::begin(&agent, fetch.clone()).await;
    let (mut by_id, _) = Reader::begin(&agent, Fetch { version: 13, ..fetch }).await;
    let (mut other, _) = Reader::begin(&agent, Fetch::of(&stays, 0, 0)).await;
    cluster.metastore.delete_topics(&[topic.uuid]).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    for _ in 0..2 {
        assert_eq!(by_name.go_on(&[], &[]).await, [(0, 3, -1, vec![])]);
        assert_eq!(by_id.go_on(&[], &[]).await, [(0, 100, -1, vec![])]);
    }
    cluster.topic("t", 1).await;
    assert_eq!(by_name.go_on(&[(0, 0)], &[]).await, [(0, 0, 0, vec![])]);
    assert_eq!(by_id.go_on(&[], &[]).await, [(0, 100, -1, vec![])]);
    producer.produce(&topic, 0, batch(&[1], 10)).await;
    assert_eq!(by_name.go_on(&[], &[]).await, [(0, 0, 1, vec![0])]);
    assert_eq!(other.go_on(&[], &[]).await, []);
    // Deleted and made again between two requests.
    let again = cluster.metastore.clone();
    let now = again.catalog(0).await.unwrap();
    let new = now.changed.iter().find(|one| one.name == "t").unwrap();
    again.delete_topics(&[new.uuid]).await.unwrap();
    cluster.topic("t", 1).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(by_name.go_on(&[(0, 0)], &[]).await, [(0, 0, 0, vec![])]);
}

#[tokio::test(start_paused = true)]
async fn one_request_at_a_time_uses_a_session() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 2).await;
    let mut producer = agent.client();
    let fetch = Fetch {
        max_wait_ms: 2_000,
        max_bytes: 1 << 20,
        partitions: vec![(0, 0), (1, 0)],
        ..Fetch::of(&topic, 0, 0)
    };
    let (mut reader, _) = Reader::begin(
        &agent,
        Fetch {
            max_wait_ms: 0,
            ..fetch.clone()
        },
    )
    .await;
    reader.fetch.max_wait_ms = 2_000;
    let (id, _) = reader.fetch.session;
    let mut second = agent.client();
    let intrude = async {
        sleep(Duration::from_millis(100)).await;
        for epoch in [1, 2] {
            let session = (id, epoch);
            let response = second
                .fetch(&Fetch {
                    session,
                    ..fetch.clone()
                })
                .await;
            assert_eq!((response.error_code, response.responses.len()), (71, 0));
        }
        producer.produce(&topic, 1, batch(&[1], 10)).await;
    };
    let (news, ()) = tokio::join!(reader.go_on(&[], &[]), intrude);
    assert_eq!(news, [(1, 0, 1, vec![0])]);
    // A connection breaks while its request waits: the session is where the request left it.
    let request = reader.request(&[(1, 1)], &[]);
    reader.client.send(12, &request).await;
    sleep(Duration::from_millis(100)).await;
    reader.client = agent.client();
    sleep(Duration::from_millis(3_000)).await;
    reader.fetch.max_wait_ms = 10;
    assert_eq!(reader.go_on(&[], &[]).await, []);
    // It is closed while it is used: its request is answered, and that was the last one.
    reader.fetch.max_wait_ms = 2_000;
    let close = async {
        sleep(Duration::from_millis(100)).await;
        let session = (id, -1);
        second
            .fetch(&Fetch {
                session,
                max_wait_ms: 0,
                ..fetch.clone()
            })
            .await;
        producer.produce(&topic, 0, batch(&[1], 10)).await;
    };
    let (news, ()) = tokio::join!(reader.go_on(&[], &[]), close);
    assert_eq!(news, [(0, 0, 1, vec![0])]);
    assert_eq!(reader.error().await, 70);
}
