//! Objects that nothing refers to: each waits to be removed, or is younger than the time in which a sweep finds it, or
//! belongs to an incarnation that lives, which may still be about to register it.
//!
//! From when on a segment could be removed is not in the tables: it also depends on what its incarnation has settled. So two
//! looks tell: what could be removed in the first, and is there in the second, stayed for at least the time between them.
//!
//! One that something referred to once does not become one of those: it has to be released.

use std::collections::{BTreeMap, BTreeSet};

use esker_history::event::Flaw;
use esker_metastore::auditing::{Contents, IncarnationContents, Life, SegmentContents, SegmentState};
use esker_model::{IncarnationId, ObjectId, SegmentId, SegmentKind};
use esker_storage::keys::key_of;

use super::bucket::{Bucket, Held};
use super::lists::Lists;
use super::{Found, Look, Quiet};

/// Segments that may be removed at this moment: what a later look still finds of them was left lying.
pub(super) fn removable(contents: &Contents) -> BTreeSet<SegmentId> {
    let incarnations = Incarnations::new(contents);
    let may_go = |segment: &&SegmentContents| match segment.state {
        SegmentState::Live { .. } | SegmentState::Gone => false,
        // It may still ask what became of it.
        _ if incarnations.has_not_settled(&ObjectId::Segment(segment.id)) => false,
        SegmentState::Tombstone { .. } => true,
        SegmentState::Released { since_ms, kept_ms } => since_ms.saturating_add(kept_ms) <= contents.now_ms,
    };
    contents
        .segments
        .iter()
        .filter(may_go)
        .map(|segment| segment.id)
        .collect()
}

/// Objects that are to be removed.
struct Waiting<'a> {
    /// Until when (database's clock) those of single partitions may stay.
    until_ms: BTreeMap<ObjectId, i64>,
    segments: BTreeSet<SegmentId>,
    /// Those that could be removed long ago.
    overdue: &'a BTreeSet<SegmentId>,
}

impl<'a> Waiting<'a> {
    fn new(look: &'a Look<'_>, contents: &Contents) -> Self {
        let removed_ms = look.plan.removed_within().as_millis() as i64;
        let unneeded = contents.unneeded.iter();
        Self {
            until_ms: unneeded
                .map(|(id, since_ms)| (*id, since_ms.saturating_add(removed_ms)))
                .collect(),
            segments: contents.segments.iter().map(|segment| segment.id).collect(),
            overdue: look.before,
        }
    }

    /// Whether an object waits to be removed; if it has waited for too long, why that is said.
    fn judge(&self, id: &ObjectId, now_ms: i64) -> Option<Result<(), String>> {
        if let Some(until_ms) = self.until_ms.get(id) {
            let late_ms = now_ms.saturating_sub(*until_ms);
            return Some(match late_ms > 0 {
                true => Err(format!("should have been removed {late_ms} ms ago")),
                false => Ok(()),
            });
        }
        let ObjectId::Segment(segment) = id else {
            return None;
        };
        self.segments
            .contains(segment)
            .then(|| match self.overdue.contains(segment) {
                true => Err("could be removed for a long time, and was not".to_owned()),
                false => Ok(()),
            })
    }
}

struct Incarnations<'a>(BTreeMap<IncarnationId, &'a IncarnationContents>);

impl<'a> Incarnations<'a> {
    fn new(contents: &'a Contents) -> Self {
        Self(contents.incarnations.iter().map(|one| (one.id, one)).collect())
    }

    /// Whether an incarnation lives that may still make something refer to the object.
    fn may_refer_to(&self, id: &ObjectId) -> bool {
        let lives = self.0.get(&id.incarnation()).filter(|one| one.life == Life::Live);
        lives.is_some_and(|one| match id {
            ObjectId::Segment(segment) if segment.kind == SegmentKind::Ingest => {
                one.settled_through < segment.seq
            }
            _ => true,
        })
    }

    fn has_not_settled(&self, id: &ObjectId) -> bool {
        matches!(id, ObjectId::Segment(segment) if segment.kind == SegmentKind::Ingest)
            && self.may_refer_to(id)
    }
}

pub(super) fn judge(look: &Look<'_>, contents: &Contents, bucket: &Bucket, lists: &Lists) -> Vec<Found> {
    let incarnations = Incarnations::new(contents);
    let waiting = Waiting::new(look, contents);
    let to_empty: BTreeMap<_, _> = contents.topics_to_empty.iter().copied().collect();
    let mut found = Vec::new();
    for (id, held) in bucket.objects() {
        if lists.referred.contains(id) {
            continue;
        }
        let emptied = id.log().and_then(|log| to_empty.get(&log.topic));
        let why = match waiting.judge(id, contents.now_ms) {
            Some(judged) => judged.err(),
            None if emptied.is_some() => None,
            None => unknown(look, &incarnations, id, held),
        };
        if let Some(why) = why {
            found.push((Flaw::Orphan, format!("{} {why}", key_of(id))));
        }
    }
    found
}

/// An object that the metastore does not know.
fn unknown(look: &Look<'_>, incarnations: &Incarnations<'_>, id: &ObjectId, held: &Held) -> Option<String> {
    let age_us = look.now_us.saturating_sub(held.landed_us);
    let swept_us = look.plan.swept_within().as_micros() as u64;
    if incarnations.may_refer_to(id) {
        let world = look.world;
        let let_go = world.was_referred_to(id) && !world.was_deleted(&key_of(id));
        return match look.quiet {
            _ if let_go => Some("was referred to once, and was let go without being released".to_owned()),
            // Nothing failed since its incarnation began.
            Quiet::Swept if age_us > swept_us => {
                Some("is of no use to the incarnation that wrote it".to_owned())
            }
            _ => None,
        };
    }
    // Objects of one partition are counted: one too many is not seen where another one is missing.
    let hides = |lost: &ObjectId| lost.log().is_some() && lost.log() == id.log();
    let is_hidden = || look.world.lost_objects().iter().any(hides);
    (age_us > swept_us && !is_hidden()).then(|| {
        let age_s = age_us as f64 / 1e6;
        format!(
            "was not swept: nothing refers to it, its writer does not live, and it landed {age_s:.1} s ago"
        )
    })
}
