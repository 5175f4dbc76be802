//! Changes of configs laid out as the arrays that `alter_configs_v2` takes, and what it answers.

use std::sync::Arc;

use esker_model::limits::GROUP_CONFIGS_MAX;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::groups;
use super::past::Past;
use super::session::PgQuery;
use super::topics::{self, decode, json};
use crate::{AlterRefusal, Altered, ConfigChange, ConfigSubject, GroupConfigs, Result};

const ALTER_CONFIGS: &str = "SELECT a.* FROM alter_configs_v2($3, $4, $5, $6, $7) a, same_past_v1($1, $2)";

/// The arrays of one call.
pub(super) struct Layout<'a> {
    topic: Vec<Option<Uuid>>,
    group: Vec<Option<&'a [u8]>>,
    replace_all: Vec<bool>,
    changes: Vec<String>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(changes: &'a [ConfigChange]) -> Result<Self> {
        let (topic, group) = changes
            .iter()
            .map(|change| match &change.subject {
                ConfigSubject::Topic(uuid) => (Some(uuid.0), None),
                ConfigSubject::Group(group) => (None, Some(group.as_bytes())),
            })
            .unzip();
        let objects = changes.iter().map(|change| json(&change.changes));
        Ok(Self {
            topic,
            group,
            replace_all: changes.iter().map(|change| change.replace_all).collect(),
            changes: objects.collect::<Result<_>>()?,
        })
    }

    pub(super) fn bind<'q>(&'q self, past: Past) -> PgQuery<'q> {
        topics::with_past(ALTER_CONFIGS, past)
            .bind(&self.topic)
            .bind(&self.group)
            .bind(&self.replace_all)
            .bind(&self.changes)
            .bind(GROUP_CONFIGS_MAX as i64)
    }
}

/// What became of a change.
pub(super) fn altered(
    change: &ConfigChange,
    row: &PgRow,
) -> Result<std::result::Result<Altered, AlterRefusal>> {
    Ok(match (row.try_get("o_outcome")?, &change.subject) {
        (0, ConfigSubject::Topic(_)) => Ok(Altered::Topic(topics::topic(row)?)),
        (0, ConfigSubject::Group(group)) => Ok(Altered::Group(GroupConfigs {
            group: Arc::clone(group),
            configs: decode(row.try_get("o_configs")?)?,
        })),
        (1, _) => Err(AlterRefusal::UnknownTopic),
        _ => Err(AlterRefusal::TooManyGroups),
    })
}

/// A group of the catalog; `None` if the row is about something else.
pub(super) fn of_group(row: &PgRow) -> Result<Option<GroupConfigs>> {
    let Some(group) = row.try_get::<Option<&[u8]>, _>("o_group")? else {
        return Ok(None);
    };
    Ok(Some(GroupConfigs {
        group: groups::text(group)?,
        configs: decode(row.try_get("o_configs")?)?,
    }))
}
