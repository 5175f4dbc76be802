//! What happened in groups, in numbers.

use std::collections::BTreeSet;

use esker_history::group::{InGroup, Kind};
use esker_history::{History, What};

use crate::world::tally::Counts;

/// Counts what members of groups did and were told.
pub(super) fn count(history: &History, counts: &mut Counts) {
    let mut generations = BTreeSet::new();
    let mut groups = BTreeSet::new();
    let mut count = |what: &'static str| *counts.entry(("groups", what)).or_default() += 1;
    for event in &history.events {
        let What::InGroup(what) = &event.what else {
            continue;
        };
        if groups.insert(what.group()) {
            count("groups");
        }
        match what {
            InGroup::Joined { member, .. } => count(match member.kind {
                Kind::Classic => "joins",
                Kind::Consumer => "joins of KIP-848",
            }),
            InGroup::Owns { member, .. } => {
                count("assignments");
                if generations.insert((&member.group, member.generation)) {
                    count("generations");
                }
            }
            InGroup::Keeps { .. } => count("given up"),
            InGroup::Heard { .. } => count("heartbeats"),
            InGroup::Committing { .. } => {}
            InGroup::Committed { error, .. } => count(match error {
                Some(0) => "commits",
                Some(_) => "commits refused",
                None => "commits without answer",
            }),
            InGroup::Told { .. } => count("offsets asked"),
        }
    }
}
