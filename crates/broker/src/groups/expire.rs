//! Forgets offsets that nobody will ask for: of groups that have been without members for `offsets.retention.minutes`, of
//! deleted topics, and ([`unread`]) of topics that a group with members does not read any more. A group without members and
//! offsets goes.
//!
//! What holds: one statement takes [`LIMIT`] offsets at most. Where there may be more, a shard has another turn in the same
//! look, after all others and a rest, [`TURNS_MAX`] times: what is left then waits for the next look. A shard for which the
//! metastore fails has no other turn in that look; the others go on.

use std::sync::Arc;
use std::time::Duration;

use esker_metastore::{MetastoreError, ShardLease};
use tracing::{debug, warn};

use super::shard::Slot;
use super::{Groups, unread};

/// Between two looks at all shards: Kafka's `offsets.retention.check.interval.ms`.
const LOOK_EVERY: Duration = Duration::from_secs(10 * 60);

/// Offsets forgotten, and groups told, by one statement.
pub(super) const LIMIT: usize = 1_000;

/// Turns of one shard in one look: 200,000 offsets.
pub(super) const TURNS_MAX: usize = 200;

/// After a statement that found as much as it could take: the metastore has others to serve.
pub(super) const REST: Duration = Duration::from_millis(20);

/// Looks until the incarnation ends.
pub(super) async fn expire(groups: Arc<Groups>) {
    let mut places = unread::Places::new();
    loop {
        let looked = async {
            tokio::time::sleep(LOOK_EVERY).await;
            // The one does not wait for the other to succeed.
            let expired = look(&groups).await;
            expired.and(unread::look(&groups, &mut places).await)
        };
        tokio::select! {
            biased;
            _ = groups.member.until_stopped() => return,
            looked = looked => if let Err(err) = looked {
                warn!(%err, "cannot forget old offsets: trying again later");
            }
        }
    }
}

/// The error is the first one.
async fn look(groups: &Groups) -> Result<(), MetastoreError> {
    let mut leases = groups.leases();
    let mut looked = Ok(());
    for _ in 0..TURNS_MAX {
        let mut unfinished = Vec::new();
        for lease in leases {
            match expire_shard(groups, lease).await {
                Ok(false) => {}
                Ok(true) => {
                    unfinished.push(lease);
                    tokio::time::sleep(REST).await;
                }
                Err(err) => looked = looked.and(Err(err)),
            }
        }
        if unfinished.is_empty() {
            break;
        }
        leases = unfinished;
    }
    looked
}

/// Returns whether there may be more to forget.
async fn expire_shard(groups: &Groups, lease: ShardLease) -> Result<bool, MetastoreError> {
    let mine = groups.member.incarnation();
    let retention_ms = groups.offsets_retention_ms();
    let expired = groups
        .metastore
        .expire_offsets(mine, lease, retention_ms, LIMIT)
        .await?;
    let Some(expired) = expired else {
        return Ok(false);
    };
    if let Some(mut slot) = groups.slot(lease.shard)
        && let Slot::Held(shard) = &mut *slot
        && shard.lease == lease
    {
        for group in expired.unused {
            debug!(%group, "has neither members nor offsets: it goes");
            shard.delete_if_unused(&group);
        }
        groups.heed(shard);
    }
    Ok(expired.more)
}

impl Groups {
    /// How long offsets are kept that nobody needs.
    pub(super) fn offsets_retention_ms(&self) -> i64 {
        i64::try_from(self.limits.offsets_retention.as_millis()).unwrap_or(i64::MAX)
    }
}
