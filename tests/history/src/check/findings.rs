//! Collects violations.
//!
//! One fault of the system often shows in thousands of events. Of each rule the first few are kept, the
//! rest is counted.

use std::collections::BTreeMap;

use crate::{About, Promise, Violation};

/// Violations of one rule that are told in full.
const PER_RULE_MAX: usize = 12;

#[derive(Default)]
pub(crate) struct Findings {
    list: Vec<Violation>,
    /// How many violations of each rule there were, and where the last one told lies.
    counts: BTreeMap<&'static str, (usize, usize)>,
}

impl Findings {
    /// A violation at a known time; `tell` is called only if it is told in full.
    pub(crate) fn add(
        &mut self,
        promise: Promise,
        rule: &'static str,
        at_us: u64,
        tell: impl FnOnce() -> (String, About),
    ) {
        self.add_found(promise, rule, || {
            let (what, about) = tell();
            (at_us, what, about)
        });
    }

    /// A violation whose events have to be looked for; `find` is called only if it is told in full.
    pub(crate) fn add_found(
        &mut self,
        promise: Promise,
        rule: &'static str,
        find: impl FnOnce() -> (u64, String, About),
    ) {
        let (count, last) = self.counts.entry(rule).or_default();
        *count += 1;
        if *count > PER_RULE_MAX {
            return;
        }
        *last = self.list.len();
        let (at_us, what, about) = find();
        self.list.push(Violation {
            promise,
            rule,
            what,
            at_us,
            about,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, in the order of time.
    pub(crate) fn finish(mut self) -> Vec<Violation> {
        for (count, last) in self.counts.values() {
            if let (Some(violation), Some(more @ 1..)) =
                (self.list.get_mut(*last), count.checked_sub(PER_RULE_MAX))
            {
                violation.what.push_str(&format!(" ({more} more like this)"));
            }
        }
        self.list.sort_by_key(|violation| violation.at_us);
        self.list
    }
}
