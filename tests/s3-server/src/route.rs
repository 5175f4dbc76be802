//! From a request's line to what it asks for. Buckets are in the path, keys behind them.

use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};

use crate::action::Action;
use crate::body::text;
use crate::error::S3Error;
use crate::query::{Query, decode};

/// One request, without its body.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) action: Action,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) query: Query,
}

/// What a query may name that makes a request mean something else, and that this server does not have.
const ABSENT: [&str; 24] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "tagging",
];
/// S3's own limit.
const KEY_BYTES_MAX: usize = 1024;

pub(crate) fn route(parts: &Parts) -> Result<Call, S3Error> {
    let path = parts.uri.path().strip_prefix('/').unwrap_or("");
    let query = Query::parse(parts.uri.query())?;
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let (bucket, key) = (decode(bucket)?, decode(key)?);
    if key.len() > KEY_BYTES_MAX {
        return Err(S3Error::new(
            400,
            "KeyTooLongError",
            "A key has at most 1024 bytes.",
        ));
    }
    if let Some(absent) = query
        .names()
        .find(|name| ABSENT.contains(name) || *name == "versions" || *name == "website")
    {
        return Err(S3Error::not_implemented(&format!("?{absent}")));
    }
    let action = if bucket.is_empty() {
        (parts.method == Method::GET).then_some(Action::ListBuckets)
    } else if key.is_empty() {
        of_bucket(&parts.method, &query)
    } else {
        of_object(&parts.method, &query, &parts.headers)
    };
    let action = action.ok_or_else(|| {
        S3Error::new(
            405,
            "MethodNotAllowed",
            "The method is not for this kind of address.",
        )
    })?;
    Ok(Call {
        action,
        bucket,
        key,
        query,
    })
}

fn of_bucket(method: &Method, query: &Query) -> Option<Action> {
    match *method {
        Method::PUT if query.has("versioning") => None,
        Method::PUT => Some(Action::CreateBucket),
        Method::HEAD => Some(Action::HeadBucket),
        Method::DELETE => Some(Action::DeleteBucket),
        Method::POST if query.has("delete") => Some(Action::DeleteObjects),
        Method::GET if query.has("location") => Some(Action::GetBucketLocation),
        Method::GET if query.has("versioning") => Some(Action::GetBucketVersioning),
        Method::GET if query.has("uploads") => Some(Action::ListMultipartUploads),
        Method::GET => Some(Action::ListObjects),
        _ => None,
    }
}

fn of_object(method: &Method, query: &Query, headers: &HeaderMap) -> Option<Action> {
    let in_upload = query.has("uploadId");
    match *method {
        Method::PUT if in_upload => Some(Action::UploadPart),
        Method::PUT if text(headers, "x-amz-copy-source").is_some() => Some(Action::CopyObject),
        Method::PUT => Some(Action::PutObject),
        Method::GET if in_upload => Some(Action::ListParts),
        Method::GET => Some(Action::GetObject),
        Method::HEAD => Some(Action::HeadObject),
        Method::DELETE if in_upload => Some(Action::AbortMultipartUpload),
        Method::DELETE => Some(Action::DeleteObject),
        Method::POST if query.has("uploads") => Some(Action::CreateMultipartUpload),
        Method::POST if in_upload => Some(Action::CompleteMultipartUpload),
        _ => None,
    }
}
