//! What retention says to the metastore.

use esker_model::PartitionKey;

/// What a partition keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetainRequest {
    /// The partition.
    pub partition: PartitionKey,
    /// Records that are older may go, in milliseconds; `None`: however old they are, they stay.
    pub ms: Option<i64>,
    /// Records may go that have at least so many bytes behind them; `None`: however many there are, they stay.
    pub bytes: Option<u64>,
}
