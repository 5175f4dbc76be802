//! Topics and the catalog's version, which every change raises by one. Configs are changed in `configs`.

use std::collections::BTreeMap;

use esker_model::planted::{Mistake, planted};
use esker_model::{TopicKey, TopicUuid};
use rusqlite::{OptionalExtension, Row, params};

use super::database::Transaction;
use super::values::{get_topic_uuid, topic_uuid};
use super::{configs, release};
use crate::{
    Catalog, CreatePartitionsRefusal, CreateTopicRefusal, MetastoreError, NewPartitions, NewTopic, Result,
    Topic,
};

/// Selects topics as [`topic`] reads them.
macro_rules! topics_sql {
    ($condition:literal) => {
        concat!(
            "SELECT key, uuid, name, partitions, replication_factor, configs, version FROM topic ",
            $condition
        )
    };
}

pub(super) fn version(tx: &Transaction<'_>) -> Result<i64> {
    let version = tx
        .prepare_cached("SELECT catalog_version FROM cluster")?
        .query_row([], |row| row.get(0))?;
    Ok(version)
}

pub(super) fn raise_version(tx: &Transaction<'_>) -> Result<i64> {
    let version = tx
        .prepare_cached("UPDATE cluster SET catalog_version = catalog_version + 1 RETURNING catalog_version")?
        .query_row([], |row| row.get(0))?;
    Ok(version)
}

pub(super) fn catalog(tx: &Transaction<'_>, since: i64) -> Result<Catalog> {
    let mut catalog = Catalog {
        version: version(tx)?,
        changed: Vec::new(),
        deleted: Vec::new(),
        groups: Vec::new(),
        groups_anew: false,
    };
    let mut statement = tx.prepare_cached(topics_sql!("WHERE version > ?1 ORDER BY version"))?;
    let mut rows = statement.query([since])?;
    while let Some(row) = rows.next()? {
        catalog.changed.push(topic(row)?);
    }
    catalog.deleted = tx
        .prepare_cached("SELECT uuid FROM topic_deleted WHERE version > ?1 ORDER BY version")?
        .query_map([since], |row| get_topic_uuid(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    (catalog.groups, catalog.groups_anew) = configs::of_groups(tx, since)?;
    Ok(catalog)
}

pub(super) fn create(
    tx: &Transaction<'_>,
    new: &NewTopic,
) -> Result<std::result::Result<Topic, CreateTopicRefusal>> {
    let collision_name = new.name.replace('.', "_");
    let existing = find(
        tx,
        topics_sql!("WHERE collision_name = ?1"),
        collision_name.as_str(),
    )?;
    if let Some(existing) = existing {
        return Ok(if existing.name != new.name {
            Err(CreateTopicRefusal::Collides(existing.name))
        } else if existing.uuid == new.uuid {
            // The same call again, after an unknown outcome.
            Ok(existing)
        } else {
            Err(CreateTopicRefusal::Exists)
        });
    }
    if was_deleted(tx, new.uuid)? {
        return Ok(Err(CreateTopicRefusal::Deleted));
    }
    tx.prepare_cached(
        "INSERT INTO topic (uuid, name, collision_name, partitions, replication_factor, configs, version,
                            producer_ids_before)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, (SELECT next_producer_id FROM cluster))",
    )?
    .execute(params![
        topic_uuid(&new.uuid),
        new.name,
        collision_name,
        new.partitions,
        new.replication_factor,
        encode_configs(&new.configs)?,
        raise_version(tx)?,
    ])?;
    if planted(Mistake::TopicKeyLivesOn) {
        // The same key for the same name.
        let key = new
            .name
            .bytes()
            .fold(1_000, |key, byte| (key * 31 + i32::from(byte)) % 1_000_000);
        tx.execute(
            "UPDATE topic SET key = ?1 WHERE uuid = ?2",
            params![key, topic_uuid(&new.uuid)],
        )?;
    }
    let created = by_uuid(tx, new.uuid)?.ok_or_else(vanished)?;
    insert_heads(tx, created.key, 0..new.partitions)?;
    Ok(Ok(created))
}

fn was_deleted(tx: &Transaction<'_>, uuid: TopicUuid) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM topic_deleted WHERE uuid = ?1)";
    let mut found = tx.prepare_cached(sql)?;
    Ok(found.query_row([topic_uuid(&uuid)], |row| row.get(0))?)
}

