//! `esker group delete`, `delete-offsets` and `remove-member`.

use esker_model::seams::Seams;
use serde_json::json;

use super::written::Asked;
use super::{Who, existing};
use crate::cli::failures::Failures;
use crate::cli::output;
use crate::cli::target::Target;
use crate::client::group::offsets::Offsets;
use crate::client::group::remove::{self, Leaving};
use crate::client::group::{Coordinator, offsets, progress};
use crate::client::{Cluster, TopicPartition};
use crate::failure::{Failure, Outcome};

/// What brokers show as the reason why members left.
const REASON: &str = "removed by an administrator";

/// Deletes groups; the others are still deleted if one cannot be.
pub(super) async fn groups(groups: &[String], target: &Target) -> Outcome {
    let mut cluster = target.cluster()?;
    let seams = Seams::real();
    let (mut deleted, mut failures) = (Vec::new(), Failures::default());
    for group in groups {
        let mut coordinator = Coordinator::new(group, seams.clone());
        if let Err(error) = remove::delete(&mut cluster, &mut coordinator).await {
            failures.add(error);
            continue;
        }
        deleted.push(json!({ "group": group, "deleted": true }));
        if !target.json {
            output::line(&format!("deleted group {group}"))?;
        }
    }
    if target.json {
        output::json(&deleted)?;
    }
    failures.outcome()
}

/// Forgets committed offsets.
pub(super) async fn offsets(group: &str, asked: &[Asked], target: &Target) -> Outcome {
    let mut cluster = target.cluster()?;
    let mut coordinator = Coordinator::new(group, Seams::real());
    let committed = offsets::committed(&mut cluster, &mut coordinator, None, false).await?;
    let partitions = chosen(&mut cluster, asked, &committed).await?;
    let results = offsets::delete(&mut cluster, &mut coordinator, &partitions).await?;
    let (mut deleted, mut failures) = (Vec::new(), Failures::default());
    for (of, result) in results {
        match result {
            Ok(()) => deleted.push(of),
            // One refusal is enough: the others are the same.
            Err(error) if failures.is_empty() => failures.add(error),
            Err(_) => {}
        }
    }
    if target.json {
        let list: Vec<_> = deleted
            .iter()
            .map(|(topic, partition)| json!({ "topic": topic, "partition": partition, "deleted": true }))
            .collect();
        output::json(&list)?;
    } else if !deleted.is_empty() {
        let count = output::counted(deleted.len() as u64, "partition");
        output::line(&format!("deleted the offsets of {count} in group {group}"))?;
    }
    failures.outcome()
}

/// The partitions that are meant: those named, else those that the topic has or the group committed.
async fn chosen(cluster: &mut Cluster, asked: &[Asked], committed: &Offsets) -> Outcome<Vec<TopicPartition>> {
    let mut chosen = Vec::new();
    for asked in asked {
        if !asked.partitions.is_empty() {
            chosen.extend(asked.partitions.iter().map(|index| (asked.topic.clone(), *index)));
            continue;
        }
        let ends = progress::ends(cluster, std::slice::from_ref(&asked.topic)).await?;
        let of_topic = committed.keys().filter(|(topic, _)| *topic == asked.topic);
        let before = chosen.len();
        chosen.extend(ends.into_keys().chain(of_topic.cloned()));
        if chosen.len() == before {
            return Err(Failure::Failed(format!(
                "there is no topic {}, and the group committed nothing of it",
                asked.topic
            )));
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen)
}

/// Removes members.
pub(super) async fn members(group: &str, who: &Who, target: &Target) -> Outcome {
    let mut cluster = target.cluster()?;
    let (mut coordinator, described) = existing(&mut cluster, group, &Seams::real()).await?;
    let leaving: Vec<_> = match who.all {
        true => described
            .members
            .iter()
            .map(|member| match &member.instance_id {
                Some(instance_id) => Leaving::Instance(instance_id.clone()),
                None => Leaving::Member(member.id.clone()),
            })
            .collect(),
        false => who.instance_id.iter().cloned().map(Leaving::Instance).collect(),
    };
    let (mut removed, mut failures) = (Vec::new(), Failures::default());
    for leaving in &leaving {
        match remove::leave(&mut cluster, &mut coordinator, leaving, REASON).await {
            Err(error) => failures.add(error),
            Ok(()) => {
                let (instance, member) = match leaving {
                    Leaving::Instance(id) => (Some(id), None),
                    Leaving::Member(id) => (None, Some(id)),
                };
                removed
                    .push(json!({ "group": group, "instance": instance, "member": member, "removed": true }));
                if !target.json {
                    output::line(&format!("removed {leaving} from group {group}"))?;
                }
            }
        }
    }
    if target.json {
        output::json(&removed)?;
    } else if leaving.is_empty() {
        output::line(&format!("group {group} has no members"))?;
    }
    failures.outcome()
}
