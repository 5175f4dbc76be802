use async_trait::async_trait;
use esker_metastore::*;
use esker_model::{LogId, ObjectId, PartitionKey};

use super::{ManifestRow, Reference, State};

#[async_trait]
impl Merges for Reference {
    async fn merge_candidates(
        &self,
        due: &MergeDue,
        after: Option<LogId>,
        limit: usize,
    ) -> Result<Vec<MergeCandidate>> {
        let before = self.now_ms().saturating_sub(due.age_ms);
        let state = self.state();
        let mut candidates: Vec<_> = state
            .logs
            .iter()
            .map(|(key, log)| {
                let bytes = log.archived.iter().map(|extent| extent.bytes).sum();
                let old = log.archived_ms.iter().any(|at| *at <= before);
                let many = log.archived.len() as u64 >= due.extents;
                let is_due = !log.archived.is_empty() && (bytes >= due.bytes || many || old);
                let manifest = log.manifest.as_ref();
                MergeCandidate {
                    partition: *key,
                    log: state.log_id(*key),
                    is_due,
                    bytes: if is_due { bytes } else { 0 },
                    extents: if is_due { log.archived.len() as u64 } else { 0 },
                    has_dead: manifest.is_some_and(|row| {
                        row.manifest.base_offset < row.manifest.end_offset
                            && row.summary.first_end_offset <= log.log_start
                    }),
                }
            })
            .filter(|one| (one.is_due || one.has_dead) && after.is_none_or(|after| one.log > after))
            .collect();
        candidates.sort_by_key(|one| one.log);
        candidates.truncate(limit);
        Ok(candidates)
    }

    async fn to_merge(
        &self,
        partitions: &[PartitionKey],
        extents_max: usize,
    ) -> Result<Vec<Option<ToMerge>>> {
        let state = self.state();
        let one = |key: &PartitionKey| {
            let log = state.logs.get(key)?;
            let row = log.manifest.as_ref();
            let count = extents_max.min(log.archived.len());
            Some(ToMerge {
                partition: *key,
                log: state.log_id(*key),
                log_start: log.log_start,
                version: row.map_or(0, |row| row.version),
                manifest: row.map(|row| row.manifest),
                extents: log.archived[..count].to_vec(),
                archived_ms: log.archived_ms[..count].iter().copied().max().unwrap_or(0),
            })
        };
        Ok(partitions.iter().map(one).collect())
    }

    async fn known_manifests(&self, partitions: &[PartitionKey]) -> Result<Vec<Option<KnownManifest>>> {
        let state = self.state();
        let one = |key: &PartitionKey| {
            let row = state.logs.get(key)?.manifest.as_ref()?;
            Some(KnownManifest {
                id: row.manifest.id,
                summary: row.summary,
            })
        };
        Ok(partitions.iter().map(one).collect())
    }

    async fn merge(&self, request: &MergeRequest) -> Result<Vec<bool>> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        state.check_epoch(request.epoch)?;
        state.check_fence(request.incarnation)?;
        let another = |merged: &MergedPartition| merged.manifest.id.incarnation != request.incarnation;
        if request.partitions.iter().any(another) {
            return Err(MetastoreError::Corrupt("the manifest of another".to_owned()));
        }
        Ok(request
            .partitions
            .iter()
            .map(|merged| state.merge_one(merged, now_ms))
            .collect())
    }
}

impl State {
    fn merge_one(&mut self, merged: &MergedPartition, now_ms: i64) -> bool {
        let Some(log) = self.logs.get_mut(&merged.partition) else {
            return false;
        };
        let new = merged.manifest;
        let taken = log
            .archived
            .iter()
            .filter(|extent| extent.base_offset < new.end_offset)
            .count();
        let meets = taken == 0 || log.archived[taken - 1].end_offset == new.end_offset;
        let version = log.manifest.as_ref().map_or(0, |row| row.version);
        let fits = version == merged.replaces
            && new.base_offset <= log.log_start
            && new.base_offset <= new.end_offset
            && new.end_offset <= log.archived_to
            && taken as u64 == merged.extents
            && meets;
        if !fits {
            return false;
        }
        log.archived.drain(..taken);
        log.archived_ms.drain(..taken);
        let row = ManifestRow {
            version: version + 1,
            manifest: new,
            summary: merged.summary,
        };
        let old = log
            .manifest
            .replace(row)
            .map(|old| ObjectId::Manifest(old.manifest.id));
        let unneeded = merged.unneeded.iter().filter(|object| object.log().is_some());
        for object in old.into_iter().chain(unneeded.copied()) {
            self.unneeded.entry(object).or_insert(now_ms);
        }
        for segment in &merged.lost {
            let key = (segment.incarnation, segment.seq);
            if let Some(row) = self.archive_segments.get_mut(&key) {
                row.kept_ms = HOLE_KEPT_MS;
            }
        }
        self.release_unused(now_ms);
        true
    }
}
