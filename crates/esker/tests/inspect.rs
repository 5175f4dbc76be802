//! `esker inspect`: what it prints, how it ends, and that it leaves everything as it is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod support;

use std::path::{Path, PathBuf};

use support::{Ended, run};

/// A bucket in a directory with one archive segment and one manifest.
struct World {
    directory: tempfile::TempDir,
    archive: String,
    manifest: String,
}

/// An object that a release wrote, and its key.
fn golden(name: &str) -> (String, Vec<u8>) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../storage/tests/golden");
    let words = std::fs::read_to_string(golden.join(format!("{name}.txt"))).unwrap();
    let key = words.split(':').next().unwrap().to_owned();
    (
        key,
        std::fs::read(golden.join(format!("{name}.segment"))).unwrap(),
    )
}

impl World {
    fn new() -> Self {
        let world = Self {
            directory: tempfile::tempdir().unwrap(),
            archive: golden("v1-archive").0,
            manifest: golden("v1-manifest").0,
        };
        for name in ["v1-archive", "v1-manifest"] {
            let (key, object) = golden(name);
            std::fs::create_dir_all(world.path(&key).parent().unwrap()).unwrap();
            std::fs::write(world.path(&key), object).unwrap();
        }
        world
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.path().join("bucket").join(key)
    }

    /// The URL of an object, or of the bucket.
    fn url(&self, key: &str) -> String {
        format!("file://{}", self.path(key).display())
            .trim_end_matches('/')
            .to_owned()
    }

    fn change(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.path(key)).unwrap();
        change(&mut bytes);
        std::fs::write(self.path(key), bytes).unwrap();
    }
}

/// It printed what the object is, and then failed with one sentence that ends so.
fn fails(ended: &Ended, printed: &str, sentence: &str) {
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains(printed), "{}", ended.out);
    assert!(
        ended.err.starts_with("esker: ") && ended.err.ends_with(&format!("{sentence}\n")),
        "{}",
        ended.err
    );
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
}

/// A directory's files and directories, sorted.
fn tree(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[test]
fn every_form_finds_the_object() {
    let world = World::new();
    let before = tree(world.directory.path());
    let (bucket, data) = (world.url(""), world.directory.path().to_str().unwrap());
    let copy = world.path(&world.archive);
    let copy = copy.to_str().unwrap();
    let (archive, manifest) = (&world.archive[..], &world.manifest[..]);
    for arguments in [
        &[archive, "--bucket-url", &bucket][..],
        &[archive, "--data-dir", data],
        &["segment", archive, "--data-dir", data],
        &["segment", &world.url(archive)],
        &[&world.url(archive)],
        &["manifest", &world.url(manifest)],
        &["manifest", manifest, "--bucket-url", &bucket],
        &["--file", copy],
        &["segment", "--file", copy],
        &[archive, "--file", copy],
        &["segment", archive, "--file", copy],
    ] {
        let out = run(&[&["inspect"], arguments].concat()).ok();
        assert!(out.contains("all checksums are right"), "{arguments:?}: {out}");
    }
    let listed = run(&["inspect", "--list", "archive/", "--bucket-url", &bucket]).ok();
    assert!(
        listed.trim_end().ends_with(archive) && listed.lines().count() == 1,
        "{listed}"
    );
    assert_eq!(tree(world.directory.path()), before);
}

#[test]
fn what_is_not_whole_fails() {
    let world = World::new();
    let (archive, url) = (&world.archive[..], world.url(&world.archive));
    world.change(archive, |bytes| bytes[70] ^= 1);
    let said = format!("{archive} is damaged: the checksum of chunk 0 is wrong");
    let damaged = run(&["inspect", &url]);
    fails(&damaged, "archive segment 9 of incarnation 01020304050647", &said);
    assert!(
        damaged
            .out
            .contains("DAMAGED: the checksum of chunk 0 is wrong\n"),
        "{}",
        damaged.out
    );
    let unknown = "not an object that this release of Esker writes\n";
    world.change(archive, |bytes| bytes.truncate(200));
    let cut = format!("{archive} is damaged: it does not end like a segment");
    fails(&run(&["inspect", &url]), unknown, &cut);
    // A copy: what it should be is told by its path, by the key or by the word, if at all.
    let copy = world.directory.path().join("copy");
    std::fs::copy(world.path(archive), &copy).unwrap();
    let copy = copy.to_str().unwrap();
    let damaged = format!("{copy} is damaged: it does not end like a segment");
    fails(&run(&["inspect", archive, "--file", copy]), unknown, &damaged);
    fails(&run(&["inspect", "segment", "--file", copy]), unknown, &damaged);
    fails(
        &run(&["inspect", "--file", copy]),
        unknown,
        "is not an object that this release of Esker writes: it does not end like a segment",
    );
    std::fs::write(copy, golden("v1-manifest").1).unwrap();
    run(&["inspect", "--file", copy]).ok();
    let misplaced = format!("{copy} is misplaced: its own key is {}", world.manifest);
    fails(
        &run(&["inspect", archive, "--file", copy]),
        "MISPLACED: ",
        &misplaced,
    );
}

#[test]
fn it_has_to_be_what_the_first_word_says() {
    let world = World::new();
    let manifest = world.url(&world.manifest);
    let said = format!("{} is a manifest, not a segment", world.manifest);
    fails(
        &run(&["inspect", "segment", &manifest]),
        "all checksums are right",
        &said,
    );
    let said = format!("{} is an archive segment, not a manifest", world.archive);
    let archive = world.url(&world.archive);
    fails(&run(&["inspect", "manifest", &archive]), "chunks:", &said);
    run(&["inspect", "topic", &archive]).says(2, "is not what an object can be: write segment or manifest");
    run(&["inspect", "segment", "--bucket-url", "memory://"])
        .says(2, "which segment? Write its key or its URL");
    run(&["inspect", "s3://bucket/notes.txt"]).says(2, "does not end with the key of an object");
    run(&["inspect", &archive, "--data-dir", "x"]).says(2, "names its bucket already");
    run(&["inspect", "--list", &archive]).says(2, "--list takes the start of keys");
    let missing = archive.replace("0009", "0008");
    run(&["inspect", &missing]).says(1, "is not in the bucket");
}

#[test]
fn a_directory_that_is_not_there_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("does/not/exist");
    let data = data.to_str().unwrap();
    let (url, bucket) = (format!("file://{data}"), format!("{data}/bucket"));
    let object = format!("{url}/cluster.json");
    for (arguments, named) in [
        (&["cluster.json", "--data-dir", data][..], &bucket[..]),
        (&["--list", "--data-dir", data], &bucket),
        (&["cluster.json", "--bucket-url", &url], data),
        (&["--list", "--bucket-url", &url], data),
        (&[&object], data),
    ] {
        let ended = run(&[&["inspect"], arguments].concat());
        ended.says(1, &format!("there is no directory {named}, and so no bucket"));
    }
    assert!(tree(directory.path()).is_empty());
    // There, and empty.
    let data = directory.path().to_str().unwrap();
    let url = format!("file://{data}");
    run(&["inspect", "cluster.json", "--bucket-url", &url]).says(1, "cluster.json is not in the bucket");
    assert_eq!(run(&["inspect", "--list", "--bucket-url", &url]).ok(), "");
    assert!(tree(directory.path()).is_empty());
}
