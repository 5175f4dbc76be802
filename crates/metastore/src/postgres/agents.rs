//! Who is alive: registrations, heartbeats and fencing.

use async_trait::async_trait;
use esker_model::{ClusterEpoch, IncarnationId, NodeId};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresMetastore;
use super::commit::with_epoch;
use super::error::Effect;
use crate::{Agent, AgentProfile, Agents, Heartbeat, MetastoreError, Registered, Registration, Result};

#[async_trait]
impl Agents for PostgresMetastore {
    async fn register(&self, registration: &Registration) -> Result<Registered> {
        let profile = serde_json::to_string(&registration.profile)
            .map_err(|error| MetastoreError::Corrupt(format!("a profile: {error}")))?;
        let query = || {
            sqlx::query("SELECT o_node_id, o_fenced FROM register_v1($1, $2, $3, $4::text::jsonb)")
                .bind(&registration.node_name)
                .bind(registration.incarnation.0)
                .bind(registration.epoch.0)
                .bind(&profile)
        };
        let row = self
            .session
            .row(&self.membership, "register", Effect::Writes, query)
            .await
            .map_err(|error| with_epoch(error, registration.epoch.0))?;
        let fenced: Vec<Uuid> = row.try_get(1)?;
        Ok(Registered {
            node_id: NodeId(row.try_get(0)?),
            fenced: fenced.into_iter().map(IncarnationId).collect(),
        })
    }

    async fn heartbeat(&self, incarnation: IncarnationId, liveness_ms: i64) -> Result<Heartbeat> {
        let query = || {
            sqlx::query("SELECT * FROM heartbeat_v2($1, $2)")
                .bind(incarnation.0)
                .bind(liveness_ms)
        };
        let rows = self
            .session
            .rows(&self.membership, "heartbeat", Effect::Writes, query)
            .await?;
        let Some(first) = rows.first() else {
            return Err(MetastoreError::Corrupt("a heartbeat without agents".to_owned()));
        };
        let mut heartbeat = Heartbeat {
            live: Vec::with_capacity(rows.len()),
            expired: Vec::new(),
            catalog_version: first.try_get("o_catalog_version")?,
            epoch: ClusterEpoch(first.try_get("o_epoch")?),
            now_ms: first.try_get("o_now_ms")?,
        };
        for row in &rows {
            if row.try_get("o_expired")? {
                heartbeat
                    .expired
                    .push(IncarnationId(row.try_get("o_incarnation")?));
            } else {
                heartbeat.live.push(agent(row)?);
            }
        }
        Ok(heartbeat)
    }

    async fn fence_expired(
        &self,
        incarnations: &[IncarnationId],
        liveness_ms: i64,
    ) -> Result<Vec<IncarnationId>> {
        let ids: Vec<Uuid> = incarnations.iter().map(|incarnation| incarnation.0).collect();
        let query = || {
            sqlx::query("SELECT fence_expired_v1($1, $2)")
                .bind(&ids)
                .bind(liveness_ms)
        };
        // Not on the connection of heartbeats: this waits for commits of the fenced.
        let rows = self
            .session
            .rows(&self.general, "fence_expired", Effect::Writes, query)
            .await?;
        rows.iter()
            .map(|row| Ok(IncarnationId(row.try_get(0)?)))
            .collect()
    }

    async fn announce_leave(&self, incarnation: IncarnationId) -> Result<()> {
        // Agents of every release go by the roles of the profile.
        let query = || {
            sqlx::query(
                "UPDATE agent SET profile = jsonb_set(profile, '{roles}', '[]') WHERE incarnation = $1 AND state = 0",
            )
            .bind(incarnation.0)
        };
        self.session
            .rows(&self.general, "announce_leave", Effect::Writes, query)
            .await?;
        Ok(())
    }

    async fn leave(&self, incarnation: IncarnationId) -> Result<()> {
        let query = || sqlx::query("SELECT leave_v1($1)").bind(incarnation.0);
        self.session
            .rows(&self.membership, "leave", Effect::Writes, query)
            .await?;
        Ok(())
    }
}

fn agent(row: &PgRow) -> Result<Agent> {
    let incarnation = IncarnationId(row.try_get("o_incarnation")?);
    let profile: AgentProfile = serde_json::from_str(row.try_get("o_profile")?)
        .map_err(|error| MetastoreError::Corrupt(format!("the profile of {incarnation}: {error}")))?;
    Ok(Agent {
        node_id: NodeId(row.try_get("o_node_id")?),
        node_name: row.try_get("o_node_name")?,
        incarnation,
        profile,
    })
}
