//! The life of records in the bucket, as its owner sees it: written, archived, merged, read by an agent that wrote
//! nothing and remembers nothing; then expired, deleted, and gone. On three agents with Postgres and MinIO, and on
//! `esker dev`. Agents are killed in between. Long: `make e2e`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use esker_e2e::real_data;
use esker_harness::agents::{Agent, Cluster};
use esker_harness::clients::{self, esker, kafka_tool, must, python};
use esker_harness::wait_until;
use serde_json::Value;

/// Everything soon.
const SETTINGS: [&str; 8] = [
    "--archive-interval-ms",
    "1000",
    "--archive-grace-ms",
    "3000",
    "--merge-interval-ms",
    "4000",
    "--sweep-interval-ms",
    "5000",
];

/// kafka-configs.
const CONFIGS: &str = "kafka.admin.ConfigCommand";

const MIB: u64 = 1 << 20;

/// Topics: name, partitions, MiB of text or of binary.
const KEPT: (&str, u32) = ("kept", 6);
const SHORT: (&str, u32) = ("short", 3);
const DOOMED: (&str, u32) = ("doomed", 2);
const TEXT_BYTES: u64 = 40 * MIB;
const BINARY_BYTES: u64 = 80 * MIB;

/// Archiving, merging, removing: with an agent that was killed, and whose leases and fencing have to run out.
const WORK_LIMIT: Duration = Duration::from_secs(120);

struct Stand {
    cluster: Cluster,
    /// Where the bucket's objects are files.
    bucket: PathBuf,
    text: PathBuf,
    binary: PathBuf,
}

impl Stand {
    fn new(cluster: Cluster, bucket: PathBuf) -> Self {
        let (text, binary) = (cluster.dir.join("text"), cluster.dir.join("binary"));
        real_data::text(&text, TEXT_BYTES);
        real_data::binary(&binary, BINARY_BYTES);
        Self {
            cluster,
            bucket,
            text,
            binary,
        }
    }

    /// The agent that writes nothing, if there are several.
    fn reader(&self) -> &Agent {
        self.cluster.agents.last().unwrap()
    }

    fn create(&self, (topic, partitions): (&str, u32)) {
        must(
            "esker topic create",
            esker()
                .args(["topic", "create", topic, "--partitions", &partitions.to_string()])
                .args([
                    "--config",
                    "retention.ms=-1",
                    "--bootstrap-server",
                    &self.cluster.bootstrap(),
                ]),
        );
    }

    /// Writes a file into a topic; returns the hash of each partition's records.
    fn produce(&self, (topic, partitions): (&str, u32), input: &Path, format: &str) -> Value {
        let partitions = format!("0-{}", partitions - 1);
        let bootstrap = self.cluster.bootstrap();
        let arguments = [
            "--bootstrap",
            &bootstrap,
            "--topic",
            topic,
            "--partitions",
            &partitions,
            "--input",
            input.to_str().unwrap(),
            "--format",
            format,
            "--idempotence",
            "--client-id",
            "writer,zone=zone-1",
        ];
        python("produce.py", &arguments, self.cluster.dir.path())["partitions"].clone()
    }

    /// Reads a topic from its beginning, through the agent that writes nothing.
    fn consume(&self, (topic, partitions): (&str, u32)) -> Value {
        let partitions = format!("0-{}", partitions - 1);
        let bootstrap = self.reader().bootstrap();
        let arguments = [
            "--bootstrap",
            &bootstrap,
            "--topic",
            topic,
            "--partitions",
            &partitions,
            "--client-id",
            "reader,zone=zone-3",
        ];
        python("consume.py", &arguments, self.cluster.dir.path())["partitions"].clone()
    }

    fn reads_back(&self, topic: (&str, u32), written: &Value) {
        let read = self.consume(topic);
        for partition in 0..topic.1 {
            let hash = |side: &Value| side[partition.to_string()]["sha256"].clone();
            assert!(hash(written).is_string(), "{written}");
            assert_eq!(hash(written), hash(&read), "{} {partition}", topic.0);
        }
    }

    fn kill_and_start_all(&mut self) {
        self.cluster.agents.iter_mut().for_each(Agent::kill);
        self.cluster.agents.iter_mut().for_each(Agent::start);
    }

    fn until(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        assert!(
            wait_until(WORK_LIMIT, || done(self)),
            "waited in vain: {what}; there is {:?}",
            self.by_kind()
        );
    }

    /// Records are in merged segments, and what held them before is gone.
    fn until_merged(&self) {
        self.until("everything is merged", |stand| {
            let kinds = stand.by_kind();
            !kinds.contains_key("archive") && !kinds.contains_key("ingest")
        });
    }

    /// Objects and bytes below each folder of the bucket.
    fn by_kind(&self) -> BTreeMap<String, (u64, u64)> {
        let mut found = BTreeMap::new();
        for (key, bytes) in objects(&self.bucket) {
            let kind = key.split('/').next().unwrap().to_owned();
            let (count, sum) = found.entry(kind).or_insert((0, 0));
            *count += 1;
            *sum += bytes;
        }
        found
    }

    fn bytes(&self) -> u64 {
        objects(&self.bucket).iter().map(|(_, bytes)| bytes).sum()
    }

