//! What coordinators of groups keep.
//!
//! Ids and metadata are bytes there, because text cannot hold every string that a client may choose.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use esker_model::groups::shard_of;
use esker_model::{IncarnationId, ShardId};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::PostgresMetastore;
use super::error::Effect;
use super::group_layout::GroupLayout;
use super::objects;
use super::past::Past;
use crate::group_rounds::{id_from, place, rounds};
use crate::{
    CommittedOffset, CommittedOffsets, Expired, ForgetOffsets, GroupWrites, Groups, MetastoreError, OffsetOf,
    OffsetsRequest, Result, ShardLease, StoredGroup,
};

#[async_trait]
impl Groups for PostgresMetastore {
    async fn load_groups(
        &self,
        incarnation: IncarnationId,
        lease: ShardLease,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<StoredGroup>>> {
        let from = id_from(after);
        let query = || {
            sqlx::query("SELECT * FROM load_groups_v1($1, $2, $3, $4, $5)")
                .bind(incarnation.0)
                .bind(lease.shard.0)
                .bind(lease.epoch)
                .bind(from.as_bytes())
                .bind(objects::limit(limit))
        };
        let rows = self
            .session
            .rows(&self.general, "load_groups", Effect::Reads, query)
            .await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let groups = rows.iter().map(stored).filter_map(Result::transpose);
        Ok(Some(groups.collect::<Result<_>>()?))
    }

    async fn write_groups(&self, writes: &GroupWrites) -> Result<Vec<bool>> {
        let rounds = rounds(writes)?;
        let number = objects::int(writes.number)?;
        let layout = GroupLayout::new(&rounds);
        let query = |past: Past| layout.bind(writes.incarnation, number, past);
        let rows = self
            .rows_on_known_past("write_groups", Effect::Writes, query)
            .await?;
        let held: Option<Vec<bool>> = match rows.first() {
            Some(row) => row.try_get(0)?,
            None => return Err(MetastoreError::Corrupt("write_groups: no row".to_owned())),
        };
        let held: BTreeSet<ShardLease> = layout
            .leases
            .iter()
            .zip(held.unwrap_or_default())
            .filter_map(|(lease, held)| held.then_some(*lease))
            .collect();
        Ok(writes
            .changes
            .iter()
            .map(|change| held.contains(&change.lease))
            .collect())
    }

    async fn committed_offsets(&self, requests: &[OffsetsRequest]) -> Result<Vec<CommittedOffsets>> {
        let asked = Asked::new(requests);
        let query = || {
            sqlx::query("SELECT * FROM committed_offsets_v1($1, $2, $3, $4, $5, $6)")
                .bind(&asked.shard)
                .bind(&asked.group)
                .bind(&asked.every)
                .bind(&asked.of)
                .bind(&asked.topic)
                .bind(&asked.partition)
        };
        let rows = self
            .session
            .rows(&self.general, "committed_offsets", Effect::Reads, query)
            .await?;
        let mut replies = vec![CommittedOffsets::new(); requests.len()];
        for row in &rows {
            let request: i32 = row.try_get("o_request")?;
            let reply = usize::try_from(request - 1)
                .ok()
                .and_then(|index| replies.get_mut(index));
            let Some(reply) = reply else {
                return Err(MetastoreError::Corrupt(format!(
                    "offsets of request {request}, which nobody made"
                )));
            };
            let offset = CommittedOffset {
                offset: row.try_get("o_offset")?,
                leader_epoch: row.try_get("o_leader_epoch")?,
                metadata: text(row.try_get("o_metadata")?)?,
            };
            reply.push((objects::partition(row)?, offset));
        }
        Ok(replies)
    }

    async fn expire_offsets(
        &self,
        incarnation: IncarnationId,
        lease: ShardLease,
        retention_ms: i64,
        limit: usize,
    ) -> Result<Option<Expired>> {
        let query = || {
            sqlx::query("SELECT o_more, o_id FROM expire_offsets_v2($1, $2, $3, $4, $5)")
                .bind(incarnation.0)
                .bind(lease.shard.0)
                .bind(lease.epoch)
                .bind(objects::ms(retention_ms))
                .bind(objects::limit(limit))
        };
        let rows = self
            .session
            .rows(&self.general, "expire_offsets", Effect::Writes, query)
            .await?;
        let Some(first) = rows.first() else {
            return Ok(None);
        };
        let mut expired = Expired {
            more: first.try_get("o_more")?,
            unused: Vec::with_capacity(rows.len()),
        };
        for row in &rows {
            // The only row of a shard without such groups has none.
            if let Some(id) = row.try_get::<Option<&[u8]>, _>("o_id")? {
                expired.unused.push(text(id)?);
            }
        }
        Ok(Some(expired))
    }

    async fn old_offsets(
        &self,
        shard: ShardId,
        age_ms: i64,
        after: Option<&OffsetOf>,
        limit: usize,
    ) -> Result<Vec<OffsetOf>> {
        let (group, after) = place(after);
        let query = || {
            sqlx::query("SELECT * FROM old_offsets_v1($1, $2, $3, $4, $5, $6)")
                .bind(shard.0)
                .bind(objects::ms(age_ms))
                .bind(group.as_bytes())
                .bind(after.topic.0)
                .bind(after.partition)
                .bind(objects::limit(limit))
        };
        let rows = self
            .session
            .rows(&self.general, "old_offsets", Effect::Reads, query)
            .await?;
        let found = rows.iter().map(|row| {
            let group = text(row.try_get("o_group")?)?;
            Ok((group, objects::partition(row)?))
        });
        found.collect()
    }

    async fn forget_offsets(&self, forget: &ForgetOffsets) -> Result<bool> {
        forget.check()?;
        let number = objects::int(forget.number)?;
        let groups: Vec<&[u8]> = forget.offsets.iter().map(|(group, _)| group.as_bytes()).collect();
        let partitions = forget.offsets.iter().map(|(_, partition)| partition);
        let (topics, partitions): (Vec<i32>, Vec<i32>) = partitions
            .map(|partition| (partition.topic.0, partition.partition))
            .unzip();
        let query = |past: Past| {
            sqlx::query("SELECT forget_offsets_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
                .bind(past.system)
                .bind(past.timeline)
                .bind(forget.incarnation.0)
                .bind(forget.lease.shard.0)
                .bind(forget.lease.epoch)
                .bind(number)
                .bind(objects::ms(forget.age_ms))
                .bind(&groups)
                .bind(&topics)
                .bind(&partitions)
        };
        let rows = self
            .rows_on_known_past("forget_offsets", Effect::Writes, query)
            .await?;
        match rows.first() {
            Some(row) => Ok(row.try_get(0)?),
            None => Err(MetastoreError::Corrupt("forget_offsets: no row".to_owned())),
        }
    }
}

/// A group; `None`: the only row of a shard without groups.
fn stored(row: &PgRow) -> Result<Option<StoredGroup>> {
    let Some(id) = row.try_get::<Option<&[u8]>, _>("o_id")? else {
        return Ok(None);
    };
    let ids: Vec<Vec<u8>> = row.try_get("o_member_id")?;
    let states: Vec<Vec<u8>> = row.try_get("o_member_state")?;
    let members = ids.into_iter().zip(states);
    Ok(Some(StoredGroup {
        id: text(id)?,
        state: Bytes::from(row.try_get::<Vec<u8>, _>("o_state")?),
        members: members
            .map(|(id, state)| Ok((text(&id)?, Bytes::from(state))))
            .collect::<Result<_>>()?,
    }))
}

/// A string that was stored as its bytes.
pub(super) fn text(bytes: &[u8]) -> Result<Arc<str>> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| MetastoreError::Corrupt(format!("a string of a group: {error}")))?;
    Ok(text.into())
}

/// Questions for offsets as arrays.
#[derive(Default)]
struct Asked<'a> {
    shard: Vec<i16>,
    group: Vec<&'a [u8]>,
    every: Vec<bool>,
    of: Vec<i32>,
    topic: Vec<i32>,
    partition: Vec<i32>,
}

impl<'a> Asked<'a> {
    fn new(requests: &'a [OffsetsRequest]) -> Self {
        let mut asked = Self::default();
        for request in requests {
            asked.shard.push(shard_of(&request.group).0);
            asked.group.push(request.group.as_bytes());
            asked.every.push(request.partitions.is_none());
            let partitions: BTreeSet<_> = request.partitions.iter().flatten().collect();
            for partition in partitions {
                asked.of.push(asked.group.len() as i32);
                asked.topic.push(partition.topic.0);
                asked.partition.push(partition.partition);
            }
        }
        asked
    }
}
