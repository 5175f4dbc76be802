//! One statement: connection, deadline, bounded repetition, and what its failure means.

use std::str::FromStr;
use std::time::Duration;

use esker_model::seams::{Clock, SystemClock};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::query::Query;
use tokio::time::{sleep, timeout};

use super::PostgresConfig;
use super::address::Target;
use super::error::{self, Effect};
use super::pool::Pool;
use crate::{MetastoreError, MetastoreMetrics, Result};

/// How long after its own deadline the server's answer is awaited.
const ANSWER_GRACE: Duration = Duration::from_secs(5);
/// How often a statement is sent that fails with a serialization failure or a deadlock.
const ATTEMPTS: u32 = 5;
const RETRY_DELAY: Duration = Duration::from_millis(10);

/// A transaction of this program is one statement: one that idles is a defect or a stuck client.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

pub(super) struct Session {
    metrics: MetastoreMetrics,
    clock: SystemClock,
    answer_timeout: Duration,
}

/// What every session of an agent is set to.
pub(super) fn target(config: &PostgresConfig) -> Result<Target> {
    let ms = |duration: Duration| duration.as_millis().to_string();
    let settings = [
        // A commit that is answered must survive a crash of the server, whatever the database's default.
        ("synchronous_commit", "on".to_owned()),
        ("default_transaction_isolation", "read committed".to_owned()),
        // Statements here take milliseconds; compiling one takes longer.
        ("jit", "off".to_owned()),
        ("statement_timeout", ms(config.statement_timeout)),
        ("lock_timeout", ms(config.lock_timeout)),
        (
            "idle_in_transaction_session_timeout",
            ms(IDLE_IN_TRANSACTION_TIMEOUT),
        ),
    ];
    Target::of(&config.address, |options| {
        options.application_name("esker").options(settings)
    })
}

/// Reads a URL. The reason of a failure does not repeat the URL: it may hold a password.
pub(super) fn parse_url(url: &str) -> Result<PgConnectOptions> {
    let known = ["postgres://", "postgresql://"];
    if !known.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(MetastoreError::Misconfigured(
            "the metastore's URL must begin with postgres://".to_owned(),
        ));
    }
    PgConnectOptions::from_str(url).map_err(|source| {
        MetastoreError::Misconfigured(format!(
            "the metastore's URL cannot be read ({}): it must have the form \
             postgres://user:password@host:port/database, with special characters percent-encoded",
            error::reason(&source)
        ))
    })
}

impl Session {
    pub(super) fn new(config: &PostgresConfig) -> Self {
        Self {
            metrics: config.metrics.clone(),
            clock: SystemClock::new(),
            answer_timeout: config.statement_timeout + ANSWER_GRACE,
        }
    }

    /// Sends a statement and returns its rows. `method` is what the statement is counted as.
    pub(super) async fn rows<'q>(
        &self,
        pool: &Pool,
        method: &'static str,
        effect: Effect,
        query: impl Fn() -> PgQuery<'q> + Send + Sync,
    ) -> Result<Vec<PgRow>> {
        let began = self.clock.now();
        let result = self.attempts(pool, method, effect, query).await;
        self.metrics.ended(method, &result, self.clock.now() - began);
        result
    }

    async fn attempts<'q>(
        &self,
        pool: &Pool,
        method: &'static str,
        effect: Effect,
        query: impl Fn() -> PgQuery<'q> + Send + Sync,
    ) -> Result<Vec<PgRow>> {
        let mut attempt = 1;
        loop {
            let failure = match self.send(pool, method, effect, query()).await? {
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            };
            if attempt == ATTEMPTS || !error::may_be_repeated(&failure) {
                return Err(error::of_statement(&failure, effect));
            }
            sleep(RETRY_DELAY * attempt).await;
            attempt += 1;
        }
    }

    /// As [`rows`](Self::rows), for statements that return exactly one row.
    pub(super) async fn row<'q>(
        &self,
        pool: &Pool,
        method: &'static str,
        effect: Effect,
        query: impl Fn() -> PgQuery<'q> + Send + Sync,
    ) -> Result<PgRow> {
        let mut rows = self.rows(pool, method, effect, query).await?;
        match (rows.pop(), rows.is_empty()) {
            (Some(row), true) => Ok(row),
            _ => Err(MetastoreError::Corrupt(format!("{method}: not one row"))),
        }
    }

    /// The outer error: surely not sent, or surely lost. The inner error: what came back.
    async fn send(
        &self,
        pool: &Pool,
        method: &'static str,
        effect: Effect,
        query: PgQuery<'_>,
    ) -> Result<std::result::Result<Vec<PgRow>, sqlx::Error>> {
        let mut lease = pool.lease().await?;
        self.metrics.count(method);
        match timeout(self.answer_timeout, query.fetch_all(lease.connection())).await {
            Ok(Ok(rows)) => {
                lease.give_back();
                Ok(Ok(rows))
            }
            Ok(Err(failure)) => {
                if error::leaves_connection_usable(&failure) {
                    lease.give_back();
                }
                Ok(Err(failure))
            }
            Err(_) => Err(effect.lost(format!(
                "{method}: Postgres did not answer within {:?}",
                self.answer_timeout
            ))),
        }
    }
}
