//! A gibibyte of real input, text lines and binary, in all five codecs, written and read back byte for
//! byte: on `esker dev`, and on three agents that share a Postgres and a MinIO, through an agent that
//! wrote nothing. Long: `make e2e`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use esker_harness::agents::Cluster;
use esker_harness::clients::{self, esker, must, python};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const TEXT_BYTES: u64 = 40 << 20;
const BINARY_BYTES: u64 = 170 << 20;

/// The text is the source code that this workspace is built from, the binary the compiler's own.
fn inputs(dir: &Path) -> (PathBuf, PathBuf) {
    let home =
        std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap()));
    let sysroot = must("rustc", Command::new("rustc").args(["--print", "sysroot"]));
    let sysroot = String::from_utf8(sysroot).unwrap();
    let (text, binary) = (dir.join("text"), dir.join("binary"));
    gather(
        Path::new(&home).join("registry/src").as_path(),
        "rs",
        &text,
        TEXT_BYTES,
    );
    gather(
        Path::new(sysroot.trim()).join("lib").as_path(),
        "",
        &binary,
        BINARY_BYTES,
    );
    (text, binary)
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

fn round_trip(cluster: &Cluster, codec: &str, format: &str, input: &Path, reader: (&str, &str)) {
    let dir = cluster.dir.path();
    let topic = format!("{format}-{codec}");
    let bootstrap = cluster.bootstrap();
    must(
        "esker topic create",
        esker().args(["topic", "create", &topic, "--bootstrap-server", &bootstrap]),
    );
    let written = python(
        "produce.py",
        &[
            "--bootstrap",
            &bootstrap,
            "--topic",
            &topic,
            "--input",
            input.to_str().unwrap(),
            "--format",
            format,
            "--codec",
            codec,
            "--idempotence",
            "--client-id",
            "writer,zone=zone-1",
        ],
        dir,
    );
    let output = dir.join("output");
    let (address, client_id) = reader;
    let read = python(
        "consume.py",
        &[
            "--bootstrap",
            address,
            "--topic",
            &topic,
            "--format",
            format,
            "--output",
            output.to_str().unwrap(),
            "--client-id",
            client_id,
        ],
        dir,
    );
    eprintln!(
        "{topic}: wrote in {} s, read in {} s",
        written["seconds"], read["seconds"]
    );
    must("cmp", Command::new("cmp").arg(input).arg(&output));
}

fn everything(cluster: &Cluster, reader: (&str, &str)) {
    if !clients::has_python() {
        return;
    }
    let (text, binary) = inputs(cluster.dir.path());
    for codec in CODECS {
        round_trip(cluster, codec, "lines", &text, reader);
        round_trip(cluster, codec, "blocks", &binary, reader);
    }
}

#[test]
#[ignore = "minutes: make e2e"]
fn dev_gives_back_a_gibibyte() {
    let cluster = Cluster::dev("gigabyte-dev", &[]);
    everything(&cluster, (&cluster.bootstrap(), "reader"));
}

#[test]
#[ignore = "minutes: make e2e"]
fn three_agents_give_back_a_gibibyte_through_one_that_wrote_nothing() {
    let Some(cluster) = Cluster::shared("gigabyte-shared", 3, &[]) else {
        return;
    };
    everything(&cluster, (&cluster.agents[2].bootstrap(), "reader,zone=zone-3"));
    assert_eq!(
        cluster.agents[2].metric("esker_produce_bytes_total", ""),
        0.0,
        "the reader's agent wrote"
    );
}
