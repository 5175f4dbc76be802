//! What lies in the bucket.

use std::collections::BTreeMap;

use bytes::Bytes;
use esker_model::ObjectId;
use esker_storage::keys::{self, ObjectKind};
use esker_storage::manifest::Manifest;
use esker_storage::segment;
use esker_storage::segment::archive::ArchiveFooter;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::world::World;

/// An object.
pub struct Held {
    /// All of it.
    pub bytes: Bytes,
    /// When it landed.
    pub landed_us: u64,
}

/// What an object says.
pub(super) enum Decoded {
    Ingest,
    Archive(ArchiveFooter),
    Manifest(Manifest),
}

/// The objects of one moment.
pub struct Bucket(BTreeMap<ObjectId, Held>);

impl Bucket {
    /// Reads all of it. Errors: there is an object that nobody writes.
    pub async fn read(world: &World) -> Result<Self, String> {
        let objects = world.objects();
        let mut held = BTreeMap::new();
        for kind in ObjectKind::ALL {
            let prefix = Path::from(kind.folder());
            let listed: Vec<_> = objects
                .list(Some(&prefix))
                .try_collect()
                .await
                .map_err(|err| err.to_string())?;
            for meta in listed {
                let key = meta.location.to_string();
                let id = keys::parse_key(&key).ok_or_else(|| format!("a key that nobody writes: {key}"))?;
                let got = objects.get(&meta.location).await.map_err(|err| err.to_string())?;
                let object = Held {
                    bytes: got.bytes().await.map_err(|err| err.to_string())?,
                    landed_us: world.landed_us(&key),
                };
                held.insert(id, object);
            }
        }
        Ok(Self(held))
    }

    /// All of them.
    pub fn objects(&self) -> impl Iterator<Item = (&ObjectId, &Held)> {
        self.0.iter()
    }

    /// One of them.
    pub fn get(&self, id: &ObjectId) -> Option<&Held> {
        self.0.get(id)
    }

    /// What an object says; in words, why it says nothing.
    pub(super) fn decode(&self, id: &ObjectId) -> Result<(&Held, Decoded), String> {
        let held = self.get(id).ok_or("is not in the bucket")?;
        let (named, decoded) = match id {
            ObjectId::Manifest(_) => {
                let manifest = Manifest::decode(&held.bytes).map_err(|err| err.to_string())?;
                (ObjectId::Manifest(manifest.id), Decoded::Manifest(manifest))
            }
            ObjectId::Segment(segment) if ObjectKind::from(segment.kind) == ObjectKind::Ingest => {
                let footer = segment::verify(&held.bytes).map_err(|err| err.to_string())?;
                (ObjectId::Segment(footer.id), Decoded::Ingest)
            }
            ObjectId::Segment(_) => {
                let footer = segment::archive::verify(&held.bytes).map_err(|err| err.to_string())?;
                (ObjectId::Segment(footer.id), Decoded::Archive(footer))
            }
        };
        if named == *id {
            Ok((held, decoded))
        } else {
            Err("holds another object".to_owned())
        }
    }
}
