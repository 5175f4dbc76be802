//! One agent: a real process that can be killed, paused, drained and started again under its name.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use esker_harness::free_port;
use esker_harness::process::Process;
use esker_history::event::{Life, Memory};
use serde_json::Value;

use super::journal::Journal;
use crate::clock::Clock;
use crate::http;
use esker_harness::stop::Stop;

/// How long an agent may take until it is ready, on a busy machine, its stores being well.
pub(crate) const READY_LIMIT: Duration = Duration::from_secs(60);
/// Beyond the grace that it has for draining.
const DRAIN_SLACK: Duration = Duration::from_secs(15);
/// What an agent is given to finish what it accepted.
const DRAIN_GRACE: Duration = Duration::from_secs(15);

/// What an agent is started with, beside its own addresses.
pub(crate) struct Settings {
    pub program: PathBuf,
    pub metastore_url: String,
    pub bucket_url: String,
    pub environment: Vec<(String, String)>,
    pub memory_bytes: u64,
}

struct Running {
    process: Process,
    life: Life,
}

/// One agent.
pub(crate) struct Agent {
    pub name: String,
    pub zone: String,
    pub kafka: SocketAddr,
    pub admin: SocketAddr,
    log: PathBuf,
    settings: Arc<Settings>,
    journal: Arc<Journal>,
    clock: Clock,
    running: Mutex<Option<Running>>,
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

impl Agent {
    pub(crate) fn new(
        number: usize,
        dir: &Path,
        settings: Arc<Settings>,
        journal: Arc<Journal>,
        clock: Clock,
    ) -> Self {
        let name = format!("agent-{number}");
        Self {
            zone: format!("zone-{number}"),
            kafka: local(free_port()),
            admin: local(free_port()),
            log: dir.join(format!("{name}.log")),
            name,
            settings,
            journal,
            clock,
            running: Mutex::new(None),
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process id, while there is a process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.running().as_ref().map(|running| running.process.pid())
    }

    /// The present life.
    pub(crate) fn life(&self) -> Option<Life> {
        self.running().as_ref().map(|running| running.life)
    }

    /// Starts it and does not wait.
    pub(crate) fn launch(&self) {
        let mut running = self.running();
        if running.is_none() {
            let life = self.journal.life(&self.name);
            let process = Process::start(&self.name, self.command(), &self.log);
            *running = Some(Running { process, life });
        }
    }

    fn command(&self) -> Command {
        let settings = &self.settings;
        let mut command = Command::new(&settings.program);
        command
            .arg("agent")
            .args(["--metastore-url", &settings.metastore_url])
            .args(["--bucket-url", &settings.bucket_url])
            .args(["--node-name", &self.name, "--zone", &self.zone])
            .args(["--kafka-addr", &self.kafka.to_string()])
            .args(["--advertised-addr", &self.kafka.to_string()])
            .args(["--admin-addr", &self.admin.to_string()])
            .args(["--memory-bytes", &settings.memory_bytes.to_string()])
            // Short, so that a run sees many rounds of archiving and removing.
            .args(["--archive-interval-ms", "10000", "--archive-grace-ms", "20000"])
            .args(["--shutdown-grace-seconds", &DRAIN_GRACE.as_secs().to_string()])
            .envs(settings.environment.iter().cloned());
        command
    }

    /// Waits until it says that it is ready, as far as `stop` and `limit` allow; notes how long it took.
    pub(crate) fn wait_ready(&self, why: &str, limit: Duration, stop: &Stop) -> bool {
        let began = self.clock.elapsed();
        loop {
            if http::get(self.admin, "/readyz").is_some() {
                let took = self.clock.elapsed().saturating_sub(began);
                self.journal.recovered(format!("{} {why}", self.name), took);
                return true;
            }
            let waited = self.clock.elapsed().saturating_sub(began);
            if waited > limit || stop.wait(Duration::from_millis(20)) {
                return false;
            }
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) -> bool {
        let taken = self.running().take();
        let Some(mut running) = taken else {
            return false;
        };
        running.process.kill();
        self.journal.life_ended(running.life);
        true
    }

    /// SIGTERM; whether it ended in good order and in time. Says so if not.
    pub(crate) fn drain(&self) -> bool {
        let taken = self.running().take();
        let Some(mut running) = taken else {
            return false;
        };
        running.process.signal("TERM");
        let ended = running.process.wait(DRAIN_GRACE + DRAIN_SLACK);
        self.journal.life_ended(running.life);
        match ended {
            Some(status) if status.success() => true,
            Some(status) => {
                self.journal
                    .problem(format!("{} was told to end and ended with {status}", self.name));
                true
            }
            None => {
                self.journal.problem(format!(
                    "{} was told to end and still ran {} s later",
                    self.name,
                    (DRAIN_GRACE + DRAIN_SLACK).as_secs()
                ));
                true
            }
        }
    }

    /// If it ended by itself: how, and its last lines. It has no process then.
    pub(crate) fn ended_by_itself(&self) -> Option<String> {
        let mut running = self.running();
        let status = running.as_mut()?.process.wait(Duration::ZERO)?;
        if let Some(running) = running.take() {
            self.journal.life_ended(running.life);
        }
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last = log.lines().last().unwrap_or_default().to_owned();
        Some(format!("{} ended by itself with {status}: {last}", self.name))
    }

    /// Its status page.
    pub(crate) fn status(&self) -> Option<Value> {
        serde_json::from_str(&http::get(self.admin, "/status")?).ok()
    }

    /// Its node id, as clients see it.
    pub(crate) fn node_id(&self) -> Option<i64> {
        self.status()?["node"]["id"].as_i64()
    }

    /// What its memory budgets hold.
    pub(crate) fn memory(&self) -> Option<Vec<Memory>> {
        let status = self.status()?;
        let uses = status["limits"]["memory_bytes"]["uses"].as_object()?;
        let memory = uses.iter().map(|(name, share)| Memory {
            r#use: name.clone(),
            used: share["used"].as_u64().unwrap_or(0),
            max: share["max"].as_u64().unwrap_or(0),
        });
        Some(memory.collect())
    }

    /// Lines of its log that tell of a panic.
    pub(crate) fn panics(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let panics = log.lines().filter(|line| line.contains("panicked at"));
        panics.map(|line| format!("{}: {line}", self.name)).collect()
    }
}
