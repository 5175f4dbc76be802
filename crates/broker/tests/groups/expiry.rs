//! Offsets that go by themselves.

use std::time::Duration;

use esker_metastore::OffsetsRequest;

use crate::calls::{at_once, commit_request};
use crate::support::{Client, World};

/// In which all shards are looked at once.
const ONE_LOOK: Duration = Duration::from_secs(11 * 60);

/// Commits an offset of the first partition of each topic.
async fn commit(client: &mut Client, group: &str, member: (i32, &str), topics: &[&str]) {
    for topic in topics {
        let request = commit_request(group, member.0, member.1, topic, &[(0, 1, "")]);
        let answer = client.call(9, &request).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    }
}

/// How many offsets the metastore has of a group.
async fn kept(world: &World, group: &str) -> usize {
    let request = OffsetsRequest {
        group: group.into(),
        partitions: None,
    };
    let found = world.metastore.committed_offsets(&[request]).await.unwrap();
    found[0].len()
}

#[tokio::test(start_paused = true)]
async fn one_look_forgets_more_than_one_statement_takes() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.create_topic("t", 3_500).await;
    client.create_topic("other", 1).await;
    for group in ["g", "h"] {
        client.until_coordinated(group).await;
        let all: Vec<_> = (0..3_500).map(|partition| (partition, 1, "")).collect();
        let request = commit_request(group, -1, "", "t", &all);
        assert_eq!(
            client.call(9, &request).await.topics[0].partitions[0].error_code,
            0
        );
        commit(&mut client, group, (-1, ""), &["other"]).await;
    }
    client.delete_topic("t").await;
    assert_eq!(kept(&world, "g").await, 3_501);
    tokio::time::sleep(ONE_LOOK).await;
    assert_eq!((kept(&world, "g").await, kept(&world, "h").await), (1, 1));
}
