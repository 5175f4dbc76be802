//! CopyObject and UploadPartCopy. A copy shares the bytes of its source.

use std::sync::Arc;

use hyper::HeaderMap;

use super::{Effect, effect, multipart};
use crate::body::text;
use crate::error::S3Error;
use crate::query::decode;
use crate::reply::Reply;
use crate::route::Call;
use crate::store::{About, Conditions, NewPart, Object};
use crate::time;
use crate::xml::Xml;

struct Source {
    bucket: String,
    key: String,
    conditions: Conditions,
}

fn source(headers: &HeaderMap) -> Result<Source, S3Error> {
    let named = text(headers, "x-amz-copy-source").unwrap_or("");
    let named = named.split('?').next().unwrap_or(named);
    let named = decode(named.strip_prefix('/').unwrap_or(named))?;
    let (bucket, key) = named
        .split_once('/')
        .ok_or_else(|| S3Error::invalid_argument("x-amz-copy-source names no bucket and key."))?;
    Ok(Source {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        conditions: Conditions::from_headers(headers, "x-amz-copy-source-"),
    })
}

fn result(root: &str, etag: &str, modified_ms: u64) -> Reply {
    Reply::xml(Xml::document(root, |xml| {
        xml.text("LastModified", &time::iso(modified_ms));
        xml.text("ETag", &format!("\"{etag}\""));
    }))
}

pub(super) fn copy_object(call: Call, headers: &HeaderMap) -> Result<Effect, S3Error> {
    let source = source(headers)?;
    let conditions = Conditions::from_headers(headers, "");
    let replaced = text(headers, "x-amz-metadata-directive")
        .is_some_and(|directive| directive.eq_ignore_ascii_case("replace"))
        .then(|| About::from_headers(headers));
    if replaced.is_none() && source.bucket == call.bucket && source.key == call.key {
        return Err(S3Error::invalid_request(
            "A copy onto itself has to replace the metadata.",
        ));
    }
    effect(move |shared| {
        let from = shared.store.get(&source.bucket, &source.key)?;
        source.conditions.check_source(&from)?;
        let object = Object {
            modified_ms: time::now_ms(),
            about: replaced.clone().unwrap_or_else(|| from.about.clone()),
            ..(*from).clone()
        };
        let reply = result("CopyObjectResult", &object.etag, object.modified_ms);
        shared.store.put(&call.bucket, &call.key, object, &conditions)?;
        Ok(reply)
    })
}

pub(super) fn upload_part_copy(call: &Call, headers: &HeaderMap) -> Result<Effect, S3Error> {
    if headers.contains_key("x-amz-copy-source-range") {
        return Err(S3Error::not_implemented("x-amz-copy-source-range"));
    }
    let (id, number) = multipart::part_of(call)?;
    let source = source(headers)?;
    let call = call.clone();
    effect(move |shared| {
        let from = shared.store.get(&source.bucket, &source.key)?;
        source.conditions.check_source(&from)?;
        let part = NewPart {
            blobs: Arc::clone(&from.blobs),
            etag: from.etag.clone(),
        };
        shared
            .store
            .put_part(&call.bucket, &call.key, &id, number, part)?;
        Ok(result("CopyPartResult", &from.etag, time::now_ms()))
    })
}
