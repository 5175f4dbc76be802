//! P1 and P4: what was acknowledged is in the bucket when a restore lists it, and nothing else is in doubt.
//!
//! *not-restorable*: a restore raised the cluster epoch, waited for longer than T and listed the bucket; a
//! batch that was acknowledged, before that or after, is in none of the segments that it found, or a record
//! that a Fetch showed is not. Sound because an acknowledgement, and that an offset becomes visible, needs a
//! look at the bucket that began less than T before it, after the commit, and showed the old epoch; the
//! segment was there before the commit. What may be gone by then ([`super::removal`]) may be in no segment.
//!
//! *unsettled*: a segment lies in the bucket that is neither committed nor tombstoned, though the incarnation
//! that wrote it lives and has nothing under way. Its clients have an answer by then: a restore could not
//! tell whether they were told that it failed. Sound because an incarnation settles every segment whose
//! upload ended without a success before it answers.

use std::collections::BTreeMap;

use crate::event::{Client, Partition, Records, Seen};
use crate::{About, Promise, What, names};

use super::findings::Findings;
use super::removal::Removal;
use super::{At, Context};

/// Judges what a restore found against everything that is acknowledged or shown in the whole history.
pub(crate) fn judge(context: &Context<'_>, removal: &Removal, at: At<'_>, findings: &mut Findings) {
    let What::Restorable { records } = &at.event.what else {
        return;
    };
    let found = Found::new(records);
    let is_gone = |partition: Partition, offset: i64| {
        let place = context.places.find(partition);
        place.is_some_and(|place| removal.may_be_gone(context, place, offset, at.us()))
    };
    let mut sent = BTreeMap::new();
    for (place, event) in context.history.events.iter().enumerate() {
        match &event.what {
            What::Sent {
                batch,
                records,
                partition,
                ..
            } if !was_deleted(context, *partition) => {
                sent.insert(*batch, (*partition, *records));
            }
            What::Acked {
                batch,
                base_offset,
                by,
                ..
            } => {
                let missing = sent.get(batch).and_then(|(partition, records): &(_, Records)| {
                    let missing = found.missing(*records)?;
                    // A batch goes as a whole.
                    let last = base_offset + i64::from(records.count) - 1;
                    (!is_gone(*partition, last)).then_some(missing)
                });
                let Some(missing) = missing else { continue };
                findings.add(Promise::DurableAck, "not-restorable", event.at_us, || {
                    let told = names::batch(context.history, *batch);
                    let what = format!(
                        "{told} was acknowledged at {} s, but record {missing} of it is in no segment that was in the bucket when a restore listed it at {} s",
                        names::seconds(event.at_us),
                        names::seconds(at.us()),
                    );
                    let about = About::events([place, at.at]).batches([*batch]);
                    (what, about.life(*by))
                });
            }
            What::Fetched {
                partition, seen, by, ..
            } if !was_deleted(context, *partition) => {
                let missing = |seen: &Seen| {
                    let missing = found.missing(seen.records)?;
                    let offset = seen.base_offset + (missing - seen.records.first) as i64;
                    (!is_gone(*partition, offset)).then_some((seen.base_offset, missing))
                };
                let Some((offset, missing)) = seen.iter().find_map(missing) else {
                    continue;
                };
                findings.add(Promise::DurableAck, "not-restorable", event.at_us, || {
                    let what = format!(
                        "a read of {} at {} s shows, from offset {offset} on, record {missing}, which is in no segment that was in the bucket when a restore listed it at {} s",
                        names::partition(context.history, *partition),
                        names::seconds(event.at_us),
                        names::seconds(at.us()),
                    );
                    let about = About::events([place, at.at]).partition(*partition);
                    (what, about.life(*by).client(event.client))
                });
            }
            _ => {}
        }
    }
}

/// Nothing has to be kept of a topic that was deleted, or whose name was.
fn was_deleted(context: &Context<'_>, partition: Partition) -> bool {
    let topics = &context.history.topics;
    let Some(topic) = topics.get(partition.topic.0 as usize) else {
        return true;
    };
    let mut bearers = topics.iter().filter(|other| other.name == topic.name);
    bearers.any(|topic| topic.deleted_from_us.is_some())
}

/// Judges a segment that nobody can account for.
pub(crate) fn unsettled(at: At<'_>, findings: &mut Findings) {
    if let What::Unsettled { key } = &at.event.what {
        findings.add(Promise::TwoStores, "unsettled", at.us(), || {
            let what = format!(
                "{key} is in the bucket, neither committed nor tombstoned, and the incarnation that wrote it lives"
            );
            (what, About::events([at.at]))
        });
    }
}

/// Records by their client, as ranges of numbers that neither touch nor overlap, ascending.
struct Found(BTreeMap<Client, Vec<(u64, u64)>>);

impl Found {
    fn new(records: &[Records]) -> Self {
        let mut sorted: Vec<_> = records
            .iter()
            .map(|records| {
                (
                    records.by,
                    records.first,
                    records.first + u64::from(records.count),
                )
            })
            .collect();
        sorted.sort_unstable();
        let mut found: BTreeMap<Client, Vec<(u64, u64)>> = BTreeMap::new();
        for (by, first, end) in sorted {
            let ranges = found.entry(by).or_default();
            match ranges.last_mut() {
                Some(last) if first <= last.1 => last.1 = last.1.max(end),
                _ => ranges.push((first, end)),
            }
        }
        Self(found)
    }

    /// The first of the records that is not there.
    fn missing(&self, records: Records) -> Option<u64> {
        let end = records.first + u64::from(records.count);
        let Some(ranges) = self.0.get(&records.by) else {
            return Some(records.first);
        };
        let at = ranges.partition_point(|range| range.1 <= records.first);
        match ranges.get(at) {
            Some(range) if range.0 <= records.first && end <= range.1 => None,
            Some(range) if range.0 <= records.first => Some(range.1),
            _ => Some(records.first),
        }
    }
}
