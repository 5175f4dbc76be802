//! What is done to the stores, and read in them, from outside of the agents: by an operator, by a restore.

use bytes::Bytes;
use esker_history::What;
use esker_history::event::Records;
use esker_model::{ObjectId, SegmentKind};
use esker_storage::cluster_file::CLUSTER_FILE;
use esker_storage::segment;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use super::World;
use crate::audit::{self, Bucket};
use crate::clients::payload;

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

    /// Lists the bucket, as a restore does after it waited, and tells which records are there. What archiving and merging
    /// wrote counts only if something refers to it: all else is an orphan.
    pub async fn list_for_restore(&self) -> Result<(), String> {
        let bucket = Bucket::read(self).await?;
        let referred = audit::referred(self, &bucket).await?;
        let mut records = Vec::new();
        for (id, held) in bucket.objects() {
            if let ObjectId::Segment(segment) = id
                && (segment.kind == SegmentKind::Ingest || referred.contains(id))
            {
                records.append(&mut records_of(segment.kind, &held.bytes)?);
            }
        }
        self.record.note(What::Restorable { records });
        Ok(())
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
