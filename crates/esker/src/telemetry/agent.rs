//! How the agent is, for alerts: what `/readyz` and `/status` say, as numbers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use esker_broker::metrics::MemoryLabels;
use esker_model::IncarnationId;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::run::State;

/// Label of a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DependencyLabels {
    dependency: &'static str,
}

/// Who the agent is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InfoLabels {
    node_name: String,
    node_id: i32,
    zone: String,
    roles: String,
    cluster_id: String,
}

/// Seconds of waits in the present incarnation, as they were last seen: another one counts anew.
#[derive(Default)]
struct Waited {
    incarnation: Option<IncarnationId>,
    seconds: BTreeMap<&'static str, f64>,
}

/// The gauges of the agent. They are brought up to date when somebody asks.
#[derive(Clone, Default)]
pub(crate) struct AgentMetrics {
    ready: Gauge,
    dependency_up: Family<DependencyLabels, Gauge>,
    connections_max: Gauge,
    live_agents: Gauge,
    memory_max: Family<MemoryLabels, Gauge>,
    memory_waits: Family<MemoryLabels, Counter<f64, AtomicU64>>,
    info: Family<InfoLabels, Gauge>,
    waited: Arc<Mutex<Waited>>,
}

impl AgentMetrics {
    /// Makes them visible under their public names.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "esker_ready",
            "1 if the agent is ready, as /readyz says",
            self.ready.clone(),
        );
        registry.register(
            "esker_dependency_up",
            "1 if the store answered lately; the bucket is up as long as it confirms the cluster epoch",
            self.dependency_up.clone(),
        );
        registry.register(
            "esker_connections_max",
            "Most connections of clients at a time",
            self.connections_max.clone(),
        );
        registry.register(
            "esker_live_agents",
            "Agents of the cluster that this one knows to live",
            self.live_agents.clone(),
        );
        registry.register(
            "esker_memory_max_bytes",
            "Bytes of each share of the memory budget",
            self.memory_max.clone(),
        );
        registry.register(
            "esker_memory_wait_seconds",
            "Seconds that requests waited for memory of a share that was used up, all together",
            self.memory_waits.clone(),
        );
        registry.register(
            "esker_agent_info",
            "Who the agent is, once it has registered",
            self.info.clone(),
        );
    }

    /// Looks.
    pub(crate) fn look(&self, state: &State) {
        self.ready.set(i64::from(state.readiness().is_ok()));
        let (metastore, bucket) = state.stores();
        for (dependency, health) in [("metastore", metastore), ("bucket", bucket)] {
            let up = health.is_some_and(|health| health.answers);
            let labels = DependencyLabels { dependency };
            self.dependency_up.get_or_create(&labels).set(i64::from(up));
        }
        let most = i64::try_from(state.limits().max()).unwrap_or(i64::MAX);
        self.connections_max.set(most);
        let Some(broker) = state.broker() else { return };
        let mut waited = self.waited.lock();
        let incarnation = broker.membership().incarnation();
        if waited.incarnation != Some(incarnation) {
            *waited = Waited {
                incarnation: Some(incarnation),
                seconds: BTreeMap::new(),
            };
        }
        for memory in broker.memory() {
            let labels = MemoryLabels { r#use: memory.r#use };
            let most = i64::try_from(memory.max).unwrap_or(i64::MAX);
            self.memory_max.get_or_create(&labels).set(most);
            let before = waited.seconds.entry(memory.r#use).or_default();
            let seconds = memory.waited.as_secs_f64().max(*before);
            self.memory_waits.get_or_create(&labels).inc_by(seconds - *before);
            *before = seconds;
        }
        drop(waited);
        let member = broker.membership();
        self.live_agents
            .set(i64::try_from(member.live().len()).unwrap_or(i64::MAX));
        self.info.clear();
        let labels = InfoLabels {
            node_name: state.node_name(),
            node_id: member.node_id().0,
            zone: state.settings().zone.clone().unwrap_or_default(),
            roles: state.settings().roles.join(","),
            cluster_id: member.cluster_id().to_string(),
        };
        self.info.get_or_create(&labels).set(1);
    }
}
