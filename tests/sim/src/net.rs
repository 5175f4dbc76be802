//! The network between clients and agents.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use esker_history::event::{Client, Life};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection as its client holds it. Dropping it closes it.
pub struct Connection {
    /// The bytes.
    pub stream: Box<dyn Stream>,
    /// The life of the agent at the other end.
    pub life: Life,
}

/// Where connections to one host arrive.
#[async_trait]
pub trait Door: Send + Sync {
    /// Connects a client; takes the time that a network takes. Errors: nobody listens, no answer.
    async fn connect(&self, client: Client) -> io::Result<Connection>;
}

/// The hosts that can be connected to. Agents advertise their names as host names.
#[derive(Clone, Default)]
pub struct Network(Arc<Mutex<BTreeMap<String, Arc<dyn Door>>>>);

impl Network {
    /// Adds a host.
    pub fn add(&self, host: &str, door: Arc<dyn Door>) {
        self.0.lock().insert(host.to_owned(), door);
    }

    /// Connects `client` to a host.
    pub async fn connect(&self, client: Client, host: &str) -> io::Result<Connection> {
        let door = self.0.lock().get(host).cloned();
        match door {
            Some(door) => door.connect(client).await,
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("no host {host}"))),
        }
    }
}
