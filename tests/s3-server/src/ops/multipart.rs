//! Multipart uploads.

use hyper::HeaderMap;
use serde::Deserialize;

use super::listing::{PAGE_ENTRIES_MAX, is_url_encoded};
use super::objects::checksum;
use super::{Effect, effect};
use crate::body::Received;
use crate::error::S3Error;
use crate::query::encode;
use crate::reply::Reply;
use crate::route::Call;
use crate::store::{About, Conditions, NewPart};
use crate::time;
use crate::xml::Xml;

const PART_NUMBER_MAX: u64 = 10_000;

fn id_of(call: &Call) -> String {
    call.query.get("uploadId").unwrap_or("").to_owned()
}

/// The upload and the number of a part.
pub(super) fn part_of(call: &Call) -> Result<(String, u64), S3Error> {
    let number = call
        .query
        .number("partNumber")?
        .filter(|number| (1..=PART_NUMBER_MAX).contains(number))
        .ok_or_else(|| S3Error::invalid_argument("partNumber is not within 1 and 10000."))?;
    Ok((id_of(call), number))
}

pub(super) fn create(call: Call, headers: &HeaderMap) -> Result<Effect, S3Error> {
    let about = About::from_headers(headers);
    effect(move |shared| {
        let id = shared
            .store
            .create_upload(&call.bucket, &call.key, about.clone())?;
        Ok(Reply::xml(Xml::document(
            "InitiateMultipartUploadResult",
            |xml| {
                xml.text("Bucket", &call.bucket);
                xml.text("Key", &call.key);
                xml.text("UploadId", &id);
            },
        )))
    })
}

pub(super) fn upload_part(
    call: Call,
    id: String,
    number: u64,
    received: Received,
) -> Result<Effect, S3Error> {
    effect(move |shared| {
        let part = NewPart {
            blobs: [received.blob.clone()].into(),
            etag: received.etag.clone(),
        };
        shared
            .store
            .put_part(&call.bucket, &call.key, &id, number, part)?;
        Ok(checksum(
            Reply::new(200).etag(&received.etag),
            received.checksum.as_ref(),
        ))
    })
}

#[derive(Deserialize)]
struct Completion {
    #[serde(rename = "Part", default)]
    parts: Vec<CompletedPart>,
}

#[derive(Deserialize)]
struct CompletedPart {
    #[serde(rename = "PartNumber")]
    number: u64,
    #[serde(rename = "ETag")]
    etag: String,
}

pub(super) fn complete(call: Call, headers: &HeaderMap, document: &[u8]) -> Result<Effect, S3Error> {
    let completion: Completion =
        quick_xml::de::from_reader(document).map_err(|_| S3Error::malformed_xml())?;
    let parts = completion.parts.into_iter();
    let parts: Vec<_> = parts.map(|part| (part.number, part.etag)).collect();
    let conditions = Conditions::from_headers(headers, "");
    let id = id_of(&call);
    effect(move |shared| {
        let (bucket, key) = (&call.bucket, &call.key);
        let etag = shared
            .store
            .complete_upload(bucket, key, &id, &parts, &conditions, shared.etag)?;
        Ok(Reply::xml(Xml::document(
            "CompleteMultipartUploadResult",
            |xml| {
                xml.text("Location", &format!("/{bucket}/{}", encode(key)));
                xml.text("Bucket", bucket);
                xml.text("Key", key);
                xml.text("ETag", &format!("\"{etag}\""));
            },
        )))
    })
}

pub(super) fn abort(call: Call) -> Result<Effect, S3Error> {
    let id = id_of(&call);
    effect(move |shared| {
        shared.store.abort_upload(&call.bucket, &call.key, &id)?;
        Ok(Reply::new(204))
    })
}

pub(super) fn list_uploads(call: Call) -> Result<Effect, S3Error> {
    let prefix = call.query.get("prefix").unwrap_or("").to_owned();
    let page = call.query.number("max-uploads")?.unwrap_or(PAGE_ENTRIES_MAX);
    let page = page.clamp(1, PAGE_ENTRIES_MAX) as usize;
    let encoded = is_url_encoded(&call.query)?;
    effect(move |shared| {
        let shown = |text: &str| if encoded { encode(text) } else { text.to_owned() };
        let key_marker = call.query.get("key-marker").unwrap_or("");
        let id_marker = call.query.get("upload-id-marker").unwrap_or("");
        let mut uploads = shared.store.uploads(&call.bucket, &prefix)?;
        // Without an id, all uploads of the marked key are behind us.
        uploads.retain(|upload| {
            let same_key = upload.key == key_marker && !id_marker.is_empty();
            upload.key.as_str() > key_marker || (same_key && upload.id.as_str() > id_marker)
        });
        let is_truncated = uploads.len() > page;
        uploads.truncate(page);
        Ok(Reply::xml(Xml::document("ListMultipartUploadsResult", |xml| {
            xml.text("Bucket", &call.bucket);
            xml.text("Prefix", &shown(&prefix));
            xml.text("KeyMarker", &shown(key_marker));
            xml.text("UploadIdMarker", id_marker);
            if let Some(last) = uploads.last().filter(|_| is_truncated) {
                xml.text("NextKeyMarker", &shown(&last.key));
                xml.text("NextUploadIdMarker", &last.id);
            }
            xml.number("MaxUploads", page as u64);
            xml.text("IsTruncated", if is_truncated { "true" } else { "false" });
            for upload in &uploads {
                xml.nested("Upload", |xml| {
                    xml.text("Key", &shown(&upload.key));
                    xml.text("UploadId", &upload.id);
                    xml.text("StorageClass", "STANDARD");
                    xml.text("Initiated", &time::iso(upload.begun_ms));
                });
            }
        })))
    })
}

pub(super) fn list_parts(call: Call) -> Result<Effect, S3Error> {
    let after = call.query.number("part-number-marker")?.unwrap_or(0);
    let page = call.query.number("max-parts")?.unwrap_or(PAGE_ENTRIES_MAX);
    let page = page.clamp(1, PAGE_ENTRIES_MAX) as usize;
    let id = id_of(&call);
    effect(move |shared| {
        let mut parts = shared
            .store
            .parts(&call.bucket, &call.key, &id, after.min(PART_NUMBER_MAX))?;
        let is_truncated = parts.len() > page;
        parts.truncate(page);
        Ok(Reply::xml(Xml::document("ListPartsResult", |xml| {
            xml.text("Bucket", &call.bucket);
            xml.text("Key", &call.key);
            xml.text("UploadId", &id);
            xml.number("PartNumberMarker", after);
            if let Some(last) = parts.last().filter(|_| is_truncated) {
                xml.number("NextPartNumberMarker", last.number);
            }
            xml.number("MaxParts", page as u64);
            xml.text("IsTruncated", if is_truncated { "true" } else { "false" });
            for part in &parts {
                xml.nested("Part", |xml| {
                    xml.number("PartNumber", part.number);
                    xml.text("LastModified", &time::iso(part.modified_ms));
                    xml.text("ETag", &format!("\"{}\"", part.etag));
                    xml.number("Size", part.bytes);
                });
            }
        })))
    })
}
