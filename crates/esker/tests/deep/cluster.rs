//! A cluster whose objects can be damaged: `esker dev` on a directory, or agents on Postgres and an S3 server.

#![allow(unreachable_pub, reason = "as the support that it builds on")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use esker_harness::throwaway_postgres as postgres;
use esker_s3_server::{Options, Server};
use serde_json::Value;

use crate::support::{Background, PATIENCE, esker, free_port, run_command};

/// Where objects are.
pub enum Store {
    Directory(PathBuf),
    S3(Box<Server>),
}

/// Stores, and what agents need to find them.
pub struct Cluster {
    pub store: Store,
    places: Vec<String>,
    environment: Vec<(String, String)>,
    _directory: tempfile::TempDir,
}

/// An agent that runs.
pub struct Running {
    process: Background,
    pub kafka: String,
}

/// What `check --deep --json` said.
pub struct Checked {
    pub code: i32,
    pub document: Value,
    pub err: String,
}

impl Cluster {
    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        Self {
            store: Store::Directory(data.join("bucket")),
            places: vec!["--data-dir".to_owned(), data.display().to_string()],
            environment: Vec::new(),
            _directory: directory,
        }
    }

    /// `None` (said on stderr) where there is no Postgres.
    pub fn postgres() -> Option<Self> {
        let metastore = postgres::start_or_reuse()?;
        let server = Server::start(&Options::default()).unwrap();
        run_command(esker(&["migrate", "--metastore-url", &metastore]), b"").ok();
        let environment = [
            ("AWS_ENDPOINT_URL", server.endpoint()),
            ("AWS_ACCESS_KEY_ID", "x".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ];
        let places = ["--metastore-url", &metastore, "--bucket-url", "s3://esker/data"];
        Some(Self {
            store: Store::S3(Box::new(server)),
            places: places.map(str::to_owned).to_vec(),
            environment: environment.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            _directory: tempfile::tempdir().unwrap(),
        })
    }

    /// A command of this cluster, with its stores.
    pub fn command(&self, before: &[&str], after: &[&str]) -> Command {
        let places: Vec<&str> = self.places.iter().map(String::as_str).collect();
        let mut command = esker(&[before, &places, after].concat());
        command.envs(self.environment.iter().cloned());
        command
    }

    pub fn start(&self, settings: &[&str]) -> Running {
        let kafka = format!("127.0.0.1:{}", free_port());
        let fixed = [
            "--kafka-addr",
            &kafka,
            "--admin-addr",
            "none",
            "--log-format",
            "text",
        ];
        let role = match self.store {
            Store::Directory(_) => "dev",
            Store::S3(_) => "agent",
        };
        let mut command = self.command(&[role], &[&fixed[..], settings].concat());
        command
            .env("RUST_LOG", "info")
            .env("ESKER_AUTO_CREATE_TOPICS", "true");
        command.env("ESKER_NUM_PARTITIONS", "2");
        let mut process = Background::start(command);
        process.err_line(" ready");
        Running { process, kafka }
    }

    /// Waits until what background work has before it is right.
    pub fn until(&self, right: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // It asks the metastore only.
            let places: Vec<&str> = self.places.iter().take(2).map(String::as_str).collect();
            let command = esker(&[&["cluster", "upkeep", "--json"], &places[..]].concat());
            let status: Value = serde_json::from_str(&run_command(command, b"").ok()).unwrap();
            if right(&status) {
                return;
            }
            assert!(Instant::now() < deadline, "{status:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn check(&self, more: &[&str]) -> Checked {
        let command = self.command(&["check", "--deep", "--json"], more);
        let ended = run_command(command, b"");
        Checked {
            code: ended.code.unwrap(),
            document: serde_json::from_str(&ended.out)
                .unwrap_or_else(|_| panic!("{}{}", ended.out, ended.err)),
            err: ended.err,
        }
    }

    /// Keys of objects, sorted.
    pub fn keys(&self, folder: &str) -> Vec<String> {
        let listed = self.command(&["inspect", "--list", folder], &[]);
        let listed = run_command(self.without_metastore(listed), b"").ok();
        listed
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .map(str::to_owned)
            .collect()
    }

    /// `inspect` knows no metastore.
    fn without_metastore(&self, command: Command) -> Command {
        match &self.store {
            Store::Directory(_) => command,
            Store::S3(_) => {
                let arguments: Vec<_> = command.get_args().map(|argument| argument.to_owned()).collect();
                let at = arguments
                    .iter()
                    .position(|argument| argument == "--metastore-url")
                    .unwrap();
                let mut other = esker(&[]);
                other.args(&arguments[..at]).args(&arguments[at + 2..]);
                other.envs(self.environment.iter().cloned());
                other
            }
        }
    }

    pub fn read(&self, key: &str) -> Vec<u8> {
        match &self.store {
            Store::Directory(bucket) => std::fs::read(bucket.join(key)).unwrap(),
            Store::S3(server) => request(server, "GET", key, &[]),
        }
    }

    pub fn write(&self, key: &str, bytes: &[u8]) {
        match &self.store {
            Store::Directory(bucket) => std::fs::write(bucket.join(key), bytes).unwrap(),
            Store::S3(server) => drop(request(server, "PUT", key, bytes)),
        }
    }

    pub fn remove(&self, key: &str) {
        match &self.store {
            Store::Directory(bucket) => std::fs::remove_file(bucket.join(key)).unwrap(),
            Store::S3(server) => drop(request(server, "DELETE", key, &[])),
        }
    }

    /// What a check says while an object has other bytes, or none. Then it has its own again.
    pub fn damaged(&self, key: &str, change: impl FnOnce(&mut Vec<u8>) -> bool) -> Checked {
        let right = self.read(key);
        let mut bytes = right.clone();
        if change(&mut bytes) {
            self.write(key, &bytes);
        } else {
            self.remove(key);
        }
        let checked = self.check(&[]);
        self.write(key, &right);
        checked
    }
}

impl Running {
    pub fn produce(&self, topic: &str, lines: std::ops::Range<u32>) {
        produce(&self.kafka, topic, lines);
    }

    pub fn stop(mut self) {
        self.process.signal("TERM");
        assert_eq!(
            self.process.wait().code(),
            Some(0),
            "{}",
            self.process.rest_of_err()
        );
    }
}

/// Writes lines to a topic.
pub fn produce(kafka: &str, topic: &str, lines: std::ops::Range<u32>) {
    let input: String = lines.map(|line| format!("{line}:record {line}\n")).collect();
    run_command(
        esker(&["produce", topic, "-q", "-K", ":", "-b", kafka]),
        input.as_bytes(),
    )
    .ok();
}

/// One request to the S3 server, past all conditions; the body of its answer.
fn request(server: &Server, method: &str, key: &str, body: &[u8]) -> Vec<u8> {
    let endpoint = server.endpoint();
    let host = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!(
        "{method} /esker/data/{key} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 20"),
        "{}",
        String::from_utf8_lossy(&answer[..end])
    );
    answer.split_off(end + 4)
}

impl Checked {
    pub fn is_right(&self) {
        assert_eq!(self.code, 0, "{:#}{}", self.document, self.err);
        assert_eq!(self.document["ok"], true);
        assert_eq!(self.document["findings"], Value::Array(Vec::new()));
    }

    /// It failed; each finding as kind, topic, partition and key.
    pub fn found(&self) -> Vec<(String, String, i64, String)> {
        assert_eq!(self.code, 1, "{:#}{}", self.document, self.err);
        assert_eq!(self.document["ok"], false);
        let findings = self.document["findings"].as_array().unwrap();
        let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or("-").to_owned();
        findings
            .iter()
            .map(|one| {
                let partition = one["partition"].as_i64().unwrap();
                (text(one, "kind"), text(one, "topic"), partition, text(one, "key"))
            })
            .collect()
    }
}
