//! What is done to the stores, and read in them, from outside of the agents: by an operator, by a restore.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use esker_history::What;
use esker_history::event::Records;
use esker_metastore::{
    Agents, CommitRequest, Commits, MetastoreError, PlanRequest, Reads, SegmentCommit, Topics,
};
use esker_model::{ClusterEpoch, IncarnationId, ObjectId, PartitionKey, SegmentId, SegmentKind};
use esker_storage::cluster_file::CLUSTER_FILE;
use esker_storage::keys::{self, ObjectKind};
use esker_storage::segment;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::World;
use crate::clients::payload;

/// The kinds of segments.
const SEGMENTS: [ObjectKind; 3] = [ObjectKind::Ingest, ObjectKind::Archive, ObjectKind::Merged];

impl World {
    /// Raises the cluster epoch in the bucket, as a restore does first; false if no cluster was founded yet.
    pub async fn raise_epoch(&self) -> Result<bool, String> {
        let objects = self.objects();
        let path = Path::from(CLUSTER_FILE);
        let found = match objects.get(&path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            found => found.map_err(|err| err.to_string())?,
        };
        let json = found.bytes().await.map_err(|err| err.to_string())?;
        let json = String::from_utf8_lossy(&json);
        let raised = json.replace("\"epoch\": 1", "\"epoch\": 2");
        if raised == json {
            return Err(format!("{CLUSTER_FILE} is not in epoch 1: {json}"));
        }
        let payload = PutPayload::from_bytes(Bytes::from(raised));
        objects.put(&path, payload).await.map_err(|err| err.to_string())?;
        self.record.note(What::EpochRaised {
            // An agent may stand still between an acknowledgement and its way out.
            silence_from_us: u64::MAX,
        });
        Ok(true)
    }

    /// Lists the bucket, as a restore does after it waited, and tells which records are there.
    pub async fn list_for_restore(&self) -> Result<(), String> {
        let mut records = Vec::new();
        for kind in SEGMENTS {
            for (id, object) in self.segments(kind).await? {
                records.append(&mut records_of(id.kind, &object)?);
            }
        }
        self.record.note(What::Restorable { records });
        Ok(())
    }

    /// Looks for segments of living incarnations, which have nothing under way, that are neither committed
    /// nor tombstoned. Changes what it looks at: the run has to be over.
    pub async fn audit(&self, living: &[(IncarnationId, ClusterEpoch)]) -> Result<(), String> {
        let epochs: BTreeSet<_> = living.iter().copied().collect();
        for (id, _) in self.segments(ObjectKind::Ingest).await? {
            if !epochs.contains(&(id.incarnation, id.epoch)) {
                continue;
            }
            // Its records were archived; a late put is for the sweep.
            if self.deleted.lock().contains(&keys::object_key(&id)) {
                continue;
            }
            // A commit of nothing: whoever is settled already refuses it.
            let request = CommitRequest {
                epoch: id.epoch,
                incarnation: id.incarnation,
                settled_through: 0,
                segments: vec![SegmentCommit {
                    seq: id.seq,
                    object_bytes: 0,
                    runs: Vec::new(),
                }],
            };
            match self.database().commit(request).await {
                Err(MetastoreError::AlreadySettled) => {}
                Err(MetastoreError::Fenced) => {}
                Ok(_) => self.record.note(What::Unsettled {
                    key: keys::object_key(&id),
                }),
                Err(err) => return Err(format!("cannot look for segment {id}: {err}")),
            }
        }
        Ok(())
    }

    /// Deletes objects of fenced incarnations that nothing refers to; returns how many. Whoever is fenced
    /// cannot make anything refer to them any more.
    pub async fn sweep(&self) -> Result<usize, String> {
        let mut segments = self.segments(ObjectKind::Ingest).await?;
        segments.extend(self.segments(ObjectKind::Archive).await?);
        let writers: BTreeSet<_> = segments.iter().map(|(id, _)| id.incarnation).collect();
        let writers: Vec<_> = writers.into_iter().collect();
        // Nobody is silent for so long: this only asks who is fenced already.
        let fenced = self.database().fence_expired(&writers, i64::MAX).await;
        let fenced: BTreeSet<_> = fenced.map_err(|err| err.to_string())?.into_iter().collect();
        let referred = self.referred().await?;
        let mut swept = 0;
        for (id, _) in segments {
            if fenced.contains(&id.incarnation) && !referred.contains(&id) {
                let path = Path::from(keys::object_key(&id));
                self.objects()
                    .delete(&path)
                    .await
                    .map_err(|err| err.to_string())?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// The segments that hold records of a log.
    async fn referred(&self) -> Result<BTreeSet<SegmentId>, String> {
        let catalog = self.database().catalog(0).await.map_err(|err| err.to_string())?;
        let mut requests = Vec::new();
        for topic in catalog.changed {
            requests.extend((0..topic.partitions).map(|partition| PlanRequest {
                partition: PartitionKey {
                    topic: topic.key,
                    partition,
                },
                from: 0,
                bytes_max: u64::MAX,
                extents_max: usize::MAX >> 1,
            }));
        }
        let plans = self
            .database()
            .plan(&requests)
            .await
            .map_err(|err| err.to_string())?;
        Ok(plans
            .iter()
            .flat_map(|plan| plan.extents.iter().map(|extent| extent.segment))
            .collect())
    }

    async fn segments(&self, kind: ObjectKind) -> Result<Vec<(SegmentId, Bytes)>, String> {
        let objects = Arc::clone(self.objects());
        let prefix = Path::from(kind.folder());
        let listed: Vec<_> = objects
            .list(Some(&prefix))
            .try_collect()
            .await
            .map_err(|err| err.to_string())?;
        let mut segments = Vec::with_capacity(listed.len());
        for meta in listed {
            let key = meta.location.to_string();
            let Some(ObjectId::Segment(id)) = keys::parse_key(&key) else {
                return Err(format!("a key that nobody writes: {key}"));
            };
            let found = objects.get(&meta.location).await.map_err(|err| err.to_string())?;
            segments.push((id, found.bytes().await.map_err(|err| err.to_string())?));
        }
        Ok(segments)
    }
}

/// The records in an object, which is verified.
fn records_of(kind: SegmentKind, object: &Bytes) -> Result<Vec<Records>, String> {
    let corrupt = |err| format!("a segment in the bucket is corrupt: {err}");
    let ranges: Vec<(u64, u64)> = match kind {
        SegmentKind::Ingest => {
            let footer = segment::verify(object).map_err(corrupt)?;
            let ranges = footer.runs.iter().map(|run| {
                let bytes = run.batches.iter().map(|batch| u64::from(batch.bytes)).sum();
                (run.position, bytes)
            });
            ranges.collect()
        }
        SegmentKind::Archive | SegmentKind::Merged(_) => {
            let footer = segment::archive::verify(object).map_err(corrupt)?;
            footer
                .parts
                .iter()
                .map(|part| (part.position, part.bytes()))
                .collect()
        }
    };
    let mut records = Vec::new();
    for (position, bytes) in ranges {
        let read = payload::read(object.slice(position as usize..(position + bytes) as usize), 0);
        if let Some(damage) = read.damage {
            return Err(format!("a batch in the bucket is damaged: {}", damage.why));
        }
        records.extend(read.seen.iter().map(|seen| seen.records));
    }
    Ok(records)
}
