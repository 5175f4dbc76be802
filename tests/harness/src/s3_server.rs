//! The project's own S3 server, which fails on command (`tests/s3-server` has its README).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::dirs::program;
use crate::process::Process;
use crate::wait_until;

/// The bucket that exists from the start.
pub const BUCKET: &str = "esker";

/// A running server, with one empty bucket unless its `--data` held something.
pub struct S3Server {
    process: Process,
    s3: String,
    control: String,
}

impl S3Server {
    /// Starts one that keeps objects in memory; `arguments` are further options of the program.
    pub fn start(dir: &Path, arguments: &[&str]) -> Self {
        let log = dir.join("s3-server.log");
        let before = std::fs::read_to_string(&log).map_or(0, |log| log.len());
        let mut command = Command::new(program("esker-s3-server"));
        command.args(["--bucket", BUCKET]).args(arguments);
        let process = Process::start("esker-s3-server", command, &log);
        let mut ready = None;
        // The log may be that of an earlier server, too.
        wait_until(Duration::from_secs(10), || {
            let log = process.log();
            let lines = log.get(before..).unwrap_or("").lines();
            ready = lines
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .next();
            ready.is_some()
        });
        let ready = ready.unwrap_or_else(|| panic!("esker-s3-server did not start: {}", process.log()));
        let address = |name: &str| ready[name].as_str().expect("an address").to_owned();
        Self {
            s3: address("s3"),
            control: address("control"),
            process,
        }
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    pub fn process_mut(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Where S3 clients connect.
    pub fn endpoint(&self) -> &str {
        &self.s3
    }

    pub fn control_endpoint(&self) -> &str {
        &self.control
    }

    pub fn url(&self) -> String {
        format!("s3://{BUCKET}/data")
    }

    /// What an agent needs in its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.s3.as_str()),
            ("AWS_ACCESS_KEY_ID", "esker-test"),
            ("AWS_SECRET_ACCESS_KEY", "esker-test-password"),
            ("AWS_REGION", "us-east-1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Adds a fault rule, or a list of them; returns their ids.
    pub fn add_faults(&self, rules: &Value) -> Vec<u64> {
        let answer = self.control("POST", "/faults", &rules.to_string());
        let ids = answer["ids"].as_array().expect("ids");
        ids.iter().filter_map(Value::as_u64).collect()
    }

    pub fn clear_faults(&self) {
        self.control("DELETE", "/faults", "");
    }

    /// Requests, bytes, faults and objects, as the README describes them.
    pub fn counts(&self) -> Value {
        self.control("GET", "/counts", "")
    }

    /// Sets the counts to 0; returns what they were.
    pub fn reset_counts(&self) -> Value {
        self.control("POST", "/counts/reset", "")
    }

    /// Keys and sizes of the objects whose keys start with `prefix` (of letters, digits and `/-_.`).
    pub fn objects(&self, prefix: &str) -> Vec<(String, u64)> {
        let listed = self.control("GET", &format!("/objects?bucket={BUCKET}&prefix={prefix}"), "");
        let objects = listed.as_array().expect("a list");
        objects
            .iter()
            .map(|object| {
                let key = object["key"].as_str().expect("a key").to_owned();
                (key, object["bytes"].as_u64().expect("a size"))
            })
            .collect()
    }

    /// Any request to the control listener; fails the test unless the answer is 200.
    pub fn control(&self, method: &str, path: &str, body: &str) -> Value {
        let host = self.control.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("the control listener");
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
        serde_json::from_str(body).unwrap_or_else(|err| panic!("{method} {path}: {err}: {answer}"))
    }
}
