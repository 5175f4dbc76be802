//! Whether an event can be judged at all.
//!
//! A history that contradicts itself was written wrongly, and no rule that rests on it means anything: that
//! is told like a violation, so that nobody takes a broken test for a healthy system. What the rules rely
//! on: events come in the order of time; every client, life and topic that is named is described; records
//! have a count and numbers that fit; an answer to a batch comes after the batch was sent.

use crate::event::{Client, Life, Partition, Records, Topic, What};
use crate::{About, Promise};

use super::findings::Findings;
use super::places::INDEX_MAX;
use super::{At, Context};

/// Tells what is wrong with an event; says whether it may be judged.
pub(crate) fn judge(context: &mut Context<'_>, at: At<'_>, findings: &mut Findings) -> bool {
    let events = &context.history.events;
    let before = at.at.checked_sub(1).map_or(0, |before| events[before].at_us);
    let wrong = if at.us() < before {
        Some("it happened before the one in front of it")
    } else {
        wrong(context, at)
    };
    if let Some(wrong) = wrong {
        findings.add(Promise::ImmutableLog, "history", at.us(), || {
            let what = format!("the history is wrong: event {}: {wrong}", at.at);
            (what, About::events([at.at]))
        });
    }
    wrong.is_none()
}

fn wrong(context: &Context<'_>, at: At<'_>) -> Option<&'static str> {
    let history = context.history;
    let no_client = |client: Client| client.0 as usize >= history.clients.len();
    let no_life = |life: Option<Life>| life.is_some_and(|life| life.0 as usize >= history.lives.len());
    let no_topic = |topic: Topic| topic.0 as usize >= history.topics.len();
    let no_partition =
        |partition: Partition| no_topic(partition.topic) || !(0..INDEX_MAX).contains(&partition.index);
    let no_records = |records: Records| {
        records.count == 0
            || records
                .first
                .checked_add(u64::from(records.count))
                .is_none_or(|end| end > i64::MAX as u64)
    };
    let not_sent = |batch| context.batches.find(batch).is_none();
    if at.event.client.is_some_and(no_client) {
        return Some("nobody described its client");
    }
    match &at.event.what {
        What::Made { batch, .. } => no_client(batch.by).then_some("nobody described its client"),
        What::Sent {
            batch,
            partition,
            records,
            to,
            ..
        } => match () {
            () if no_client(batch.by) || no_client(records.by) => Some("nobody described its client"),
            () if no_life(*to) => Some("nobody described the agent's life"),
            () if no_partition(*partition) => Some("nobody described its topic, or its index is absurd"),
            () if no_records(*records) => Some("it has no records, or their numbers do not fit"),
            () if batch.by != records.by => Some("its records are another client's"),
            () => None,
        },
        What::Acked { batch, by, .. } | What::Refused { batch, by, .. } => match () {
            () if not_sent(*batch) => Some("its batch was not sent"),
            () if no_life(*by) => Some("nobody described the agent's life"),
            () => None,
        },
        What::Unanswered { batch } => not_sent(*batch).then_some("its batch was not sent"),
        What::Fetched {
            partition, by, seen, ..
        } => match () {
            () if no_partition(*partition) => Some("nobody described its topic, or its index is absurd"),
            () if no_life(*by) => Some("nobody described the agent's life"),
            () if seen.iter().any(|seen| no_records(seen.records)) => {
                Some("it shows no records, or their numbers do not fit")
            }
            () => None,
        },
        What::Listed { partition, by, .. }
        | What::Deleting {
            partition, to: by, ..
        }
        | What::Deleted { partition, by, .. }
        | What::ReadThrough {
            partition,
            through: by,
            ..
        } => match () {
            () if no_partition(*partition) => Some("nobody described its topic, or its index is absurd"),
            () if no_life(*by) => Some("nobody described the agent's life"),
            () => None,
        },
        What::InGroup(what) => match () {
            () if what.partitions().iter().copied().any(no_partition) => {
                Some("nobody described its topic, or its index is absurd")
            }
            () if no_life(what.life()) => Some("nobody described the agent's life"),
            () => None,
        },
        What::Created { topic, .. } => no_topic(*topic).then_some("nobody described its topic"),
        What::Altering { topic, to: by, .. } | What::Altered { topic, by, .. } => match () {
            () if no_topic(*topic) => Some("nobody described its topic"),
            () if no_life(*by) => Some("nobody described the agent's life"),
            () => None,
        },
        What::Damaged { partition, .. } | What::Lost { partition, .. } => {
            no_partition(*partition).then_some("nobody described its topic, or its index is absurd")
        }
        What::MemoryUsed { life, .. } | What::ReadAgain { life, .. } => {
            no_life(Some(*life)).then_some("nobody described the agent's life")
        }
        What::GivenUp { .. }
        | What::Fatal { .. }
        | What::Finished
        | What::Stuck { .. }
        | What::Fault { .. }
        | What::Healed
        | What::EpochRaised { .. }
        | What::Restorable { .. }
        | What::Unsettled { .. }
        | What::Audited { .. }
        | What::ProducersForgotten => None,
    }
}
