//! What each S3 action does.
//!
//! [`prepare`] takes a request in, its body to the end; what comes out is an [`Effect`]: all that is left to
//! do, in one step that another thread may run, late, or twice, as a fault has it.

mod buckets;
mod copy;
mod listing;
mod multipart;
mod objects;
mod range;

use std::sync::Arc;

use hyper::HeaderMap;

use crate::action::Action;
use crate::body::Arriving;
use crate::error::S3Error;
use crate::reply::Reply;
use crate::route::Call;
use crate::shared::Shared;

pub(crate) use buckets::check_name as check_bucket_name;
pub(crate) use objects::{Deletions, parse_deletions};

/// What a request comes down to once its body is in.
pub(crate) type Effect = Arc<dyn Fn(&Shared) -> Result<Reply, S3Error> + Send + Sync>;

fn effect(
    run: impl Fn(&Shared) -> Result<Reply, S3Error> + Send + Sync + 'static,
) -> Result<Effect, S3Error> {
    Ok(Arc::new(run))
}

/// Takes in a request. `deletions` is the body of DeleteObjects, which is read before the others'.
pub(crate) async fn prepare(
    shared: &Shared,
    call: Call,
    headers: &HeaderMap,
    arriving: &mut Arriving<'_>,
    deletions: Option<Deletions>,
) -> Result<Effect, S3Error> {
    match call.action {
        Action::PutObject => {
            shared.store.check_bucket(&call.bucket)?;
            let received = arriving.keep(&shared.store, shared.etag).await?;
            objects::put(call, headers, received)
        }
        Action::UploadPart if headers.contains_key("x-amz-copy-source") => {
            copy::upload_part_copy(&call, headers)
        }
        Action::UploadPart => {
            let (id, number) = multipart::part_of(&call)?;
            shared.store.check_upload(&call.bucket, &call.key, &id)?;
            let received = arriving.keep(&shared.store, shared.etag).await?;
            multipart::upload_part(call, id, number, received)
        }
        Action::CompleteMultipartUpload => {
            let document = arriving.document().await?;
            multipart::complete(call, headers, &document)
        }
        action => {
            // A body that means nothing here, such as the region of a new bucket.
            arriving.discard().await;
            match action {
                Action::CopyObject => copy::copy_object(call, headers),
                Action::CreateMultipartUpload => multipart::create(call, headers),
                Action::AbortMultipartUpload => multipart::abort(call),
                Action::ListMultipartUploads => multipart::list_uploads(call),
                Action::ListParts => multipart::list_parts(call),
                Action::GetObject | Action::HeadObject => objects::get(call, headers),
                Action::DeleteObject => objects::delete(call, headers),
                Action::DeleteObjects => objects::delete_many(call, deletions.unwrap_or_default()),
                Action::ListObjects => listing::list_objects(&call),
                Action::ListBuckets => effect(buckets::list),
                _ => buckets::of_one(call),
            }
        }
    }
}
