//! What was asked, answered, moved and done wrong on purpose.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::Serialize;

use crate::action::Action;
use crate::log::Line;
use crate::store::Usage;

/// The figures, as `GET /counts` shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Answers by class of request and status; `none` where there was no answer, `other` for requests that
    /// are no S3 action.
    pub requests: BTreeMap<String, BTreeMap<String, u64>>,
    /// Requests by S3 action.
    pub actions: BTreeMap<String, u64>,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of the bodies of answers.
    pub bytes_out: u64,
    /// Faults done, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Objects stored.
    pub objects: u64,
    /// Their bytes.
    pub bytes_stored: u64,
    /// Multipart uploads under way.
    pub uploads_open: u64,
    /// Requests being handled.
    pub requests_open: u64,
    /// Effects that a fault put off and that are still to come.
    pub late_effects_pending: u64,
}

impl Snapshot {
    /// Requests of one class, by the class's name, that ended with this status (or `none`).
    pub fn answers(&self, op: &str, status: &str) -> u64 {
        let statuses = self.requests.get(op);
        statuses
            .and_then(|statuses| statuses.get(status))
            .copied()
            .unwrap_or(0)
    }

    /// All requests of one class.
    pub fn requests_of(&self, op: &str) -> u64 {
        self.requests
            .get(op)
            .map_or(0, |statuses| statuses.values().sum())
    }

    /// Faults of one kind.
    pub fn faults_of(&self, kind: &str) -> u64 {
        self.faults.get(kind).copied().unwrap_or(0)
    }
}

#[derive(Debug, Default)]
struct Tally {
    /// Status 0 is no answer.
    answers: BTreeMap<(&'static str, u16), u64>,
    actions: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    tally: Mutex<Tally>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    open: AtomicU64,
    late: AtomicU64,
}

impl Counts {
    pub(crate) fn received(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn late(&self, change: i64) {
        self.late.fetch_add(change as u64, Ordering::Relaxed);
    }

    /// Begins a request; it counts as one without an answer unless `Open::answered` is called.
    pub(crate) fn begin(self: &Arc<Self>, action: Option<Action>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open {
            counts: Arc::clone(self),
            action,
            status: 0,
            line: None,
        }
    }

    pub(crate) fn snapshot(&self, usage: Usage) -> Snapshot {
        self.shown(&self.tally.lock(), usage, |counter| {
            counter.load(Ordering::Relaxed)
        })
    }

    /// Sets everything to 0 that is not a state; returns what it was.
    pub(crate) fn reset(&self, usage: Usage) -> Snapshot {
        let mut tally = self.tally.lock();
        let before = self.shown(&tally, usage, |counter| counter.swap(0, Ordering::Relaxed));
        *tally = Tally::default();
        before
    }

    fn shown(&self, tally: &Tally, usage: Usage, read: impl Fn(&AtomicU64) -> u64) -> Snapshot {
        let mut requests: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for ((op, status), number) in &tally.answers {
            let status = match status {
                0 => "none".to_owned(),
                status => status.to_string(),
            };
            requests
                .entry((*op).to_owned())
                .or_default()
                .insert(status, *number);
        }
        let named = |map: &BTreeMap<&'static str, u64>| {
            map.iter()
                .map(|(name, number)| ((*name).to_owned(), *number))
                .collect()
        };
        Snapshot {
            requests,
            actions: named(&tally.actions),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            faults: named(&tally.faults),
            objects: usage.objects,
            bytes_stored: usage.bytes,
            uploads_open: usage.uploads,
            requests_open: self.open.load(Ordering::Relaxed),
            late_effects_pending: self.late.load(Ordering::Relaxed),
        }
    }
}

/// A request being handled.
#[derive(Debug)]
pub(crate) struct Open {
    counts: Arc<Counts>,
    action: Option<Action>,
    status: u16,
    /// What is logged about it, if anything is.
    pub(crate) line: Option<Line>,
}

impl Open {
    /// Counts the faults that were decided on.
    pub(crate) fn fated(&mut self, kinds: &[&'static str]) {
        if kinds.is_empty() {
            return;
        }
        if let Some(line) = &mut self.line {
            line.faults = kinds.to_vec();
        }
        let mut tally = self.counts.tally.lock();
        for kind in kinds {
            *tally.faults.entry(kind).or_default() += 1;
        }
    }

    pub(crate) fn answered(mut self, status: u16) {
        self.status = status;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
        let op = self.action.map_or("other", |action| action.op().name());
        let mut tally = self.counts.tally.lock();
        *tally.answers.entry((op, self.status)).or_default() += 1;
        if let Some(action) = self.action {
            *tally.actions.entry(action.name()).or_default() += 1;
        }
        drop(tally);
        if let Some(line) = &self.line {
            line.write(self.action.map_or("other", Action::name), self.status);
        }
    }
}
