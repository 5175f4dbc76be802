//! Objects that go, and topics of which nothing is left.

use async_trait::async_trait;
use esker_model::{ObjectId, TopicUuid};
use sqlx::Row;
use uuid::Uuid;

use super::PostgresMetastore;
use super::error::Effect;
use super::objects::{self, Objects};
use crate::{Removals, Result};

#[async_trait]
impl Removals for PostgresMetastore {
    async fn unneeded(&self, grace_ms: i64, skip: usize, limit: usize) -> Result<Vec<ObjectId>> {
        let query = || {
            sqlx::query("SELECT * FROM unneeded_v3($1, $2, $3)")
                .bind(objects::ms(grace_ms))
                .bind(objects::limit(skip))
                .bind(objects::limit(limit))
        };
        let rows = self
            .session
            .rows(&self.general, "unneeded", Effect::Reads, query)
            .await?;
        rows.iter().map(objects::object).collect()
    }

    async fn forget_objects(&self, ids: &[ObjectId]) -> Result<()> {
        let mut objects = Objects::default();
        for id in ids {
            objects.push(id)?;
        }
        let query = || {
            sqlx::query("SELECT forget_objects_v2($1, $2, $3, $4, $5)")
                .bind(&objects.kind)
                .bind(&objects.incarnation)
                .bind(&objects.seq)
                .bind(&objects.topic)
                .bind(&objects.partition)
        };
        self.session
            .row(&self.general, "forget_objects", Effect::Writes, query)
            .await?;
        Ok(())
    }

    async fn topics_to_empty(&self, grace_ms: i64, limit: usize) -> Result<Vec<TopicUuid>> {
        let query = || {
            sqlx::query("SELECT topics_to_empty_v1($1, $2)")
                .bind(objects::ms(grace_ms))
                .bind(objects::limit(limit))
        };
        let rows = self
            .session
            .rows(&self.general, "topics_to_empty", Effect::Reads, query)
            .await?;
        rows.iter().map(|row| Ok(TopicUuid(row.try_get(0)?))).collect()
    }

    async fn topics_emptied(&self, topics: &[TopicUuid]) -> Result<()> {
        let uuids: Vec<Uuid> = topics.iter().map(|topic| topic.0).collect();
        let query = || sqlx::query("SELECT topics_emptied_v1($1)").bind(&uuids);
        self.session
            .row(&self.general, "topics_emptied", Effect::Writes, query)
            .await?;
        Ok(())
    }
}
