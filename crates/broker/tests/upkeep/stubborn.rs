//! A store that refuses to delete some objects, or to take some.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;

#[derive(Debug, Default)]
pub struct Stubborn {
    inner: InMemory,
    /// Objects that it does not delete.
    pub kept: Mutex<BTreeSet<Path>>,
    /// It deletes nothing.
    pub keeps_all: Mutex<bool>,
    /// It takes no objects whose keys begin with this.
    pub refuses: Mutex<Option<&'static str>>,
}

impl fmt::Display for Stubborn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stubborn")
    }
}

#[async_trait]
impl ObjectStore for Stubborn {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if self
            .refuses
            .lock()
            .is_some_and(|prefix| location.as_ref().starts_with(prefix))
        {
            return Err(object_store::Error::PermissionDenied {
                path: location.to_string(),
                source: "refused".into(),
            });
        }
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (kept, all) = (self.kept.lock().clone(), *self.keeps_all.lock());
        let refuse = move |location: Result<Path>| match location {
            Ok(path) if all || kept.contains(&path) => Err(object_store::Error::PermissionDenied {
                path: path.to_string(),
                source: "kept".into(),
            }),
            other => other,
        };
        let inner = self.inner.clone();
        locations
            .map(refuse)
            .then(move |location| {
                let inner = inner.clone();
                async move {
                    let path = location?;
                    let mut deleted = inner.delete_stream(futures::stream::iter([Ok(path.clone())]).boxed());
                    deleted.next().await.unwrap_or(Ok(path))
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
