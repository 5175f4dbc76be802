//! The file work itself, blocking: what is written, linked and synced in which order.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectMeta, PutPayload};

/// The directory of temporary files, beside the objects so that they are on one file system.
pub(super) const TEMP: &str = ".esker-tmp";
/// Slices shorter than this are written together.
const GATHER_BYTES: usize = 64 * 1024;

pub(super) struct Disk {
    root: PathBuf,
    is_writable: bool,
    temp: PathBuf,
    temp_number: AtomicU64,
    /// Directories whose own entries, up to the root, are known to be on the disk.
    durable: Mutex<BTreeSet<PathBuf>>,
}

impl Disk {
    pub(super) fn open(root: &FsPath) -> io::Result<Self> {
        create_root(root)?;
        let root = root.canonicalize()?;
        let temp = root.join(TEMP);
        match fs::create_dir(&temp) {
            Err(err) if err.kind() != io::ErrorKind::AlreadyExists => return Err(err),
            _ => {}
        }
        remove_leftovers(&temp)?;
        Ok(Self::of(root, temp, true))
    }

    /// Leaves the directory as it is, also later: nothing is written or removed.
    pub(super) fn open_to_read(root: &FsPath) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        let temp = root.join(TEMP);
        Ok(Self::of(root, temp, false))
    }

    fn of(root: PathBuf, temp: PathBuf, is_writable: bool) -> Self {
        let durable = Mutex::new(BTreeSet::from([root.clone()]));
        Self {
            root,
            is_writable,
            temp,
            temp_number: AtomicU64::new(0),
            durable,
        }
    }

    pub(super) fn root(&self) -> &FsPath {
        &self.root
    }

    fn file(&self, key: &Path) -> io::Result<PathBuf> {
        if key.is_root() || key.parts().next().is_some_and(|first| first.as_ref() == TEMP) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a key that is not an object's",
            ));
        }
        Ok(self.root.join(key.as_ref()))
    }

    fn must_be_writable(&self) -> io::Result<()> {
        match self.is_writable {
            true => Ok(()),
            false => Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem)),
        }
    }

    pub(super) fn put(&self, key: &Path, payload: &PutPayload, replace: bool) -> io::Result<()> {
        self.must_be_writable()?;
        let target = self.file(key)?;
        let folder = target.parent().unwrap_or(&self.root);
        self.make_durable(folder).map_err(|err| match err.kind() {
            // A key below an object's key: not "no such object", which would make a writer try for ever.
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                io::Error::new(io::ErrorKind::InvalidInput, "a part of the key names an object")
            }
            _ => err,
        })?;
        if !replace && target.symlink_metadata().is_ok() {
            return already_there(folder);
        }
        let temp = self.write_temp(payload)?;
        let named = if replace {
            fs::rename(&temp.path, &target)
        } else {
            fs::hard_link(&temp.path, &target)
        };
        match named {
            Ok(()) => sync_directory(folder),
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => already_there(folder),
            // Another process that opened the store took the file for a leftover: write it again.
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                self.durable
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .retain(|known| *known == self.root);
                Err(io::Error::other(
                    "the temporary file or a directory was removed meanwhile",
                ))
            }
            Err(err) => Err(err),
        }
    }

    /// Writes and syncs a file that is not an object yet. It is locked while it is written, so that
    /// another process that opens the store does not take it for a leftover.
    fn write_temp(&self, payload: &PutPayload) -> io::Result<Temp> {
        let temp = loop {
            let number = self.temp_number.fetch_add(1, Ordering::Relaxed);
            let path = self.temp.join(format!("{}-{number}", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => break Temp { path, file },
                Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {}
                Err(err) => return Err(err),
            }
        };
        temp.file.lock()?;
        write_slices(&temp.file, payload.as_ref())?;
        temp.file.sync_all()?;
        Ok(temp)
    }

    /// Creates a directory and its parents, and makes sure that all their entries are on the disk, also
    /// if somebody else has just created them.
    fn make_durable(&self, folder: &FsPath) -> io::Result<()> {
        if self
            .durable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(folder)
        {
            return Ok(());
        }
        let Some(parent) = folder.parent() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a directory outside the store",
            ));
        };
        self.make_durable(parent)?;
        match fs::create_dir(folder) {
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            other => other?,
        }
        sync_directory(parent)?;
        self.durable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(folder.to_owned());
        Ok(())
    }

    pub(super) fn open_object(&self, key: &Path) -> io::Result<(File, ObjectMeta)> {
        let file = File::open(self.file(key)?)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        let meta = object_meta(key.clone(), &metadata)?;
        Ok((file, meta))
    }

    pub(super) fn delete(&self, key: &Path) -> io::Result<()> {
        self.must_be_writable()?;
        let target = self.file(key)?;
        fs::remove_file(&target)?;
        sync_directory(target.parent().unwrap_or(&self.root))
    }
}

/// A name that is taken may have been given a moment ago by a writer that crashed before its sync:
/// whoever relies on it must find it on the disk.
fn already_there(folder: &FsPath) -> io::Result<()> {
    sync_directory(folder)?;
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}

/// A temporary file; its name goes away with it. Its lock goes when the file is closed, after that.
struct Temp {
    path: PathBuf,
    file: File,
}

impl Drop for Temp {
    fn drop(&mut self) {
        // After a replacing put the name is gone already. What cannot be removed is removed at next open.
        let _ = fs::remove_file(&self.path);
    }
}

/// Gathers small slices: handing each to the system by itself, even many per call, costs several times
/// as much as copying it.
fn write_slices(file: &File, slices: &[Bytes]) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(GATHER_BYTES, file);
    for slice in slices {
        out.write_all(slice)?;
    }
    out.flush()
}

pub(super) fn read(mut file: &File, range: &Range<u64>) -> io::Result<Bytes> {
    let bytes = range.end - range.start;
    let capacity = usize::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut buffer = Vec::with_capacity(capacity);
    file.seek(SeekFrom::Start(range.start))?;
    file.take(bytes).read_to_end(&mut buffer)?;
    Ok(Bytes::from(buffer))
}

pub(super) fn object_meta(location: Path, metadata: &fs::Metadata) -> io::Result<ObjectMeta> {
    Ok(ObjectMeta {
        location,
        last_modified: metadata.modified()?.into(),
        size: metadata.len(),
        e_tag: None,
        version: None,
    })
}

fn sync_directory(folder: &FsPath) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Creates the store's own directory; the entries of directories that this creates are synced too.
fn create_root(root: &FsPath) -> io::Result<()> {
    if root.is_dir() {
        return Ok(());
    }
    let parent = root
        .parent()
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    create_root(parent)?;
    match fs::create_dir(root) {
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists && root.is_dir() => {}
        other => other?,
    }
    sync_directory(parent)
}

/// Removes temporary files whose writer is gone. One that is being written is locked; one whose lock
/// comes a moment later than this is written again by its writer, which finds it missing.
fn remove_leftovers(temp: &FsPath) -> io::Result<()> {
    for entry in fs::read_dir(temp)? {
        let path = entry?.path();
        if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            match fs::remove_file(&path) {
                Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
                _ => {}
            }
        }
    }
    Ok(())
}
