//! What can go wrong with the bucket, sorted by what the caller can do about it.

use crate::segment::SegmentError;

/// Why a request to the bucket did not succeed. Every message is one sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such object. Plan again; look elsewhere.
    #[error("{key} is not in the bucket")]
    NotFound {
        /// The key, without the bucket's prefix.
        key: String,
    },
    /// The key is bound to other bytes. Never try it again: somebody else owns it.
    #[error("{key} already exists in the bucket with other bytes")]
    Conflict {
        /// The key, without the bucket's prefix.
        key: String,
    },
    /// The store did not answer, or answered that it cannot now. Try again later.
    #[error("{0}")]
    Unavailable(String),
    /// A put had no success before its deadline. The bytes may still land later: settle the outcome
    /// elsewhere before giving the key up.
    #[error("gave up writing {key} after {attempts} attempts: {last}")]
    GaveUp {
        /// The key, without the bucket's prefix.
        key: String,
        /// Attempts that were made.
        attempts: u32,
        /// What the last of them met.
        last: String,
    },
    /// The store refuses to know who we are. Somebody must change the credentials, or the clock.
    #[error("{0}")]
    Denied(String),
    /// The store knows who we are, and says no to this request. Somebody must change a permission.
    #[error("{0}")]
    Forbidden(String),
    /// The bucket, the region, the endpoint or the kind of store is not what the settings say.
    #[error("{0}")]
    Misconfigured(String),
    /// The bytes came, but they are not what was written.
    #[error("{key} is corrupt: {what}")]
    Corrupt {
        /// The key, without the bucket's prefix.
        key: String,
        /// What is wrong with it.
        what: String,
    },
}

impl StoreError {
    /// Whether waiting may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::GaveUp { .. })
    }

    /// Whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    pub(crate) fn corrupt(key: &str, what: &SegmentError) -> Self {
        Self::Corrupt {
            key: key.to_owned(),
            what: what.to_string(),
        }
    }
}
