//! One agent with an S3 server of its own, on a database of its own.

use std::path::Path;

use esker_harness::agents::Agent;
use esker_harness::proc;
use esker_harness::s3_server::S3Server;
use serde_json::{Value, json};

use super::{Broker, Database, Usage};
use crate::parts::Parts;
use crate::results::machine::memory_available;

/// The S3 server keeps objects in memory; this share of what is free when it starts, at most.
const STORE_SHARE: f64 = 0.6;

/// How an agent is set up; the default is what a user gets, with a PUT of 20 ms.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Latency that the S3 server adds to a PUT.
    pub put_ms: u64,
    pub flush_interval_ms: Option<u64>,
    /// Further arguments of `esker agent`.
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            put_ms: 20,
            flush_interval_ms: None,
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }
}

/// A running agent and its stores. Ends with it.
pub(crate) struct Esker {
    // The agent goes before what it stands on.
    pub agent: Agent,
    pub store: S3Server,
    postgres_pid: u32,
}

impl Esker {
    /// Starts an S3 server, migrates the database, starts the agent and waits until it is ready.
    pub(super) fn start(
        parts: &Parts,
        dir: &Path,
        database: &Database,
        number: u32,
        settings: &Settings,
    ) -> Result<Self, String> {
        let dir = dir.join(format!("esker-{number}"));
        std::fs::create_dir_all(&dir).map_err(|err| format!("cannot make {}: {err}", dir.display()))?;
        let kept = (memory_available() as f64 * STORE_SHARE) as u64;
        let store = S3Server::start(&dir, &["--memory-bytes-max", &kept.to_string()]);
        if settings.put_ms > 0 {
            store.add_faults(&json!({"op": "put", "kind": "latency", "ms": settings.put_ms}));
        }
        parts.esker(&["migrate", "--metastore-url", &database.url])?;
        let bucket = store.url();
        let mut arguments: Vec<String> = ["agent", "--metastore-url", &database.url, "--bucket-url", &bucket]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(["--node-name".to_owned(), "bench".to_owned()]);
        if let Some(interval) = settings.flush_interval_ms {
            arguments.extend(["--flush-interval-ms".to_owned(), interval.to_string()]);
        }
        arguments.extend(settings.arguments.iter().cloned());
        let mut environment = store.environment();
        environment.extend(settings.environment.iter().cloned());
        let mut agent = Agent::new("agent", arguments, environment, &dir);
        agent.start();
        Ok(Self {
            agent,
            store,
            postgres_pid: database.postgres_pid,
        })
    }
}

impl Broker for Esker {
    fn bootstrap(&self) -> String {
        self.agent.bootstrap()
    }

    fn pid(&self) -> u32 {
        self.agent.process().pid()
    }

    fn usage(&self) -> Usage {
        let cpu = |pid| proc::cpu(pid).map_or(0.0, |cpu| cpu.own_s);
        let counts = self.store.counts();
        let metric = |name: &str, labels: &str| self.agent.metric(name, labels);
        Usage {
            broker_cpu_s: cpu(self.pid()),
            postgres_cpu_s: proc::cpu_seconds_of_family(self.postgres_pid),
            store_cpu_s: cpu(self.store.process().pid()),
            requests: sum(&counts["requests"]),
            puts: sum(&counts["requests"]["put"]),
            store_bytes: sum(&counts["bytes_in"]) + sum(&counts["bytes_out"]),
            commits: metric("esker_commit_seconds_count", ""),
            commit_s: metric("esker_commit_seconds_sum", ""),
            stored: metric("esker_store_seconds_count", "put"),
            stored_s: metric("esker_store_seconds_sum", "put"),
            fetched_bytes: metric("esker_fetch_bytes_total", ""),
            fetched_memory_bytes: metric("esker_fetch_bytes_total", "source=\"memory\""),
        }
    }
}

/// Every number in there.
fn sum(counts: &Value) -> f64 {
    match counts {
        Value::Object(entries) => entries.values().map(sum).sum(),
        number => number.as_f64().unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_summed_over_kinds_and_outcomes() {
        let counts = json!({"put": {"200": 120, "503": 4}, "get": {"206": 9}});
        assert!((sum(&counts) - 133.0).abs() < 1e-9);
        assert!((sum(&counts["put"]) - 124.0).abs() < 1e-9);
        assert!(sum(&counts["list"]).abs() < 1e-9);
    }
}
