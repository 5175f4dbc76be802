//! Which server this is: has it the commits that the cluster's log heads were built from?
//!
//! A failover to a replica that lagged, or a recovery to an earlier point, loses commits: the server
//! would give the same offsets out again. Such a server has another timeline (or system identifier) than
//! the cluster last saw, which its own `cluster` row says. So a commit is refused while row and server
//! differ, or while either differs from what this agent knows: the row of a superseded primary agrees
//! with itself. Changes of topics and new producer ids are refused likewise: keys and ids that were lost
//! must not be given out a second time either. And nobody is told what the bucket holds in vain.

use std::sync::PoisonError;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::error::Effect;
use super::pool::Pool;
use super::session::{self, PgQuery, Session};
use super::{Address, PostgresConfig, PostgresMetastore, schema};
use crate::{MetastoreError, Result};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Past {
    pub(super) system: i64,
    pub(super) timeline: i32,
}

const RECORDED: &str = "SELECT system_identifier, timeline FROM cluster";

const RECORDED_AND_ACTUAL: &str = "SELECT c.system_identifier, c.timeline, p.o_system, p.o_timeline
     FROM cluster c, past_v1() p";

/// What the cluster last saw, as the database says. Works on a standby too: reads go on there.
pub(super) async fn recorded(session: &Session, pool: &Pool) -> Result<Past> {
    let row = session
        .row(pool, "past", Effect::Reads, || sqlx::query(RECORDED))
        .await?;
    Ok(Past {
        system: row.try_get(0)?,
        timeline: row.try_get(1)?,
    })
}

/// After another past was accepted, topic keys, producer ids and versions of the catalog go on this much
/// higher: the server does not know which were given out and lost.
const SKIPPED: i64 = 1 << 20;

/// What is told apart is who registered before and who after it; those before did so by another server's clock, perhaps,
/// which may have been ahead. Whoever registers until this one has caught up counts as from before: that keeps objects.
///
/// What an agent knows of topics and of groups' configs may have been lost: it is told of all that there are anew. A topic
/// whose creation was lost it still takes for one that exists, until it starts again.
const ACCEPT: &str = "WITH accepted AS (
         UPDATE cluster c
         SET system_identifier = p.o_system, timeline = p.o_timeline,
             past_accepted_at = greatest(clock_timestamp(), (SELECT max(a.registered_at) FROM agent a)),
             next_producer_id = c.next_producer_id + $1, catalog_version = c.catalog_version + $1
         FROM past_v1() p
         WHERE c.system_identifier <> p.o_system OR c.timeline <> p.o_timeline
         RETURNING pg_get_serial_sequence('topic', 'topic_id')::regclass AS keys, c.catalog_version
     ), topics AS (
         UPDATE topic t SET version = a.catalog_version FROM accepted a
     ), groups AS (
         UPDATE group_config_emptied e SET version = a.catalog_version FROM accepted a
     )
     SELECT setval(a.keys, nextval(a.keys) + $1) FROM accepted a";

impl PostgresMetastore {
    /// Sends what another past must not do or answer: once more if that one was accepted since.
    pub(super) async fn rows_on_known_past<'q>(
        &self,
        method: &'static str,
        effect: Effect,
        query: impl Fn(Past) -> PgQuery<'q> + Send + Sync,
    ) -> Result<Vec<PgRow>> {
        match self.send_on(self.expected_past(), method, effect, &query).await {
            Err(MetastoreError::DifferentPast { .. }) if self.learn_accepted_past().await? => {
                self.send_on(self.expected_past(), method, effect, &query).await
            }
            result => result,
        }
    }

    async fn send_on<'q>(
        &self,
        past: Past,
        method: &'static str,
        effect: Effect,
        query: &(impl Fn(Past) -> PgQuery<'q> + Send + Sync),
    ) -> Result<Vec<PgRow>> {
        self.session
            .rows(&self.general, method, effect, || query(past))
            .await
    }

    pub(super) fn expected_past(&self) -> Past {
        *self.expected_past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a refusal: whether the cluster has accepted the server since. Only a later timeline of the
    /// same system is believed; anything else may be a server that was left behind, and needs a new start.
    pub(super) async fn learn_accepted_past(&self) -> Result<bool> {
        let query = || sqlx::query(RECORDED_AND_ACTUAL);
        let row = self
            .session
            .row(&self.commits, "past", Effect::Reads, query)
            .await?;
        let recorded = Past {
            system: row.try_get(0)?,
            timeline: row.try_get(1)?,
        };
        let actual = Past {
            system: row.try_get(2)?,
            timeline: row.try_get(3)?,
        };
        let mut expected = self.expected_past.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted =
            recorded == actual && actual.system == expected.system && actual.timeline > expected.timeline;
        if accepted {
            *expected = actual;
        }
        Ok(accepted)
    }
}

/// Declares that the server's log heads may be built upon, after a failover or a recovery: an operator's
/// (or the reconciliation's) decision. Writes go on afterwards; agents that expect another system
/// identifier have to be started anew.
pub async fn accept_past(address: impl Into<Address>) -> Result<()> {
    let config = PostgresConfig::new(address);
    let target = session::target(&config)?;
    let pool = Pool::new(target, 1, config.connect_timeout);
    let session = Session::new(&config);
    schema::check(&session, &pool).await?;
    let query = || sqlx::query(ACCEPT).bind(SKIPPED);
    session.rows(&pool, "accept_past", Effect::Writes, query).await?;
    pool.close_idle().await;
    Ok(())
}
