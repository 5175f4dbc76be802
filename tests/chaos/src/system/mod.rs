//! The real parts of a run: three agents, Postgres, an S3 server.

mod agent;
mod claims;
mod database;
mod journal;
mod store;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use agent::{Agent, READY_LIMIT, Settings};
pub(crate) use claims::Claims;
pub(crate) use database::Database;
pub(crate) use journal::{Journal, Notes, Recovery};
pub(crate) use store::Store;

use crate::clock::Clock;
use crate::parts::Parts;
use esker_harness::stop::Stop;

/// How many agents there are.
pub(crate) const AGENTS: usize = 3;
/// The topics, with their partitions and configs: the two that are checked, which keep records that were old when they
/// were sent, and one for loads, which does not.
pub(crate) const TOPICS: [Topic; 3] = [
    Topic {
        name: "chaos",
        partitions: 12,
        configs: &["retention.ms=-1"],
    },
    Topic {
        name: "chaos-append-time",
        partitions: 4,
        configs: &["message.timestamp.type=LogAppendTime", "retention.ms=-1"],
    },
    Topic {
        name: LOAD_TOPIC,
        partitions: 1,
        configs: &["retention.ms=60000"],
    },
];
/// What loads write to; nobody reads it.
pub(crate) const LOAD_TOPIC: &str = "chaos-load";

/// How often the agents are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Every so many looks their memory budgets are looked at too.
const MEMORY_EVERY: u32 = 10;

/// A topic of the run.
pub(crate) struct Topic {
    pub name: &'static str,
    pub partitions: u32,
    pub configs: &'static [&'static str],
}

/// Everything that faults are done to. Agents go before what they stand on.
pub(crate) struct System {
    pub agents: Vec<Agent>,
    pub postgres: Database,
    pub store: Store,
    pub journal: Arc<Journal>,
    pub claims: Claims,
    pub clock: Clock,
}

impl System {
    /// Starts all of it and creates the topics.
    pub(crate) fn start(
        parts: &Parts,
        dir: &Path,
        seed: u64,
        memory_bytes: u64,
        clock: Clock,
    ) -> Result<Self, String> {
        let journal = Arc::new(Journal::new(clock));
        let store = match &parts.s3_server {
            Some(program) => Store::ours(program.clone(), dir, seed)?,
            None => Store::minio(dir).ok_or("there is no MinIO here: run scripts/setup")?,
        };
        let postgres = Database::start(parts.postgres.clone(), dir)
            .ok_or("there is no Postgres here: run scripts/setup")?;
        esker(&parts.esker, &["migrate", "--metastore-url", postgres.url()])?;
        let settings = Arc::new(Settings {
            program: parts.esker.clone(),
            metastore_url: postgres.url().to_owned(),
            bucket_url: store.bucket_url(),
            environment: store.environment(),
            memory_bytes,
        });
        let agents: Vec<Agent> = (1..=AGENTS)
            .map(|number| Agent::new(number, dir, Arc::clone(&settings), Arc::clone(&journal), clock))
            .collect();
        let system = Self {
            agents,
            postgres,
            store,
            journal,
            claims: Claims::new(AGENTS),
            clock,
        };
        system.start_agents(&parts.esker)?;
        Ok(system)
    }

    fn start_agents(&self, program: &PathBuf) -> Result<(), String> {
        let never = Stop::default();
        for agent in &self.agents {
            agent.launch();
            if !agent.wait_ready("started first", READY_LIMIT, &never) {
                return Err(format!("{} did not get ready: see its log", agent.name));
            }
        }
        for topic in &TOPICS {
            let partitions = topic.partitions.to_string();
            let mut arguments = vec!["topic", "create", topic.name, "--partitions", &partitions];
            arguments.extend(topic.configs.iter().flat_map(|config| ["--config", *config]));
            let bootstrap = self.bootstrap();
            arguments.extend(["--bootstrap-server", &bootstrap]);
            esker(program, &arguments)?;
        }
        Ok(())
    }

    /// All agents, for a client's bootstrap list.
    pub(crate) fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self.agents.iter().map(|agent| agent.kafka.to_string()).collect();
        addresses.join(",")
    }

    /// Puts everything back to work, after the last fault has ended; says so where that fails.
    pub(crate) fn heal(&self, stop: &Stop) {
        if !self.store.clear_rules() {
            self.journal
                .problem("the S3 server does not answer on its control address");
        }
        for agent in &self.agents {
            agent.launch();
        }
        for agent in &self.agents {
            if !agent.wait_ready("at the end", READY_LIMIT, stop) && !stop.is_set() {
                self.journal.problem(format!(
                    "{} is not ready {} s after the last fault",
                    agent.name,
                    READY_LIMIT.as_secs()
                ));
            }
        }
        self.journal.healed();
    }

    /// Looks after the agents until `stop`: what ended by itself is a problem, and started again.
    pub(crate) fn look_after(&self, stop: &Stop) {
        let mut looks = 0u32;
        while !stop.wait(LOOK_EVERY) {
            for agent in &self.agents {
                if let Some(pid) = agent.pid() {
                    self.journal
                        .resident(&agent.name, crate::proc::resident_bytes(pid).1);
                }
                if let Some(how) = agent.ended_by_itself() {
                    self.journal.problem(how);
                    agent.launch();
                }
            }
            looks += 1;
            if looks.is_multiple_of(MEMORY_EVERY) {
                self.look_at_memory(false);
            }
        }
    }

    /// Notes what the agents' memory budgets hold. `idle`: nobody wants anything from them any more.
    pub(crate) fn look_at_memory(&self, idle: bool) {
        for agent in &self.agents {
            let (Some(life), Some(mut memory)) = (agent.life(), agent.memory()) else {
                continue;
            };
            // Recent segments may stay in the share of the producers: without knowing them, nothing follows.
            if idle && !memory.iter().any(|share| share.r#use == "recent") {
                memory.retain(|share| share.r#use != "produce");
            }
            self.journal.memory_used(life, idle, memory);
        }
    }
}

fn esker(program: &PathBuf, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|err| format!("{} did not start: {err}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("esker {} failed: {}", arguments.join(" "), said.trim()))
}
