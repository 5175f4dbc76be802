//! How many groups and members there are, by kind and state, when somebody asks.
//!
//! What holds: one shard at a time is looked at, and none while its requests wait for more than that.

use std::collections::BTreeMap;

use super::Groups;
use super::shard::Slot;
use crate::metrics::{GroupLabels, ProtocolLabels};

/// What there may be; each is shown, also where there is none.
const KINDS: [(&str, [&str; 4]); 2] = [
    (
        "classic",
        ["Empty", "PreparingRebalance", "CompletingRebalance", "Stable"],
    ),
    ("consumer", ["Empty", "Assigning", "Reconciling", "Stable"]),
];

impl Groups {
    /// Counts the groups that this agent coordinates, and their members.
    pub(crate) fn count(&self) {
        let mut states: BTreeMap<(&'static str, String), i64> = BTreeMap::new();
        let mut members: BTreeMap<&'static str, i64> = BTreeMap::new();
        for slot in &self.slots {
            if let Slot::Held(shard) = &*slot.lock() {
                for (_, group) in shard.groups() {
                    let Some(protocol) = group.protocol() else {
                        continue;
                    };
                    *states.entry((protocol, group.state())).or_default() += 1;
                    *members.entry(protocol).or_default() += group.size() as i64;
                }
            }
        }
        for (protocol, of_protocol) in KINDS {
            for state in of_protocol {
                let count = states.get(&(protocol, state.to_owned()));
                let labels = GroupLabels { protocol, state };
                let gauge = self.metrics.groups.get_or_create(&labels);
                gauge.set(count.copied().unwrap_or_default());
            }
            let count = members.get(protocol).copied().unwrap_or_default();
            let labels = ProtocolLabels { protocol };
            self.metrics.members.get_or_create(&labels).set(count);
        }
    }
}
