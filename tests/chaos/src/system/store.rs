//! The S3 server: ours, which fails on command, or MinIO, which can only be paused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use esker_harness::minio::Minio;
use esker_harness::process::Process;
use esker_harness::{free_port, wait_until};
use serde_json::Value;

use crate::http;

const BUCKET: &str = "esker";
const START_LIMIT: Duration = Duration::from_secs(30);

/// Longer than any pause of the server: a rule that was given up on would be taken when the server goes on, and
/// nobody would end it.
const RULE_PATIENCE: Duration = Duration::from_secs(20);

/// A running S3 server with one bucket.
pub(crate) enum Store {
    Ours(Ours),
    Minio(Minio),
}

/// The server that takes rules.
pub(crate) struct Ours {
    process: Process,
    s3: String,
    control: SocketAddr,
}

impl Store {
    /// Starts our own, with its data under `dir`.
    pub(crate) fn ours(program: PathBuf, dir: &Path, seed: u64) -> Result<Self, String> {
        let mut command = Command::new(program);
        command
            .args(["--bucket", BUCKET, "--seed", &seed.to_string(), "--data"])
            .arg(dir.join("s3"))
            .args(["--listen", &format!("127.0.0.1:{}", free_port())])
            .args(["--control", &format!("127.0.0.1:{}", free_port())]);
        let mut process = Process::start("s3-server", command, &dir.join("s3-server.log"));
        let mut ready = None;
        wait_until(START_LIMIT, || {
            let log = process.log();
            ready = log
                .lines()
                .find_map(|line| serde_json::from_str::<Value>(line).ok().filter(Value::is_object));
            ready.is_some() || !process.is_running()
        });
        let address = |ready: &Value, name: &str| ready[name].as_str().map(str::to_owned);
        let (s3, control) = ready
            .as_ref()
            .and_then(|ready| Some((address(ready, "s3")?, address(ready, "control")?)))
            .ok_or_else(|| format!("the S3 server did not start: {}", process.log()))?;
        let control = control
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .parse()
            .map_err(|err| format!("the S3 server's control address is {control}: {err}"))?;
        Ok(Self::Ours(Ours { process, s3, control }))
    }

    /// Starts MinIO, with its data under `dir`.
    pub(crate) fn minio(dir: &Path) -> Option<Self> {
        Minio::start(dir).map(Self::Minio)
    }

    pub(crate) fn bucket_url(&self) -> String {
        match self {
            Self::Ours(_) => format!("s3://{BUCKET}/data"),
            Self::Minio(minio) => minio.url(),
        }
    }

    /// What an agent needs in its environment.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        match self {
            Self::Minio(minio) => minio.environment(),
            Self::Ours(ours) => [
                ("AWS_ENDPOINT_URL", ours.s3.as_str()),
                ("AWS_ACCESS_KEY_ID", "chaos"),
                ("AWS_SECRET_ACCESS_KEY", "chaos-secret"),
                ("AWS_REGION", "us-east-1"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Ours(ours) => ours.process.pid(),
            Self::Minio(minio) => minio.process().pid(),
        }
    }

    /// Adds a rule; returns its id. `None` if this server takes no rules or did not answer.
    pub(crate) fn add_rule(&self, rule: &Value) -> Option<u64> {
        let Self::Ours(ours) = self else { return None };
        let (status, body) =
            http::ask_within(RULE_PATIENCE, ours.control, "POST", "/faults", &rule.to_string())?;
        if status != 200 {
            eprintln!("the S3 server refuses the rule {rule}: {body}");
            return None;
        }
        serde_json::from_str::<Value>(&body).ok()?["ids"][0].as_u64()
    }

    /// Removes a rule; returns how often it acted. `None` without an answer.
    pub(crate) fn end_rule(&self, id: u64) -> Option<u64> {
        let Self::Ours(ours) = self else { return None };
        let rules: Vec<Value> = serde_json::from_str(&http::get(ours.control, "/faults")?).ok()?;
        let rule = rules.iter().find(|rule| rule["id"].as_u64() == Some(id));
        http::ask(ours.control, "DELETE", &format!("/faults/{id}"), "")?;
        Some(rule.map_or(0, |rule| rule["done"].as_u64().unwrap_or(0)))
    }

    /// Removes all rules; says whether the server answered.
    pub(crate) fn clear_rules(&self) -> bool {
        let Self::Ours(ours) = self else { return true };
        http::ask(ours.control, "DELETE", "/faults", "").is_some_and(|(status, _)| status == 200)
    }

    /// What it counted: requests, faults, objects.
    pub(crate) fn counts(&self) -> Value {
        let Self::Ours(ours) = self else {
            return Value::Null;
        };
        let counts = http::get(ours.control, "/counts").unwrap_or_default();
        serde_json::from_str(&counts).unwrap_or(Value::Null)
    }
}
