//! Forgets offsets that nobody will ask for: of groups that have been without members for `offsets.retention.minutes`, and
//! of deleted topics. A group without members and offsets goes.

use std::sync::Arc;
use std::time::Duration;

use esker_metastore::MetastoreError;
use tracing::{debug, warn};

use super::Groups;
use super::shard::Slot;

/// Between two looks at all shards: Kafka's `offsets.retention.check.interval.ms`.
const LOOK_EVERY: Duration = Duration::from_secs(10 * 60);

/// Offsets forgotten, and groups told, by one statement.
const LIMIT: usize = 1_000;

/// Looks until the incarnation ends.
pub(super) async fn expire(groups: Arc<Groups>) {
    loop {
        tokio::select! {
            biased;
            _ = groups.member.until_stopped() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        for lease in groups.leases() {
            if let Err(err) = expire_shard(&groups, lease).await {
                warn!(%err, shard = %lease.shard, "cannot forget old offsets: trying again later");
                break;
            }
        }
    }
}

async fn expire_shard(groups: &Groups, lease: esker_metastore::ShardLease) -> Result<(), MetastoreError> {
    let mine = groups.member.incarnation();
    let retention = i64::try_from(groups.limits.offsets_retention.as_millis()).unwrap_or(i64::MAX);
    let Some(unused) = groups
        .metastore
        .expire_offsets(mine, lease, retention, LIMIT)
        .await?
    else {
        return Ok(());
    };
    if let Some(mut slot) = groups.slot(lease.shard)
        && let Slot::Held(shard) = &mut *slot
        && shard.lease == lease
    {
        for group in unused {
            debug!(%group, "has neither members nor offsets: it goes");
            shard.delete_if_unused(&group);
        }
        groups.heed(shard);
    }
    Ok(())
}
