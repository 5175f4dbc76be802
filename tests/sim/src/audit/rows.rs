//! How much the metastore holds, and for how long: nothing there follows from how long records are kept.

use esker_history::event::Flaw;
use esker_metastore::auditing::{Contents, Life, SegmentState};

use super::{Found, Look, Quiet};

pub(super) fn judge(look: &Look<'_>, contents: &Contents) -> Vec<Found> {
    let mut found = Vec::new();
    let mut say = |what: String| found.push((Flaw::Rows, what));
    let age = |since_ms: i64| contents.now_ms.saturating_sub(since_ms);
    let plan = look.plan;
    let (archived_ms, merged_ms, removed_ms) = (
        plan.archived_within().as_millis() as i64,
        plan.merged_within().as_millis() as i64,
        plan.removed_within().as_millis() as i64,
    );
    for segment in &contents.segments {
        if let SegmentState::Live {
            since_ms: Some(since_ms),
        } = segment.state
            && age(since_ms) > archived_ms
        {
            let (id, age) = (segment.id, age(since_ms));
            say(format!("ingest segment {id} waits to be archived for {age} ms"));
        }
    }
    for log in &contents.logs {
        let name = format!("{}-{}", log.log.topic, log.log.partition);
        let extents = log.archived.len() as u64;
        if extents > plan.extents_max() {
            let most = plan.extents_max();
            say(format!("{name} has {extents} archived extents, more than {most}"));
        }
        let oldest = log.archived.iter().map(|(_, since_ms)| *since_ms).min();
        if let Some(since_ms) = oldest.filter(|since_ms| age(*since_ms) > merged_ms) {
            let age = age(since_ms);
            say(format!(
                "an archived extent of {name} waits to be merged for {age} ms"
            ));
        }
    }
    for (id, since_ms) in &contents.unneeded {
        if age(*since_ms) > removed_ms {
            let (key, age) = (esker_storage::keys::key_of(id), age(*since_ms));
            say(format!("{key} waits to be removed for {age} ms"));
        }
    }
    for (topic, since_ms) in &contents.topics_to_empty {
        if age(*since_ms) > removed_ms {
            let age = age(*since_ms);
            say(format!(
                "the deleted topic {topic} waits to be emptied for {age} ms"
            ));
        }
    }
    if look.quiet == Quiet::Swept {
        for incarnation in &contents.incarnations {
            let id = incarnation.id;
            let has_rows = || contents.segments.iter().any(|one| one.id.incarnation == id);
            match incarnation.life {
                Life::Live => {}
                Life::Ended => say(format!("incarnation {id} has ended, and was not swept")),
                Life::Swept if has_rows() => {}
                Life::Swept => say(format!("incarnation {id} was swept, and is not forgotten")),
            }
        }
    }
    found
}
