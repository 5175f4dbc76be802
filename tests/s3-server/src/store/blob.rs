//! Bytes that do not change: the body of an object, or of one part of an upload, in memory or in a file.
//!
//! A blob is written whole before anything refers to it, and goes when nothing does: memory is given back to
//! the budget, a file is unlinked. Files stay when the store closes; those that nothing refers to go when it
//! opens again.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};

use super::budget::{Budget, Hold};
use crate::error::S3Error;

/// What is gathered before it is written to a file, and what is read at once.
pub(crate) const FILE_CHUNK_BYTES: usize = 1 << 20;
/// A body in memory gets its buffer at once up to this size; a longer one grows.
const ALLOCATE_AT_ONCE_BYTES: u64 = 64 << 20;

/// Immutable bytes.
#[derive(Clone, Debug)]
pub(crate) enum Blob {
    Memory(Bytes),
    File(Arc<BlobFile>),
}

impl Blob {
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.bytes,
        }
    }
}

/// A body in memory, and its part of the budget, which goes back when the last slice goes.
struct Held {
    buffer: Vec<u8>,
    _hold: Hold,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

/// A blob's file.
#[derive(Debug)]
pub(crate) struct BlobFile {
    pub(crate) id: u64,
    pub(crate) bytes: u64,
    path: PathBuf,
    closing: Arc<AtomicBool>,
}

impl BlobFile {
    /// Reads from the file; blocks.
    pub(crate) fn read_at(&self, offset: u64, bytes: usize) -> std::io::Result<Bytes> {
        let mut buffer = BytesMut::zeroed(bytes);
        File::open(&self.path)?.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.freeze())
    }
}

impl Drop for BlobFile {
    fn drop(&mut self) {
        if !self.closing.load(Ordering::Relaxed) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Where new blobs go.
#[derive(Debug)]
pub(crate) enum Blobs {
    Memory(Budget),
    Directory(BlobDirectory),
}

#[derive(Debug)]
pub(crate) struct BlobDirectory {
    pub(crate) path: PathBuf,
    pub(crate) next: AtomicU64,
    pub(crate) sync: bool,
    pub(crate) closing: Arc<AtomicBool>,
}

impl BlobDirectory {
    pub(crate) fn path_of(&self, id: u64) -> PathBuf {
        self.path.join(format!("{id}.blob"))
    }

    /// The handle of a blob whose file is there.
    pub(crate) fn file(&self, id: u64, bytes: u64) -> Arc<BlobFile> {
        Arc::new(BlobFile {
            id,
            bytes,
            path: self.path_of(id),
            closing: Arc::clone(&self.closing),
        })
    }
}

impl Blobs {
    /// Begins a blob of which so many bytes are expected.
    pub(crate) fn writer(&self, expected: Option<u64>) -> Result<BlobWriter, S3Error> {
        match self {
            Self::Memory(budget) => {
                let hold = budget.hold(expected.unwrap_or(0))?;
                let at_once = expected.unwrap_or(0).min(ALLOCATE_AT_ONCE_BYTES);
                Ok(BlobWriter::Memory {
                    buffer: Vec::with_capacity(at_once as usize),
                    hold,
                })
            }
            Self::Directory(directory) => {
                let id = directory.next.fetch_add(1, Ordering::Relaxed);
                let opened = File::options()
                    .write(true)
                    .create_new(true)
                    .open(directory.path_of(id));
                Ok(BlobWriter::File {
                    open: OpenFile {
                        file: Arc::new(opened.map_err(|err| S3Error::io("cannot create a file", &err))?),
                        blob: directory.file(id, 0),
                        sync: directory.sync,
                    },
                    gathered: BytesMut::new(),
                    written: 0,
                })
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct OpenFile {
    file: Arc<File>,
    // Dropped without having been finished, it unlinks the file.
    blob: Arc<BlobFile>,
    sync: bool,
}

/// A blob on its way in.
#[derive(Debug)]
pub(crate) enum BlobWriter {
    Memory {
        buffer: Vec<u8>,
        hold: Hold,
    },
    File {
        open: OpenFile,
        gathered: BytesMut,
        written: u64,
    },
}

impl BlobWriter {
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), S3Error> {
        match self {
            Self::Memory { buffer, hold } => {
                let after = (buffer.len() + bytes.len()) as u64;
                if after > hold.bytes() {
                    hold.grow(after - hold.bytes())?;
                }
                buffer.extend_from_slice(bytes);
                Ok(())
            }
            Self::File {
                open,
                gathered,
                written,
            } => {
                gathered.extend_from_slice(bytes);
                *written += bytes.len() as u64;
                if gathered.len() >= FILE_CHUNK_BYTES {
                    let chunk = gathered.split().freeze();
                    open.write(chunk, false).await?;
                }
                Ok(())
            }
        }
    }

    pub(crate) async fn finish(self) -> Result<Blob, S3Error> {
        match self {
            Self::Memory { buffer, mut hold } => {
                hold.shrink_to(buffer.len() as u64);
                Ok(Blob::Memory(Bytes::from_owner(Held { buffer, _hold: hold })))
            }
            Self::File {
                open,
                gathered,
                written,
            } => {
                open.write(gathered.freeze(), open.sync).await?;
                let mut blob = open.blob;
                // Nobody else has this handle yet.
                if let Some(file) = Arc::get_mut(&mut blob) {
                    file.bytes = written;
                }
                Ok(Blob::File(blob))
            }
        }
    }
}

impl OpenFile {
    async fn write(&self, chunk: Bytes, sync: bool) -> Result<(), S3Error> {
        let file = Arc::clone(&self.file);
        let directory = self.blob.path.parent().map(PathBuf::from);
        let written = tokio::task::spawn_blocking(move || {
            (&*file).write_all(&chunk)?;
            if !sync {
                return Ok(());
            }
            file.sync_data()?;
            // The name has to last as well as the bytes.
            directory.map_or(Ok(()), |directory| File::open(directory)?.sync_all())
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(err)) => Err(S3Error::io("cannot write to a file", &err)),
            Err(_) => Err(S3Error::new(
                500,
                "InternalError",
                "The thread that wrote to a file died.",
            )),
        }
    }
}
