//! What a coordinator of groups counts. Nothing is counted by group: their ids are the clients' choice, and many.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Label of what there is of each kind of group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ProtocolLabels {
    /// What the members speak: `classic` or `consumer`.
    pub protocol: &'static str,
}

/// Labels of groups.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct GroupLabels {
    /// What the members speak: `classic` or `consumer`.
    pub protocol: &'static str,
    /// Kafka's name of the state.
    pub state: &'static str,
}

/// The counters of a coordinator. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct GroupMetrics {
    /// Groups that this agent coordinates; as of the last time that they were counted.
    pub groups: Family<GroupLabels, Gauge>,
    /// Their members.
    pub members: Family<ProtocolLabels, Gauge>,
    /// Times that a group with members gave out its partitions anew.
    pub rebalances: Family<ProtocolLabels, Counter>,
    /// Offsets that were committed, each partition by itself.
    pub offset_commits: Counter,
    /// Time of writes of what groups keep, repetitions included.
    pub write_seconds: Histogram,
}

impl Default for GroupMetrics {
    fn default() -> Self {
        Self {
            groups: Family::default(),
            members: Family::default(),
            rebalances: Family::default(),
            offset_commits: Counter::default(),
            write_seconds: super::seconds(),
        }
    }
}

impl GroupMetrics {
    /// Makes the counters visible under their public names.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "esker_groups",
            "Groups that this agent coordinates, by protocol and state",
            self.groups.clone(),
        );
        registry.register(
            "esker_group_members",
            "Members of the groups that this agent coordinates",
            self.members.clone(),
        );
        registry.register(
            "esker_group_rebalances",
            "Times that a group gave out its partitions anew",
            self.rebalances.clone(),
        );
        registry.register(
            "esker_offset_commits",
            "Offsets committed, each partition by itself",
            self.offset_commits.clone(),
        );
        registry.register(
            "esker_group_write_seconds",
            "Time of writes of what groups keep",
            self.write_seconds.clone(),
        );
    }
}
