//! What can go wrong, sorted by what the caller can do about it.

/// The outcome of a metastore call.
pub type Result<T> = std::result::Result<T, MetastoreError>;

/// Why a metastore call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetastoreError {
    /// The metastore could not be reached or gave up; the call surely had no effect. Try again later.
    #[error("the metastore is unavailable: {0}")]
    Unavailable(String),
    /// The connection was lost while the call was under way: it may have taken effect.
    #[error("the outcome of a metastore call is unknown: {0}")]
    UnknownOutcome(String),
    /// This incarnation was fenced. It can never change anything again.
    #[error("this agent was fenced: another incarnation took its place or it was silent for too long")]
    Fenced,
    /// The cluster is in another epoch than the caller.
    #[error("the metastore is in cluster epoch {found}, this agent in {expected}")]
    WrongEpoch {
        /// The caller's epoch.
        expected: i32,
        /// The metastore's epoch.
        found: i32,
    },
    /// A segment of the call has a row already; nothing was changed. Settle it.
    #[error("a segment of this commit is settled already")]
    AlreadySettled,
    /// The database is not the one that the cluster last saw: a failover may have lost commits.
    #[error(
        "the database has another past than the cluster last saw (system {system}, timeline {timeline}); writes wait until it is accepted"
    )]
    DifferentPast {
        /// The system identifier that answered.
        system: i64,
        /// Its timeline.
        timeline: i32,
    },
    /// The schema is older than this program needs.
    #[error("the metastore's schema is at version {found}, this program needs {needed}: run `esker migrate`")]
    NotMigrated {
        /// The schema's version; 0 if there is none.
        found: i64,
        /// The oldest version that this program works with.
        needed: i64,
    },
    /// The schema is newer than this program knows.
    #[error(
        "the metastore's schema is at version {found}, newer than this program knows ({known}): run a newer esker"
    )]
    TooNew {
        /// The schema's version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The server does not let us in: user, password or database. The call surely had no effect. It goes on when somebody
    /// changes that, be it there or in the password's file.
    #[error("{0}")]
    Refused(String),
    /// The address is wrong, or the file cannot be opened. Trying again will not help.
    #[error("{0}")]
    Misconfigured(String),
    /// The metastore answered what it never should: a defect or damaged data.
    #[error("the metastore holds or answered something impossible: {0}")]
    Corrupt(String),
}

impl MetastoreError {
    /// Its kind, as a label.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::UnknownOutcome(_) => "unknown_outcome",
            Self::Fenced => "fenced",
            Self::WrongEpoch { .. } => "wrong_epoch",
            Self::AlreadySettled => "already_settled",
            Self::DifferentPast { .. } => "different_past",
            Self::NotMigrated { .. } => "not_migrated",
            Self::TooNew { .. } => "too_new",
            Self::Refused(_) => "refused",
            Self::Misconfigured(_) => "misconfigured",
            Self::Corrupt(_) => "corrupt",
        }
    }

    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::UnknownOutcome(_))
    }
}
