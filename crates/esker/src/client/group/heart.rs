//! The heartbeats of a member, beside whatever else it does.
//!
//! One task for each generation; it ends when [`Heart`] is dropped. It notices a rebalance, and that the group went on
//! without this member; both are for the member to act on. A member that does nothing for [`IDLE_MAX`] is not kept in
//! its group: its partitions are for those who read them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use esker_model::seams::Seams;
use esker_protocol::ErrorCode;
use esker_protocol::messages::HeartbeatRequest;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::offsets::Identity;
use super::{Coordinator, group_id, text};
use crate::client::{Cluster, Result};

/// Between two heartbeats.
const INTERVAL: Duration = Duration::from_secs(3);
/// How long a member may do nothing, for example because nobody takes its output: as Kafka's `max.poll.interval.ms`.
const IDLE_MAX: Duration = Duration::from_secs(300);
/// From this version on Heartbeat tells which static member beats.
const INSTANCE: i16 = 3;

/// What the coordinator said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    /// The generation stands.
    Fine,
    /// The members are to join again; offsets can still be committed.
    Rebalance,
    /// The group goes on without this generation of the member.
    Lost,
}

/// The heartbeats of one generation.
pub(super) struct Heart {
    pulse: watch::Receiver<Pulse>,
    /// When the member did something last, in milliseconds of the clock.
    busy_ms: Arc<AtomicU64>,
    _stop: DropGuard,
}

fn now_ms(seams: &Seams) -> u64 {
    u64::try_from(seams.clock.now().0.as_millis()).unwrap_or(u64::MAX)
}

impl Heart {
    /// Starts beating.
    pub(super) fn start(cluster: Cluster, seams: &Seams, group: &str, identity: Identity) -> Self {
        let (sender, pulse) = watch::channel(Pulse::Fine);
        let stop = CancellationToken::new();
        let busy_ms = Arc::new(AtomicU64::new(now_ms(seams)));
        let beating = Beating {
            cluster,
            coordinator: Coordinator::new(group, seams.clone()),
            seams: seams.clone(),
            identity,
            busy_ms: busy_ms.clone(),
        };
        let stopped = stop.clone();
        seams.spawner.spawn(
            "group-heartbeat",
            Box::pin(async move {
                tokio::select! {
                    () = stopped.cancelled() => {}
                    () = beating.run(&sender) => {}
                }
            }),
        );
        Self {
            pulse,
            busy_ms,
            _stop: stop.drop_guard(),
        }
    }

    /// The member is at work.
    pub(super) fn at_work(&self, seams: &Seams) {
        self.busy_ms.store(now_ms(seams), Ordering::Relaxed);
    }

    /// Waits until the generation does not stand any more.
    pub(super) async fn disturbed(&mut self) -> Pulse {
        match self.pulse.wait_for(|pulse| *pulse != Pulse::Fine).await {
            Ok(pulse) => *pulse,
            // The task ended without a word.
            Err(_) => Pulse::Lost,
        }
    }
}

struct Beating {
    cluster: Cluster,
    coordinator: Coordinator,
    seams: Seams,
    identity: Identity,
    busy_ms: Arc<AtomicU64>,
}

impl Beating {
    async fn run(mut self, pulse: &watch::Sender<Pulse>) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let idle_ms = now_ms(&self.seams).saturating_sub(self.busy_ms.load(Ordering::Relaxed));
            let idle = u128::from(idle_ms) >= IDLE_MAX.as_millis();
            let said = if idle { Pulse::Lost } else { self.beat().await };
            pulse.send_if_modified(|before| std::mem::replace(before, said) != said);
            if said == Pulse::Lost {
                return;
            }
        }
    }

    async fn beat(&mut self) -> Pulse {
        match self.ask().await.map(ErrorCode::from_code) {
            Ok(Some(ErrorCode::None)) => Pulse::Fine,
            Ok(Some(ErrorCode::RebalanceInProgress)) => Pulse::Rebalance,
            // Joining again says what is wrong, if it is wrong for good.
            Ok(_) | Err(_) => Pulse::Lost,
        }
    }

    async fn ask(&mut self) -> Result<i16> {
        let group = self.coordinator.group().to_owned();
        let identity = &self.identity;
        let build = |version| {
            let instance_id = identity.instance_id.as_deref().filter(|_| version >= INSTANCE);
            Ok(HeartbeatRequest::default()
                .with_group_id(group_id(&group))
                .with_generation_id(identity.generation)
                .with_member_id(text(&identity.member_id))
                .with_group_instance_id(instance_id.map(text)))
        };
        let response = self
            .coordinator
            .ask(&mut self.cluster, Duration::ZERO, build, |response| {
                response.error_code
            })
            .await?;
        Ok(response.error_code)
    }
}
