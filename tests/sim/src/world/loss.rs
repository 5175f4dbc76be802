//! Objects that get lost: removed from the bucket, or damaged where they lie, behind everybody's back.

use bytes::Bytes;
use esker_history::What;
use esker_history::event::Partition;
use esker_model::seams::Rng;
use esker_model::{ObjectId, SegmentId};
use esker_storage::keys::object_key;
use esker_storage::segment::Tail;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use super::World;
use crate::audit::{Bucket, Lists};

impl World {
    /// Loses one of the segments that hold records; says in the history which records those are. (No manifest: what it
    /// lists could not be found any more.)
    pub(super) async fn lose_something(&self) -> Result<(), String> {
        let contents = self.database().contents().await.map_err(|err| err.to_string())?;
        let bucket = Bucket::read(self).await?;
        let places = Lists::follow(&contents, &bucket, &self.lost_objects()).places;
        let lost = self.lost_objects();
        let segments: Vec<_> = places
            .into_iter()
            .filter(|(id, _)| !lost.contains(&ObjectId::Segment(*id)))
            .collect();
        if segments.is_empty() {
            return Ok(());
        }
        let (id, places) = &segments[self.rng.below(segments.len() as u64) as usize];
        let Some(held) = bucket.get(&ObjectId::Segment(*id)) else {
            return Ok(());
        };
        let how = self.destroy(id, &held.bytes).await?;
        self.lose(ObjectId::Segment(*id));
        self.tally.count("lost on purpose", how, 1);
        let key = object_key(id);
        self.record.note(What::Fault {
            what: format!("{key} is {how}"),
        });
        for (log, first, end) in places {
            let topics = |history: &mut esker_history::History| {
                let mut topics = history.topics.iter();
                topics.position(|topic| topic.id == log.topic.0)
            };
            // One that no client knows is read by nobody.
            if let Some(topic) = self.record.with(topics) {
                let topic = esker_history::event::Topic(topic as u32);
                let index = log.partition;
                self.record.lost(Partition { topic, index }, *first, *end);
            }
        }
        Ok(())
    }

    async fn destroy(&self, id: &SegmentId, bytes: &Bytes) -> Result<&'static str, String> {
        let path = Path::from(object_key(id));
        let payload = Tail::of_object(bytes).map_or(0, |tail| tail.payload_bytes());
        if payload == 0 || self.chance(500) {
            self.objects()
                .delete(&path)
                .await
                .map_err(|err| err.to_string())?;
            return Ok("removed");
        }
        let mut damaged = bytes.to_vec();
        damaged[self.rng.below(payload) as usize] ^= 1;
        let payload = PutPayload::from_bytes(damaged.into());
        self.objects()
            .put(&path, payload)
            .await
            .map_err(|err| err.to_string())?;
        Ok("damaged")
    }
}
