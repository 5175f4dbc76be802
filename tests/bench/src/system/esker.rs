//! One agent with an S3 server of its own, on a database of its own; and others beside it where a figure needs them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use esker_harness::agents::Agent;
use esker_harness::proc;
use esker_harness::s3_server::S3Server;
use serde_json::{Value, json};

use super::requests::Requests;
use super::sql::Sql;
use super::{Broker, Database, Usage};
use crate::parts::Parts;
use crate::results::machine::memory_available;

/// The S3 server keeps objects in memory; this share of what is free when it starts, at most.
const STORE_SHARE: f64 = 0.6;
/// How long an agent may take to end in good order.
const END_LIMIT: Duration = Duration::from_secs(40);

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

impl Settings {
    /// The default with further arguments of `esker agent`.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self {
            arguments: owned(arguments),
            ..Self::default()
        }
    }
}

/// A running agent and its stores. Ends with it.
pub(crate) struct Esker {
    // The agent goes before what it stands on.
    pub agent: Agent,
    pub store: S3Server,
    database: Database,
    /// For logs.
    dir: PathBuf,
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
        Requests::watch(&store);
        if settings.put_ms > 0 {
            store.add_faults(&json!({"op": "put", "kind": "latency", "ms": settings.put_ms}));
        }
        parts.esker(&["migrate", "--metastore-url", &database.url])?;
        let mut arguments = Vec::new();
        if let Some(interval) = settings.flush_interval_ms {
            arguments.extend(["--flush-interval-ms".to_owned(), interval.to_string()]);
        }
        arguments.extend(settings.arguments.iter().cloned());
        let agent = agent("bench", &store, database, &dir, arguments, &settings.environment);
        Ok(Self {
            agent,
            store,
            database: database.clone(),
            dir,
        })
    }

    /// A further agent on the same stores, with these arguments. Ends with its handle.
    pub(crate) fn beside(&self, name: &str, arguments: &[&str]) -> Agent {
        agent(
            name,
            &self.store,
            &self.database,
            &self.dir,
            owned(arguments),
            &[],
        )
    }

    /// Ends the agent in good order and starts another one in its place, with these arguments beside the defaults:
    /// what was in memory is gone.
    pub(crate) fn start_again(&mut self, arguments: &[&str]) -> Result<(), String> {
        end(&mut self.agent)?;
        self.agent = self.beside("bench", arguments);
        Ok(())
    }

    /// A connection to its database.
    pub(crate) fn sql(&self) -> Result<Sql, String> {
        Sql::connect(&self.database.url)
    }

    /// S3 requests so far, by what they are for.
    pub(crate) fn requests(&self) -> Requests {
        Requests::read(&self.store)
    }

    /// From now on the S3 server adds so much to each GET.
    pub(crate) fn slow_gets(&self, ms: u64) {
        self.store
            .add_faults(&json!({"op": "get", "kind": "latency", "ms": ms}));
    }

    /// CPU seconds of Postgres so far.
    pub(crate) fn postgres_cpu_s(&self) -> f64 {
        proc::cpu_seconds_of_family(self.database.postgres_pid)
    }
}

/// Starts an agent and waits until it is ready.
fn agent(
    name: &str,
    store: &S3Server,
    database: &Database,
    dir: &Path,
    settings: Vec<String>,
    environment: &[(String, String)],
) -> Agent {
    let bucket = store.url();
    let mut arguments = owned(&["agent", "--metastore-url", &database.url, "--bucket-url", &bucket]);
    arguments.extend(owned(&["--node-name", name]));
    arguments.extend(settings);
    let mut all = store.environment();
    all.extend(environment.iter().cloned());
    let mut agent = Agent::new(name, arguments, all, dir);
    agent.start();
    agent
}

/// Ends an agent in good order, so that its leases are free at once.
pub(crate) fn end(agent: &mut Agent) -> Result<(), String> {
    match agent.terminate(END_LIMIT) {
        Some(0) => Ok(()),
        Some(code) => Err(format!("the agent {} ended with {code}", agent.name())),
        None => Err(format!("the agent {} did not end", agent.name())),
    }
}

fn owned(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|argument| (*argument).to_owned()).collect()
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
            postgres_cpu_s: self.postgres_cpu_s(),
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
            statements: metric("esker_metastore_statements_total", ""),
        }
    }

    fn transactions(&self) -> Result<Option<f64>, String> {
        let committed = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
        self.sql()?.number(committed).map(Some)
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
