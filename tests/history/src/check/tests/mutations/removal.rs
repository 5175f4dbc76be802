//! What is gone that has to be there, or is there that should be gone.

use super::any;
use crate::event::{Event, Query, Topic};
use crate::{History, What};

use super::super::dice::Dice;

const TRIMMED: Topic = Topic(2);
const AGED: Topic = Topic(3);
const SIZED: Topic = Topic(4);

/// The last answer about where the log of a topic begins, with the end that a read-through showed.
fn last_start(history: &mut History, of: Topic) -> Option<(&mut i64, i64)> {
    let mut events = history.events.iter_mut().rev();
    events.find_map(|event| match &mut event.what {
        What::ReadThrough {
            partition,
            log_start,
            end,
            ..
        } if partition.topic == of && *log_start < *end => Some((log_start, *end)),
        _ => None,
    })
}

/// All of a topic is gone in the end.
fn gone(history: &mut History, of: Topic) -> bool {
    last_start(history, of).is_some_and(|(start, end)| {
        *start = end;
        true
    })
}

pub(super) fn all_trimmed(history: &mut History, _: &mut Dice) -> bool {
    let all = |event: &Event| {
        let What::Deleting { offset, .. } = event.what else {
            return false;
        };
        let answered =
            |other: &Event| matches!(other.what, What::Deleted { asked_us, .. } if asked_us == event.at_us);
        offset == -1 && !history.events.iter().any(answered)
    };
    // A request for all of it without an answer would be a reason.
    !history.events.iter().any(all) && gone(history, TRIMMED)
}

/// All that anybody knew of is gone while the load goes on.
pub(super) fn all_aged(history: &mut History, dice: &mut Dice) -> bool {
    let starts = |event: &Event| matches!(&event.what, What::Listed { partition, query: Query::Earliest, .. } if partition.topic == AGED);
    let Some(at) = any(history, dice, starts) else {
        return false;
    };
    let ends = history.events[..at].iter().filter_map(|event| match &event.what {
        What::Fetched {
            partition,
            high_watermark,
            ..
        } if partition.topic == AGED => Some(*high_watermark),
        _ => None,
    });
    let end = ends.max().unwrap_or_default();
    match &mut history.events[at].what {
        What::Listed { offset, .. } if *offset < end => {
            *offset = end;
            true
        }
        _ => false,
    }
}

pub(super) fn all_sized(history: &mut History, _: &mut Dice) -> bool {
    gone(history, SIZED)
}

pub(super) fn kept_for_ever(history: &mut History, dice: &mut Dice) -> bool {
    let topic = if dice.one_in(2) { TRIMMED } else { AGED };
    last_start(history, topic).is_some_and(|(start, _)| {
        let moved = *start > 0;
        *start = 0;
        moved
    })
}

fn deleted(event: &Event) -> Option<(i64, i64)> {
    match event.what {
        What::Deleted {
            offset,
            low_watermark,
            error: 0,
            ..
        } => Some((offset, low_watermark)),
        _ => None,
    }
}

pub(super) fn deleted_too_little(history: &mut History, dice: &mut Dice) -> bool {
    let at = any(history, dice, |event| {
        deleted(event).is_some_and(|(offset, low)| offset == low && low > 0)
    });
    at.is_some_and(|at| match &mut history.events[at].what {
        What::Deleted { low_watermark, .. } => {
            *low_watermark -= 1;
            true
        }
        _ => false,
    })
}

/// How far requests that were sent until then may have moved the log start.
fn reach(history: &History, until_us: u64) -> i64 {
    let sent = history.events.iter().take_while(|event| event.at_us <= until_us);
    let reach = sent.filter_map(|event| {
        let What::Deleting { offset, .. } = event.what else {
            return None;
        };
        let answer = history.events.iter().find_map(|other| match other.what {
            What::Deleted {
                asked_us,
                error,
                low_watermark,
                ..
            } if asked_us == event.at_us => Some((error, low_watermark)),
            _ => None,
        });
        match (answer, offset) {
            (Some((1, _)), _) => None,
            (Some((_, low_watermark)), -1) => Some(low_watermark),
            (None, -1) => Some(i64::MAX),
            _ => Some(offset),
        }
    });
    reach.max().unwrap_or_default()
}

/// One goes an offset further than anybody asked for.
pub(super) fn deleted_too_much(history: &mut History, dice: &mut Dice) -> bool {
    let at = any(history, dice, |event| {
        deleted(event).is_some_and(|(offset, low)| offset == low && low == reach(history, event.at_us))
    });
    at.is_some_and(|at| match &mut history.events[at].what {
        What::Deleted { low_watermark, .. } => {
            *low_watermark += 1;
            true
        }
        _ => false,
    })
}

pub(super) fn delete_refused(history: &mut History, dice: &mut Dice) -> bool {
    let at = any(history, dice, |event| {
        deleted(event).is_some_and(|(offset, low)| offset == low && low > 0)
    });
    at.is_some_and(|at| match &mut history.events[at].what {
        What::Deleted {
            low_watermark, error, ..
        } => {
            (*low_watermark, *error) = (-1, 44);
            true
        }
        _ => false,
    })
}

/// An answer with records says that the log begins behind them, as it does a moment later.
pub(super) fn below_log_start(history: &mut History, dice: &mut Dice) -> bool {
    let wanted = |event: &Event| matches!(&event.what, What::Fetched { partition, seen, .. } if partition.topic == TRIMMED && seen.len() > 1);
    let at = any(history, dice, wanted);
    at.is_some_and(|at| match &mut history.events[at].what {
        What::Fetched { log_start, seen, .. } => {
            *log_start = seen[1].base_offset;
            true
        }
        _ => false,
    })
}

/// A reader of a topic that keeps everything is told that its offset is out of range.
pub(super) fn out_of_range(history: &mut History, dice: &mut Dice) -> bool {
    let at = any(history, dice, |event| super::shows(event, 1));
    at.is_some_and(|at| match &mut history.events[at].what {
        What::Fetched {
            error,
            high_watermark,
            log_start,
            seen,
            from,
            ..
        } => {
            *from = 0;
            (*error, *high_watermark, *log_start) = (1, -1, -1);
            seen.clear();
            true
        }
        _ => false,
    })
}

/// Of two answers of ListOffsets about where the log begins the later one gives less.
pub(super) fn start_back(history: &mut History, dice: &mut Dice) -> bool {
    let starts = |event: &Event| {
        matches!(&event.what, What::Listed { partition, query: Query::Earliest, offset, .. }
            if partition.topic != Topic(1) && *offset > 0)
    };
    let mut before = Vec::new();
    let at = any(history, dice, starts);
    let Some(at) = at else { return false };
    let What::Listed {
        partition, asked_us, ..
    } = history.events[at].what
    else {
        return false;
    };
    for event in &history.events[..at] {
        if let What::Listed {
            partition: of,
            query: Query::Earliest,
            offset,
            ..
        } = event.what
            && of == partition
            && event.at_us < asked_us
        {
            before.push(offset);
        }
    }
    match (&mut history.events[at].what, before.iter().max()) {
        (What::Listed { offset, .. }, Some(before @ 1..)) => {
            *offset = before - 1;
            true
        }
        _ => false,
    }
}
