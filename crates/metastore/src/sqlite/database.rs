//! The connection, the database's clock, and the one place where transactions begin and end.

use std::sync::Arc;

use esker_model::seams::{Clock, Instant};
use rusqlite::{Connection, TransactionBehavior};

use super::error;
use crate::Result;

/// Statements kept prepared: more than there are.
const STATEMENTS_CACHED: usize = 200;

pub(super) struct Database {
    connection: Connection,
    clock: DatabaseClock,
}

/// One transaction, and the database's time when it began.
pub(super) struct Transaction<'a> {
    inner: rusqlite::Transaction<'a>,
    pub(super) now_ms: i64,
}

impl Database {
    /// `connection` is set up and migrated.
    pub(super) fn new(connection: Connection, clock: Arc<dyn Clock>) -> Result<Self> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        let clock = DatabaseClock::start(&connection, clock)?;
        Ok(Self { connection, clock })
    }

    /// Runs `work` in one transaction that may write. An error of `work` rolls everything back; an
    /// error of the commit itself leaves the outcome unknown.
    pub(super) fn write<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.transact(TransactionBehavior::Immediate, work)
    }

    /// Runs `work` on one snapshot.
    pub(super) fn read<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.transact(TransactionBehavior::Deferred, work)
    }

    fn transact<T>(
        &mut self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let now_ms = self.clock.now_ms();
        let transaction = Transaction {
            inner: self.connection.transaction_with_behavior(behavior)?,
            now_ms,
        };
        // Dropping the transaction rolls it back.
        let value = work(&transaction)?;
        transaction.inner.commit().map_err(error::of_commit)?;
        Ok(value)
    }
}

impl std::ops::Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.inner
    }
}

/// Milliseconds that never run backwards: the wall clock as it stood when the database was opened (or
/// what the database already holds, if that is later), moved on by monotonic time.
struct DatabaseClock {
    clock: Arc<dyn Clock>,
    opened: Instant,
    opened_ms: i64,
}

impl DatabaseClock {
    fn start(connection: &Connection, clock: Arc<dyn Clock>) -> Result<Self> {
        let held_ms: i64 = connection.query_row(
            "SELECT max(ifnull((SELECT max(heartbeat_ms) FROM agent), 0),
                        ifnull((SELECT max(touched_ms) FROM producer_partition), 0),
                        ifnull((SELECT max(committed_ms) FROM segment WHERE state = 1), 0),
                        ifnull((SELECT max(committed_ms) FROM segment WHERE state = 2), 0),
                        ifnull((SELECT max(released_ms) FROM unneeded_object), 0),
                        ifnull((SELECT max(released_ms) FROM segment WHERE state = 3), 0),
                        ifnull((SELECT max(released_ms) FROM archive_segment WHERE state = 3), 0))",
            [],
            |row| row.get(0),
        )?;
        Ok(Self {
            opened: clock.now(),
            opened_ms: clock.wall_ms().max(held_ms),
            clock,
        })
    }

    fn now_ms(&self) -> i64 {
        let since = self.clock.now().since(self.opened).as_millis();
        self.opened_ms
            .saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }
}
