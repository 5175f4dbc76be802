//! What the check found: in which records of which partition, in which object, and what is wrong there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::cli::print_lines;
use crate::failure::Outcome;

/// Findings that are kept for the end. More are counted, and printed where they are printed at once.
pub(super) const FINDINGS_MAX: usize = 10_000;

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The object is not in the bucket.
    Missing,
    /// The object ends before what it should hold.
    Truncated,
    /// What was read is not what was written.
    Corrupt,
    /// The bucket does not give the object out, and others it does.
    Unreadable,
    /// The object has another size than it should; the records named can be read.
    Size,
    /// The end of the object, which says what is in it, is damaged or not given out; the records named can be read.
    Footer,
    /// Records that could not be read when they were to be archived or merged, and cannot be now.
    Hole,
    /// Such records, whose object was repaired.
    Repaired,
    /// No plan leads to these records.
    Gap,
    /// What the metastore, manifests and objects say does not agree.
    Inconsistent,
    /// Something else was wrong each time.
    Unsettled,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Truncated => "truncated",
            Self::Corrupt => "corrupt",
            Self::Unreadable => "unreadable",
            Self::Size => "size",
            Self::Footer => "footer",
            Self::Hole => "hole",
            Self::Repaired => "repaired",
            Self::Gap => "gap",
            Self::Inconsistent => "inconsistent",
            Self::Unsettled => "unsettled",
        }
    }

    /// Whether readers do not get the records.
    pub(super) fn hides_records(self) -> bool {
        !matches!(self, Self::Size | Self::Footer | Self::Repaired)
    }

    /// Whether somebody should know without anything being wrong.
    pub(super) fn is_note(self) -> bool {
        self == Self::Repaired
    }
}

/// One thing that was found.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub kind: Kind,
    pub topic: Arc<str>,
    pub partition: i32,
    /// First offset of the records that it is about.
    pub first: i64,
    /// Offset after the last of them.
    pub end: i64,
    /// The object; none of a gap.
    pub key: Option<String>,
    pub what: String,
}

impl Finding {
    /// Whether another is the same of the records behind.
    pub(super) fn continues_with(&self, next: &Self) -> bool {
        (self.kind, self.partition, self.end) == (next.kind, next.partition, next.first)
            && (&self.topic, &self.key, &self.what) == (&next.topic, &next.key, &next.what)
    }

    /// Offset of the last record.
    fn last(&self) -> i64 {
        self.end.saturating_sub(1)
    }

    fn result(&self) -> &'static str {
        if self.kind.is_note() { "note" } else { "FAIL" }
    }

    fn line(&self) -> String {
        let key = self.key.as_ref().map_or(String::new(), |key| format!("{key}: "));
        format!(
            "{}  {:12}  {} {}, offsets {} to {}: {key}{}",
            self.result(),
            self.kind.name(),
            self.topic,
            self.partition,
            self.first,
            self.last(),
            self.what
        )
    }

    pub(super) fn document(&self) -> Value {
        json!({
            "result": self.result().to_lowercase(),
            "kind": self.kind.name(),
            "topic": *self.topic,
            "partition": self.partition,
            "first_offset": self.first,
            "last_offset": self.last(),
            "key": self.key,
            "sentence": self.what,
        })
    }
}

/// All that was found so far.
pub(super) struct Findings {
    print_at_once: bool,
    kept: Mutex<Vec<Finding>>,
    wrong: AtomicU64,
    notes: AtomicU64,
}

impl Findings {
    pub(super) fn new(print_at_once: bool) -> Self {
        Self {
            print_at_once,
            kept: Mutex::new(Vec::new()),
            wrong: AtomicU64::new(0),
            notes: AtomicU64::new(0),
        }
    }

    pub(super) fn add(&self, finding: Finding) -> Outcome {
        let count = if finding.kind.is_note() {
            &self.notes
        } else {
            &self.wrong
        };
        count.fetch_add(1, Ordering::Relaxed);
        if self.print_at_once {
            print_lines(&[finding.line()])?;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < FINDINGS_MAX {
            kept.push(finding);
        }
        Ok(())
    }

    /// How many things are wrong.
    pub(super) fn wrong(&self) -> u64 {
        self.wrong.load(Ordering::Relaxed)
    }

    /// How many were kept no longer.
    pub(super) fn left_out(&self) -> u64 {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (self.wrong() + self.notes.load(Ordering::Relaxed)).saturating_sub(kept.len() as u64)
    }

    /// Those that were kept, by topic, partition and offset.
    pub(super) fn sorted(&self) -> Vec<Finding> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.sort_by(|a, b| (&a.topic, a.partition, a.first).cmp(&(&b.topic, b.partition, b.first)));
        kept.clone()
    }
}
