//! Answers that cannot be.

use super::{any, is_orders, seen_of, shows};
use crate::event::{Event, Query, Seen};
use crate::{History, What};

use super::super::dice::Dice;

pub(super) fn leave_out(history: &mut History, dice: &mut Dice) -> bool {
    let at = any(history, dice, |event| shows(event, 2));
    at.is_some_and(|at| {
        let seen = seen_of(&mut history.events[at]);
        let which = dice.below(seen.len() as u64 - 1) as usize;
        seen.remove(which);
        true
    })
}

pub(super) fn high_watermark_back(history: &mut History, dice: &mut Dice) -> bool {
    let Some(at) = any(history, dice, |event| shows(event, 1)) else {
        return false;
    };
    let What::Fetched {
        partition: in_partition,
        by: life,
        high_watermark: before,
        ..
    } = history.events[at].what
    else {
        return false;
    };
    let answered_us = history.events[at].at_us;
    let later = history.events.iter_mut().find_map(|event| match &mut event.what {
        What::Fetched {
            partition,
            by,
            asked_us,
            from,
            error: 0,
            high_watermark,
            seen,
            ..
        } if *partition == in_partition && *by == life && *asked_us > answered_us => {
            Some((from, high_watermark, seen))
        }
        _ => None,
    });
    later.is_some_and(|(from, high_watermark, seen)| {
        (*from, *high_watermark) = (0, before - 1);
        seen.clear();
        true
    })
}

pub(super) fn beyond_high_watermark(history: &mut History, dice: &mut Dice) -> bool {
    let at = any(history, dice, |event| shows(event, 1));
    at.is_some_and(|at| match &mut history.events[at].what {
        What::Fetched {
            high_watermark, seen, ..
        } => {
            *high_watermark = seen[0].base_offset;
            true
        }
        _ => false,
    })
}

pub(super) fn listed(history: &mut History, dice: &mut Dice, change: impl FnOnce(&mut i64)) -> bool {
    let half_us = history.events.last().unwrap().at_us / 2;
    let wanted = |event: &Event| {
        event.at_us > half_us
            && matches!(&event.what, What::Listed { partition, query: Query::Latest, .. } if is_orders(partition))
    };
    let at = any(history, dice, wanted);
    at.is_some_and(|at| match &mut history.events[at].what {
        What::Listed { offset, .. } => {
            change(offset);
            true
        }
        _ => false,
    })
}

pub(super) fn end_back(history: &mut History, dice: &mut Dice) -> bool {
    listed(history, dice, |offset| *offset = 0)
}

pub(super) fn end_too_far(history: &mut History, dice: &mut Dice) -> bool {
    listed(history, dice, |offset| *offset += 1_000_000)
}

pub(super) fn refusal(
    history: &mut History,
    dice: &mut Dice,
    change: impl FnOnce(&mut i16, &mut i64),
) -> bool {
    let at = any(history, dice, |event| matches!(event.what, What::Refused { .. }));
    at.is_some_and(|at| match &mut history.events[at].what {
        What::Refused {
            error, base_offset, ..
        } => {
            change(error, base_offset);
            true
        }
        _ => false,
    })
}

pub(super) fn error_with_offset(history: &mut History, dice: &mut Dice) -> bool {
    refusal(history, dice, |_, base_offset| *base_offset = 3)
}

pub(super) fn strange_error(history: &mut History, dice: &mut Dice) -> bool {
    refusal(history, dice, |error, _| *error = -1)
}

pub(super) fn other_bytes(history: &mut History, dice: &mut Dice) -> bool {
    let hashed = |seen: &Seen| seen.batch_hash.is_some();
    let wanted = |event: &Event| {
        matches!(&event.what, What::Fetched { partition, seen, .. }
            if is_orders(partition) && seen.iter().any(hashed))
    };
    let at = any(history, dice, wanted);
    at.is_some_and(|at| {
        let seen = seen_of(&mut history.events[at]);
        let first = seen.iter_mut().find(|seen| hashed(seen)).unwrap();
        first.batch_hash = first.batch_hash.map(|hash| hash ^ 1);
        true
    })
}

pub(super) fn other_partition(history: &mut History, dice: &mut Dice) -> bool {
    let at = any(history, dice, |event| shows(event, 1));
    at.is_some_and(|at| match &mut history.events[at].what {
        What::Fetched { partition, .. } => {
            partition.index = 1 - partition.index;
            true
        }
        _ => false,
    })
}

pub(super) fn never_sent(history: &mut History, dice: &mut Dice) -> bool {
    let at = any(history, dice, |event| shows(event, 1));
    at.is_some_and(|at| {
        seen_of(&mut history.events[at])[0].records.first += 1_000_000;
        true
    })
}

/// The last read-through of `orders`, through the second agent.
pub(super) fn last_read_through(history: &mut History) -> Option<(usize, &mut i64)> {
    let events = history.events.iter_mut().enumerate().rev();
    events
        .filter_map(|(at, event)| match &mut event.what {
            What::ReadThrough { partition, end, .. } if is_orders(partition) && *end > 0 => Some((at, end)),
            _ => None,
        })
        .next()
}

pub(super) fn shorter_end(history: &mut History, _: &mut Dice) -> bool {
    last_read_through(history).is_some_and(|(_, end)| {
        *end -= 1;
        true
    })
}

pub(super) fn gap_in_read_through(history: &mut History, _: &mut Dice) -> bool {
    let Some((through, _)) = last_read_through(history) else {
        return false;
    };
    let before = &mut history.events[..through];
    let last = before.iter_mut().rev().find(|event| shows(event, 1));
    last.is_some_and(|event| seen_of(event).pop().is_some())
}

pub(super) fn unfinished(history: &mut History, dice: &mut Dice) -> bool {
    let at = any(history, dice, |event| event.what == What::Finished);
    at.is_some_and(|at| {
        history.events.remove(at);
        true
    })
}
