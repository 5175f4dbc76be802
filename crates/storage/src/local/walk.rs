//! Listings of a directory tree, in the order of the keys, one page at a time.

use std::fs;
use std::io;
use std::path::Path as FsPath;

use object_store::ObjectMeta;
use object_store::path::Path;

use super::disk::{Disk, TEMP, object_meta};

/// The first `limit` objects below `prefix` whose keys come after `after`.
pub(super) fn page(
    disk: &Disk,
    prefix: &Path,
    after: Option<&Path>,
    limit: usize,
) -> io::Result<Vec<ObjectMeta>> {
    let after = after.map_or("", |after| after.as_ref());
    let mut found = Vec::new();
    visit(
        &disk.root().join(prefix.as_ref()),
        prefix.as_ref(),
        after,
        limit,
        &mut found,
    )?;
    Ok(found)
}

/// An entry's key; a directory's ends in `/`, so that sorting by it sorts all keys below it rightly
/// among its neighbours (`a-b` comes before `a/b`).
struct Entry {
    key: String,
    is_folder: bool,
}

fn visit(
    folder: &FsPath,
    key: &str,
    after: &str,
    limit: usize,
    found: &mut Vec<ObjectMeta>,
) -> io::Result<()> {
    for entry in entries(folder, key)? {
        if found.len() == limit {
            return Ok(());
        }
        let name = &entry.key[key.len()..];
        let path = folder.join(name.trim_matches('/'));
        if entry.is_folder {
            if after < entry.key.as_str() || after.starts_with(&entry.key) {
                visit(&path, entry.key.trim_end_matches('/'), after, limit, found)?;
            }
        } else if after < entry.key.as_str() {
            // Removed since the directory was read, or no object's name: not listed.
            if let (Ok(location), Ok(metadata)) = (Path::parse(&entry.key), path.metadata()) {
                found.push(object_meta(location, &metadata)?);
            }
        }
    }
    Ok(())
}

fn entries(folder: &FsPath, key: &str) -> io::Result<Vec<Entry>> {
    let names = match fs::read_dir(folder) {
        Ok(names) => names,
        Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(err) => return Err(err),
    };
    let mut entries = Vec::new();
    for entry in names {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !(key.is_empty() && *name == TEMP)) else {
            continue;
        };
        let mut key = if key.is_empty() {
            name.to_owned()
        } else {
            format!("{key}/{name}")
        };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            key.push('/');
        } else if !kind.is_file() {
            continue;
        }
        entries.push(Entry {
            key,
            is_folder: kind.is_dir(),
        });
    }
    entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok(entries)
}
