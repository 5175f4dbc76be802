//! Who owns what.
//!
//! - *two-owners* (P3): a partition has two members that a coordinator confirms. Either both are confirmed by what they
//!   asked after both had heard that they own it; or one owned it, another one asked after that and heard that it owns it,
//!   and then the first one is confirmed all the same.
//! - *old-generation* (P8): a member of a classic group is confirmed in a generation although somebody had been told
//!   before it asked what it owns in a later one.
//!
//! Sound, because a coordinator that decides to confirm a member has it in its group, in that generation, with what it
//! has not given up. That a member owns something was decided before it heard of it, and what was asked after that is
//! decided after it. In a classic group what a member owns is kept before it is told, with its generation, so that
//! no coordinator goes back behind it; that a member has *joined* a generation is not, and proves nothing.

use std::collections::BTreeMap;

use super::{At, Context, Findings};
use crate::event::Partition;
use crate::group::{Kind, Member};
use crate::{About, Promise, names};

#[derive(Default)]
pub(super) struct Ownership {
    /// What members have heard that they own, and have not given up.
    holders: BTreeMap<Partition, Vec<Holding>>,
    /// What members of classic groups were told to own, in the order of time.
    generations: Vec<Generation>,
    /// When each member of a classic group heard of its generation.
    since: BTreeMap<String, (i32, u64)>,
}

struct Holding {
    member: String,
    since_us: u64,
    event: usize,
    /// What it asked last and was confirmed by: when, and which event.
    confirmed: Option<(u64, usize)>,
    /// Somebody else asked after `since_us` and heard that it owns the partition: when it heard, and which event.
    taken: Option<(u64, usize)>,
}

struct Generation {
    generation: i32,
    asked_us: u64,
    told_us: u64,
    event: usize,
}

impl Ownership {
    pub(super) fn owns(&mut self, at: At<'_>, member: &Member, partitions: &[Partition], asked_us: u64) {
        if member.kind == Kind::Classic {
            self.generations.push(Generation {
                generation: member.generation,
                asked_us,
                told_us: at.us(),
                event: at.at,
            });
            let known = self.since.get(&member.id);
            if known.is_none_or(|(generation, _)| *generation != member.generation) {
                self.since.insert(member.id.clone(), (member.generation, at.us()));
            }
        }
        for partition in partitions {
            let holders = self.holders.entry(*partition).or_default();
            if holders.iter().any(|holding| holding.member == member.id) {
                continue;
            }
            for other in holders.iter_mut().filter(|other| other.since_us <= asked_us) {
                other.taken.get_or_insert((at.us(), at.at));
            }
            holders.push(Holding {
                member: member.id.clone(),
                since_us: at.us(),
                event: at.at,
                confirmed: None,
                taken: None,
            });
        }
    }

    pub(super) fn keeps(&mut self, member: &Member, partitions: &[Partition]) {
        for (partition, holders) in &mut self.holders {
            if !partitions.contains(partition) {
                holders.retain(|holding| holding.member != member.id);
            }
        }
    }

    pub(super) fn confirmed(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        member: &Member,
        asked_us: u64,
        findings: &mut Findings,
    ) {
        for (partition, holders) in &mut self.holders {
            judge(context, at, (member, asked_us), (*partition, holders), findings);
        }
        if member.kind == Kind::Classic {
            self.judge_generation(at, member, asked_us, findings);
        }
    }

    fn judge_generation(&self, at: At<'_>, member: &Member, asked_us: u64, findings: &mut Findings) {
        let Some((generation, since_us)) = self.since.get(&member.id) else {
            return;
        };
        if *generation != member.generation {
            return;
        }
        let recent = self.generations.iter().rev();
        let mut recent = recent.take_while(|one| one.told_us >= *since_us);
        let later = recent.find(|one| {
            one.generation > member.generation && one.asked_us >= *since_us && one.told_us <= asked_us
        });
        let Some(later) = later else { return };
        findings.add(Promise::HonestErrors, "old-generation", at.us(), || {
            let what = format!(
                "{} of group {} is confirmed in generation {}, although generation {} was told before it asked",
                member.id, member.group, member.generation, later.generation
            );
            (what, About::events([later.event, at.at]).client(at.event.client))
        });
    }
}

fn judge(
    context: &Context<'_>,
    at: At<'_>,
    (member, asked_us): (&Member, u64),
    (partition, holders): (Partition, &mut [Holding]),
    findings: &mut Findings,
) {
    let Some(mine) = holders.iter().position(|holding| holding.member == member.id) else {
        return;
    };
    holders[mine].confirmed = Some((asked_us, at.at));
    let held = &holders[mine];
    let since_us = held.since_us;
    let rival = holders.iter().find_map(|other| {
        let both_us = since_us.max(other.since_us);
        let (confirmed_us, event) = other.confirmed?;
        let both = other.member != member.id && confirmed_us >= both_us && asked_us >= both_us;
        both.then_some([other.event, event])
    });
    let taken = held.taken.filter(|(taken_us, _)| asked_us >= *taken_us);
    let shown = match (rival, taken) {
        (Some(rival), _) => vec![held.event, rival[0], rival[1], at.at],
        (None, Some((_, event))) => vec![held.event, event, at.at],
        (None, None) => return,
    };
    findings.add(Promise::StatelessAgents, "two-owners", at.us(), || {
        let what = format!(
            "{} has two owners in group {}: {} is confirmed although another member was given it too",
            names::partition(context.history, partition),
            member.group,
            member.id
        );
        (what, About::events(shown).client(at.event.client))
    });
}
