//! Multipart uploads under way. They are in memory only: a server that starts again has none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::blob::Blob;
use super::object::{About, Conditions, Object};
use super::{Store, put_record};
use crate::body::EtagKind;
use crate::error::S3Error;
use crate::time;

/// The least size of a part that is not the last.
const PART_BYTES_MIN: u64 = 5 << 20;

#[derive(Clone, Debug)]
pub(crate) struct NewPart {
    pub(crate) blobs: Arc<[Blob]>,
    pub(crate) etag: String,
}

#[derive(Debug)]
struct Part {
    blobs: Arc<[Blob]>,
    bytes: u64,
    etag: String,
    modified_ms: u64,
}

#[derive(Debug)]
struct Upload {
    key: String,
    about: About,
    begun_ms: u64,
    parts: BTreeMap<u64, Part>,
}

/// The uploads of a bucket, by their ids.
#[derive(Debug, Default)]
pub(super) struct Uploads(BTreeMap<String, Upload>);

/// An upload in a listing.
#[derive(Clone, Debug)]
pub(crate) struct UploadInfo {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) begun_ms: u64,
}

/// A part in a listing.
#[derive(Clone, Debug)]
pub(crate) struct ListedPart {
    pub(crate) number: u64,
    pub(crate) etag: String,
    pub(crate) bytes: u64,
    pub(crate) modified_ms: u64,
}

impl Uploads {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, key: &str, id: &str) -> Result<&Upload, S3Error> {
        self.0
            .get(id)
            .filter(|upload| upload.key == key)
            .ok_or_else(S3Error::no_such_upload)
    }
}

impl Store {
    /// Begins an upload; returns its id.
    pub(crate) fn create_upload(&self, bucket: &str, key: &str, about: About) -> Result<String, S3Error> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let begun_ms = time::now_ms();
        let id = format!("{begun_ms:012x}{:08x}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.change(bucket, |bucket| {
            let upload = Upload {
                key: key.to_owned(),
                about,
                begun_ms,
                parts: BTreeMap::new(),
            };
            bucket.uploads.0.insert(id.clone(), upload);
            Ok(id)
        })
    }

    pub(crate) fn check_upload(&self, bucket: &str, key: &str, id: &str) -> Result<(), S3Error> {
        self.read(bucket, |bucket| bucket.uploads.get(key, id).map(|_| ()))?
    }

    pub(crate) fn put_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        number: u64,
        part: NewPart,
    ) -> Result<(), S3Error> {
        self.change(bucket, |bucket| {
            bucket.uploads.get(key, id)?;
            if let Some(upload) = bucket.uploads.0.get_mut(id) {
                let part = Part {
                    bytes: part.blobs.iter().map(Blob::bytes).sum(),
                    blobs: part.blobs,
                    etag: part.etag,
                    modified_ms: time::now_ms(),
                };
                upload.parts.insert(number, part);
            }
            Ok(())
        })
    }

    /// Makes the object of these parts, given with their entity tags; returns the object's. The upload is
    /// still there if the conditions do not hold.
    pub(crate) fn complete_upload(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        chosen: &[(u64, String)],
        conditions: &Conditions,
        etag_kind: EtagKind,
    ) -> Result<String, S3Error> {
        self.change(bucket, |there| {
            let upload = there.uploads.get(key, id)?;
            let parts = chosen_parts(upload, chosen)?;
            let bytes = parts.iter().map(|part| part.bytes).sum();
            let object = Object {
                bytes,
                etag: etag_kind.of_parts(parts.iter().map(|part| part.etag.as_str()), bytes),
                modified_ms: time::now_ms(),
                about: upload.about.clone(),
                blobs: parts.iter().flat_map(|part| part.blobs.iter().cloned()).collect(),
            };
            conditions.check_write(there.objects.get(key).map(Arc::as_ref))?;
            self.record(|| put_record(bucket, key, &object))?;
            let etag = object.etag.clone();
            there.objects.insert(key.to_owned(), Arc::new(object));
            there.uploads.0.remove(id);
            Ok(etag)
        })
    }

    pub(crate) fn abort_upload(&self, bucket: &str, key: &str, id: &str) -> Result<(), S3Error> {
        self.change(bucket, |bucket| {
            bucket.uploads.get(key, id)?;
            bucket.uploads.0.remove(id);
            Ok(())
        })
    }

    /// The uploads of keys that start with `prefix`, by key.
    pub(crate) fn uploads(&self, bucket: &str, prefix: &str) -> Result<Vec<UploadInfo>, S3Error> {
        self.read(bucket, |bucket| {
            let uploads = bucket.uploads.0.iter();
            let mut found: Vec<_> = uploads
                .filter(|(_, upload)| upload.key.starts_with(prefix))
                .map(|(id, upload)| UploadInfo {
                    id: id.clone(),
                    key: upload.key.clone(),
                    begun_ms: upload.begun_ms,
                })
                .collect();
            found.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
            found
        })
    }

    /// The parts of an upload behind a number.
    pub(crate) fn parts(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        after: u64,
    ) -> Result<Vec<ListedPart>, S3Error> {
        self.read(bucket, |bucket| {
            let upload = bucket.uploads.get(key, id)?;
            let parts = upload.parts.range(after + 1..);
            Ok(parts
                .map(|(number, part)| ListedPart {
                    number: *number,
                    etag: part.etag.clone(),
                    bytes: part.bytes,
                    modified_ms: part.modified_ms,
                })
                .collect())
        })?
    }
}

fn chosen_parts<'a>(upload: &'a Upload, chosen: &[(u64, String)]) -> Result<Vec<&'a Part>, S3Error> {
    if chosen.is_empty() {
        return Err(S3Error::invalid_request("An object has at least one part."));
    }
    if chosen.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err(S3Error::new(
            400,
            "InvalidPartOrder",
            "The parts are not in the order of their numbers.",
        ));
    }
    let mut parts = Vec::with_capacity(chosen.len());
    for (number, etag) in chosen {
        match upload.parts.get(number) {
            Some(part) if part.etag == etag.trim_matches('"') => parts.push(part),
            _ => {
                let message = format!("Part {number} was not uploaded, or has another entity tag.");
                return Err(S3Error::new(400, "InvalidPart", message));
            }
        }
    }
    let all_but_last = &parts[..parts.len() - 1];
    if all_but_last.iter().any(|part| part.bytes < PART_BYTES_MIN) {
        return Err(S3Error::new(
            400,
            "EntityTooSmall",
            "A part that is not the last is smaller than 5 MiB.",
        ));
    }
    Ok(parts)
}
