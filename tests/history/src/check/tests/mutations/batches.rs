//! Batches that are lost, stand elsewhere or stand twice.

use super::{any, is_ack_in_orders, seen_of, sendings, shows};
use crate::event::{Event, Seen};
use crate::{History, What};

use super::super::dice::Dice;

pub(super) fn ack_one_too_high(history: &mut History, dice: &mut Dice) -> bool {
    // A second copy might stand just there.
    let sent_once = |event: &Event| match &event.what {
        What::Acked { batch, .. } => {
            let sent =
                |other: &&Event| matches!(&other.what, What::Sent { batch: sent, .. } if sent == batch);
            history.events.iter().filter(sent).count() == 1
        }
        _ => false,
    };
    let at = any(history, dice, |event| {
        is_ack_in_orders(history, event) && sent_once(event)
    });
    at.is_some_and(|at| match &mut history.events[at].what {
        What::Acked { base_offset, .. } => {
            *base_offset += 1;
            true
        }
        _ => false,
    })
}

pub(super) fn second_ack(history: &mut History, dice: &mut Dice) -> bool {
    let at = any(history, dice, |event| is_ack_in_orders(history, event));
    at.is_some_and(|at| {
        let mut again = history.events[at].clone();
        if let What::Acked { base_offset, .. } = &mut again.what {
            *base_offset += 2;
        }
        history.events.insert(at + 1, again);
        true
    })
}

/// As if the batch had never been in the log: what follows stands lower.
pub(super) fn lose_batch(history: &mut History, dice: &mut Dice) -> bool {
    let Some(at) = any(history, dice, |event| is_ack_in_orders(history, event)) else {
        return false;
    };
    let What::Acked {
        batch, base_offset, ..
    } = history.events[at].what
    else {
        return false;
    };
    let (lost_in, count, _) = sendings(history, batch);
    let count = i64::from(count);
    let lower = |offset: &mut i64| {
        if *offset > base_offset {
            *offset = (*offset - count).max(base_offset);
        }
    };
    for event in &mut history.events {
        match &mut event.what {
            What::Fetched {
                partition,
                from,
                high_watermark,
                seen,
                ..
            } if *partition == lost_in => {
                lower(from);
                lower(high_watermark);
                let stays = |seen: &Seen| !(base_offset..base_offset + count).contains(&seen.base_offset);
                seen.retain(stays);
                seen.iter_mut().for_each(|seen| lower(&mut seen.base_offset));
            }
            What::Listed {
                partition, offset, ..
            } if *partition == lost_in => lower(offset),
            What::ReadThrough { partition, end, .. } if *partition == lost_in => lower(end),
            _ => {}
        }
    }
    true
}

pub(super) fn swap(history: &mut History, dice: &mut Dice) -> bool {
    let pair = |event: &Event| match &event.what {
        What::Fetched { seen, .. } if shows(event, 2) => seen.windows(2).position(|pair| {
            pair[0].records.count == pair[1].records.count && pair[0].records != pair[1].records
        }),
        _ => None,
    };
    let at = any(history, dice, |event| pair(event).is_some());
    at.is_some_and(|at| {
        let first = pair(&history.events[at]).unwrap();
        let seen = seen_of(&mut history.events[at]);
        (seen[first].records, seen[first + 1].records) = (seen[first + 1].records, seen[first].records);
        true
    })
}

/// A batch that was sent under one identity stands at the end of the log once more.
pub(super) fn double(history: &mut History, dice: &mut Dice) -> bool {
    let once = |event: &Event| match &event.what {
        What::Acked { batch, .. } => {
            is_ack_in_orders(history, event) && batch.by.0 != 2 && sendings(history, *batch).2 == 1
        }
        _ => false,
    };
    let Some(at) = any(history, dice, once) else {
        return false;
    };
    let What::Acked { batch, .. } = history.events[at].what else {
        return false;
    };
    let (partition, count, _) = sendings(history, batch);
    let records = history.events.iter().find_map(|event| match &event.what {
        What::Sent {
            batch: sent, records, ..
        } if *sent == batch => Some(*records),
        _ => None,
    });
    let mut last = None;
    for at in 0..history.events.len() {
        match &mut history.events[at].what {
            What::Fetched { partition: of, .. } if *of == partition => last = Some(at),
            What::ReadThrough {
                partition: of, end, ..
            } if *of == partition => {
                let base_offset = *end;
                *end += i64::from(count);
                let end = *end;
                if let What::Fetched {
                    seen, high_watermark, ..
                } = &mut history.events[last.unwrap()].what
                {
                    let (records, batch_hash) = (records.unwrap(), None);
                    seen.push(Seen {
                        base_offset,
                        records,
                        batch_hash,
                    });
                    *high_watermark = end;
                }
            }
            _ => {}
        }
    }
    true
}
