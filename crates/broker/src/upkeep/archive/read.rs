//! Reading what is to be archived: from memory where it is right there, else from the bucket.
//!
//! What holds: every batch that is found was verified. An object that is missing or damaged is looked at in several
//! rounds before it is given up, see [`super::lost`], and only by a bucket that showed our `cluster.json` after the look:
//! one that is empty, or another one, makes no holes. What fails in another way is read later.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use esker_metastore::Extent;
use esker_model::{PartitionKey, SegmentId};
use esker_storage::cache::CacheKey;
use esker_storage::segment::archive::ArchivedBatch;
use esker_storage::{Slices, StoreError};
use futures::future::join_all;
use tracing::{debug, error, warn};

use super::Archive;
use super::gather::{self, Gathered, NoBytes};
use crate::membership::shows_our_cluster;
use crate::upkeep::Upkeep;
use crate::upkeep::pace::Pace;

/// Objects that are read at a time.
const READS_MAX: usize = 4;

/// Segments that are missing or damaged, and how.
type Failed = BTreeMap<SegmentId, String>;

/// A whole ingest segment.
enum Object {
    /// From the cache.
    Kept(Bytes),
    /// From the bucket, verified.
    Fetched(Slices),
    None(NoBytes),
}

/// What one round reads.
struct Reading<'a> {
    upkeep: &'a Upkeep,
    objects: BTreeMap<SegmentId, Object>,
    failed: Failed,
    /// No object failed in a way that may be over soon.
    complete: bool,
}

impl Archive {
    /// The batches of extents, or why there are none; and whether the bucket answered every question.
    pub(super) async fn read(
        &mut self,
        found: Vec<(PartitionKey, Extent)>,
        pace: &mut Pace,
    ) -> (Vec<Gathered>, bool) {
        let mut reading = Reading::begin(&self.upkeep, &found, pace).await;
        let mut gathered = Vec::with_capacity(found.len());
        for (partition, extent) in found {
            let batches = reading.batches(&extent).await;
            gathered.push(Gathered {
                partition,
                extent,
                batches,
            });
            pace.looked_through(extent.bytes).await;
        }
        let Reading { failed, complete, .. } = reading;
        self.doubt(&mut gathered, failed).await;
        (gathered, complete)
    }

    /// What could not be read now is read later, unless it is given up.
    async fn doubt(&mut self, gathered: &mut [Gathered], failed: Failed) {
        for one in gathered.iter().filter(|one| one.batches.is_ok()) {
            if !failed.contains_key(&one.extent.segment) {
                self.lost.was_read(&one.extent.segment);
            }
        }
        let Some((first, why)) = failed.first_key_value() else {
            return;
        };
        let mut given_up = BTreeSet::new();
        match shows_our_cluster(&self.upkeep.member, &self.upkeep.bucket).await {
            Ok(()) => {
                let looked = self.lost.look(failed.keys());
                if looked.new > 0 {
                    warn!(
                        segments = looked.new, segment = %first, why,
                        "segments are missing or damaged: if they cannot be read for some minutes either, their \
                         records are lost"
                    );
                }
                given_up = looked.given_up;
            }
            Err(reason) => {
                warn!(segments = failed.len(), segment = %first, why, reason, "segments cannot be read, nor cluster.json");
            }
        }
        if let Some(first) = given_up.first() {
            error!(
                segments = given_up.len(), segment = %first, why = failed.get(first),
                "segments stay missing or damaged: their records are lost, and consumers are told"
            );
        }
        for one in gathered {
            if one.batches.as_ref().err() == Some(&NoBytes::Never) && !given_up.contains(&one.extent.segment)
            {
                one.batches = Err(NoBytes::Later);
            }
        }
    }
}

impl<'a> Reading<'a> {
    /// Reads the objects that are not among the recent ones.
    async fn begin(upkeep: &'a Upkeep, found: &[(PartitionKey, Extent)], pace: &mut Pace) -> Self {
        let mut reading = Self {
            upkeep,
            objects: BTreeMap::new(),
            failed: Failed::new(),
            complete: true,
        };
        let wanted: BTreeSet<SegmentId> = found.iter().map(|(_, extent)| extent.segment).collect();
        let mut wanted: Vec<SegmentId> = wanted.into_iter().collect();
        wanted.retain(|id| !upkeep.recent.contains(id));
        for some in wanted.chunks(READS_MAX) {
            // What only archiving reads does not displace what readers want.
            let read = some.iter().map(|id| async move {
                match upkeep.cache.peek(&CacheKey::whole(*id)) {
                    Some(bytes) => Ok(Object::Kept(bytes)),
                    None => fetch(upkeep, id).await,
                }
            });
            for (id, object) in some.iter().zip(join_all(read).await) {
                reading.take(*id, object);
            }
            pace.step().await;
        }
        reading
    }

    fn take(&mut self, id: SegmentId, object: Result<Object, String>) {
        let object = object.unwrap_or_else(|why| {
            self.failed.insert(id, why);
            Object::None(NoBytes::Never)
        });
        self.complete &= !matches!(object, Object::None(NoBytes::Later));
        self.objects.insert(id, object);
    }

    /// The batches of one extent, from memory if they are right there, else from the bucket.
    async fn batches(&mut self, extent: &Extent) -> Result<Vec<ArchivedBatch>, NoBytes> {
        let id = extent.segment;
        let in_memory = match self.objects.get(&id) {
            None => self.upkeep.recent.slices(&id, extent.position, extent.bytes),
            Some(Object::Kept(bytes)) => {
                cut(&bytes.clone().into(), extent).map(|cut| cut.as_slices().to_vec())
            }
            Some(Object::Fetched(_) | Object::None(_)) => None,
        };
        if let Some(slices) = in_memory {
            match gather::batches(extent, &slices) {
                Ok(batches) => return Ok(batches),
                Err(damage) => {
                    error!(segment = %id, %damage, "records in memory are damaged: asking the bucket")
                }
            }
        }
        if !matches!(self.objects.get(&id), Some(Object::Fetched(_) | Object::None(_))) {
            let object = fetch(self.upkeep, &id).await;
            self.take(id, object);
        }
        let object = match self.objects.get(&id) {
            Some(Object::Fetched(object)) => object,
            Some(Object::None(why)) => return Err(*why),
            Some(Object::Kept(_)) | None => return Err(NoBytes::Later),
        };
        let read = match cut(object, extent) {
            None => Err("an extent reaches beyond its segment".to_owned()),
            Some(slices) => gather::verified_batches(extent, &slices).map_err(|damage| damage.to_string()),
        };
        read.map_err(|why| {
            debug!(segment = %id, why, "records cannot be archived");
            self.failed.insert(id, why);
            NoBytes::Never
        })
    }
}

/// An object of the bucket; the error says how it is missing or damaged.
async fn fetch(upkeep: &Upkeep, id: &SegmentId) -> Result<Object, String> {
    match upkeep.bucket.get_segment_slices(id).await {
        Ok(object) => Ok(Object::Fetched(object)),
        Err(err @ (StoreError::NotFound { .. } | StoreError::Corrupt { .. })) => {
            debug!(segment = %id, %err, "records cannot be archived");
            Err(err.to_string())
        }
        Err(err) => {
            debug!(segment = %id, %err, "records are archived later");
            Ok(Object::None(NoBytes::Later))
        }
    }
}

fn cut(object: &Slices, extent: &Extent) -> Option<Slices> {
    object.cut(extent.position..extent.position.checked_add(extent.bytes)?)
}
