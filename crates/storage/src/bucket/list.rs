//! Listings, a page at a time: one page is one request, is retried as one, and is all that is held.

use std::collections::VecDeque;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;

use super::attempt::attempt_time;
use super::{Bucket, ObjectInfo};
use crate::error::StoreError;
use crate::metrics::Op;

/// Keys per page: what every store sends at most in one answer.
const PAGE: usize = 1000;

struct Cursor {
    bucket: Bucket,
    prefix: Option<Path>,
    after: Option<Path>,
    page: VecDeque<ObjectInfo>,
    ended: bool,
}

impl Bucket {
    /// Lists the objects below a prefix that ends at a `/` (or below everything, if it is empty), in the
    /// order of their keys. Objects written or removed meanwhile may or may not appear. After an error
    /// the stream is over.
    pub fn list(&self, prefix: &str) -> BoxStream<'static, Result<ObjectInfo, StoreError>> {
        let path = self.path(prefix);
        let cursor = Cursor {
            bucket: self.clone(),
            prefix: (!path.is_root()).then_some(path),
            after: None,
            page: VecDeque::new(),
            ended: false,
        };
        stream::try_unfold(cursor, |mut cursor| async move {
            if cursor.page.is_empty() && !cursor.ended {
                cursor.turn().await?;
            }
            Ok(cursor.page.pop_front().map(|object| (object, cursor)))
        })
        .boxed()
    }
}

impl Cursor {
    async fn turn(&mut self) -> Result<(), StoreError> {
        let bucket = &self.bucket;
        let key = self
            .prefix
            .as_ref()
            .map_or("the bucket", |prefix| prefix.as_ref());
        let page: Vec<_> = bucket
            .retry(
                Op::List,
                key,
                bucket.0.options.read_patience,
                attempt_time(0),
                || {
                    let objects = match &self.after {
                        Some(after) => bucket.0.store.list_with_offset(self.prefix.as_ref(), after),
                        None => bucket.0.store.list(self.prefix.as_ref()),
                    };
                    objects.take(PAGE).try_collect()
                },
            )
            .await?;
        self.ended = page.len() < PAGE;
        if let Some(last) = page.last() {
            self.after = Some(last.location.clone());
        }
        let infos = page.iter().map(|meta| ObjectInfo {
            key: bucket.key(&meta.location),
            bytes: meta.size,
        });
        self.page = infos.collect();
        Ok(())
    }
}
