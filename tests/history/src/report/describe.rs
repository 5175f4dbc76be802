//! Events in words.

use super::groups;
use crate::event::{Life, Records, Retention, Seen, What};
use crate::{History, names};

/// Runs of records that are told of one answer.
const RUNS_MAX: usize = 4;

/// The agent that an event names.
pub(crate) fn life_of(what: &What) -> Option<Life> {
    match what {
        What::Sent { to: life, .. }
        | What::Acked { by: life, .. }
        | What::Refused { by: life, .. }
        | What::Fetched { by: life, .. }
        | What::Listed { by: life, .. }
        | What::Altering { to: life, .. }
        | What::Altered { by: life, .. }
        | What::Deleting { to: life, .. }
        | What::Deleted { by: life, .. }
        | What::ReadThrough { through: life, .. } => *life,
        What::InGroup(what) => what.life(),
        What::MemoryUsed { life, .. } | What::ReadAgain { life, .. } => Some(*life),
        _ => None,
    }
}

/// An event in words; of an answer with records, those at the offsets in question.
pub(super) fn what(history: &History, what: &What, offsets: Option<(i64, i64)>) -> String {
    let at = |life: &Option<Life>| life.map(|life| names::life(history, life));
    let by = |life: &Option<Life>| at(life).map_or_else(String::new, |life| format!(" by {life}"));
    let to = |life: &Option<Life>| at(life).map_or_else(String::new, |life| format!(" of {life}"));
    match what {
        What::Made {
            batch,
            bytes,
            max_timestamp_ms,
        } => format!(
            "makes batch {} of {bytes} bytes, timestamps up to {max_timestamp_ms}",
            batch.number
        ),
        What::Sent {
            batch,
            partition,
            by_name,
            identity,
            records,
            to,
        } => {
            let to = at(to).map_or_else(String::new, |life| format!(" to {life}"));
            let identity = identity.map_or_else(
                || "without a producer id".to_owned(),
                |one| {
                    format!(
                        "as producer {}/{} from sequence {}",
                        one.id, one.epoch, one.first_sequence
                    )
                },
            );
            format!(
                "sends batch {}{to}: {} for {}{}, {identity}",
                batch.number,
                numbers(*records),
                names::partition(history, *partition),
                if *by_name { " by name" } else { "" },
            )
        }
        What::Acked {
            batch,
            base_offset,
            log_start,
            by: life,
        } => format!(
            "batch {} acknowledged at offset {base_offset}, log start {log_start}{}",
            batch.number,
            by(life)
        ),
        What::Refused {
            batch,
            error,
            base_offset,
            by: life,
        } => format!(
            "batch {} refused with error {error}, offset {base_offset}{}",
            batch.number,
            by(life)
        ),
        What::Unanswered { batch } => format!("batch {} gets no answer", batch.number),
        What::GivenUp { batch } => format!("gives batch {} up", batch.number),
        What::Fatal { error, why } => format!("cannot go on after error {error}: {why}"),
        What::Fetched {
            partition,
            by_name,
            from,
            asked_us,
            by: life,
            error,
            high_watermark,
            log_start,
            seen,
        } => format!(
            "reads {}{} from {from}{}, asked at {}: error {error}, high watermark {high_watermark}, log start \
             {log_start}{}",
            names::partition(history, *partition),
            if *by_name { " by name" } else { "" },
            by(life),
            names::seconds(*asked_us),
            records(history, seen, offsets),
        ),
        What::Damaged {
            partition,
            offset,
            why,
        } => format!(
            "finds damage at offset {offset} of {}: {why}",
            names::partition(history, *partition)
        ),
        What::Listed {
            partition,
            query,
            asked_us,
            by: life,
            error,
            offset,
        } => format!(
            "asks for an offset of {} ({query:?}), asked at {}: {offset}, error {error}{}",
            names::partition(history, *partition),
            names::seconds(*asked_us),
            by(life)
        ),
        What::Created { topic, retention } => {
            format!(
                "{} was created to keep {}",
                names::topic(history, *topic),
                kept(*retention)
            )
        }
        What::Altering {
            topic,
            retention,
            to: life,
        } => format!(
            "asks{} that {} keeps {}",
            to(life),
            names::topic(history, *topic),
            kept(*retention)
        ),
        What::Altered {
            topic,
            retention,
            asked_us,
            by: life,
            error,
        } => format!(
            "is told that {} keeps {}{}, asked at {}: error {error}",
            names::topic(history, *topic),
            kept(*retention),
            by(life),
            names::seconds(*asked_us)
        ),
        What::Deleting {
            partition,
            offset,
            to: life,
        } => format!(
            "asks{} that {} loses what lies below {offset}",
            to(life),
            names::partition(history, *partition)
        ),
        What::Deleted {
            partition,
            offset,
            asked_us,
            by: life,
            error,
            low_watermark,
        } => format!(
            "is told that {} lost what lay below {offset}{}, asked at {}: low watermark {low_watermark}, error {error}",
            names::partition(history, *partition),
            by(life),
            names::seconds(*asked_us)
        ),
        What::ReadThrough {
            partition,
            through,
            began_us,
            log_start,
            end,
        } => format!(
            "has read {} from {log_start} to {end} since {}{}",
            names::partition(history, *partition),
            names::seconds(*began_us),
            at(through).map_or_else(String::new, |life| format!(" through {life}"))
        ),
        What::InGroup(what) => groups::what(history, what),
        What::Finished => "finishes".to_owned(),
        What::Stuck { why } => format!("stuck: {why}"),
        What::MemoryUsed { life, idle, memory } => {
            let uses: Vec<String> = memory
                .iter()
                .map(|one| format!("{} {} of {}", one.r#use, one.used, one.max))
                .collect();
            let idle = if *idle { " idle" } else { "" };
            format!(
                "memory of{idle} {}: {}",
                names::life(history, *life),
                uses.join(", ")
            )
        }
        What::ReadAgain { life, key, times } => {
            format!("{} read {key} {times} times", names::life(history, *life))
        }
        What::Fault { what } => format!("fault: {what}"),
        What::Healed => "the faults are over".to_owned(),
        What::EpochRaised { silence_from_us } => match *silence_from_us {
            u64::MAX => "the cluster epoch is raised".to_owned(),
            from_us => format!(
                "the cluster epoch is raised, silence from {}",
                names::seconds(from_us)
            ),
        },
        What::Restorable { records } => {
            let count: u64 = records.iter().map(|records| u64::from(records.count)).sum();
            format!("a restore lists {count} records")
        }
        What::Unsettled { key } => format!("{key} is unsettled"),
        What::Audited { what, .. } => format!("an audit finds: {what}"),
        What::Lost {
            partition,
            first,
            end,
        } => format!(
            "what holds offsets {first} to {} of {} is removed or damaged on purpose",
            end - 1,
            names::partition(history, *partition)
        ),
        What::ProducersForgotten => "all partitions forget their producers".to_owned(),
    }
}

/// What has to be kept, in words.
pub(crate) fn kept(retention: Retention) -> String {
    match (retention.ms, retention.bytes) {
        (None, None) => "everything".to_owned(),
        (Some(ms), None) => format!("{ms} ms"),
        (None, Some(bytes)) => format!("{bytes} bytes"),
        (Some(ms), Some(bytes)) => format!("{ms} ms of {bytes} bytes"),
    }
}

fn numbers(records: Records) -> String {
    match records.count {
        1 => format!("record {}", records.first),
        count => format!(
            "records {} to {}",
            records.first,
            records.first + u64::from(count) - 1
        ),
    }
}

/// What an answer shows, at the offsets in question if there are any.
fn records(history: &History, seen: &[Seen], offsets: Option<(i64, i64)>) -> String {
    let end = |seen: &Seen| seen.base_offset.saturating_add(i64::from(seen.records.count));
    let (Some(first), Some(last)) = (seen.first(), seen.last()) else {
        return ", no records".to_owned();
    };
    let whole = format!(
        ", {} batches from {} to {}",
        seen.len(),
        first.base_offset,
        end(last) - 1
    );
    let Some((from, to)) = offsets else {
        return whole;
    };
    let runs: Vec<String> = seen
        .iter()
        .filter(|seen| seen.base_offset < to.max(from + 1) && end(seen) > from)
        .take(RUNS_MAX)
        .map(|seen| {
            format!(
                "{} of {} at {}",
                numbers(seen.records),
                names::client(history, seen.records.by),
                seen.base_offset
            )
        })
        .collect();
    match runs.is_empty() {
        true => whole,
        false => format!("{whole}, among them {}", runs.join(", ")),
    }
}
