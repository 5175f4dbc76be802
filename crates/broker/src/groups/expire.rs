//! Forgets offsets that nobody will ask for: of groups that have been without members for `offsets.retention.minutes`, of
//! deleted topics, and ([`unread`]) of topics that a group with members does not read any more. A group without members and
//! offsets goes.
//!
//! What holds: one statement takes [`LIMIT`] offsets at most. Where there may be more, a shard has another turn in the same
//! look, after all others and a rest, [`TURNS_MAX`] times: what is left then waits for the next look. A shard for which the
//! metastore fails has no other turn in that look; the others go on.

use std::collections::VecDeque;
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
const TURNS_MAX: usize = 200;

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

async fn look(groups: &Groups) -> Result<(), MetastoreError> {
    let mut turns = Turns::new(groups.leases());
    while let Some(lease) = turns.next() {
        let looked = expire_shard(groups, lease).await;
        let rests = looked == Ok(true);
        turns.had(lease, looked);
        if rests {
            tokio::time::sleep(REST).await;
        }
    }
    turns.end()
}

/// Whose turn it is in one look.
pub(super) struct Turns {
    /// With how many it had before.
    waiting: VecDeque<(ShardLease, usize)>,
    turn: usize,
    outcome: Result<(), MetastoreError>,
}

impl Turns {
    pub(super) fn new(leases: Vec<ShardLease>) -> Self {
        Self {
            waiting: leases.into_iter().map(|lease| (lease, 0)).collect(),
            turn: 0,
            outcome: Ok(()),
        }
    }

    pub(super) fn next(&mut self) -> Option<ShardLease> {
        let (lease, turn) = self.waiting.pop_front()?;
        self.turn = turn;
        Some(lease)
    }

    /// The shard had its turn: whether there may be more, or why that is not known.
    pub(super) fn had(&mut self, lease: ShardLease, looked: Result<bool, MetastoreError>) {
        match looked {
            Ok(true) if self.turn + 1 < TURNS_MAX => self.waiting.push_back((lease, self.turn + 1)),
            Ok(_) => {}
            Err(err) if self.outcome.is_ok() => self.outcome = Err(err),
            Err(_) => {}
        }
    }

    /// The first error, if there was any.
    pub(super) fn end(self) -> Result<(), MetastoreError> {
        self.outcome
    }
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
