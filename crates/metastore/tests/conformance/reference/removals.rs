use async_trait::async_trait;
use esker_metastore::*;
use esker_model::{IncarnationId, ObjectId, SegmentId, SegmentKind, TopicUuid};

use super::archive::id;
use super::{Life, Reference, State};

#[async_trait]
impl Removals for Reference {
    async fn unneeded(&self, grace_ms: i64, skip: usize, limit: usize) -> Result<Vec<ObjectId>> {
        let before = self.now_ms() - grace_ms;
        let state = self.state();
        let ingest = state.segments.iter().filter(|(_, row)| !row.gone);
        let ingest = ingest.filter_map(|(key, row)| {
            let since = match (&row.reply, row.released_ms) {
                (None, _) if !state.is_settled(key) => return None,
                (None, _) => row.committed_ms,
                (Some(_), released_ms) => released_ms? + row.kept_ms,
            };
            Some((since, ObjectId::Segment(id(SegmentKind::Ingest, *key))))
        });
        let archive = state.archive_segments.iter().filter_map(|(key, row)| {
            Some((
                row.released_ms? + row.kept_ms,
                ObjectId::Segment(id(SegmentKind::Archive, *key)),
            ))
        });
        let others = state.unneeded.iter().map(|(object, since)| (*since, *object));
        let mut going: Vec<_> = ingest
            .chain(archive)
            .chain(others)
            .filter(|(since, _)| *since <= before)
            .collect();
        going.sort_unstable();
        Ok(going
            .into_iter()
            .map(|(_, object)| object)
            .skip(skip)
            .take(limit)
            .collect())
    }

    async fn forget_objects(&self, objects: &[ObjectId]) -> Result<()> {
        let mut state = self.state();
        for object in objects {
            if object.log().is_some() {
                state.unneeded.remove(object);
            } else if let ObjectId::Segment(segment) = object {
                state.forget_segment(segment);
            }
        }
        let settled = |state: &State, key: &_| state.is_settled(key);
        let gone = state.segments.iter().filter(|(_, row)| row.gone);
        let gone: Vec<_> = gone
            .map(|(key, _)| *key)
            .filter(|key| settled(&state, key))
            .collect();
        for key in gone {
            state.segments.remove(&key);
        }
        Ok(())
    }

    async fn topics_to_empty(&self, grace_ms: i64, limit: usize) -> Result<Vec<TopicUuid>> {
        let before = self.now_ms() - grace_ms;
        let state = self.state();
        let old = state.to_empty.iter().filter(|(at, _)| *at <= before);
        Ok(old.map(|(_, topic)| *topic).take(limit).collect())
    }

    async fn topics_emptied(&self, topics: &[TopicUuid]) -> Result<()> {
        self.state().to_empty.retain(|(_, topic)| !topics.contains(topic));
        Ok(())
    }
}

impl State {
    /// Whether nobody may ask any more what became of an ingest segment.
    pub(super) fn is_settled(&self, (incarnation, seq): &(IncarnationId, u64)) -> bool {
        match self.agents.get(incarnation) {
            Some(agent) if agent.life == Life::Live => *seq <= agent.settled_through,
            _ => true,
        }
    }

    fn forget_segment(&mut self, segment: &SegmentId) {
        let key = (segment.incarnation, segment.seq);
        if segment.kind == SegmentKind::Archive {
            self.archive_segments
                .retain(|other, row| *other != key || row.released_ms.is_none());
        } else if self.is_settled(&key) {
            self.segments
                .retain(|other, row| *other != key || (row.reply.is_some() && row.released_ms.is_none()));
        } else if let Some(row) = self.segments.get_mut(&key) {
            row.gone |= row.released_ms.is_some();
        }
    }
}
