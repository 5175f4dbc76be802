//! A bucket on a local directory: one file per object, safe against a crash at any moment.
//!
//! What holds, once a put was answered: file, name and every directory above it are on the disk. What
//! holds at every moment, for other processes on the same directory too: an object is there whole or
//! not at all, and of several writers of one new key exactly one wins.
//!
//! A put writes a temporary file under `.esker-tmp`, syncs it, gives it its name by `link(2)` (which
//! never replaces) and syncs the directory. After a crash the temporary file is all that may be left
//! over; it is no object, and opening the store removes it. A full disk fails the put with the system's
//! own words and leaves nothing behind.
//!
//! The directory's file system must know hard links. Directories that became empty stay.
//!
//! File work runs on a few threads of the store's own, never on the executor. A caller that is cancelled
//! does not stop its request: a put may still land, as on any object store.

mod disk;
mod pool;
mod walk;

use std::fmt;
use std::io;
use std::path::Path as FsPath;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use disk::Disk;
use pool::Pool;

const STORE: &str = "local directory";
/// Objects per step of a listing.
const PAGE: usize = 1000;

/// An object store on a local directory.
pub struct LocalStore {
    disk: Arc<Disk>,
    pool: Arc<Pool>,
}

impl LocalStore {
    /// Opens a directory, creates it if it is missing, and removes what crashed writers left over.
    /// Blocks on file work: for start-up.
    pub fn open(root: &FsPath) -> io::Result<Self> {
        Ok(Self {
            disk: Arc::new(Disk::open(root)?),
            pool: Arc::new(Pool::start()?),
        })
    }

    /// Opens a directory that is there, for those who only look: nothing in it is created, written or removed.
    /// Blocks on file work: for start-up.
    pub fn open_to_read(root: &FsPath) -> io::Result<Self> {
        Ok(Self {
            disk: Arc::new(Disk::open_to_read(root)?),
            pool: Arc::new(Pool::start()?),
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        location: &Path,
        work: impl FnOnce(&Disk) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        run(&self.pool, &self.disk, location, work).await
    }

    fn pages(&self, prefix: Option<&Path>, after: Option<Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (disk, pool) = (Arc::clone(&self.disk), Arc::clone(&self.pool));
        let prefix = prefix.cloned().unwrap_or_default();
        stream::try_unfold(Some(after), move |state| {
            let (disk, pool, prefix) = (Arc::clone(&disk), Arc::clone(&pool), prefix.clone());
            async move {
                let Some(after) = state else {
                    return Ok::<_, Error>(None);
                };
                let below = prefix.clone();
                let page = run(&pool, &disk, &prefix, move |disk| {
                    walk::page(disk, &below, after.as_ref(), PAGE).map_err(|err| failed(&below, err))
                })
                .await?;
                let next = (page.len() == PAGE).then(|| page.last().map(|last| last.location.clone()));
                Ok(Some((stream::iter(page.into_iter().map(Ok)), next)))
            }
        })
        .try_flatten()
        .boxed()
    }
}

async fn run<T: Send + 'static>(
    pool: &Pool,
    disk: &Arc<Disk>,
    location: &Path,
    work: impl FnOnce(&Disk) -> Result<T> + Send + 'static,
) -> Result<T> {
    let disk = Arc::clone(disk);
    match pool.run(move || work(&disk)).await {
        Some(done) => done,
        None => Err(failed(
            location,
            io::Error::other("the store's threads have ended"),
        )),
    }
}

fn failed(location: &Path, err: io::Error) -> Error {
    let path = location.to_string();
    let source = Box::new(err);
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            Error::NotFound { path, source }
        }
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::PermissionDenied { path, source }
        }
        // A key that no file can have: trying again would not help.
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => Error::NotSupported { source },
        _ => Error::Generic { store: STORE, source },
    }
}

fn not_implemented(operation: &str) -> Error {
    Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: STORE.to_owned(),
    }
}

#[async_trait]
impl ObjectStore for LocalStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let replace = match opts.mode {
            PutMode::Create => false,
            PutMode::Overwrite => true,
            PutMode::Update(_) => return Err(not_implemented("conditional update")),
        };
        let key = location.clone();
        self.run(location, move |disk| {
            disk.put(&key, &payload, replace).map_err(|err| failed(&key, err))
        })
        .await?;
        Ok(PutResult {
            e_tag: None,
            version: None,
            extensions: Default::default(),
        })
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(not_implemented("multipart upload"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let key = location.clone();
        self.run(location, move |disk| {
            let (file, meta) = disk.open_object(&key).map_err(|err| failed(&key, err))?;
            options.check_preconditions(&meta)?;
            let range = match &options.range {
                Some(range) => range.as_range(meta.size).map_err(|source| Error::Generic {
                    store: STORE,
                    source: Box::new(source),
                })?,
                None => 0..meta.size,
            };
            let bytes = if options.head {
                bytes::Bytes::new()
            } else {
                disk::read(&file, &range).map_err(|err| failed(&key, err))?
            };
            Ok(GetResult {
                payload: GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed()),
                meta,
                range,
                attributes: Default::default(),
                extensions: Default::default(),
            })
        })
        .await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (disk, pool) = (Arc::clone(&self.disk), Arc::clone(&self.pool));
        locations
            .and_then(move |location| {
                let (disk, pool) = (Arc::clone(&disk), Arc::clone(&pool));
                async move {
                    let key = location.clone();
                    run(&pool, &disk, &location, move |disk| {
                        disk.delete(&key).map_err(|err| failed(&key, err))
                    })
                    .await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.pages(prefix, None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.pages(prefix, Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, _prefix: Option<&Path>) -> Result<ListResult> {
        Err(not_implemented("listing with a delimiter"))
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        Err(not_implemented("copy"))
    }
}

impl fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalStore")
            .field("root", &self.disk.root())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE} {}", self.disk.root().display())
    }
}
