//! Accepting connections.
//!
//! What holds: no more than [`CONNECTIONS_MAX`] connections are open; at the limit, and while there is no
//! incarnation to serve them, new ones wait in the system's queue. A connection belongs to one incarnation
//! and is closed with it. Running out of files or memory slows accepting down, nothing else.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use esker_broker::{Broker, ListenerConfig};
use esker_model::seams::Seams;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::connections::CONNECTIONS_MAX;

/// Wait after the system refused to accept; doubles while it goes on refusing.
const REFUSED: Duration = Duration::from_millis(20);
const REFUSED_MAX: Duration = Duration::from_secs(1);

/// An incarnation that takes connections.
#[derive(Clone)]
struct Serving {
    broker: Arc<Broker>,
    over: CancellationToken,
}

/// Who serves new connections now, if anybody.
pub(super) struct Door {
    serving: watch::Sender<Option<Serving>>,
    slots: Arc<Semaphore>,
}

impl Door {
    /// A closed door. `slots` has a permit for each connection that may be open.
    pub(super) fn new(slots: Arc<Semaphore>) -> Self {
        Self {
            serving: watch::Sender::new(None),
            slots,
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

    async fn next(&self) -> Option<(Serving, OwnedSemaphorePermit)> {
        let slot = match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => {
                warn!("{CONNECTIONS_MAX} connections are open: new ones wait until some close");
                Arc::clone(&self.slots).acquire_owned().await.ok()?
            }
        };
        let mut serving = self.serving.subscribe();
        let serving = serving.wait_for(Option::is_some).await.ok()?.clone()?;
        Some((serving, slot))
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
            let (_, slot) = door.next().await?;
            let accepted = listener.accept().await;
            // Who serves may have changed while nobody connected.
            let serving = door
                .serving
                .subscribe()
                .wait_for(Option::is_some)
                .await
                .ok()?
                .clone()?;
            Some((serving, slot, accepted))
        };
        let (serving, slot, accepted) = tokio::select! {
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
                let connection = serve(serving, stream, Arc::clone(&config), peer.to_string(), slot);
                seams.spawner.spawn("connection", Box::pin(connection));
            }
            Err(error) if is_about_one_peer(&error) => {
                debug!(%error, "a connection was gone before it was accepted")
            }
            Err(error) => {
                warn!(%error, "cannot accept connections; trying again");
                drop(slot);
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

async fn serve(
    serving: Serving,
    stream: TcpStream,
    listener: Arc<ListenerConfig>,
    peer: String,
    _slot: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, peer, "cannot set TCP_NODELAY");
    }
    tokio::select! {
        biased;
        () = serving.over.cancelled() => {}
        () = serving.broker.serve(stream, listener, peer) => {}
    }
}
