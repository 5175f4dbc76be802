//! When the sessions of many members end, found without visiting them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::seams::Instant;

/// At most one deadline for each id.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    of: BTreeMap<Arc<str>, Instant>,
    by_time: BTreeSet<(Instant, Arc<str>)>,
}

impl Deadlines {
    /// Sets, or moves, the deadline of `id`.
    pub(super) fn set(&mut self, id: Arc<str>, at: Instant) {
        match self.of.insert(id.clone(), at) {
            Some(before) if before == at => return,
            Some(before) => {
                self.by_time.remove(&(before, id.clone()));
            }
            None => {}
        }
        self.by_time.insert((at, id));
    }

    /// `id` has no deadline any more.
    pub(super) fn clear(&mut self, id: &str) {
        if let Some((id, at)) = self.of.remove_entry(id) {
            self.by_time.remove(&(at, id));
        }
    }

    /// The earliest.
    pub(super) fn first(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes one whose deadline is at or before `now`, the earliest first.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Arc<str>> {
        if self.first()? > now {
            return None;
        }
        let (_, id) = self.by_time.pop_first()?;
        self.of.remove(&id);
        Some(id)
    }

    #[cfg(test)]
    pub(super) fn has(&self, id: &str) -> bool {
        self.of.contains_key(id)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.of.len(), self.by_time.len());
        self.of.len()
    }
}
