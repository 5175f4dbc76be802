//! P1, P3 and P8 of groups: who owns what, and what was committed.
//!
//! Members of a history keep Kafka's rules: one that hears that it is no member any more gives up what it owns before
//! anything else, and so does one that joins again, except for what a cooperative one tells that it keeps. One that hears
//! nothing may believe for any time that it still owns. So nothing is concluded from what a member believes, only from
//! what a coordinator confirms: an answer without an error to a heartbeat or a commit.
//!
//! Nothing of what is told of a group ends when the group is forgotten and begins anew: ids of members are never used
//! again by others, so that no former member is confirmed then.

mod offsets;
mod ownership;

use std::collections::BTreeMap;

use super::findings::Findings;
use super::{At, Context};
use crate::InGroup;
use offsets::Offsets;
use ownership::Ownership;

/// What is known of all groups.
#[derive(Default)]
pub(crate) struct Groups {
    groups: BTreeMap<String, Group>,
}

#[derive(Default)]
struct Group {
    ownership: Ownership,
    offsets: Offsets,
}

impl Groups {
    pub(crate) fn event(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        what: &InGroup,
        findings: &mut Findings,
    ) {
        let group = match self.groups.get_mut(what.group()) {
            Some(group) => group,
            None => self.groups.entry(what.group().to_owned()).or_default(),
        };
        match what {
            InGroup::Joined { .. } => {}
            InGroup::Owns {
                member,
                partitions,
                asked_us,
                ..
            } => {
                group.ownership.owns(at, member, partitions, *asked_us);
                group.offsets.owns(at, member, partitions, *asked_us);
            }
            InGroup::Keeps { member, partitions } => group.ownership.keeps(member, partitions),
            InGroup::Heard { member, asked_us, .. } => {
                group
                    .ownership
                    .confirmed(context, at, member, *asked_us, findings);
            }
            InGroup::Committing {
                member,
                partition,
                offset,
                ..
            } => group.offsets.committing(at, member, *partition, *offset),
            InGroup::Committed {
                member,
                partition,
                asked_us,
                error,
                ..
            } => {
                if *error == Some(0) {
                    group
                        .ownership
                        .confirmed(context, at, member, *asked_us, findings);
                }
                group
                    .offsets
                    .committed(at, (member, *partition, *asked_us), *error);
            }
            InGroup::Told {
                partition,
                asked_us,
                offset,
                ..
            } => group
                .offsets
                .told(context, at, (*partition, *offset, *asked_us), findings),
        }
    }
}
