//! What the hot index knows of one partition: a head and a contiguous stretch of recent extents.

use std::collections::VecDeque;

use esker_metastore::{Extent, Head};
use esker_model::planted::{Mistake, planted};

/// Extents kept per partition; beyond it the oldest go. 8,192 runs of one partition are more than ten
/// minutes of flushes every 100 ms, and below 1 MiB of memory.
pub(super) const PARTITION_EXTENTS_MAX: usize = 8_192;

/// What an update tells those who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// Nothing new.
    None,
    /// So many bytes of records.
    Bytes(u64),
    /// Something changed that cannot be counted here: look again.
    Unknown,
}

/// Recent extents and the head of one partition.
///
/// What holds: extents lie end to end; none ends above the high watermark; head fields never go back.
pub(super) struct RecentLog {
    extents: VecDeque<Extent>,
    head: Head,
}

impl RecentLog {
    /// Knows nothing but a head.
    pub(super) fn new(head: Head) -> Self {
        Self {
            extents: VecDeque::new(),
            head,
        }
    }

    /// The head, as far as it ever came.
    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// How many extents are kept.
    pub(super) fn len(&self) -> usize {
        self.extents.len()
    }

    /// Learns extents, ascending by offset, and a head.
    pub(super) fn absorb(&mut self, incoming: &[Extent], head: Head) -> Growth {
        let before = self.head;
        self.head = latest(before, head);
        let incoming = contiguous_tail(incoming, self.head.next_offset);
        let growth = growth(before, self.head, incoming);
        self.merge(incoming);
        while self
            .extents
            .front()
            .is_some_and(|extent| extent.end_offset <= self.head.log_start)
        {
            self.extents.pop_front();
        }
        while self.extents.len() > PARTITION_EXTENTS_MAX {
            self.extents.pop_front();
        }
        growth
    }

    /// The extents from the one that holds `from` on: at least one, then until `bytes_max` or
    /// `extents_max` is reached. `None` if `from` is not covered.
    pub(super) fn lookup(&self, from: i64, bytes_max: u64, extents_max: usize) -> Option<Vec<Extent>> {
        if self.extents.front()?.base_offset > from || self.extents.back()?.end_offset <= from {
            return None;
        }
        let first = self.extents.partition_point(|extent| extent.end_offset <= from);
        let mut found = Vec::new();
        let mut bytes = 0;
        for extent in self.extents.range(first..) {
            if !found.is_empty() && (bytes >= bytes_max || found.len() >= extents_max) {
                break;
            }
            bytes += super::bytes_from(extent, from);
            found.push(*extent);
        }
        Some(found)
    }

    /// Drops all extents; the head stays.
    pub(super) fn forget_extents(&mut self) {
        self.extents = VecDeque::new();
    }

    fn merge(&mut self, incoming: &[Extent]) {
        let Some(last) = incoming.last() else {
            return;
        };
        let (Some(front), Some(back)) = (
            self.extents.front().map(|extent| extent.base_offset),
            self.extents.back().map(|extent| extent.end_offset),
        ) else {
            self.extents.extend(incoming.iter().copied());
            return;
        };
        if last.end_offset < front {
            return;
        }
        let older = incoming.partition_point(|extent| extent.end_offset <= front);
        let newer = incoming.partition_point(|extent| extent.base_offset < back);
        let joins_front = older == 0 || incoming[older - 1].end_offset == front;
        let joins_back = newer == incoming.len() || incoming[newer].base_offset == back;
        if (!joins_front || !joins_back) && !planted(Mistake::IndexWithHoles) {
            // Somebody else wrote what lies between: rather the newer part than a hole. (Or edges do not
            // meet, though extents never change: then what was known here is no help.)
            self.extents.clear();
            self.extents.extend(incoming.iter().copied());
            return;
        }
        self.extents.extend(incoming[newer..].iter().copied());
        let room = PARTITION_EXTENTS_MAX.saturating_sub(self.extents.len());
        for extent in incoming[..older].iter().rev().take(room) {
            self.extents.push_front(*extent);
        }
    }
}

fn latest(a: Head, b: Head) -> Head {
    if planted(Mistake::HeadGoesBack) {
        return b;
    }
    Head {
        log_start: a.log_start.max(b.log_start),
        next_offset: a.next_offset.max(b.next_offset),
        last_stable_offset: a.last_stable_offset.max(b.last_stable_offset),
        archived_to: a.archived_to.max(b.archived_to),
    }
}

/// The longest part at the end of `extents` that has no gap and nothing archived, nothing above `end`. Where
/// archived records lie is remembered elsewhere: here they would push out those that consumers at the tail want.
fn contiguous_tail(extents: &[Extent], end: i64) -> &[Extent] {
    let extents = &extents[..extents.partition_point(|extent| extent.end_offset <= end)];
    let breaks = extents
        .windows(2)
        .rposition(|pair| pair[0].end_offset != pair[1].base_offset);
    let archived = extents.iter().rposition(|extent| extent.chunk.is_some());
    &extents[breaks.max(archived).map_or(0, |at| at + 1)..]
}

fn growth(before: Head, after: Head, incoming: &[Extent]) -> Growth {
    if after == before {
        return Growth::None;
    }
    let new = &incoming[incoming.partition_point(|extent| extent.base_offset < before.next_offset)..];
    let counts = before.log_start == after.log_start
        && after.last_stable_offset == after.next_offset
        && new
            .first()
            .is_some_and(|first| first.base_offset == before.next_offset)
        && new
            .last()
            .is_some_and(|last| last.end_offset == after.next_offset);
    if counts {
        Growth::Bytes(new.iter().map(|extent| extent.bytes).sum())
    } else {
        Growth::Unknown
    }
}
