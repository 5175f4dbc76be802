//! Reading what is to be archived: from memory where it is right there, else from the bucket.
//!
//! What holds: every batch that is found was verified. An object that is missing or damaged, or for which the bucket does
//! not answer, is looked at in several rounds before it is given up, see [`super::lost`], and only by a bucket that showed our
//! `cluster.json` after the look: one that is empty, away, or another one, makes no holes. A round that finds the bucket
//! away asks it for nothing more.

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
use super::lost::Lost;
use crate::membership::shows_our_cluster;
use crate::upkeep::Upkeep;
use crate::upkeep::pace::Pace;

/// Objects that are read at a time.
const READS_MAX: usize = 4;

/// Segments, and why they cannot be read.
type Failed = BTreeMap<SegmentId, String>;

/// A whole ingest segment.
enum Object {
    /// From the cache.
    Kept(Bytes),
    /// From the bucket, verified.
    Fetched(Slices),
    None(NoBytes),
}

/// Why an object cannot be read.
enum Trouble {
    /// It is missing or damaged.
    Missing(String),
    /// The bucket does not answer, or does not let us.
    Silent(String),
}

/// What one round reads.
struct Reading<'a> {
    upkeep: &'a Upkeep,
    objects: BTreeMap<SegmentId, Object>,
    missing: Failed,
    silent: Failed,
    /// Why the bucket is asked for nothing more.
    away: Option<String>,
}

impl Archive {
    /// The batches of extents, or why there are none; and whether the bucket answered every question.
    pub(super) async fn read(
        &mut self,
        found: Vec<(PartitionKey, Extent)>,
        pace: &mut Pace,
    ) -> (Vec<Gathered>, bool) {
        let mut reading = Reading::begin(&self.upkeep, &found, &self.silent, pace).await;
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
        let Reading {
            missing,
            silent,
            away,
            ..
        } = reading;
        let complete = silent.is_empty() && away.is_none();
        self.doubt(&mut gathered, &missing, &silent, away).await;
        (gathered, complete)
    }

    /// What could not be read now is read later, unless it is given up.
    async fn doubt(
        &mut self,
        gathered: &mut [Gathered],
        missing: &Failed,
        silent: &Failed,
        away: Option<String>,
    ) {
        for one in gathered.iter().filter(|one| one.batches.is_ok()) {
            let id = &one.extent.segment;
            if !missing.contains_key(id) && !silent.contains_key(id) {
                self.missing.was_read(id);
                self.silent.was_read(id);
            }
        }
        let mut given_up = BTreeSet::new();
        if let Some((first, why)) = missing.first_key_value().or(silent.first_key_value()) {
            let shown = match away {
                Some(reason) => Err(reason),
                None => shows_our_cluster(&self.upkeep.member, &self.upkeep.bucket).await,
            };
            match shown {
                Ok(()) => given_up = self.look(missing, silent),
                Err(reason) => {
                    let segments = missing.len() + silent.len();
                    warn!(segments, segment = %first, why, reason, "segments cannot be read, nor cluster.json");
                }
            }
        }
        if let Some(first) = given_up.first() {
            error!(
                segments = given_up.len(), segment = %first, why = missing.get(first).or(silent.get(first)),
                "segments still cannot be read: their records are lost, and consumers are told"
            );
        }
        for one in gathered {
            if one.batches.is_err() && given_up.contains(&one.extent.segment) {
                one.batches = Err(NoBytes::Never);
            } else if one.batches.as_ref().err() == Some(&NoBytes::Never) {
                one.batches = Err(NoBytes::Later);
            }
        }
    }

    /// Notes what could not be read of a bucket that is ours; returns what is given up.
    fn look(&mut self, missing: &Failed, silent: &Failed) -> BTreeSet<SegmentId> {
        let gone = self.missing.look(missing.keys());
        if let (1.., Some((first, why))) = (gone.new, missing.first_key_value()) {
            warn!(
                segments = gone.new, segment = %first, why,
                "segments are missing or damaged: if they cannot be read for some minutes either, their records are lost"
            );
        }
        let unanswered = self.silent.look(silent.keys());
        if let (1.., Some((first, why))) = (unanswered.new, silent.first_key_value()) {
            warn!(
                segments = unanswered.new, segment = %first, why,
                "the bucket does not give these segments, although it answers: their records are archived later; if \
                 that stays so for an hour, they are lost"
            );
        }
        gone.given_up.into_iter().chain(unanswered.given_up).collect()
    }
}

impl<'a> Reading<'a> {
    /// Reads the objects that are not among the recent ones.
    async fn begin(
        upkeep: &'a Upkeep,
        found: &[(PartitionKey, Extent)],
        resting: &Lost,
        pace: &mut Pace,
    ) -> Self {
        let mut reading = Self {
            upkeep,
            objects: BTreeMap::new(),
            missing: Failed::new(),
            silent: Failed::new(),
            away: None,
        };
        let wanted: BTreeSet<SegmentId> = found.iter().map(|(_, extent)| extent.segment).collect();
        let mut wanted: Vec<SegmentId> = wanted.into_iter().collect();
        wanted.retain(|id| !upkeep.recent.contains(id));
        for some in wanted.chunks(READS_MAX) {
            // What only archiving reads does not displace what readers want.
            let away = reading.away.is_some();
            let read = some.iter().map(|id| async move {
                match upkeep.cache.peek(&CacheKey::whole(*id)) {
                    Some(bytes) => Ok(Object::Kept(bytes)),
                    None if away || resting.is_resting(id) => Ok(Object::None(NoBytes::Later)),
                    None => fetch(upkeep, id).await,
                }
            });
            for (id, object) in some.iter().zip(join_all(read).await) {
                reading.take(*id, object).await;
            }
            pace.step().await;
        }
        reading
    }

    /// Takes an object, or why there is none. At the first for which the bucket does not answer it is asked for our
    /// `cluster.json`.
    async fn take(&mut self, id: SegmentId, object: Result<Object, Trouble>) {
        let object = match object {
            Ok(object) => object,
            Err(Trouble::Missing(why)) => {
                self.missing.insert(id, why);
                Object::None(NoBytes::Never)
            }
            Err(Trouble::Silent(why)) => {
                if self.silent.is_empty() && self.away.is_none() {
                    let shown = shows_our_cluster(&self.upkeep.member, &self.upkeep.bucket).await;
                    self.away = shown.err();
                }
                self.silent.insert(id, why);
                Object::None(NoBytes::Later)
            }
        };
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
            self.take(id, object).await;
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
            self.missing.insert(id, why);
            NoBytes::Never
        })
    }
}

/// An object of the bucket.
async fn fetch(upkeep: &Upkeep, id: &SegmentId) -> Result<Object, Trouble> {
    upkeep
        .bucket
        .get_segment_slices(id)
        .await
        .map(Object::Fetched)
        .map_err(|err| {
            debug!(segment = %id, %err, "records are not archived now");
            match err {
                StoreError::NotFound { .. } | StoreError::Corrupt { .. } => Trouble::Missing(err.to_string()),
                err => Trouble::Silent(err.to_string()),
            }
        })
}

fn cut(object: &Slices, extent: &Extent) -> Option<Slices> {
    object.cut(extent.position..extent.position.checked_add(extent.bytes)?)
}
