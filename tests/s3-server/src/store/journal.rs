//! The index of a store that is kept in a directory.
//!
//! ```text
//! DIR/lock          held while a server uses the directory
//! DIR/journal       one JSON record a line: buckets made and removed, objects put and deleted
//! DIR/blobs/7.blob  the bytes
//! ```
//!
//! A line is appended with one write, under the lock of the index, after its blobs are complete: that write is
//! the moment at which a PUT takes effect. A line without its line feed is one that a killed server did not
//! finish, and counts as not written. Opening replays the journal, writes it anew with what is left, and
//! removes the files that nothing refers to; multipart uploads that were under way are forgotten.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    CreateBucket { bucket: String, created_ms: u64 },
    DeleteBucket { bucket: String },
    Put(PutRecord),
    Delete { bucket: String, key: String },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PutRecord {
    pub(crate) bucket: String,
    pub(crate) key: String,
    /// Id and size.
    pub(crate) blobs: Vec<(u64, u64)>,
    pub(crate) etag: String,
    pub(crate) modified_ms: u64,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) checksum: Option<(String, String)>,
}

/// The open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    sync: bool,
    _lock: File,
}

fn damaged(path: &Path, what: &str) -> std::io::Error {
    std::io::Error::other(format!("{} is damaged: {what}", path.display()))
}

pub(crate) fn blob_directory(dir: &Path) -> PathBuf {
    dir.join("blobs")
}

/// Takes the lock of a directory, making it if need be, and reads its journal.
pub(crate) fn open(dir: &Path) -> std::io::Result<(File, Vec<Record>)> {
    fs::create_dir_all(blob_directory(dir))?;
    let lock = File::create(dir.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(std::io::Error::other("another server is using it"));
        }
        Err(TryLockError::Error(err)) => return Err(err),
    }
    let path = dir.join("journal");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(err) => return Err(err),
    };
    let complete = text
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let records = text[..complete]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(serde_json::from_slice)
        .collect::<Result<Vec<Record>, _>>()
        .map_err(|err| damaged(&path, &err.to_string()))?;
    Ok((lock, records))
}

impl Journal {
    /// Writes the journal anew, and keeps it open for what follows.
    pub(crate) fn rewrite(dir: &Path, lock: File, records: &[Record], sync: bool) -> std::io::Result<Self> {
        let mut text = Vec::new();
        for record in records {
            serde_json::to_writer(&mut text, record)?;
            text.push(b'\n');
        }
        let (path, next) = (dir.join("journal"), dir.join("journal.next"));
        fs::write(&next, text)?;
        if sync {
            File::open(&next)?.sync_all()?;
        }
        fs::rename(&next, &path)?;
        if sync {
            File::open(dir)?.sync_all()?;
        }
        Ok(Self {
            file: File::options().append(true).open(path)?,
            sync,
            _lock: lock,
        })
    }

    /// Appends one record; blocks.
    pub(crate) fn append(&mut self, record: &Record) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        if self.sync { self.file.sync_data() } else { Ok(()) }
    }
}

/// Checks that the blobs of these records are there, removes all other files, and returns the highest id.
pub(crate) fn sweep(dir: &Path, records: &[Record]) -> std::io::Result<u64> {
    let blobs = blob_directory(dir);
    let mut wanted = BTreeSet::new();
    for record in records {
        let Record::Put(put) = record else { continue };
        for (id, bytes) in &put.blobs {
            let path = blobs.join(format!("{id}.blob"));
            let found = fs::metadata(&path).map_err(|err| damaged(&path, &err.to_string()))?;
            if found.len() != *bytes {
                return Err(damaged(
                    &path,
                    &format!("{} bytes instead of {bytes}", found.len()),
                ));
            }
            wanted.insert(*id);
        }
    }
    for entry in fs::read_dir(&blobs)? {
        let entry = entry?;
        let name = entry.file_name();
        let id = name
            .to_str()
            .and_then(|name| name.strip_suffix(".blob"))
            .and_then(|id| id.parse().ok());
        if id.is_some_and(|id| !wanted.contains(&id)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(wanted.last().copied().unwrap_or(0))
}
