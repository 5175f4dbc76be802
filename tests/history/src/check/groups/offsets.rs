//! What groups committed.
//!
//! - *committed-back* (P1): a group is told an older offset than one whose commit was acknowledged, or that somebody had
//!   been told, before it asked;
//! - *committed-lost* (P1): it is told that there is none;
//! - *committed-unknown* (P2): it is told an offset that nobody committed, or whose commit was refused.
//!
//! A commit takes effect at some moment between its sending and its answer; one without an answer, or with one that
//! leaves it open, at any time until the member cannot be accepted any more. That is the case once somebody heard what was
//! decided after it was sent: in a classic group, what it owns in a later generation; in one of KIP-848, that another
//! member owns the partition, or that the member itself has a later epoch. (A connection that is slow may bring a request
//! long after its client gave it up, so until then an older offset may come after a newer one of the same member, as
//! in Kafka.) An answer to the question is some commit's offset that may have taken effect before it, and that was not
//! over when the sending of another one began that had taken effect before the question. Nobody deletes offsets.

use std::collections::BTreeMap;

use super::{At, Context, Findings};
use crate::event::{Client, Partition};
use crate::group::{Kind, Member};
use crate::{About, Promise, names};

/// Answers that say that the commit is not made, and will not be.
const REFUSALS: [i16; 9] = [3, 12, 22, 25, 27, 35, 82, 110, 113];

#[derive(Default)]
pub(super) struct Offsets {
    partitions: BTreeMap<Partition, OfPartition>,
}

#[derive(Default)]
struct OfPartition {
    commits: Vec<Commit>,
    /// Commits that may still take effect.
    open: Vec<usize>,
    /// What had taken effect when.
    known: Vec<Known>,
}

struct Commit {
    client: Option<Client>,
    member: String,
    kind: Kind,
    generation: i32,
    offset: i64,
    sent_us: u64,
    /// From then on it does not take effect any more.
    end_us: u64,
    refused: bool,
    event: usize,
}

/// By `at_us` a commit had taken effect that was sent at `sent_us`, or one that was sent later.
#[derive(Clone, Copy)]
struct Known {
    at_us: u64,
    sent_us: u64,
    event: usize,
}

impl Offsets {
    pub(super) fn committing(&mut self, at: At<'_>, member: &Member, partition: Partition, offset: i64) {
        let of = self.partitions.entry(partition).or_default();
        of.open.push(of.commits.len());
        of.commits.push(Commit {
            client: at.event.client,
            member: member.id.clone(),
            kind: member.kind,
            generation: member.generation,
            offset,
            sent_us: at.us(),
            end_us: u64::MAX,
            refused: false,
            event: at.at,
        });
    }

    pub(super) fn committed(
        &mut self,
        at: At<'_>,
        (member, partition, asked_us): (&Member, Partition, u64),
        error: Option<i16>,
    ) {
        let Some(of) = self.partitions.get_mut(&partition) else {
            return;
        };
        let Some(error) = error else { return };
        let is_it = |commit: &Commit| {
            commit.client == at.event.client && commit.member == member.id && commit.sent_us == asked_us
        };
        let Some(open) = of.open.iter().position(|open| is_it(&of.commits[*open])) else {
            // It was over already: what came later was told to somebody before this answer arrived.
            if error == 0
                && let Some(commit) = of.commits.iter().rev().find(|commit| is_it(commit))
            {
                let (sent_us, event) = (commit.sent_us, at.at);
                of.learn(at.us(), sent_us, event);
            }
            return;
        };
        let number = of.open[open];
        if error == 0 {
            of.open.remove(open);
            of.commits[number].end_us = at.us();
            let sent_us = of.commits[number].sent_us;
            of.learn(at.us(), sent_us, at.at);
        } else if REFUSALS.contains(&error) {
            of.open.remove(open);
            of.commits[number].refused = true;
        }
    }

    /// Somebody was told what it owns: some commits can not be accepted any more.
    pub(super) fn owns(&mut self, at: At<'_>, member: &Member, partitions: &[Partition], asked_us: u64) {
        for (partition, of) in &mut self.partitions {
            let given = partitions.contains(partition);
            let OfPartition { commits, open, .. } = of;
            open.retain(|number| {
                let commit = &mut commits[*number];
                let same = commit.member == member.id;
                let later = commit.generation < member.generation;
                let over = match commit.kind {
                    Kind::Classic => later,
                    Kind::Consumer => (same && later) || (!same && given),
                };
                let over = over && commit.sent_us <= asked_us;
                if over {
                    commit.end_us = at.us();
                }
                !over
            });
        }
    }

    pub(super) fn told(
        &mut self,
        context: &Context<'_>,
        at: At<'_>,
        (partition, offset, asked_us): (Partition, i64, u64),
        findings: &mut Findings,
    ) {
        let of = self.partitions.entry(partition).or_default();
        let before = of.before(asked_us);
        let about = |events: Vec<usize>| About::events(events).partition(partition);
        let name = || names::partition(context.history, partition);
        if offset < 0 {
            if let Some(known) = before {
                findings.add(Promise::DurableAck, "committed-lost", at.us(), || {
                    let what = format!("no committed offset of {} is there any more", name());
                    (what, about(vec![known.event, at.at]))
                });
            }
            return;
        }
        let mut same = of.commits.iter().filter(|commit| commit.offset == offset);
        let mut sent_us: Option<u64> = None;
        let mut stale: Option<usize> = None;
        for commit in &mut same {
            if commit.refused {
                continue;
            }
            if before.is_some_and(|known| commit.end_us < known.sent_us) {
                stale = Some(commit.event);
            } else {
                sent_us = Some(sent_us.map_or(commit.sent_us, |before| before.min(commit.sent_us)));
            }
        }
        match (sent_us, stale) {
            (Some(sent_us), _) => of.learn(at.us(), sent_us, at.at),
            (None, Some(event)) => findings.add(Promise::DurableAck, "committed-back", at.us(), || {
                let what = format!(
                    "the committed offset of {} is {offset}, which was over before a later one was committed",
                    name()
                );
                let known = before.map(|known| known.event);
                (what, about(known.into_iter().chain([event, at.at]).collect()))
            }),
            (None, None) => findings.add(Promise::ImmutableLog, "committed-unknown", at.us(), || {
                let what = format!(
                    "the committed offset of {} is {offset}, which nobody committed",
                    name()
                );
                (what, about(vec![at.at]))
            }),
        }
    }
}

impl OfPartition {
    /// A commit had taken effect, or a later one.
    fn learn(&mut self, at_us: u64, sent_us: u64, event: usize) {
        if self.known.last().is_none_or(|last| last.sent_us < sent_us) {
            self.known.push(Known {
                at_us,
                sent_us,
                event,
            });
        }
    }

    /// The latest that had surely taken effect before `at_us`.
    fn before(&self, at_us: u64) -> Option<Known> {
        let count = self.known.partition_point(|known| known.at_us < at_us);
        count.checked_sub(1).map(|last| self.known[last])
    }
}
