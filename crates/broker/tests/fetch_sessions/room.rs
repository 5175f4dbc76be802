//! Sessions where there is little room: a client goes on without one, and large ones share memory.

use super::*;

#[tokio::test(start_paused = true)]
async fn where_there_is_no_room_a_client_goes_on_without() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let mut client = agent.client();
    let new = Fetch {
        session: (0, 0),
        ..Fetch::of(&topic, 0, 0)
    };
    let mut ids = std::collections::BTreeSet::new();
    let mut first = 0;
    for _ in 0..1000 {
        let id = client.fetch(&new).await.session_id;
        assert!(id > 0 && ids.insert(id));
        first = if first == 0 { id } else { first };
    }
    let full = client.fetch(&new).await;
    assert_eq!((full.session_id, told(&full)), (0, vec![(0, 0, 0, vec![])]));
    assert_eq!(
        (agent.metrics.fetch_sessions.get(), fetches(&agent, "no_room")),
        (1000, 1)
    );
    // Nobody uses the first one for two minutes.
    sleep(Duration::from_secs(121)).await;
    let newer = client.fetch(&new).await.session_id;
    assert!(newer > 0);
    let go_on = |session| Fetch {
        session,
        ..new.clone()
    };
    let gone = ids.iter().filter(|id| **id == first).count();
    assert_eq!(gone, 1);
    let mut errors = Vec::new();
    for id in [first, newer] {
        errors.push(client.fetch(&go_on((id, 1))).await.error_code);
    }
    assert_eq!(errors[1], 0);
    let lost = ids.len() as i64 + 1 - agent.metrics.fetch_sessions.get();
    assert_eq!((lost, agent.metrics.fetch_sessions_evicted.get()), (1, 1));
}

/// A large session of which nothing changes: no question for itself, and an answer of a few bytes.
#[tokio::test(start_paused = true)]
async fn a_large_session_without_news_costs_no_question() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 5000).await;
    let fetch = Fetch {
        version: 13,
        partitions: (0..5000).map(|partition| (partition, 0)).collect(),
        ..Fetch::of(&topic, 0, 0)
    };
    let (mut reader, first) = Reader::begin(&agent, fetch).await;
    assert_eq!(first.len(), 5000);
    reader.fetch.max_wait_ms = 500;
    reader.go_on(&[], &[]).await;
    let plans = cluster.metastore.calls("plan") + cluster.metastore.calls("catalog");
    let heads = cluster.metastore.calls("heads");
    let began = std::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(reader.go_on(&[], &[]).await, []);
    }
    println!(
        "a fetch of 5000 partitions without news took {:?}",
        began.elapsed() / 10
    );
    let asked = cluster.metastore.calls("plan") + cluster.metastore.calls("catalog");
    assert_eq!(asked, plans);
    // What all who wait share: one statement per interval.
    assert!(cluster.metastore.calls("heads") - heads <= 55);
    let mut producer = agent.client();
    producer.produce(&topic, 4321, batch(&[1], 10)).await;
    assert_eq!(reader.go_on(&[], &[]).await, [(4321, 0, 1, vec![0])]);
}

/// Whoever needs memory for a large session waits for it; who holds some already is told that there is no news.
#[tokio::test(start_paused = true)]
async fn large_sessions_share_memory() {
    let cluster = Cluster::new();
    let agent = cluster.agent_with("a", MEMORY_BYTES_MIN).await;
    let topic = cluster.topic("t", 4000).await;
    let fetch = Fetch {
        version: 13,
        partitions: (0..4000).map(|partition| (partition, 0)).collect(),
        ..Fetch::of(&topic, 0, 0)
    };
    let (mut a, _) = Reader::begin(&agent, fetch.clone()).await;
    let (mut b, _) = Reader::begin(&agent, fetch).await;
    for reader in [&mut a, &mut b] {
        reader.fetch.max_wait_ms = 5_000;
    }
    let began = Instant::now();
    let intrude = async {
        sleep(Duration::from_millis(500)).await;
        let named: Vec<_> = (0..60).map(|partition| (partition, 0)).collect();
        assert_eq!(b.go_on(&named, &[]).await, []);
        let answered = began.elapsed();
        assert!(answered < Duration::from_secs(1), "{answered:?}");
        b.go_on(&[], &[]).await
    };
    let (news, also) = tokio::join!(
        async {
            let news = a.go_on(&[], &[]).await;
            // The other one wanted its memory.
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
            news
        },
        intrude
    );
    assert_eq!((news, also), (vec![], vec![]));
}
