//! Postgres: the metastore of production.
//!
//! Every method sends one statement, and nearly every statement calls one function of
//! `migrations/postgres/functions`, so that a client that stalls never holds a lock: the functions hold
//! the reasons for each lock. What happens around a statement (connections, deadlines, retries of
//! serialization failures, what an error means) is in `session`.
//!
//! What holds beside the promises of the traits:
//! - A call that is cancelled, or whose connection fails, closes its connection: nobody ever reads the
//!   reply of somebody else's statement.
//! - Commits, registrations and everything else have connections of their own: reads that pile up
//!   delay neither a commit nor a heartbeat.
//! - Writes are refused with `DifferentPast` by a server that may have lost commits, see [`accept_past`].

mod address;
mod agents;
mod archive;
mod clusters;
mod commit;
mod configs;
mod coordinators;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod group_layout;
mod groups;
mod jobs;
mod layout;
mod merge;
mod moves;
mod objects;
mod past;
mod pool;
mod producers;
mod reads;
mod removal;
mod reply;
mod retention;
mod schema;
mod session;
mod sweep;
mod topics;

use std::sync::Mutex;
use std::time::Duration;

pub use past::accept_past;
pub use schema::{MigrationReport, SCHEMA_KNOWN, SCHEMA_NEEDED, migrate, schema_version};

use crate::{MetastoreMetrics, Result};
pub use address::Address;
use past::Past;
use pool::Pool;
use session::Session;

/// Connections for commits and settles: one commit is under way at a time, and a settle must not wait
/// for one that hangs.
const CONNECTIONS_COMMIT: usize = 2;
/// Connections for registrations and heartbeats.
const CONNECTIONS_MEMBERSHIP: usize = 1;

/// Where the database is and how much of it one agent uses.
#[derive(Clone)]
pub struct PostgresConfig {
    /// Where it is.
    pub address: Address,
    /// Counts statements.
    pub metrics: MetastoreMetrics,
    /// Most connections of this agent, at least 4: three of them are kept for commits and heartbeats.
    pub connections_max: usize,
    /// How long to wait for a connection, and for a new one to open.
    pub connect_timeout: Duration,
    /// The server gives a statement up after this. The agent waits somewhat longer for the answer.
    pub statement_timeout: Duration,
    /// The server gives a statement up that waits this long for one lock.
    pub lock_timeout: Duration,
}

impl PostgresConfig {
    /// The defaults for a database.
    pub fn new(address: impl Into<Address>) -> Self {
        Self {
            address: address.into(),
            metrics: MetastoreMetrics::default(),
            connections_max: 12,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(15),
            lock_timeout: Duration::from_secs(10),
        }
    }
}

/// A metastore in a Postgres database.
pub struct PostgresMetastore {
    session: Session,
    commits: Pool,
    membership: Pool,
    general: Pool,
    expected_past: Mutex<Past>,
}

impl PostgresMetastore {
    /// Connects and checks the schema. `Unavailable` if the database does not answer (try again),
    /// `Refused` if it does not let us in, `Misconfigured` if it never will answer, `NotMigrated` and `TooNew` if the schema does not fit.
    pub async fn connect(config: PostgresConfig) -> Result<Self> {
        let target = session::target(&config)?;
        let pool = |size| Pool::new(target.clone(), size, config.connect_timeout);
        let general = config
            .connections_max
            .saturating_sub(CONNECTIONS_COMMIT + CONNECTIONS_MEMBERSHIP);
        let general = pool(general.max(1));
        let session = Session::new(&config);
        schema::check(&session, &general).await?;
        let expected_past = past::recorded(&session, &general).await?;
        Ok(Self {
            session,
            commits: pool(CONNECTIONS_COMMIT),
            membership: pool(CONNECTIONS_MEMBERSHIP),
            general,
            expected_past: Mutex::new(expected_past),
        })
    }

    /// Closes idle connections in good order. Calls under way close theirs when they end.
    pub async fn close(&self) {
        for pool in [&self.commits, &self.membership, &self.general] {
            pool.close_idle().await;
        }
    }
}