    /// Topics that have merged segments or manifests.
    fn topics_in_bucket(&self) -> usize {
        let topic = |(key, _): &(String, u64)| {
            let mut parts = key.split('/');
            matches!(parts.next(), Some("merged" | "manifest")).then(|| parts.nth(1).unwrap().to_owned())
        };
        let topics: std::collections::BTreeSet<_> = objects(&self.bucket).iter().filter_map(topic).collect();
        topics.len()
    }

    fn keep_for(&self, topic: &str, retention_ms: &str) {
        let mut configs = kafka_tool(CONFIGS).expect("asked for before");
        must(
            "kafka-configs",
            configs
                .args(["--bootstrap-server", &self.cluster.bootstrap(), "--alter"])
                .args(["--entity-type", "topics", "--entity-name", topic])
                .args(["--add-config", &format!("retention.ms={retention_ms}")]),
        );
    }

    fn delete(&self, topic: &str) {
        must(
            "esker topic delete",
            esker()
                .args(["topic", "delete", topic, "--bootstrap-server"])
                .arg(self.cluster.bootstrap()),
        );
    }
}

/// The objects of a bucket that lies in a directory, with their sizes. MinIO has a directory for each.
fn objects(root: &Path) -> Vec<(String, u64)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        // What is listed may go meanwhile.
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        let entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        let is_object = entries.iter().any(|path| path.ends_with("xl.meta"));
        for path in entries {
            if path.is_dir() && !is_object {
                folders.push(path);
                continue;
            }
            let object = if is_object { &folder } else { &path };
            let key = object.strip_prefix(root).unwrap().display().to_string();
            if !key.starts_with('.') {
                *found.entry(key).or_insert(0) += bytes_below(&path);
            }
        }
    }
    found.into_iter().collect()
}

fn bytes_below(path: &Path) -> u64 {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| bytes_below(&entry.path())).sum(),
        Err(_) => fs::metadata(path).map_or(0, |file| file.len()),
    }
}

/// The whole life. `between`: what is done while there is work.
fn live(stand: &mut Stand, between: impl Fn(&mut Stand)) {
    for topic in [KEPT, SHORT, DOOMED] {
        stand.create(topic);
    }
    let kept = stand.produce(KEPT, &stand.text, "lines");
    between(stand);
    let short = stand.produce(SHORT, &stand.binary, "blocks");
    between(stand);
    let doomed = stand.produce(DOOMED, &stand.text, "lines");
    between(stand);
    stand.until_merged();
    eprintln!("everything is merged: {:?}", stand.by_kind());

    // No agent remembers anything.
    stand.kill_and_start_all();
    let wrote = stand.reader().metric("esker_produce_bytes_total", "");
    assert_eq!(wrote, 0.0, "the reader's agent wrote");
    for (topic, written) in [(KEPT, &kept), (SHORT, &short), (DOOMED, &doomed)] {
        stand.reads_back(topic, written);
    }
    let from_bucket = stand.reader().metric("esker_store_bytes_total", "get");
    let all = stand.bytes() as f64;
    assert!(from_bucket > 0.9 * all, "{from_bucket} of {all} bytes");

    // What a topic need not keep goes from the bucket.
    let before = stand.bytes();
    stand.keep_for(SHORT.0, "1");
    between(stand);
    stand.until("the bucket shrinks", |stand| {
        stand.bytes() < before - BINARY_BYTES * 9 / 10
    });
    let read = stand.consume(SHORT);
    for partition in 0..SHORT.1 {
        assert_eq!(
            read[partition.to_string()]["count"].as_u64().unwrap_or(0),
            0,
            "{read}"
        );
    }
    eprintln!("after expiry: {} of {before} bytes", stand.bytes());

    // And so does a topic that is deleted.
    assert_eq!(stand.topics_in_bucket(), 3);
    stand.delete(DOOMED.0);
    between(stand);
    stand.until("the deleted topic's prefixes are empty", |stand| {
        stand.topics_in_bucket() == 2
    });
    stand.kill_and_start_all();
    stand.reads_back(KEPT, &kept);

    stand.delete(KEPT.0);
    stand.delete(SHORT.0);
    stand.until("nothing is left but the cluster's file", |stand| {
        stand.by_kind().keys().all(|kind| kind == "cluster.json")
    });
    assert_eq!(objects(&stand.bucket).len(), 1);
}

#[test]
#[ignore = "minutes: make e2e"]
fn records_live_and_go_on_three_agents() {
    let Some(cluster) = Cluster::shared("archive-shared", 3, &SETTINGS) else {
        return;
    };
    if !clients::has_python() || kafka_tool(CONFIGS).is_none() {
        return;
    }
    let bucket = cluster.dir.join("minio/esker/data");
    let mut stand = Stand::new(cluster, bucket);
    // The agent that does most of the work, as likely as not.
    let between = |stand: &mut Stand| {
        for agent in [1, 1, 0] {
            std::thread::sleep(Duration::from_millis(700));
            stand.cluster.agents[agent].kill();
            stand.cluster.agents[agent].start();
        }
    };
    live(&mut stand, between);
}

#[test]
#[ignore = "minutes: make e2e"]
fn records_live_and_go_on_dev() {
    let cluster = Cluster::dev("archive-dev", &SETTINGS);
    if !clients::has_python() || kafka_tool(CONFIGS).is_none() {
        return;
    }
    let bucket = cluster.dir.join("data/bucket");
    let mut stand = Stand::new(cluster, bucket);
    live(&mut stand, |stand| {
        std::thread::sleep(Duration::from_millis(700));
        stand.cluster.agents[0].kill();
        stand.cluster.agents[0].start();
    });
}
