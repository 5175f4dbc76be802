//! The batches that are known to stand in one partition, and those of its name that are not known to stand
//! there.

use super::super::Context;
use super::super::ends::Listed;
use super::super::log::Run;
use super::super::topics::Standing;

/// Where a batch stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Placed {
    pub base: i64,
    pub end: i64,
    pub batch: u32,
}

/// What is known of a log, from acks and reads at any time.
#[derive(Clone, Default)]
pub(super) struct KnownLog {
    /// By offset.
    placed: Vec<Placed>,
    /// Copies that may stand anywhere: batch, how many; no number if nobody can say.
    loose: Vec<(u32, Option<u32>)>,
    /// Where it ended when that was asked for last.
    end: Option<Listed>,
}

impl KnownLog {
    pub(super) fn new(
        context: &Context<'_>,
        place: usize,
        end: Option<Listed>,
        (standing, claims): (&[Standing], &[Run]),
    ) -> Self {
        let claimed = claims.iter().filter_map(|claim| {
            let (_, batch) = context.batches.batches_from(claim.by, claim.first).first()?;
            Some((claim.base, *batch))
        });
        let found = standing.iter().map(|one| (one.base, one.batch));
        let mut placed: Vec<Placed> = found
            .chain(claimed)
            .map(|(base, batch)| {
                let end = base + i64::from(context.batches.get(batch).records.count);
                Placed { base, end, batch }
            })
            .collect();
        placed.sort_unstable();
        placed.dedup();
        let mut copies: Vec<u32> = placed.iter().map(|one| one.batch).collect();
        copies.sort_unstable();
        let loose = context
            .batches
            .of_family(context.places.get(place).family)
            .filter_map(|batch| {
                let from = copies.partition_point(|one| *one < batch);
                let known = copies[from..].partition_point(|one| *one == batch) as u32;
                match context.copies_max(batch) {
                    Some(max) if max <= known => None,
                    max => Some((batch, max.map(|max| max - known))),
                }
            })
            .collect();
        Self { placed, loose, end }
    }

    /// The batches that have a record from `from` on and below `to`, by offset.
    pub(super) fn between(&self, from: i64, to: i64) -> impl DoubleEndedIterator<Item = &Placed> {
        let count = self.placed.partition_point(|one| one.base < to);
        self.placed[..count].iter().filter(move |one| one.end > from)
    }

    /// The most bytes that can have lain at or above an offset at a time; `None` if nobody can say.
    pub(super) fn most_behind(
        &self,
        context: &Context<'_>,
        offset: i64,
        at_us: u64,
        bytes: impl Fn(u32) -> Option<u64>,
    ) -> Option<u64> {
        let was_sent = |batch: u32| {
            let sent = context.history.events.get(context.batches.get(batch).event);
            sent.is_some_and(|sent| sent.at_us <= at_us)
        };
        let first = self.placed.partition_point(|one| one.base < offset);
        let mut most = 0_u64;
        for one in self.placed[first..].iter().filter(|one| was_sent(one.batch)) {
            most = most.saturating_add(bytes(one.batch)?);
        }
        let unknown = self.unknown(context, offset, at_us);
        if unknown == Some(0) {
            return Some(most);
        }
        let (mut all, mut densest) = (0_u64, 0_u64);
        for (batch, copies) in self.loose.iter().filter(|(batch, _)| was_sent(*batch)) {
            let bytes = bytes(*batch)?;
            all = all.saturating_add(bytes.saturating_mul(u64::from((*copies)?)));
            densest = densest.max(bytes.div_ceil(u64::from(context.batches.get(*batch).records.count)));
        }
        let room = unknown.map_or(u64::MAX, |unknown| unknown.saturating_mul(densest));
        Some(most.saturating_add(all.min(room)))
    }

    /// How many offsets there may have been at a time, from `offset` on, of which nothing is known.
    fn unknown(&self, context: &Context<'_>, offset: i64, at_us: u64) -> Option<u64> {
        let settled_us = context.terms.settled_from_us.unwrap_or(u64::MAX);
        let was_later = |end: &Listed| end.asked_us >= at_us.min(settled_us);
        let end = self.end.filter(was_later)?.offset;
        let mut next = offset;
        let mut unknown = 0;
        for one in self.between(offset, end) {
            unknown += (one.base - next).max(0);
            next = next.max(one.end);
        }
        unknown += (end - next).max(0);
        u64::try_from(unknown).ok()
    }
}
