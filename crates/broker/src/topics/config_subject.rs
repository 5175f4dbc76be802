//! What has configs that are kept: topics, and groups. Both are changed alike; which configs there are is
//! [`super::config_table`]'s and [`super::group_configs`]'s business.

use std::collections::BTreeMap;
use std::sync::Arc;

use esker_metastore::{ConfigChange, ConfigSubject};
use esker_model::groups::GroupLimits;
use esker_protocol::ErrorCode;

use super::config_values::Kind;
use super::group_configs::{self, GroupState};
use super::{TopicState, config_table};
use crate::errors::Failure;

/// A topic or a group.
pub(super) enum Kept {
    Topic(Arc<TopicState>),
    Group {
        id: Arc<str>,
        /// `None`: it has no configs.
        state: Option<Arc<GroupState>>,
        /// What holds where nothing is set.
        of_agent: GroupLimits,
    },
}

impl Kept {
    /// What the metastore knows it by.
    pub(super) fn subject(&self) -> ConfigSubject {
        match self {
            Self::Topic(state) => ConfigSubject::Topic(state.topic.uuid),
            Self::Group { id, .. } => ConfigSubject::Group(Arc::clone(id)),
        }
    }

    /// Configs that are set, as this agent knows it.
    pub(super) fn set(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Topic(state) => &state.topic.configs,
            Self::Group { state, .. } => group_configs::set(state.as_ref()),
        }
    }

    /// Whether there is a config of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Topic(_) => config_table::find(name).is_some(),
            Self::Group { .. } => group_configs::exists(name),
        }
    }

    /// The default of a config that is a list; of groups none is.
    pub(super) fn default_of_list(&self, name: &str) -> Option<Vec<&'static str>> {
        match self {
            Self::Topic(_) => config_table::find(name)
                .filter(|config| config.kind() == Kind::List)
                .map(config_table::default_parts),
            Self::Group { .. } => None,
        }
    }

    /// 40 for a name that there is not, or a value that it cannot have.
    pub(super) fn check(&self, name: &str, value: &str) -> Result<(), Failure> {
        match self {
            Self::Topic(_) => config_table::check(name, value),
            Self::Group { .. } => group_configs::check(name, value),
        }
        .map_err(wrong)
    }

    /// 40 if what a change leads to cannot stand together.
    pub(super) fn check_result(&self, change: &ConfigChange) -> Result<(), Failure> {
        let set = change.applied_to(self.set().clone());
        match self {
            Self::Topic(_) => config_table::check_together(&set),
            Self::Group { of_agent, .. } => group_configs::check_together(of_agent, &set),
        }
        .map_err(wrong)
    }

    /// Whether a change takes away from a group that has nothing: tools tidy up like that, and nobody need be asked.
    pub(super) fn is_done(&self, change: &ConfigChange) -> bool {
        matches!(self, Self::Group { state: None, .. }) && change.changes.values().all(Option::is_none)
    }
}

fn wrong(message: String) -> Failure {
    Failure::new(ErrorCode::InvalidConfig, message)
}
