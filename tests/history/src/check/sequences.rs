//! Batches by producer id, epoch and sequence.

use std::cell::OnceCell;

use crate::event::Identity;
use crate::{About, Promise};

use super::Context;
use super::batches::Batches;
use super::findings::Findings;

/// A batch under one of its identities.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sequenced {
    pub family: usize,
    pub id: i64,
    pub epoch: i16,
    /// The sequence that follows on its last record.
    pub next_sequence: i32,
    pub batch: u32,
}

/// The batches by sequence, put in order when they are first asked for.
#[derive(Default)]
pub(crate) struct Identities(OnceCell<Vec<Sequenced>>);

impl Identities {
    pub(crate) fn get(&self, context: &Context<'_>) -> &[Sequenced] {
        self.0.get_or_init(|| context.batches.by_sequence())
    }
}

/// The batches whose last record's sequence is the one before a batch's first.
pub(crate) fn predecessors(identities: &[Sequenced], family: usize, of: Identity) -> &[Sequenced] {
    let wanted = (family, of.id, of.epoch, of.first_sequence);
    let key = |one: &Sequenced| (one.family, one.id, one.epoch, one.next_sequence);
    let from = identities.partition_point(|one| key(one) < wanted);
    let count = identities[from..].partition_point(|one| key(one) == wanted);
    &identities[from..from + count]
}

impl Batches {
    /// Whether at least `count` later batches of the same producer, epoch and partition were sent.
    pub(crate) fn were_sent_after(&self, at: u32, count: usize) -> bool {
        let sending = self.get(at);
        self.identities(at).any(|identity| {
            let is_later = |other: &u32| {
                let later = self.get(*other);
                let same = |one: Identity| (one.id, one.epoch) == (identity.id, identity.epoch);
                later.family == sending.family
                    && later.records.first > sending.records.first
                    && self.identities(*other).any(same)
            };
            (0..self.list.len() as u32).filter(is_later).count() >= count
        })
    }

    /// The batch that its client made before another one for the same partition and whose sequences end where
    /// the other's begin, if it made only a few for others in between.
    pub(crate) fn made_before(&self, at: u32, identity: Identity) -> Option<u32> {
        let sending = self.get(at);
        let records = self.records_of(sending.records.by);
        let own = self.place_of(records, sending.records.first, 0);
        let before = records[..own].iter().rev().take(64).map(|(_, before)| *before);
        before.into_iter().find(|before| {
            let other = self.get(*before);
            other.family == sending.family
                && self.identities(*before).any(|one| {
                    (one.id, one.epoch) == (identity.id, identity.epoch)
                        && one.first_sequence >= 0
                        && advance(one.first_sequence, other.records.count) == identity.first_sequence
                })
        })
    }

    /// All batches under all their identities whose sequences are known, by what follows on them.
    pub(crate) fn by_sequence(&self) -> Vec<Sequenced> {
        let mut all = Vec::with_capacity(self.list.len());
        for at in 0..self.list.len() as u32 {
            let sending = self.get(at);
            for identity in self.identities(at).filter(|one| one.first_sequence >= 0) {
                all.push(Sequenced {
                    family: sending.family,
                    id: identity.id,
                    epoch: identity.epoch,
                    next_sequence: advance(identity.first_sequence, sending.records.count),
                    batch: at,
                });
            }
        }
        all.sort_unstable();
        all
    }

    /// Tells of two batches of one identity in one partition: the broker cannot tell them apart.
    pub(crate) fn same_identity(&self, identities: &[Sequenced], findings: &mut Findings) {
        for pair in identities.windows(2) {
            let [one, other] = [self.get(pair[0].batch), self.get(pair[1].batch)];
            let key = |one: &Sequenced| (one.family, one.id, one.epoch, one.next_sequence);
            let meet = one.place == other.place || one.by_name || other.by_name;
            if key(&pair[0]) != key(&pair[1]) || !meet {
                continue;
            }
            findings.add_found(Promise::ImmutableLog, "history", || {
                let what = format!(
                    "the history is wrong: producer {} used a sequence twice in epoch {}, for its batches {} and {}",
                    pair[0].id, pair[0].epoch, one.batch.number, other.batch.number,
                );
                let about = About::events([one.event, other.event]).batches([one.batch, other.batch]);
                (0, what, about)
            });
        }
    }
}

/// The sequence `by` records after another: after `i32::MAX` they go on at 0.
pub(crate) fn advance(sequence: i32, by: u32) -> i32 {
    ((i64::from(sequence) + i64::from(by)) % (1 << 31)) as i32
}
