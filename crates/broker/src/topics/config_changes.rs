//! Changing configs: what both calls share.
//!
//! Resources are judged one by one; the changes of all that are right are made in one call. Topics and groups have configs
//! that can be changed ([`super::config_subject`]), nothing else has ([`super::fixed_configs`]).

use std::collections::BTreeSet;

use esker_metastore::{AlterRefusal, ConfigChange};
use esker_model::limits::GROUP_CONFIGS_MAX;
use esker_protocol::{ErrorCode, StrBytes};
use tracing::warn;

use super::config_subject::Kept;
use super::resources::{self, Target};
use super::{names, repeat};
use crate::Broker;
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::errors::Failure;

/// A resource by type and name.
pub(super) type ResourceId = (i8, StrBytes);

/// What shall be changed: the changes to the metastore's row; `None`: it is as wanted already.
pub(super) type Change = Result<Option<ConfigChange>, Failure>;

/// What a request wants to change.
pub(super) enum Subject {
    Kept(Kept),
    /// Something that has no configs but its defaults.
    Fixed(Target),
}

/// Resources that a request names more than once.
pub(super) fn repeated<'a>(resources: impl Iterator<Item = (i8, &'a StrBytes)>) -> BTreeSet<ResourceId> {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for (resource_type, name) in resources {
        if !seen.insert((resource_type, name.as_str())) {
            twice.insert((resource_type, name.clone()));
        }
    }
    twice
}

/// What a resource names, if its configs may be changed. `keys` are the configs to change.
pub(super) fn subject(
    broker: &Broker,
    context: &RequestContext,
    (resource_type, name): &ResourceId,
    repeated: &BTreeSet<ResourceId>,
    keys: &[&str],
) -> Result<Subject, Failure> {
    if repeated.contains(&(*resource_type, name.clone())) {
        return invalid("the request names this resource twice");
    }
    let target = resources::target(broker, *resource_type, name)?;
    resources::allow(broker, context, Operation::AlterConfigs, target, name)?;
    let mut seen = BTreeSet::new();
    if let Some(key) = keys.iter().find(|key| !seen.insert(**key)) {
        return invalid(format!("the request changes {key} twice"));
    }
    match target {
        Target::Topic if name.is_empty() => invalid("a topic's configs need its name"),
        Target::Topic => {
            names::check(name).map_err(|message| Failure::new(ErrorCode::InvalidTopicException, message))?;
            let state = broker.catalog.by_name(name);
            let state = state.ok_or_else(resources::unknown_topic)?;
            Ok(Subject::Kept(Kept::Topic(state)))
        }
        Target::Group => Ok(Subject::Kept(Kept::Group {
            id: name.as_str().into(),
            state: broker.catalog.group(name),
            of_agent: broker.config.groups.clone(),
        })),
        fixed => Ok(Subject::Fixed(fixed)),
    }
}

/// A change whose names and values are right. `fresh`: what this agent knows was asked for just now.
pub(super) fn judged(kept: &Kept, change: ConfigChange, fresh: bool) -> Change {
    kept.check_result(&change)?;
    Ok((!fresh || !kept.is_done(&change)).then_some(change))
}

/// Makes the changes that were found right, and puts failures in their place. On return this agent knows
/// the new configs.
pub(super) async fn apply(broker: &Broker, changes: &mut [(ResourceId, Change)]) {
    let wanted: Vec<ConfigChange> = changes
        .iter()
        .filter_map(|(_, change)| to_make(change))
        .cloned()
        .collect();
    if wanted.is_empty() {
        return;
    }
    let slots = changes.iter_mut().map(|(_, change)| change);
    let slots = slots.filter(|change| to_make(change).is_some());
    match repeat::until_known(|| broker.metastore.alter_configs(&wanted)).await {
        Ok(outcomes) => {
            for (slot, outcome) in slots.zip(outcomes.answer) {
                if let Err(refusal) = outcome {
                    *slot = Err(refused(refusal));
                }
            }
            // The change is made; the next heartbeat brings it if this fails.
            let _ = broker.catalog.refresh().await;
        }
        Err(err) => {
            warn!(%err, "could not change configs");
            for slot in slots {
                *slot = Err(Failure::from(&err));
            }
        }
    }
}

fn refused(refusal: AlterRefusal) -> Failure {
    match refusal {
        AlterRefusal::UnknownTopic => resources::unknown_topic(),
        AlterRefusal::TooManyGroups => Failure::new(
            ErrorCode::InvalidRequest,
            format!(
                "{GROUP_CONFIGS_MAX} groups have configs of their own, which is the most: delete some first"
            ),
        ),
    }
}

/// The change, if there is something to do.
fn to_make(change: &Change) -> Option<&ConfigChange> {
    let change = change.as_ref().ok()?.as_ref()?;
    (change.replace_all || !change.changes.is_empty()).then_some(change)
}

pub(super) fn invalid<T>(message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::new(ErrorCode::InvalidRequest, message))
}
