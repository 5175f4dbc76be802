//! The agents as one client is told of them: those with an address on the client's listener.
//!
//! A partition's leader is a routing hint: rendezvous hashing over the serving agents of the client's zone,
//! over all serving agents if there is none in that zone or the client has none. Replicas are padded with
//! other agents up to the factor that was asked for, and are always in sync: any agent serves any partition.

use esker_metastore::Agent;
use esker_model::{NodeId, TopicUuid, routing};
use esker_protocol::StrBytes;
use esker_protocol::messages::BrokerId;

use crate::config::{ListenerConfig, serves};
use crate::context::RequestContext;

/// One agent, by the address of the client's listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownBroker {
    pub(crate) id: NodeId,
    pub(crate) host: StrBytes,
    pub(crate) port: i32,
    /// Its zone.
    pub(crate) rack: Option<StrBytes>,
}

/// All agents that this client can reach.
pub(crate) struct Brokers {
    /// Ascending by id, never empty.
    pub(crate) all: Vec<KnownBroker>,
    pub(crate) controller: NodeId,
    /// Agents that serve, ascending by id, never empty.
    serving: Vec<NodeId>,
    /// Those of them that are named as leaders to this client, never empty.
    near: Vec<NodeId>,
}

/// Where a partition is, as a client is told.
pub(crate) struct Placement {
    pub(crate) leader: BrokerId,
    /// The leader first.
    pub(crate) replicas: Vec<BrokerId>,
}

impl Brokers {
    /// What this agent knows now, for the client of `context`.
    pub(crate) fn known_to(broker: &crate::Broker, context: &RequestContext) -> Self {
        Self::new(
            &broker.member.live(),
            broker.member.node_id(),
            broker.config.zone.as_deref(),
            &context.connection.listener,
            context.zone.as_deref(),
        )
    }

    fn new(
        live: &[Agent],
        me: NodeId,
        my_zone: Option<&str>,
        listener: &ListenerConfig,
        client_zone: Option<&str>,
    ) -> Self {
        let mut all = Vec::with_capacity(live.len() + 1);
        let mut serving = Vec::with_capacity(live.len());
        let mut near = Vec::new();
        for agent in live {
            let Some(known) = reachable(agent, me, listener) else {
                continue;
            };
            all.push(known);
            if serves(&agent.profile.roles) {
                serving.push(agent.node_id);
                if client_zone.is_some() && agent.profile.zone.as_deref() == client_zone {
                    near.push(agent.node_id);
                }
            }
        }
        if !all.iter().any(|known| known.id == me) {
            all.push(myself(me, my_zone, listener));
        }
        all.sort_unstable_by_key(|known| known.id);
        if serving.is_empty() {
            serving.push(me);
        }
        if near.is_empty() {
            near.clone_from(&serving);
        }
        let controller = serving.iter().copied().min().unwrap_or(me);
        Self {
            all,
            controller,
            serving,
            near,
        }
    }

    /// The agent of an id, if it can be reached.
    pub(crate) fn find(&self, id: NodeId) -> Option<&KnownBroker> {
        self.all.iter().find(|known| known.id == id)
    }

    /// Whether an agent of this id can be reached.
    pub(crate) fn has(&self, id: BrokerId) -> bool {
        self.all.iter().any(|known| known.id.0 == id.0)
    }

    /// Where a partition is. `factor` is what was asked for; there may be fewer agents.
    pub(crate) fn place(&self, topic: TopicUuid, partition: i32, factor: i16) -> Placement {
        let leader = routing::leader(topic, partition, &self.near).unwrap_or(self.controller);
        let factor = usize::try_from(factor).unwrap_or(1).max(1);
        let mut replicas = Vec::with_capacity(factor.min(self.serving.len()));
        replicas.push(BrokerId(leader.0));
        if factor > 1 {
            let others = routing::preference(topic, partition, &self.serving, factor);
            let others = others.into_iter().filter(|node| *node != leader);
            replicas.extend(others.take(factor - 1).map(|node| BrokerId(node.0)));
        }
        Placement {
            leader: BrokerId(leader.0),
            replicas,
        }
    }
}

/// The agent by its address on this listener; its own clients' address if it is us. `None` if it has none.
fn reachable(agent: &Agent, me: NodeId, listener: &ListenerConfig) -> Option<KnownBroker> {
    let zone = agent.profile.zone.as_deref();
    if agent.node_id == me {
        return Some(myself(me, zone, listener));
    }
    let address = agent
        .profile
        .addresses
        .iter()
        .find(|address| address.listener == listener.name)?;
    Some(KnownBroker {
        id: agent.node_id,
        host: StrBytes::from_string(address.host.clone()),
        port: i32::from(address.port),
        rack: zone.map(|zone| StrBytes::from_string(zone.to_owned())),
    })
}

