//! Accepting connections.
//!
//! What holds: accepting never stops while an incarnation serves, and never spins. A connection beyond the
//! limits ([`Connections`]) is closed at once; while there is no incarnation to serve them, new ones wait in
//! the system's queue. A connection belongs to one incarnation and is closed with it. Running out of files or
//! memory slows accepting down, nothing else. However many are turned away, the log gets a line per
//! [`TOLD_EVERY`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use esker_broker::metrics::{BrokerMetrics, RefusedLabels};
use esker_broker::{Broker, ListenerConfig, ThrottledLog};
use esker_model::seams::Seams;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::connections::{Connections, Limit, Slot};
use super::state::State;

/// Wait after the system refused to accept; doubles while it goes on refusing.
const REFUSED: Duration = Duration::from_millis(20);
const REFUSED_MAX: Duration = Duration::from_secs(1);

/// How often the log says that connections are turned away.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// An incarnation that takes connections.
#[derive(Clone)]
struct Serving {
    broker: Arc<Broker>,
    over: CancellationToken,
}

/// Who serves new connections now, if anybody, and how many.
pub(super) struct Door {
    serving: watch::Sender<Option<Serving>>,
    connections: Arc<Connections>,
    metrics: BrokerMetrics,
    turned_away: ThrottledLog,
    not_accepted: ThrottledLog,
}

impl Door {
    /// A closed door.
    pub(super) fn new(state: &State) -> Self {
        let log = || ThrottledLog::new(Arc::clone(&state.seams().clock), TOLD_EVERY);
        Self {
            serving: watch::Sender::new(None),
            connections: state.limits(),
            metrics: state.broker_metrics(),
            turned_away: log(),
            not_accepted: log(),
        }
    }

    /// From now on `broker` serves new connections.
    pub(super) fn open(&self, broker: Arc<Broker>) {
        self.close();
        self.serving.send_replace(Some(Serving {
            broker,
            over: CancellationToken::new(),
        }));
    }

    /// Closes all connections; new ones wait.
    pub(super) fn close(&self) {
        if let Some(serving) = self.serving.send_replace(None) {
            serving.over.cancel();
        }
    }

    async fn serving(&self) -> Option<Serving> {
        let mut serving = self.serving.subscribe();
        serving.wait_for(Option::is_some).await.ok()?.clone()
    }

    fn turn_away(&self, peer: &str, limit: Limit) {
        let limit = limit.setting();
        self.metrics
            .connections_refused
            .get_or_create(&RefusedLabels { limit })
            .inc();
        self.turned_away
            .tell(|untold| warn!(peer, untold, "closed a new connection: {limit} is reached"));
    }
}

/// Accepts until `stop`; then the listener is closed, the connections are not.
pub(super) async fn accept(
    listener: TcpListener,
    config: Arc<ListenerConfig>,
    door: Arc<Door>,
    seams: Seams,
    stop: CancellationToken,
) {
    let mut refused = REFUSED;
    loop {
        let next = async {
            door.serving().await?;
            let accepted = listener.accept().await;
            // Who serves may have changed while nobody connected.
            Some((door.serving().await?, accepted))
        };
        let (serving, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            next = next => match next {
                Some(next) => next,
                None => return,
            },
        };
        match accepted {
            Ok((stream, peer)) => {
                refused = REFUSED;
                match door.connections.admit(peer.ip()) {
                    Ok(slot) => {
                        let connection = serve(serving, stream, Arc::clone(&config), peer.to_string(), slot);
                        seams.spawner.spawn("connection", Box::pin(connection));
                    }
                    Err(limit) => door.turn_away(&peer.to_string(), limit),
                }
            }
            Err(error) if is_about_one_peer(&error) => {
                debug!(%error, "a connection was gone before it was accepted")
            }
            Err(error) => {
                door.not_accepted
                    .tell(|untold| warn!(%error, untold, "cannot accept connections; trying again"));
                tokio::time::sleep(refused).await;
                refused = (refused * 2).min(REFUSED_MAX);
            }
        }
    }
}

fn is_about_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Replies go out at once, and not too many of them wait in the system.
fn prepare(stream: &TcpStream, slot: &Slot) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(slot.unsent_bytes())?;
    Ok(())
}

async fn serve(serving: Serving, stream: TcpStream, listener: Arc<ListenerConfig>, peer: String, slot: Slot) {
    if let Err(error) = prepare(&stream, &slot) {
        debug!(%error, peer, "cannot set the options of a connection");
    }
    tokio::select! {
        biased;
        () = serving.over.cancelled() => {}
        () = serving.broker.serve(stream, listener, peer) => {}
    }
}
