//! Configs of topics and of groups: what is set and removed, and how the catalog tells of groups.
//!
//! What holds: a group without configs has no row. That it had some is told by the version of the catalog at which it lost
//! the last one: whoever asks from before is told of all groups anew.

use std::sync::Arc;

use esker_model::TopicUuid;
use esker_model::limits::GROUP_CONFIGS_MAX;
use rusqlite::{OptionalExtension, params};

use super::database::Transaction;
use super::topics::{by_uuid, decode_configs, encode_configs, raise_version};
use crate::{AlterRefusal, Altered, ConfigChange, ConfigSubject, GroupConfigs, Result};

type Outcome = std::result::Result<Altered, AlterRefusal>;

pub(super) fn alter(tx: &Transaction<'_>, change: &ConfigChange) -> Result<Outcome> {
    match &change.subject {
        ConfigSubject::Topic(uuid) => alter_topic(tx, *uuid, change),
        ConfigSubject::Group(group) => alter_group(tx, group, change),
    }
}

fn alter_topic(tx: &Transaction<'_>, uuid: TopicUuid, change: &ConfigChange) -> Result<Outcome> {
    let Some(topic) = by_uuid(tx, uuid)? else {
        return Ok(Err(AlterRefusal::UnknownTopic));
    };
    let configs = change.applied_to(topic.configs);
    tx.prepare_cached("UPDATE topic SET configs = ?2, version = ?3 WHERE key = ?1")?
        .execute(params![
            topic.key.0,
            encode_configs(&configs)?,
            raise_version(tx)?
        ])?;
    let topic = by_uuid(tx, uuid)?;
    Ok(topic.map(Altered::Topic).ok_or(AlterRefusal::UnknownTopic))
}

fn alter_group(tx: &Transaction<'_>, group: &Arc<str>, change: &ConfigChange) -> Result<Outcome> {
    let had: Option<String> = tx
        .prepare_cached("SELECT configs FROM group_config WHERE id = ?1")?
        .query_row([&**group], |row| row.get(0))
        .optional()?;
    let before = had.as_deref().map(decode_configs).transpose()?;
    let configs = change.applied_to(before.unwrap_or_default());
    if configs.is_empty() {
        if had.is_some() {
            tx.prepare_cached("DELETE FROM group_config WHERE id = ?1")?
                .execute([&**group])?;
            tx.prepare_cached("UPDATE cluster SET group_configs_emptied = ?1")?
                .execute([raise_version(tx)?])?;
        }
    } else {
        if had.is_none() && count(tx)? >= GROUP_CONFIGS_MAX {
            return Ok(Err(AlterRefusal::TooManyGroups));
        }
        tx.prepare_cached(
            "INSERT INTO group_config (id, configs, version) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET configs = excluded.configs, version = excluded.version",
        )?
        .execute(params![&**group, encode_configs(&configs)?, raise_version(tx)?])?;
    }
    let group = Arc::clone(group);
    Ok(Ok(Altered::Group(GroupConfigs { group, configs })))
}

fn count(tx: &Transaction<'_>) -> Result<usize> {
    let count = tx
        .prepare_cached("SELECT count(*) FROM group_config")?
        .query_row([], |row| row.get(0))?;
    Ok(count)
}

/// What the catalog tells of groups, and whether these are all.
pub(super) fn of_groups(tx: &Transaction<'_>, since: i64) -> Result<(Vec<GroupConfigs>, bool)> {
    let emptied: i64 = tx
        .prepare_cached("SELECT group_configs_emptied FROM cluster")?
        .query_row([], |row| row.get(0))?;
    let anew = emptied > since;
    let since = if anew { 0 } else { since };
    let mut statement =
        tx.prepare_cached("SELECT id, configs FROM group_config WHERE version > ?1 ORDER BY version")?;
    let mut rows = statement.query([since])?;
    let mut groups = Vec::new();
    while let Some(row) = rows.next()? {
        let configs = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        groups.push(GroupConfigs {
            group: row.get(0)?,
            configs: decode_configs(configs)?,
        });
    }
    Ok((groups, anew))
}
