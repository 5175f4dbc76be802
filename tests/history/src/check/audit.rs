//! What an audit of bucket and metastore found from outside, while nothing was done to them.
//!
//! - *missing-object* (P4): something refers to an object that is not there, or is not what was written;
//! - *uncovered* (P2): an offset between a log's start and its end is in no list, or in two of them;
//! - *miscounted* (P4): what the metastore counts of a manifest is not what it lists;
//! - *orphan* (P7): an object stays in the bucket to which nothing refers;
//! - *rows* (P5): the metastore holds more, or for longer, than upkeep should leave there;
//! - *shared-lease* (P3): two incarnations wrote what groups have to keep under one lease of their shard.
//!
//! The auditor knows the settings and the times, and tells only what is wrong under them.

use crate::event::Flaw;
use crate::{About, Promise, What};

use super::At;
use super::findings::Findings;

pub(crate) fn judge(at: At<'_>, findings: &mut Findings) {
    let What::Audited { flaw, what } = &at.event.what else {
        return;
    };
    let (promise, rule) = match flaw {
        Flaw::Missing => (Promise::TwoStores, "missing-object"),
        Flaw::Uncovered => (Promise::ImmutableLog, "uncovered"),
        Flaw::Miscounted => (Promise::TwoStores, "miscounted"),
        Flaw::Orphan => (Promise::Bounded, "orphan"),
        Flaw::Rows => (Promise::SmallMetastore, "rows"),
        Flaw::Shared => (Promise::StatelessAgents, "shared-lease"),
    };
    findings.add(promise, rule, at.us(), || (what.clone(), About::events([at.at])));
}
