//! What agents of a run do besides serving, how often, and within which time it has to show.

use std::time::Duration;

use esker_broker::MergeLimits;
use esker_model::seams::Rng;

use super::Draw;

/// How agents do upkeep: all of a run in the same way.
#[derive(Clone, Debug)]
pub struct UpkeepPlan {
    /// `archive_interval_ms`.
    pub interval: Duration,
    /// `archive_grace_ms`.
    pub grace: Duration,
    /// The time between two sweeps.
    pub sweep: Duration,
    /// When archived records are merged, and into what.
    pub merge: MergeLimits,
}

/// What a step takes, requests at the stores included, when nothing fails; and the wait for a turn.
const WORK: Duration = Duration::from_secs(10);

/// The longest time between two looks of the jobs that archive and remove, and between two passes of merging.
const LOOK_MAX: Duration = Duration::from_secs(30);
const PASS_MAX: Duration = Duration::from_secs(60);

/// Jobs draw their pauses: up to one and a half of the time that is meant.
fn at_most(pause: Duration) -> Duration {
    pause * 3 / 2
}

impl UpkeepPlan {
    /// Small numbers, so that manifests come to be, have several entries and leaves, and lose some. Not the smallest that
    /// are possible: one object for each kilobyte and a leaf for each of those takes minutes to be read through.
    pub(super) fn draw(draw: &Draw, interval: Duration, grace: Duration) -> Self {
        Self {
            interval,
            grace,
            sweep: draw.ms(1_000, 15_000),
            merge: MergeLimits {
                bytes: 1_000 << draw.0.below(8),
                extents: draw.between(2, 11),
                age: interval * draw.between(1, 6) as u32,
                object_bytes: draw.one_of(&[4_000, 4_000, 16_000, 64 << 20]),
                manifest_entries: draw.one_of(&[4, 4, 8, 512]),
                leaf_entries: draw.between(2, 4) as usize,
                repack_bytes: draw.one_of(&[1, 1_000, 10_000]),
            },
        }
    }

    fn look(&self) -> Duration {
        at_most((self.interval / 4).min(LOOK_MAX)) + WORK
    }

    /// Until the next pass of merging has ended.
    pub fn pass(&self) -> Duration {
        at_most(self.interval.min(PASS_MAX)) + WORK
    }

    /// A committed segment is archived and released within this time.
    pub fn archived_within(&self) -> Duration {
        self.interval + self.look()
    }

    /// An archived extent is merged within this time.
    pub fn merged_within(&self) -> Duration {
        self.merge.age + self.pass()
    }

    /// What nobody needs is removed within this time, the grace included.
    pub fn removed_within(&self) -> Duration {
        self.grace + self.look()
    }

    /// What nothing refers to is swept within this time after it landed, if its writer had ended by then.
    pub fn swept_within(&self) -> Duration {
        at_most(self.sweep) + WORK
    }

    /// Archived extents that a partition has at most at any time, given that nobody writes much: those that merging leaves,
    /// and those of the rounds until it comes again.
    pub fn extents_max(&self) -> u64 {
        let rounds = self.pass().as_millis() / self.interval.as_millis().max(1) + 2;
        // A round makes one of each partition, or two where the first fills a chunk.
        self.merge.extents + 2 * rounds as u64
    }

    /// When nothing fails any more, everything that was under way has come to its end within this time: archived, merged,
    /// removed and swept, each step once more than it takes.
    pub fn settled_within(&self) -> Duration {
        let moved = self.archived_within() + self.merged_within() + self.removed_within();
        (moved * 3 / 2).max(self.swept_within() * 2)
    }
}
