//! Configs that are set and removed: those of topics stand with them, those of groups by themselves.
//!
//! A group's configs are there whether the group is or not. Names and values are validated by the broker.

use std::collections::BTreeMap;
use std::sync::Arc;

use esker_model::TopicUuid;

use super::Topic;

/// Whose configs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigSubject {
    /// Those of a topic.
    Topic(TopicUuid),
    /// Those of a group.
    Group(Arc<str>),
}

/// Configs to set and remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    /// Whose.
    pub subject: ConfigSubject,
    /// Remove all configs that are not set here (the old AlterConfigs call).
    pub replace_all: bool,
    /// `Some`: set; `None`: remove.
    pub changes: BTreeMap<String, Option<String>>,
}

impl ConfigChange {
    /// What is set after it, if `configs` were before.
    pub fn applied_to(&self, mut configs: BTreeMap<String, String>) -> BTreeMap<String, String> {
        if self.replace_all {
            configs.clear();
        }
        for (name, value) in &self.changes {
            match value {
                Some(value) => configs.insert(name.clone(), value.clone()),
                None => configs.remove(name),
            };
        }
        configs
    }
}

/// The configs of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfigs {
    /// Its id.
    pub group: Arc<str>,
    /// Configs that were set, by Kafka's names.
    pub configs: BTreeMap<String, String>,
}

/// What a change led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Altered {
    /// The topic as it is now.
    Topic(Topic),
    /// All that is set for the group now.
    Group(GroupConfigs),
}

/// Why configs were not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlterRefusal {
    /// The topic does not exist.
    UnknownTopic,
    /// [`esker_model::limits::GROUP_CONFIGS_MAX`] other groups have configs.
    TooManyGroups,
}
