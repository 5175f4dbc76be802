//! The lives of one process: incarnation after incarnation on the same stores and listeners.

use std::sync::Arc;
use std::time::Duration;

use esker_broker::{Broker, BrokerConfig, Dependencies, ListenerConfig, MergeLimits, StopReason};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::accept::{Door, accept};
use super::bind::Bound;
use super::state::State;
use super::stores::{self, Opened};
use crate::failure::{Failure, Outcome};
use crate::settings::Settings;

/// Wait before another incarnation after one that was fenced young; doubles while that goes on. Two
/// processes with one name would otherwise shut each other out as fast as they can.
const REBIRTH: Duration = Duration::from_millis(500);
const REBIRTH_MAX: Duration = Duration::from_secs(30);
/// So many incarnations fenced young, one after the other: another process uses the name, and one of the
/// two has to give way. The other goes on as soon as this one has ended.
const YOUNG_DEATHS_MAX: u32 = 3;
/// An incarnation that lived so long was fenced for a reason of its own.
const GROWN_UP: Duration = Duration::from_secs(60);
/// After draining: for the last replies to leave the process.
const LAST_REPLIES: Duration = Duration::from_millis(300);

/// Lives until a signal, a restore of the cluster elsewhere, or a failure. Calls `ready` once.
pub(super) async fn run(
    settings: &Settings,
    state: &Arc<State>,
    opened: Opened,
    bound: Vec<Bound>,
    signals: CancellationToken,
    ready: impl FnOnce(&State),
) -> Outcome {
    let listeners: Vec<_> = bound.iter().map(|bound| Arc::clone(&bound.config)).collect();
    let config = broker_config(settings, &listeners);
    state.set_node_name(&config.node_name);
    let begin = async {
        let on = stores::connect(settings, state, opened).await?;
        state.set_metastore(&on.metastore);
        let broker = stores::start_broker(settings, state, &config, &on).await?;
        Outcome::Ok((on, broker))
    };
    let (on, first) = tokio::select! {
        biased;
        () = signals.cancelled() => return Ok(()),
        begun = begin => begun?,
    };
    let door = Arc::new(Door::new(state));
    state.ready(&first);
    let mut listening = Vec::new();
    for bound in bound {
        listening.push(bound.listen()?);
    }
    open(state, &door, listening, &signals);
    info!(node = first.membership().node_id().0, cluster = %first.membership().cluster_id(), "ready");
    ready(state);
    let ended = live(settings, state, &config, &on, first, &door, &signals).await;
    door.close();
    ended
}

/// One incarnation after the other.
async fn live(
    settings: &Settings,
    state: &Arc<State>,
    config: &BrokerConfig,
    on: &Dependencies,
    first: Arc<Broker>,
    door: &Door,
    signals: &CancellationToken,
) -> Outcome {
    let mut broker = first;
    let mut pause = REBIRTH;
    let mut young_deaths = 0;
    loop {
        let born = state.seams().clock.now();
        door.open(Arc::clone(&broker));
        let reason = tokio::select! {
            biased;
            () = signals.cancelled() => {
                drain(state, &broker).await;
                return Ok(());
            }
            reason = broker.stopped() => reason,
        };
        door.close();
        match reason {
            StopReason::Fenced => {}
            StopReason::Drained => return Ok(()),
            StopReason::HigherEpoch { found } => {
                return Err(Failure::Failed(format!(
                    "the cluster was restored and is in epoch {found} now: this agent belongs to the time before; start it with the restored metastore"
                )));
            }
        }
        let name = &config.node_name;
        warn!(
            "fenced: all connections are closed, a new incarnation begins; is another process running as {name}?"
        );
        if state.seams().clock.now() - born >= GROWN_UP {
            pause = REBIRTH;
            young_deaths = 0;
        }
        young_deaths += 1;
        if young_deaths > YOUNG_DEATHS_MAX {
            return Err(Failure::Failed(format!(
                "fenced {young_deaths} times in a row: another process runs as {name}; stop it, or give each agent a --node-name of its own"
            )));
        }
        let again = async {
            tokio::time::sleep(state.seams().rng.jitter(pause)).await;
            stores::start_broker(settings, state, config, on).await
        };
        broker = tokio::select! {
            biased;
            () = signals.cancelled() => return Ok(()),
            begun = again => begun?,
        };
        pause = (pause * 2).min(REBIRTH_MAX);
        state.ready(&broker);
        info!(incarnation = %broker.membership().incarnation(), "a new incarnation is ready");
    }
}

/// Everything that was taken is acknowledged, and the acknowledgements are on their way.
async fn drain(state: &State, broker: &Broker) {
    state.set_draining();
    broker.drain().await;
    tokio::time::sleep(LAST_REPLIES).await;
    info!("drained");
}

fn open(
    state: &Arc<State>,
    door: &Arc<Door>,
    listening: Vec<(Arc<ListenerConfig>, TcpListener)>,
    signals: &CancellationToken,
) {
    for (config, listener) in listening {
        let accepting = accept(
            listener,
            config,
            Arc::clone(door),
            state.seams().clone(),
            signals.clone(),
        );
        state.seams().spawner.spawn("accept", Box::pin(accepting));
    }
}

fn broker_config(settings: &Settings, listeners: &[Arc<ListenerConfig>]) -> BrokerConfig {
    let first = listeners.first().map(|listener| {
        crate::settings::address::Address {
            host: listener.advertised_host.clone(),
            port: listener.advertised_port,
        }
        .to_string()
    });
    BrokerConfig {
        node_name: settings.node_name.clone().or(first).unwrap_or_default(),
        cluster_id: settings.cluster_id.clone(),
        listeners: listeners.to_vec(),
        connections_max: settings.connections_max,
        connections_per_ip_max: settings.connections_per_ip_max,
        zone: settings.zone.clone(),
        roles: settings.roles.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        segment_bytes: settings.segment_bytes,
        flush_interval: settings.flush_interval,
        memory_bytes: settings.memory_bytes,
        auto_create_topics: settings.auto_create_topics,
        num_partitions: settings.num_partitions,
        shutdown_grace: settings.shutdown_grace,
        archive_interval: settings.archive_interval,
        archive_grace: settings.archive_grace,
        sweep_interval: settings.sweep_interval,
        groups: settings.groups.clone(),
        merge: MergeLimits {
            age: settings.merge_interval,
            ..MergeLimits::default()
        },
    }
}