/// Inserts the heads of new partitions.
///
/// Clients know topics by name: a producer that wrote to a deleted topic goes on with its sequences in the
/// one that has the name now. To that producer a partition that the name had before has forgotten it. Which
/// producers there were: those whose ids were given out when the topic was created. Names are compared
/// exactly here: no client takes `a.b` for `a_b`.
fn insert_heads(tx: &Transaction<'_>, topic: TopicKey, partitions: std::ops::Range<i32>) -> Result<()> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO log_head (topic, partition, forgotten_through)
         SELECT t.key, ?2, CASE WHEN ?2 < d.partitions THEN t.producer_ids_before - 1 ELSE -1 END
         FROM topic t LEFT JOIN name_deleted d ON d.name = t.name WHERE t.key = ?1",
    )?;
    for partition in partitions {
        insert.execute((topic.0, partition))?;
    }
    Ok(())
}

/// Deletes a topic with its heads, what they remember of producers, and its extents. Segments that nothing else
/// needs may go: archive segments from now on, ingest segments as soon as they are released. What belongs to the topic
/// alone is found in the bucket by its id.
pub(super) fn delete(tx: &Transaction<'_>, uuid: TopicUuid) -> Result<bool> {
    let Some(topic) = by_uuid(tx, uuid)? else {
        return Ok(false);
    };
    let version = raise_version(tx)?;
    tx.prepare_cached("INSERT INTO topic_deleted (version, uuid, to_empty_ms) VALUES (?1, ?2, ?3)")?
        .execute(params![version, topic_uuid(&uuid), tx.now_ms])?;
    tx.prepare_cached(
        "INSERT INTO name_deleted (name, partitions) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET partitions = max(partitions, excluded.partitions)",
    )?
    .execute(params![topic.name, topic.partitions])?;
    for statement in [
        "DELETE FROM topic WHERE key = ?1",
        "DELETE FROM log_head WHERE topic = ?1",
        "DELETE FROM producer_partition WHERE topic = ?1",
    ] {
        tx.prepare_cached(statement)?.execute([topic.key.0])?;
    }
    // Where the key lives on, so does what it leads to.
    if !planted(Mistake::TopicKeyLivesOn) {
        tx.prepare_cached("DELETE FROM extent WHERE topic = ?1")?
            .execute([topic.key.0])?;
        release::forget_topic(tx, topic.key)?;
        tx.prepare_cached("DELETE FROM manifest WHERE topic = ?1")?
            .execute([topic.key.0])?;
    }
    Ok(true)
}

pub(super) fn create_partitions(
    tx: &Transaction<'_>,
    request: &NewPartitions,
) -> Result<std::result::Result<Topic, CreatePartitionsRefusal>> {
    let Some(topic) = by_uuid(tx, request.topic)? else {
        return Ok(Err(CreatePartitionsRefusal::UnknownTopic));
    };
    if request.partitions <= topic.partitions {
        return Ok(Err(CreatePartitionsRefusal::NotMore(topic.partitions)));
    }
    tx.prepare_cached("UPDATE topic SET partitions = ?2, version = ?3 WHERE key = ?1")?
        .execute((topic.key.0, request.partitions, raise_version(tx)?))?;
    insert_heads(tx, topic.key, topic.partitions..request.partitions)?;
    Ok(Ok(by_uuid(tx, request.topic)?.ok_or_else(vanished)?))
}

pub(super) fn by_uuid(tx: &Transaction<'_>, uuid: TopicUuid) -> Result<Option<Topic>> {
    find(tx, topics_sql!("WHERE uuid = ?1"), topic_uuid(&uuid))
}

fn find(tx: &Transaction<'_>, sql: &str, by: impl rusqlite::ToSql) -> Result<Option<Topic>> {
    tx.prepare_cached(sql)?
        .query_row([by], |row| Ok(topic(row)))
        .optional()?
        .transpose()
}

fn topic(row: &Row<'_>) -> Result<Topic> {
    let configs = row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Topic {
        key: TopicKey(row.get(0)?),
        uuid: get_topic_uuid(row, 1)?,
        name: row.get(2)?,
        partitions: row.get(3)?,
        replication_factor: row.get(4)?,
        configs: decode_configs(configs)?,
        version: row.get(6)?,
    })
}

pub(super) fn encode_configs(configs: &BTreeMap<String, String>) -> Result<String> {
    serde_json::to_string(configs).map_err(|error| MetastoreError::Corrupt(format!("configs: {error}")))
}

pub(super) fn decode_configs(configs: &str) -> Result<BTreeMap<String, String>> {
    serde_json::from_str(configs).map_err(|error| MetastoreError::Corrupt(format!("configs: {error}")))
}

fn vanished() -> MetastoreError {
    MetastoreError::Corrupt("a topic vanished inside a transaction".to_owned())
}
