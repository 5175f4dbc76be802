//! A gibibyte of real input, text lines and binary, in all five codecs, written and read back byte for
//! byte: on `esker dev`, and on three agents that share a Postgres and a MinIO, through an agent that
//! wrote nothing. Long: `make e2e`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

use std::path::Path;
use std::process::Command;

use esker_e2e::real_data;
use esker_harness::agents::Cluster;
use esker_harness::clients::{self, esker, must, python};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const TEXT_BYTES: u64 = 40 << 20;
const BINARY_BYTES: u64 = 170 << 20;

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
    let (text, binary) = (cluster.dir.join("text"), cluster.dir.join("binary"));
    real_data::text(&text, TEXT_BYTES);
    real_data::binary(&binary, BINARY_BYTES);
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
