//! Real input: text and binary files that every machine has which builds this workspace.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Command;

use esker_harness::clients::must;

/// Lines of text: the source code that this workspace is built from.
pub fn text(into: &Path, bytes: u64) {
    let home =
        std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap()));
    gather(&Path::new(&home).join("registry/src"), "rs", into, bytes);
}

/// Binary: the compiler itself.
pub fn binary(into: &Path, bytes: u64) {
    let sysroot = must("rustc", Command::new("rustc").args(["--print", "sysroot"]));
    let sysroot = String::from_utf8(sysroot).unwrap();
    gather(&Path::new(sysroot.trim()).join("lib"), "", into, bytes);
}

/// Joins files below `from`, with an extension if one is given, until there are `bytes`.
fn gather(from: &Path, extension: &str, into: &Path, bytes: u64) {
    let mut out = File::create(into).unwrap();
    let mut left = bytes;
    let mut folders = vec![from.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if left > 0 && (extension.is_empty() || path.extension().is_some_and(|e| e == extension)) {
                left -= io::copy(&mut File::open(&path).unwrap().take(left), &mut out).unwrap();
            }
        }
    }
    assert_eq!(left, 0, "there is not enough below {}", from.display());
    if !extension.is_empty() {
        out.write_all(b"\n").unwrap();
    }
}
