//! A small pool of connections.
//!
//! sqlx has one; it sends a probe after every use and spawns the task that does so. Here a connection
//! goes straight back when its statement was answered, and is closed in every other case: after an
//! error of the connection, a deadline, or a cancelled call. One that lay idle is probed before its use,
//! so that a server's restart costs no outcome.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use esker_model::seams::{Clock, Instant, SystemClock};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::address::Target;
use crate::{MetastoreError, Result};

/// A connection that was idle for longer is probed before it is used.
const IDLE_UNPROBED: Duration = Duration::from_secs(2);
/// A probe that takes longer means a dead connection.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Pool {
    target: Target,
    connect_timeout: Duration,
    permits: Semaphore,
    idle: Mutex<Vec<Idle>>,
    clock: SystemClock,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

/// A connection in use. Dropping it closes the connection; [`Lease::give_back`] keeps it.
pub(super) struct Lease<'a> {
    connection: PgConnection,
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(target: Target, size: usize, connect_timeout: Duration) -> Self {
        Self {
            target,
            connect_timeout,
            permits: Semaphore::new(size),
            idle: Mutex::new(Vec::with_capacity(size)),
            clock: SystemClock::new(),
        }
    }

    /// Takes a connection, opening one if none is idle. Fails with `Unavailable` or `Misconfigured`.
    pub(super) async fn lease(&self) -> Result<Lease<'_>> {
        let permit = timeout(self.connect_timeout, self.permits.acquire())
            .await
            .map_err(|_| {
                MetastoreError::Unavailable(format!(
                    "all connections to Postgres were busy for {:?}",
                    self.connect_timeout
                ))
            })?
            .map_err(|_| MetastoreError::Unavailable("the connections are closed".to_owned()))?;
        let connection = match self.idle_connection().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Lease {
            connection,
            pool: self,
            _permit: permit,
        })
    }

    /// An idle connection that works. Ones that do not are closed.
    async fn idle_connection(&self) -> Option<PgConnection> {
        loop {
            let Idle {
                mut connection,
                since,
            } = self.take_idle()?;
            if self.clock.now().since(since) <= IDLE_UNPROBED {
                return Some(connection);
            }
            if let Ok(Ok(())) = timeout(PROBE_TIMEOUT, connection.ping()).await {
                return Some(connection);
            }
        }
    }

    fn take_idle(&self) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    async fn connect(&self) -> Result<PgConnection> {
        match timeout(self.connect_timeout, self.target.connect()).await {
            Ok(connected) => connected,
            Err(_) => Err(MetastoreError::Unavailable(format!(
                "Postgres at {}:{} did not accept a connection within {:?}",
                self.target.options.get_host(),
                self.target.options.get_port(),
                self.connect_timeout
            ))),
        }
    }

    pub(super) async fn close_idle(&self) {
        while let Some(idle) = self.take_idle() {
            // The server notices either way.
            let _ = timeout(PROBE_TIMEOUT, idle.connection.close()).await;
        }
    }
}

impl Lease<'_> {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Keeps the connection for the next caller: its last statement was answered.
    pub(super) fn give_back(self) {
        let since = self.pool.clock.now();
        let idle = Idle {
            connection: self.connection,
            since,
        };
        let mut connections = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        connections.push(idle);
    }
}
