//! Topics, and the catalog. Configs are changed with `configs`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use esker_model::{TopicKey, TopicUuid};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresMetastore;
use super::configs;
use super::error::Effect;
use super::past::Past;
use super::session::PgQuery;
use crate::{
    AlterRefusal, Altered, Catalog, ConfigChange, CreatePartitionsRefusal, CreateTopicRefusal,
    MetastoreError, NewPartitions, NewTopic, Result, Topic, Topics,
};

const CREATE_TOPICS: &str = "SELECT c.* FROM create_topics_v2($3, $4, $5, $6, $7) c, same_past_v1($1, $2)";
const DELETE_TOPICS: &str = "SELECT d.* FROM delete_topics_v3($3) d, same_past_v1($1, $2)";
const CREATE_PARTITIONS: &str = "SELECT c.* FROM create_partitions_v2($3, $4) c, same_past_v1($1, $2)";

#[async_trait]
impl Topics for PostgresMetastore {
    async fn catalog(&self, since: i64) -> Result<Catalog> {
        let query = || sqlx::query("SELECT * FROM catalog_v2($1)").bind(since);
        let rows = self
            .session
            .rows(&self.general, "catalog", Effect::Reads, query)
            .await?;
        let Some(first) = rows.first() else {
            return Err(MetastoreError::Corrupt("the cluster's row is missing".to_owned()));
        };
        let mut catalog = Catalog {
            version: first.try_get("o_catalog_version")?,
            changed: Vec::new(),
            deleted: Vec::new(),
            groups: Vec::new(),
            groups_anew: first.try_get("o_groups_anew")?,
        };
        for row in &rows {
            catalog.groups.extend(configs::of_group(row)?);
            let Some(uuid) = row.try_get("o_topic_uuid")? else {
                continue;
            };
            if row.try_get("o_deleted")? {
                catalog.deleted.push(TopicUuid(uuid));
            } else {
                catalog.changed.push(topic(row)?);
            }
        }
        Ok(catalog)
    }

    async fn create_topics(
        &self,
        topics: &[NewTopic],
    ) -> Result<Vec<std::result::Result<Topic, CreateTopicRefusal>>> {
        let uuids: Vec<Uuid> = topics.iter().map(|topic| topic.uuid.0).collect();
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        let partitions: Vec<i32> = topics.iter().map(|topic| topic.partitions).collect();
        let factors: Vec<i16> = topics.iter().map(|topic| topic.replication_factor).collect();
        let configs = topics
            .iter()
            .map(|topic| json(&topic.configs))
            .collect::<Result<Vec<_>>>()?;
        let query = |past: Past| {
            with_past(CREATE_TOPICS, past)
                .bind(&uuids)
                .bind(&names)
                .bind(&partitions)
                .bind(&factors)
                .bind(&configs)
        };
        let rows = self.change("create_topics", topics.len(), query).await?;
        rows.iter()
            .map(|row| {
                Ok(match row.try_get("o_outcome")? {
                    0 => Ok(topic(row)?),
                    1 => Err(CreateTopicRefusal::Exists),
                    2 => Err(CreateTopicRefusal::Collides(row.try_get("o_name")?)),
                    _ => Err(CreateTopicRefusal::Deleted),
                })
            })
            .collect()
    }

    async fn delete_topics(&self, topics: &[TopicUuid]) -> Result<Vec<bool>> {
        let uuids: Vec<Uuid> = topics.iter().map(|uuid| uuid.0).collect();
        let query = |past: Past| with_past(DELETE_TOPICS, past).bind(&uuids);
        let rows = self.change("delete_topics", topics.len(), query).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    async fn create_partitions(
        &self,
        requests: &[NewPartitions],
    ) -> Result<Vec<std::result::Result<Topic, CreatePartitionsRefusal>>> {
        let uuids: Vec<Uuid> = requests.iter().map(|request| request.topic.0).collect();
        let partitions: Vec<i32> = requests.iter().map(|request| request.partitions).collect();
        let query = |past: Past| with_past(CREATE_PARTITIONS, past).bind(&uuids).bind(&partitions);
        let rows = self.change("create_partitions", requests.len(), query).await?;
        rows.iter()
            .map(|row| {
                Ok(match row.try_get("o_outcome")? {
                    0 => Ok(topic(row)?),
                    1 => Err(CreatePartitionsRefusal::UnknownTopic),
                    _ => Err(CreatePartitionsRefusal::NotMore(row.try_get("o_partitions")?)),
                })
            })
            .collect()
    }

    async fn alter_configs(
        &self,
        changes: &[ConfigChange],
    ) -> Result<Vec<std::result::Result<Altered, AlterRefusal>>> {
        let layout = configs::Layout::new(changes)?;
        let query = |past: Past| layout.bind(past);
        let rows = self.change("alter_configs", changes.len(), query).await?;
        let replies = changes.iter().zip(&rows);
        replies
            .map(|(change, row)| configs::altered(change, row))
            .collect()
    }
}

impl PostgresMetastore {
    /// Sends `count` changes: one row each comes back, in order.
    async fn change<'q>(
        &self,
        method: &'static str,
        count: usize,
        query: impl Fn(Past) -> PgQuery<'q> + Send + Sync,
    ) -> Result<Vec<PgRow>> {
        let rows = self.rows_on_known_past(method, Effect::Writes, query).await?;
        if rows.len() == count {
            return Ok(rows);
        }
        Err(MetastoreError::Corrupt(format!(
            "{method}: {} replies to {count} requests",
            rows.len()
        )))
    }
}

/// A change, with the past that it may be made on as its first parameters.
pub(super) fn with_past(sql: &'static str, past: Past) -> PgQuery<'static> {
    sqlx::query(sql).bind(past.system).bind(past.timeline)
}

pub(super) fn topic(row: &PgRow) -> Result<Topic> {
    Ok(Topic {
        key: TopicKey(row.try_get("o_topic_id")?),
        uuid: TopicUuid(row.try_get("o_topic_uuid")?),
        name: row.try_get("o_name")?,
        partitions: row.try_get("o_partitions")?,
        replication_factor: row.try_get("o_replication_factor")?,
        configs: decode(row.try_get("o_configs")?)?,
        version: row.try_get("o_version")?,
    })
}

pub(super) fn json<V: serde::Serialize>(object: &BTreeMap<String, V>) -> Result<String> {
    serde_json::to_string(object).map_err(|error| MetastoreError::Corrupt(format!("configs: {error}")))
}

pub(super) fn decode(configs: &str) -> Result<BTreeMap<String, String>> {
    serde_json::from_str(configs).map_err(|error| MetastoreError::Corrupt(format!("configs: {error}")))
}
