//! ListObjects, versions 1 and 2.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Effect, effect};
use crate::error::S3Error;
use crate::query::{Query, encode};
use crate::reply::Reply;
use crate::route::Call;
use crate::store::{ListQuery, Listing, Start};
use crate::time;
use crate::xml::Xml;

/// Entries of a page, and its limit.
pub(super) const PAGE_ENTRIES_MAX: u64 = 1000;

/// A continuation token: what the page before ended with.
fn token(start: &Start) -> String {
    let text = match start {
        Start::Beginning => String::new(),
        Start::AfterKey(key) => format!("k{key}"),
        Start::AfterPrefix(prefix) => format!("p{prefix}"),
    };
    URL_SAFE_NO_PAD.encode(text)
}

fn start(token: &str) -> Result<Start, S3Error> {
    let text = URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.as_deref().unwrap_or("");
    if let Some(key) = text.strip_prefix('k') {
        Ok(Start::AfterKey(key.to_owned()))
    } else if let Some(prefix) = text.strip_prefix('p') {
        Ok(Start::AfterPrefix(prefix.to_owned()))
    } else {
        Err(S3Error::invalid_argument(
            "The continuation token is none of ours.",
        ))
    }
}

pub(super) fn is_url_encoded(query: &Query) -> Result<bool, S3Error> {
    match query.get("encoding-type") {
        None | Some("") => Ok(false),
        Some("url") => Ok(true),
        Some(_) => Err(S3Error::invalid_argument("encoding-type is not url.")),
    }
}

fn list_query(query: &Query) -> Result<ListQuery, S3Error> {
    let prefix = query.get("prefix").unwrap_or("").to_owned();
    let delimiter = query.get("delimiter").filter(|delimiter| !delimiter.is_empty());
    let entries = query.number("max-keys")?.unwrap_or(PAGE_ENTRIES_MAX);
    let mut list = ListQuery {
        prefix,
        delimiter: delimiter.map(str::to_owned),
        start: Start::Beginning,
        entries_max: entries.min(PAGE_ENTRIES_MAX) as usize,
    };
    if is_second(query) {
        let after = query.get("start-after").filter(|key| !key.is_empty());
        list.start = match query.get("continuation-token") {
            Some(token) => start(token)?,
            None => after.map_or(Start::Beginning, |key| Start::AfterKey(key.to_owned())),
        };
    } else if let Some(marker) = query.get("marker").filter(|marker| !marker.is_empty()) {
        let delimiter = list.delimiter.as_deref();
        // A page may end with a common prefix, which is then the marker.
        let is_prefix = marker.starts_with(&list.prefix)
            && delimiter.is_some_and(|delimiter| marker.ends_with(delimiter));
        list.start = if is_prefix {
            Start::AfterPrefix(marker.to_owned())
        } else {
            Start::AfterKey(marker.to_owned())
        };
    }
    Ok(list)
}

fn is_second(query: &Query) -> bool {
    query.get("list-type") == Some("2")
}

pub(super) fn list_objects(call: &Call) -> Result<Effect, S3Error> {
    let call = call.clone();
    let list = list_query(&call.query)?;
    let encoded = is_url_encoded(&call.query)?;
    effect(move |shared| {
        let listing = shared.store.list(&call.bucket, &list)?;
        Ok(Reply::xml(document(&call, &list, &listing, encoded)))
    })
}

fn document(call: &Call, list: &ListQuery, listing: &Listing, encoded: bool) -> String {
    let shown = |text: &str| if encoded { encode(text) } else { text.to_owned() };
    Xml::document("ListBucketResult", |xml| {
        xml.text("Name", &call.bucket);
        xml.text("Prefix", &shown(&list.prefix));
        if let Some(delimiter) = &list.delimiter {
            xml.text("Delimiter", &shown(delimiter));
        }
        xml.number("MaxKeys", list.entries_max as u64);
        if encoded {
            xml.text("EncodingType", "url");
        }
        xml.text(
            "IsTruncated",
            if listing.next.is_some() { "true" } else { "false" },
        );
        if is_second(&call.query) {
            let entries = listing.objects.len() + listing.prefixes.len();
            xml.number("KeyCount", entries as u64);
            if let Some(token) = call.query.get("continuation-token") {
                xml.text("ContinuationToken", token);
            }
            if let Some(after) = call.query.get("start-after") {
                xml.text("StartAfter", &shown(after));
            }
            if let Some(next) = &listing.next {
                xml.text("NextContinuationToken", &token(next));
            }
        } else {
            xml.text("Marker", &shown(call.query.get("marker").unwrap_or("")));
            if let Some(Start::AfterKey(next) | Start::AfterPrefix(next)) = &listing.next {
                xml.text("NextMarker", &shown(next));
            }
        }
        for (key, object) in &listing.objects {
            xml.nested("Contents", |xml| {
                xml.text("Key", &shown(key));
                xml.text("LastModified", &time::iso(object.modified_ms));
                xml.text("ETag", &format!("\"{}\"", object.etag));
                xml.number("Size", object.bytes);
                xml.text("StorageClass", "STANDARD");
            });
        }
        for prefix in &listing.prefixes {
            xml.nested("CommonPrefixes", |xml| xml.text("Prefix", &shown(prefix)));
        }
    })
}