fn myself(me: NodeId, zone: Option<&str>, listener: &ListenerConfig) -> KnownBroker {
    KnownBroker {
        id: me,
        host: StrBytes::from_string(listener.advertised_host.clone()),
        port: i32::from(listener.advertised_port),
        rack: zone.map(|zone| StrBytes::from_string(zone.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use esker_metastore::{AdvertisedAddress, AgentProfile};
    use esker_model::IncarnationId;
    use uuid::Uuid;

    fn agent(id: i32, zone: Option<&str>, listeners: &[&str], roles: &[&str]) -> Agent {
        let address = |name: &&str| AdvertisedAddress {
            listener: (*name).to_owned(),
            host: format!("{name}-{id}"),
            port: 9000 + id as u16,
        };
        Agent {
            node_id: NodeId(id),
            node_name: format!("n{id}"),
            incarnation: IncarnationId(Uuid::from_u128(id as u128)),
            profile: AgentProfile {
                addresses: listeners.iter().map(address).collect(),
                zone: zone.map(str::to_owned),
                roles: roles.iter().map(|role| (*role).to_owned()).collect(),
                version: String::new(),
                ..AgentProfile::default()
            },
        }
    }

    fn listener(name: &str) -> ListenerConfig {
        ListenerConfig {
            name: name.into(),
            security_protocol: "PLAINTEXT".into(),
            bound: "0.0.0.0:9092".into(),
            advertised_host: "me".into(),
            advertised_port: 1,
            zone: None,
        }
    }

    fn leaders(brokers: &Brokers) -> Vec<i32> {
        let mut leaders: Vec<i32> = (0..200)
            .map(|partition| {
                brokers
                    .place(TopicUuid(Uuid::from_u128(5)), partition, 1)
                    .leader
                    .0
            })
            .collect();
        leaders.sort_unstable();
        leaders.dedup();
        leaders
    }

    fn ids(brokers: &Brokers) -> Vec<i32> {
        brokers.all.iter().map(|known| known.id.0).collect()
    }

    #[test]
    fn names_the_addresses_of_the_listener_the_client_came_through() {
        let live = [
            agent(1, None, &["IN"], &["serve"]),
            agent(2, None, &["IN", "OUT"], &["serve"]),
            agent(3, None, &["OUT"], &["serve"]),
        ];
        let brokers = Brokers::new(&live, NodeId(3), None, &listener("OUT"), None);
        assert_eq!(ids(&brokers), [2, 3]);
        assert_eq!(
            (brokers.all[0].host.as_str(), brokers.all[0].port),
            ("OUT-2", 9002)
        );
        assert_eq!((brokers.all[1].host.as_str(), brokers.all[1].port), ("me", 1));
        assert_eq!(leaders(&brokers), [2, 3]);
        assert_eq!(brokers.controller, NodeId(2));
        assert!(brokers.has(BrokerId(2)) && !brokers.has(BrokerId(1)));
    }

    #[test]
    fn leaders_are_in_the_clients_zone_if_one_serves_there() {
        let live = [
            agent(1, Some("a"), &["L"], &["serve"]),
            agent(2, Some("b"), &["L"], &["serve"]),
            agent(3, Some("b"), &["L"], &["serve"]),
            agent(4, Some("c"), &["L"], &["upkeep"]),
        ];
        let seen = |zone| Brokers::new(&live, NodeId(1), Some("a"), &listener("L"), zone);
        assert_eq!(leaders(&seen(Some("b"))), [2, 3]);
        assert_eq!(leaders(&seen(Some("c"))), [1, 2, 3]);
        assert_eq!(leaders(&seen(Some("elsewhere"))), [1, 2, 3]);
        assert_eq!(leaders(&seen(None)), [1, 2, 3]);
        assert_eq!(ids(&seen(Some("b"))), [1, 2, 3, 4]);
        assert_eq!(seen(None).all[1].rack.as_deref(), Some("b"));
    }

    #[test]
    fn the_answering_agent_is_always_there() {
        let alone = Brokers::new(&[], NodeId(7), Some("z"), &listener("L"), None);
        assert_eq!(ids(&alone), [7]);
        assert_eq!(alone.all[0].rack.as_deref(), Some("z"));
        assert_eq!((leaders(&alone), alone.controller), (vec![7], NodeId(7)));

        let upkeep = [agent(7, None, &["L"], &["upkeep"])];
        let idle = Brokers::new(&upkeep, NodeId(7), None, &listener("L"), None);
        assert_eq!((ids(&idle), leaders(&idle)), (vec![7], vec![7]));
    }

    #[test]
    fn replicas_are_padded_as_far_as_agents_go() {
        let live: Vec<Agent> = (1..=4)
            .map(|id| agent(id, Some(if id == 1 { "a" } else { "b" }), &["L"], &["serve"]))
            .collect();
        let brokers = Brokers::new(&live, NodeId(1), None, &listener("L"), Some("a"));
        for partition in 0..50 {
            for factor in 1..=6 {
                let place = brokers.place(TopicUuid(Uuid::from_u128(5)), partition, factor);
                assert_eq!(place.leader.0, 1);
                assert_eq!(place.replicas[0], place.leader);
                let mut distinct = place.replicas.clone();
                distinct.sort_unstable_by_key(|id| id.0);
                distinct.dedup();
                assert_eq!(distinct.len(), usize::try_from(factor).unwrap().min(4));
                assert_eq!(distinct.len(), place.replicas.len());
            }
        }
    }
}
