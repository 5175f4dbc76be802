//! The kinds of faults: how often each comes, how long it lasts, what it needs.

/// What a fault needs, or what a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Needs {
    /// An S3 server that fails on command.
    pub store_rules: bool,
}

impl Needs {
    pub(crate) fn is_met_by(self, has: Self) -> bool {
        has.store_rules || !self.store_rules
    }
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    AgentKilled,
    AgentPaused,
    AgentDrained,
    PostgresCrashed,
    PostgresPaused,
    BackendsTerminated,
    StorePaused,
    StoreSlowDown,
    StoreInternalError,
    StoreHang,
    StoreHangAfterEffect,
    StoreDropBefore,
    StoreDropAfter,
    StoreLateEffect,
    StoreDuplicateEffect,
    StoreSlowBody,
    StoreLatency,
    StoreTruncatedBody,
    ConnectionFlood,
    SlowFrames,
    MemoryFull,
    FilesExhausted,
}

impl Kind {
    pub(crate) const ALL: [Self; 22] = [
        Self::AgentKilled,
        Self::AgentPaused,
        Self::AgentDrained,
        Self::PostgresCrashed,
        Self::PostgresPaused,
        Self::BackendsTerminated,
        Self::StorePaused,
        Self::StoreSlowDown,
        Self::StoreInternalError,
        Self::StoreHang,
        Self::StoreHangAfterEffect,
        Self::StoreDropBefore,
        Self::StoreDropAfter,
        Self::StoreLateEffect,
        Self::StoreDuplicateEffect,
        Self::StoreSlowBody,
        Self::StoreLatency,
        Self::StoreTruncatedBody,
        Self::ConnectionFlood,
        Self::SlowFrames,
        Self::MemoryFull,
        Self::FilesExhausted,
    ];

    /// In words, for summaries.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AgentKilled => "agent killed and started again",
            Self::AgentPaused => "agent paused",
            Self::AgentDrained => "agent drained and started again",
            Self::PostgresCrashed => "Postgres shut down at once and started again",
            Self::PostgresPaused => "Postgres paused",
            Self::BackendsTerminated => "database connections terminated",
            Self::StorePaused => "S3 server paused",
            Self::StoreSlowDown => "S3: 503 SlowDown",
            Self::StoreInternalError => "S3: 500 InternalError",
            Self::StoreHang => "S3: no answer",
            Self::StoreHangAfterEffect => "S3: done, and no answer",
            Self::StoreDropBefore => "S3: connection lost before the effect",
            Self::StoreDropAfter => "S3: connection lost after the effect",
            Self::StoreLateEffect => "S3: connection lost, effect comes later",
            Self::StoreDuplicateEffect => "S3: done twice",
            Self::StoreSlowBody => "S3: slow bodies",
            Self::StoreLatency => "S3: latency",
            Self::StoreTruncatedBody => "S3: bodies cut short",
            Self::ConnectionFlood => "flood of idle connections",
            Self::SlowFrames => "large frames sent slowly and never finished",
            Self::MemoryFull => "memory budget filled with large batches",
            Self::FilesExhausted => "file descriptors used up",
        }
    }

    /// How often it comes, in proportion to the others.
    pub(crate) const fn weight(self) -> u32 {
        match self {
            Self::AgentKilled | Self::AgentPaused | Self::BackendsTerminated | Self::StoreSlowDown => 8,
            Self::StoreDropAfter | Self::StoreDropBefore | Self::StoreLateEffect => 6,
            Self::StoreDuplicateEffect | Self::StoreLatency => 6,
            Self::StoreSlowBody | Self::StoreInternalError | Self::StoreTruncatedBody => 4,
            Self::AgentDrained | Self::StoreHang | Self::StoreHangAfterEffect => 4,
            Self::ConnectionFlood | Self::FilesExhausted => 4,
            Self::PostgresPaused | Self::SlowFrames => 3,
            Self::PostgresCrashed | Self::StorePaused | Self::MemoryFull => 2,
        }
    }

    /// Shortest and longest time, in seconds.
    pub(crate) const fn lasts_s(self) -> (f64, f64) {
        match self {
            Self::AgentPaused => (0.1, 20.0),
            Self::AgentKilled | Self::AgentDrained => (0.01, 3.0),
            Self::PostgresCrashed => (0.05, 5.0),
            Self::PostgresPaused | Self::StorePaused => (0.1, 8.0),
            Self::BackendsTerminated => (0.01, 0.02),
            Self::SlowFrames => (1.0, 12.0),
            Self::MemoryFull => (1.0, 4.0),
            Self::ConnectionFlood | Self::FilesExhausted => (0.3, 8.0),
            _ => (0.2, 3.0),
        }
    }

    /// What it needs.
    pub(crate) const fn needs(self) -> Needs {
        Needs {
            store_rules: matches!(
                self,
                Self::StoreSlowDown
                    | Self::StoreInternalError
                    | Self::StoreHang
                    | Self::StoreHangAfterEffect
                    | Self::StoreDropBefore
                    | Self::StoreDropAfter
                    | Self::StoreLateEffect
                    | Self::StoreDuplicateEffect
                    | Self::StoreSlowBody
                    | Self::StoreLatency
                    | Self::StoreTruncatedBody
            ),
        }
    }
}
