//! Groups whose coordinator goes: the next one finds everything that anybody was told.

use std::collections::BTreeSet;
use std::time::Duration;

use esker_protocol::messages::{DescribeClusterRequest, ListGroupsRequest};

use crate::calls::{assigned, at_once, is_there, joins};
use crate::support::{Agent, Client, World};

/// Agents by their names, with a connection to each.
struct Agents(Vec<(String, Agent, Client)>);

impl Agents {
    async fn start(world: &World, names: &[&str]) -> Self {
        let mut agents = Vec::new();
        for name in names {
            let agent = world.agent_with(name, at_once).await;
            let client = agent.connect();
            agents.push(((*name).to_owned(), agent, client));
        }
        // Shards come to rest.
        tokio::time::sleep(Duration::from_secs(15)).await;
        Self(agents)
    }

    /// The connection to who coordinates a group.
    async fn of(&mut self, group: &str) -> (String, Client) {
        let host = self.0[0].2.until_coordinated(group).await;
        let (_, agent, _) = self.0.iter().find(|(name, _, _)| *name == host).unwrap();
        (host, agent.connect())
    }

    /// Ends an agent without a word.
    fn kill(&mut self, name: &str) {
        let at = self.0.iter().position(|(known, _, _)| known == name).unwrap();
        let (_, agent, _) = self.0.remove(at);
        agent.faults.cut_off();
    }
}

#[tokio::test(start_paused = true)]
async fn groups_are_spread_and_only_their_coordinator_answers() {
    let world = World::new();
    let mut agents = Agents::start(&world, &["a", "b", "c"]).await;
    let mut hosts = std::collections::BTreeSet::new();
    for group in 0..30 {
        let group = format!("g{group}");
        let (host, mut client) = agents.of(&group).await;
        assert_eq!(client.heartbeat(&group, 1, "m").await, 25);
        for (name, _, other) in &mut agents.0 {
            let expected = if *name == host { 25 } else { 16 };
            assert_eq!(other.heartbeat(&group, 1, "m").await, expected);
        }
        hosts.insert(host);
    }
    assert_eq!(hosts.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_classic_group_goes_on_with_another_coordinator() {
    let world = World::new();
    let mut agents = Agents::start(&world, &["a", "b", "c"]).await;
    agents.0[0].2.create_topic("t", 1).await;
    let (host, mut client) = agents.of("g").await;
    let joined = client.join("g").await;
    let member = joined.member_id.to_string();
    client.sync("g", 1, &member, &[(&member, "mine")]).await;
    assert_eq!(client.commit("g", (1, &member), 0, 42).await, 0);
    agents.kill(&host);
    let died = tokio::time::Instant::now();
    while agents.0[0].2.until_coordinated("g").await == host {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (next, mut client) = agents.of("g").await;
    assert_ne!(next, host);
    assert!(died.elapsed() < Duration::from_secs(10), "{:?}", died.elapsed());
    let mut heard = client.heartbeat("g", 1, &member).await;
    while heard == 14 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        heard = client.heartbeat("g", 1, &member).await;
    }
    assert_eq!(heard, 0);
    assert_eq!(client.sync("g", 1, &member, &[]).await.assignment, "mine");
    assert_eq!(client.committed("g", &[0]).await, Ok(vec![42]));
    assert_eq!(client.commit("g", (1, &member), 0, 43).await, 0);
    // Nobody else's generation is this one's.
    let again = client
        .call(9, &crate::calls::join_request("g", &member, 10_000))
        .await;
    assert!(again.generation_id > 1, "{}", again.generation_id);
}

/// The groups that an agent lists, or its error code.
async fn listed(client: &mut Client) -> Result<Vec<String>, i16> {
    let answer = client.call(5, &ListGroupsRequest::default()).await;
    let groups = answer.groups.iter().map(|group| group.group_id.0.to_string());
    match answer.error_code {
        0 => Ok(groups.collect()),
        code => Err(code),
    }
}

#[tokio::test(start_paused = true)]
async fn no_group_is_missing_from_the_lists_while_its_coordinator_is_replaced() {
    let world = World::new();
    let mut agents = Agents::start(&world, &["a", "b", "c"]).await;
    agents.0[0].2.create_topic("t", 1).await;
    let mut all = BTreeSet::new();
    for group in 0..20 {
        let group = format!("g{group}");
        let (_, mut client) = agents.of(&group).await;
        assert_eq!(client.commit(&group, (-1, ""), 0, 1).await, 0);
        all.insert(group);
    }
    agents.kill("b");
    let mut refusals = BTreeSet::new();
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let request = DescribeClusterRequest::default();
        let brokers = agents.0[0].2.call(1, &request).await.brokers.len();
        let mut found = BTreeSet::new();
        let mut is_whole = true;
        for (_, _, client) in &mut agents.0 {
            match listed(client).await {
                Ok(groups) => found.extend(groups),
                Err(code) => {
                    refusals.insert(code);
                    is_whole = false;
                }
            }
        }
        // Before, whoever asks all agents finds that one does not answer.
        if brokers == 2 && is_whole {
            assert_eq!(found, all);
        }
    }
    assert!(refusals.contains(&15), "{refusals:?}");
    for (name, _, client) in &mut agents.0 {
        assert!(listed(client).await.is_ok(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_group_goes_on_with_another_coordinator() {
    let world = World::new();
    let mut agents = Agents::start(&world, &["a", "b"]).await;
    agents.0[0].2.create_topic("t", 2).await;
    let (host, mut client) = agents.of("g").await;
    let joined = client.beat(&joins("g", "m")).await;
    let owned = assigned(&joined).unwrap();
    agents.kill(&host);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (next, mut client) = agents.of("g").await;
    assert_ne!(next, host);
    let heard = client
        .beat(&is_there("g", "m", joined.member_epoch, Some(&owned)))
        .await;
    assert_eq!((heard.error_code, heard.member_epoch), (0, joined.member_epoch));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_leaves_hands_its_groups_over() {
    let world = World::new();
    let mut agents = Agents::start(&world, &["a", "b"]).await;
    let (host, mut client) = agents.of("g").await;
    let joined = client.join("g").await;
    client
        .sync("g", 1, &joined.member_id, &[(&joined.member_id, "mine")])
        .await;
    let at = agents.0.iter().position(|(name, _, _)| *name == host).unwrap();
    let (_, agent, _) = agents.0.remove(at);
    agent.broker.drain().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (next, mut client) = agents.of("g").await;
    assert_ne!(next, host);
    assert_eq!(client.heartbeat("g", 1, &joined.member_id).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_was_cut_off_answers_nothing() {
    let world = World::new();
    let mut agents = Agents::start(&world, &["a"]).await;
    agents.0[0].2.create_topic("t", 1).await;
    let (_, mut client) = agents.of("g").await;
    let joined = client.join_for("g", 30_000).await;
    let member = joined.member_id.to_string();
    client.sync("g", 1, &member, &[]).await;
    agents.0[0].1.faults.cut_off();
    // For a moment it may, but nothing can be written.
    assert_eq!(client.heartbeat("g", 1, &member).await, 0);
    assert_ne!(client.commit("g", (1, &member), 0, 7).await, 0);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(client.heartbeat("g", 1, &member).await, 16);
    assert_eq!(client.committed("g", &[0]).await, Err(16));
    // When the metastore is there again before anybody took its place, the group goes on.
    agents.0[0].1.faults.heal();
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(client.heartbeat("g", 1, &member).await, 0);
}
