//! Wakes groups when their time has come: sessions that ended, rebalances that waited long enough.
//!
//! What holds: an agent that was stopped for a while (its process, its machine) does not take that for the silence of its
//! members: what they sent meanwhile is read first.

use std::sync::Arc;
use std::time::Duration;

use esker_model::seams::Instant;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::debug;

use super::Groups;
use super::group::Group;
use super::shard::Shard;

/// Waking up later than this is taken for having been stopped.
const LATE: Duration = Duration::from_millis(500);

/// How long members may take to be heard again after that.
const GRACE: Duration = Duration::from_secs(2);

/// With nothing to wait for.
const IDLE: Duration = Duration::from_secs(60);

/// When the next group wants to be woken.
#[derive(Default)]
pub(super) struct Alarm {
    at: Mutex<Option<Instant>>,
    earlier: Notify,
}

impl Alarm {
    /// Has it ring no later than at `wake`.
    pub(super) fn set(&self, wake: Instant) {
        let mut at = self.at.lock();
        if at.is_none_or(|at| wake < at) {
            *at = Some(wake);
            self.earlier.notify_one();
        }
    }
}

/// Wakes groups until the incarnation ends.
pub(super) async fn wake(groups: Arc<Groups>) {
    loop {
        let at = *groups.alarm.at.lock();
        let now = groups.seams.clock.now();
        // However soon it is: a group that is due again at once does not take a core.
        let rest = at.map_or(IDLE, |at| at - now).max(Duration::from_millis(1));
        tokio::select! {
            biased;
            _ = groups.member.until_stopped() => return,
            () = groups.alarm.earlier.notified() => continue,
            () = tokio::time::sleep(rest) => {}
        }
        let now = groups.seams.clock.now();
        if at.is_some_and(|at| now - at > LATE) {
            debug!("woke up late: group members get time to be heard");
            tokio::time::sleep(GRACE).await;
        }
        *groups.alarm.at.lock() = None;
        let now = groups.seams.clock.now();
        // Whoever is not current decides nothing; what it holds is dropped soon.
        if groups.member.is_current() {
            groups.each_shard(|shard| wake_due(&groups, shard, now));
        }
    }
}

fn wake_due(groups: &Groups, shard: &mut Shard, now: Instant) {
    while let Some(id) = shard.due(now) {
        match shard.group(&id) {
            Some(Group::Classic(group)) => {
                let effects = group.wake(now, &groups.limits);
                shard.heed(&id, effects);
            }
            Some(Group::Consumer(group)) => {
                let keep = group.wake(now, &groups.topics(), &groups.limits_of(&id));
                // Nobody waits for it.
                drop(shard.keep(&id, keep));
            }
            Some(Group::Gone) | None => shard.touched(&id),
        }
        if shard.due(now).as_ref() == Some(&id) {
            // A group that wants to be woken for what it was just woken for would be woken for ever.
            debug!(group = %id, "was woken and still is due");
            return;
        }
    }
}
