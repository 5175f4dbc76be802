use async_trait::async_trait;
use esker_metastore::*;
use esker_model::{ClusterEpoch, IncarnationId, LogId, PartitionKey, SegmentId, SegmentKind};

use super::{Life, Reference, State};

#[async_trait]
impl Sweeps for Reference {
    async fn orphans(&self, epoch: ClusterEpoch, segments: &[SegmentId]) -> Result<Vec<SegmentId>> {
        let state = self.state();
        state.check_epoch(epoch)?;
        let is_orphan = |segment: &&SegmentId| {
            let key = (segment.incarnation, segment.seq);
            match segment.kind {
                SegmentKind::Ingest => !state.segments.contains_key(&key) && state.is_settled(&key),
                SegmentKind::Archive => {
                    !state.archive_segments.contains_key(&key) && !state.lives(segment.incarnation)
                }
                SegmentKind::Merged(_) => false,
            }
        };
        Ok(segments.iter().filter(is_orphan).copied().collect())
    }

    async fn references(
        &self,
        epoch: ClusterEpoch,
        incarnations: &[IncarnationId],
        logs: &[LogId],
    ) -> Result<References> {
        let state = self.state();
        state.check_epoch(epoch)?;
        Ok(References {
            live: incarnations.iter().map(|id| state.lives(*id)).collect(),
            logs: logs.iter().map(|log| state.references_of(log)).collect(),
        })
    }

    async fn to_sweep(&self, limit: usize) -> Result<Vec<IncarnationId>> {
        let state = self.state();
        let ended = state
            .agents
            .iter()
            .filter(|(_, agent)| matches!(agent.life, Life::Fenced | Life::Left));
        Ok(ended.map(|(id, _)| *id).take(limit).collect())
    }

    async fn swept(&self, incarnations: &[IncarnationId]) -> Result<u64> {
        let mut state = self.state();
        for id in incarnations {
            if let Some(agent) = state.agents.get_mut(id)
                && agent.life != Life::Live
            {
                agent.life = Life::Swept;
            }
        }
        let before = state.agents.len();
        let State { agents, segments, .. } = &mut *state;
        segments.retain(|(id, _), row| !row.gone || agents[id].life != Life::Swept);
        agents.retain(|id, agent| {
            agent.life != Life::Swept || segments.keys().any(|(incarnation, _)| incarnation == id)
        });
        Ok((before - state.agents.len()) as u64)
    }
}

impl State {
    fn references_of(&self, log: &LogId) -> LogReferences {
        let topic = self.topics.iter().find(|topic| topic.uuid == log.topic);
        let key = topic.map(|topic| PartitionKey {
            topic: topic.key,
            partition: log.partition,
        });
        let found = key.and_then(|key| self.logs.get(&key));
        let manifest = found.and_then(|log| log.manifest.as_ref());
        let mut unneeded: Vec<_> = self
            .unneeded
            .keys()
            .filter(|object| object.log() == Some(*log))
            .copied()
            .collect();
        unneeded.sort_unstable();
        LogReferences {
            exists: found.is_some(),
            manifest: manifest.map(|row| row.manifest),
            objects: manifest.map_or(0, |row| row.summary.objects),
            unneeded,
        }
    }
}
