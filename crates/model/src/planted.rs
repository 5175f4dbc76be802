//! Mistakes that the simulator plants, to prove that it would catch them.
//!
//! Only a build with the feature `planted` can make them, and only on threads that were told to; in every
//! other build [`planted`] is `false` at compile time and the mistakes are not there.

/// A mistake that somebody could make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mistake {
    /// A batch is acknowledged, at the offset that it will probably get, before its commit.
    AckBeforeCommit,
    /// A fenced incarnation may go on to commit.
    SkipFence,
    /// A segment whose commit has an unknown outcome is looked for, and given up if it is not there.
    LookThenGiveUp,
    /// An upload that gave up is answered without a tombstone.
    GiveUpWithoutTombstone,
    /// A gap in a producer's sequences is appended.
    IgnoreSequenceGap,
    /// A gap is answered as if its sequences lay in the past (45).
    GapIsOutOfOrder,
    /// A duplicate at the head of a run rejects the whole run.
    DuplicateRejectsRun,
    /// A partition remembers only the last run of a producer.
    RememberOneRun,
    /// What is older than the remembered runs is answered as out of order (45).
    OldIsOutOfOrder,
    /// What a producer sent behind a failed run is not failed.
    SuccessorsGoOn,
    /// A commit whose reply was lost is made again.
    CommitAgain,
    /// Segments are committed as their uploads end, not as they were sealed.
    CommitOutOfOrder,
    /// A key is used again for another segment, and the object replaced.
    ReuseSegmentKey,
    /// Acknowledgements do not ask for the cluster's epoch.
    SkipEpochGate,
    /// Batches behind the first of an extent get the first one's base offset.
    WrongBaseOffset,
    /// The hot index joins extents that do not touch.
    IndexWithHoles,
    /// The hot index believes an older head.
    HeadGoesBack,
    /// Nobody who waits for records is woken.
    DropWakeUp,
    /// A topic that is created again gets the key, and so the caches, of the deleted one.
    TopicKeyLivesOn,
    /// The cache does not tell the segments of different incarnations apart.
    CacheKeyTooShort,
    /// What a failed upload held in memory stays charged.
    LeakBudget,
    /// ListOffsets is answered from what this agent happens to know.
    ListFromIndex,
    /// An error comes with an offset that looks real.
    ErrorWithOffset,
    /// What was read from the bucket is not verified.
    SkipChecksum,
    /// A segment is released although records in it are not archived.
    ReleaseTooEarly,
    /// Archiving passes over what cannot be read for now, and goes on behind it.
    ArchiveWithGaps,
    /// Retention by age removes the first chunk that has to be kept as well.
    RetainTooLittleByAge,
    /// Retention by size counts the chunk that it removes as if it stayed.
    RetainTooLittleBySize,
    /// Retention removes the first merged segment that has to be kept as well.
    RetainTooFewListed,
    /// Retention looks into no manifest.
    ListedStays,
    /// Retention moves a log start back to where a chunk begins.
    LogStartGoesBack,
    /// DeleteRecords removes the record at the offset that was asked for too.
    DeleteTooMuch,
    /// The sweep takes objects of living incarnations for orphans too.
    SweepLiving,
    /// The sweep does not ask manifests what they list.
    SweepListed,
    /// A manifest is replaced without asking whether it is the one that was read.
    MergeWithoutVersion,
    /// Merging gives up what cannot be read for now, as if it were lost.
    MergeWithGap,
    /// What a manifest does not need any more is not released.
    NeverRelease,
    /// What goes from a manifest takes along the merged segment that comes behind it.
    RemoveListed,
    /// A fenced incarnation may go on to replace manifests.
    FencedMayMerge,
    /// An object that is gone is lost, without planning its records anew.
    CorruptOn404,
    /// Former members of a group, and those of an earlier generation, may commit.
    FormerMemberCommits,
    /// A write for a group that comes late is made, although a later one was.
    LateGroupWrite,
    /// What groups have to keep is answered before it is kept.
    GroupAnswersEarly,
    /// SyncGroup is answered with what the member had before, without waiting for the leader.
    SyncDoesNotWait,
    /// A member of a group is given what another one has not given up.
    GiveTwice,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Mistake; 45] = [
        Self::AckBeforeCommit,
        Self::SkipFence,
        Self::LookThenGiveUp,
        Self::GiveUpWithoutTombstone,
        Self::IgnoreSequenceGap,
        Self::GapIsOutOfOrder,
        Self::DuplicateRejectsRun,
        Self::RememberOneRun,
        Self::OldIsOutOfOrder,
        Self::SuccessorsGoOn,
        Self::CommitAgain,
        Self::CommitOutOfOrder,
        Self::ReuseSegmentKey,
        Self::SkipEpochGate,
        Self::WrongBaseOffset,
        Self::IndexWithHoles,
        Self::HeadGoesBack,
        Self::DropWakeUp,
        Self::TopicKeyLivesOn,
        Self::CacheKeyTooShort,
        Self::LeakBudget,
        Self::ListFromIndex,
        Self::ErrorWithOffset,
        Self::SkipChecksum,
        Self::ReleaseTooEarly,
        Self::ArchiveWithGaps,
        Self::RetainTooLittleByAge,
        Self::RetainTooLittleBySize,
        Self::RetainTooFewListed,
        Self::ListedStays,
        Self::LogStartGoesBack,
        Self::DeleteTooMuch,
        Self::SweepLiving,
        Self::SweepListed,
        Self::MergeWithoutVersion,
        Self::MergeWithGap,
        Self::NeverRelease,
        Self::RemoveListed,
        Self::FencedMayMerge,
        Self::CorruptOn404,
        Self::FormerMemberCommits,
        Self::LateGroupWrite,
        Self::GroupAnswersEarly,
        Self::SyncDoesNotWait,
        Self::GiveTwice,
    ];
}

#[cfg(feature = "planted")]
mod switch {
    use std::cell::Cell;

    use super::Mistake;

    thread_local! {
        static PLANTED: Cell<Option<Mistake>> = const { Cell::new(None) };
    }

    /// Everything on this thread makes this mistake from now on.
    pub fn plant(mistake: Option<Mistake>) {
        PLANTED.set(mistake);
    }

    /// The mistake that everything on this thread makes now.
    pub fn now() -> Option<Mistake> {
        PLANTED.get()
    }

    /// Whether this mistake is to be made.
    pub fn planted(mistake: Mistake) -> bool {
        PLANTED.get() == Some(mistake)
    }
}

#[cfg(feature = "planted")]
pub use switch::{now, plant, planted};

/// Whether this mistake is to be made: never, in this build.
#[cfg(not(feature = "planted"))]
pub const fn planted(_mistake: Mistake) -> bool {
    false
}
