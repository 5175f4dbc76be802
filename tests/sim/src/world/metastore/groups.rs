//! What coordinators of groups ask the metastore, as one process reaches it.

use std::sync::Arc;

use async_trait::async_trait;
use esker_metastore::{
    CommittedOffsets, Coordinators, Expired, ForgetOffsets, GroupWrites, Groups, OffsetOf, OffsetsRequest,
    Result, ShardLease, ShardOwner, StoredGroup,
};
use esker_model::{IncarnationId, ShardId};

use super::{Kind, ProcessMetastore};

#[async_trait]
impl Coordinators for ProcessMetastore {
    async fn claim_shards(&self, incarnation: IncarnationId, wanted: &[ShardId]) -> Result<Vec<ShardOwner>> {
        let (wanted, world) = (wanted.to_vec(), Arc::clone(&self.world));
        self.call("claim_shards", Kind::Writes, move |db| async move {
            let owners = db.claim_shards(incarnation, &wanted).await?;
            world.shards_claimed(&owners);
            Ok(owners)
        })
        .await
    }

    async fn release_shards(&self, incarnation: IncarnationId, leases: &[ShardLease]) -> Result<()> {
        let leases = leases.to_vec();
        self.call("release_shards", Kind::Writes, move |db| async move {
            db.release_shards(incarnation, &leases).await
        })
        .await
    }
}

#[async_trait]
impl Groups for ProcessMetastore {
    async fn load_groups(
        &self,
        incarnation: IncarnationId,
        lease: ShardLease,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<StoredGroup>>> {
        let after = after.map(str::to_owned);
        self.call("load_groups", Kind::Reads, move |db| async move {
            db.load_groups(incarnation, lease, after.as_deref(), limit).await
        })
        .await
    }

    async fn write_groups(&self, writes: &GroupWrites) -> Result<Vec<bool>> {
        let (writes, world) = (writes.clone(), Arc::clone(&self.world));
        self.call("write_groups", Kind::Writes, move |db| async move {
            let made = db.write_groups(&writes).await;
            world.groups_written(&writes, made.as_deref().unwrap_or_default());
            made
        })
        .await
    }

    async fn committed_offsets(&self, requests: &[OffsetsRequest]) -> Result<Vec<CommittedOffsets>> {
        let requests = requests.to_vec();
        self.call("committed_offsets", Kind::Reads, move |db| async move {
            db.committed_offsets(&requests).await
        })
        .await
    }

    async fn expire_offsets(
        &self,
        incarnation: IncarnationId,
        lease: ShardLease,
        retention_ms: i64,
        limit: usize,
    ) -> Result<Option<Expired>> {
        self.call("expire_offsets", Kind::Writes, move |db| async move {
            db.expire_offsets(incarnation, lease, retention_ms, limit).await
        })
        .await
    }

    async fn old_offsets(
        &self,
        shard: ShardId,
        age_ms: i64,
        after: Option<&OffsetOf>,
        limit: usize,
    ) -> Result<Vec<OffsetOf>> {
        let after = after.cloned();
        self.call("old_offsets", Kind::Reads, move |db| async move {
            db.old_offsets(shard, age_ms, after.as_ref(), limit).await
        })
        .await
    }

    async fn forget_offsets(&self, forget: &ForgetOffsets) -> Result<bool> {
        let forget = forget.clone();
        self.call("forget_offsets", Kind::Writes, move |db| async move {
            db.forget_offsets(&forget).await
        })
        .await
    }
}
