//! What nobody has to keep goes.
//!
//! *kept*: ListOffsets says that a log begins below an end that it had long before, although at that time all
//! records of the partition were older than its retention, or it had to keep nothing. `retention_us` of the terms
//! says how long that may take, after the faults.
//!
//! Nothing is concluded if a record that was sent to the partition until then is not old, because records of one
//! archive segment go together; nor from sizes other than 0, for the same reason.

use crate::event::Retention;
use crate::{Promise, names};

use super::super::ends::{Ends, about, tell};
use super::super::findings::Findings;
use super::super::{At, Context};
use super::Removal;

/// Judges the last answer about where one partition's log begins.
pub(super) fn judge(
    removal: &Removal,
    context: &Context<'_>,
    place: usize,
    ends: &Ends,
    findings: &mut Findings,
) {
    let (Some(within_us), Some(settled_us)) = (context.terms.retention_us, context.terms.settled_from_us)
    else {
        return;
    };
    let Some(first) = ends.listed_start(place) else {
        return;
    };
    let Some(due_us) = first
        .asked_us
        .checked_sub(within_us)
        .filter(|us| *us >= settled_us)
    else {
        return;
    };
    let Some(end) = ends.end_before(place, due_us) else {
        return;
    };
    if first.offset >= end.value {
        return;
    }
    let of_place = context.places.get(place);
    let partition = of_place.partition;
    let due_ms = context
        .terms
        .database_ms
        .map(|began_ms| began_ms + (due_us / 1000) as i64);
    let newest_ms = newest(removal, context, of_place.family, first.asked_us);
    let goes = |retention: &Retention| {
        let is_old = |ms: i64| {
            newest_ms
                .zip(due_ms)
                .is_some_and(|(newest_ms, due_ms)| newest_ms.saturating_add(ms) < due_ms)
        };
        retention.bytes == Some(0) || retention.ms.is_some_and(is_old)
    };
    let retentions = removal
        .retentions
        .between(partition.topic, due_us, first.asked_us);
    if context.terms.records_deleted || !retentions.iter().all(goes) {
        return;
    }
    let event = &context.history.events[first.event];
    let at = At {
        event,
        at: first.event,
    };
    let what = |name: String| {
        format!(
            "{name} begins at offset {}, asked at {} s; but at {} s it reached {}, and nobody had to keep that any more",
            first.offset,
            names::seconds(first.asked_us),
            names::seconds(due_us),
            end.value,
        )
    };
    let about = about(at, partition, crate::report::life_of(&event.what)).offsets(first.offset, end.value);
    tell(
        context,
        at,
        Promise::Bounded,
        "kept",
        what,
        (about, Some(end.event)),
        findings,
    );
}

/// The largest timestamp of all that was sent to a partition, or to others of that name, until then; `None` if
/// it is not known of all.
fn newest(removal: &Removal, context: &Context<'_>, family: usize, until_us: u64) -> Option<i64> {
    let sent = |batch: &u32| {
        let event = context.history.events.get(context.batches.get(*batch).event);
        event.is_some_and(|event| event.at_us <= until_us)
    };
    let mut newest = i64::MIN;
    for batch in context.batches.of_family(family).filter(sent) {
        let made = removal.made.get(&context.batches.get(batch).batch)?;
        newest = newest.max(made.max_timestamp_ms);
    }
    Some(newest)
}
