//! The real parts of a run: brokers, what they stand on, and what is read of them while they work.

mod esker;
mod kafka;
mod requests;
mod sql;
mod topics;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use esker_harness::postgres::Postgres;
use esker_harness::stop::Stop;

pub(crate) use esker::{Esker, Settings, end};
pub(crate) use kafka::Kafka;
pub(crate) use requests::Requests;
pub(crate) use sql::Sql;
pub(crate) use topics::{create_topic, delete_topic};

use crate::parts::Parts;

/// What a broker used up to a moment, or between two.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// CPU seconds of the broker's own process.
    pub broker_cpu_s: f64,
    pub postgres_cpu_s: f64,
    pub store_cpu_s: f64,
    /// Requests that the S3 server got, and PUTs among them.
    pub requests: f64,
    pub puts: f64,
    /// Bytes that it took and gave.
    pub store_bytes: f64,
    /// Commit calls, and the seconds that they took.
    pub commits: f64,
    pub commit_s: f64,
    /// PUTs that the agent finished, and the seconds that they took.
    pub stored: f64,
    pub stored_s: f64,
    /// Bytes of batches sent to consumers, and those that came from memory.
    pub fetched_bytes: f64,
    pub fetched_memory_bytes: f64,
    /// Statements that the agent sent to its metastore.
    pub statements: f64,
}

impl Usage {
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            broker_cpu_s: self.broker_cpu_s - before.broker_cpu_s,
            postgres_cpu_s: self.postgres_cpu_s - before.postgres_cpu_s,
            store_cpu_s: self.store_cpu_s - before.store_cpu_s,
            requests: self.requests - before.requests,
            puts: self.puts - before.puts,
            store_bytes: self.store_bytes - before.store_bytes,
            commits: self.commits - before.commits,
            commit_s: self.commit_s - before.commit_s,
            stored: self.stored - before.stored,
            stored_s: self.stored_s - before.stored_s,
            fetched_bytes: self.fetched_bytes - before.fetched_bytes,
            fetched_memory_bytes: self.fetched_memory_bytes - before.fetched_memory_bytes,
            statements: self.statements - before.statements,
        }
    }

    /// Mean time of a PUT as the agent saw it; no number without one.
    pub(crate) fn put_mean_s(&self) -> f64 {
        self.stored_s / self.stored
    }

    pub(crate) fn commit_mean_s(&self) -> f64 {
        self.commit_s / self.commits
    }
}

/// A broker under load.
pub(crate) trait Broker {
    /// Where clients connect.
    fn bootstrap(&self) -> String;
    fn pid(&self) -> u32;
    fn usage(&self) -> Usage;

    /// Transactions that its Postgres committed so far, by whomever: asking is one of them. `None` without a Postgres.
    fn transactions(&self) -> Result<Option<f64>, String> {
        Ok(None)
    }
}

/// Everything that figures share. Starts parts when they are first needed, and ends them with itself.
pub(crate) struct Bench {
    // Brokers go before what they stand on.
    kafka: Option<Rc<Kafka>>,
    postgres: Option<Postgres>,
    pub parts: Parts,
    /// For data and logs.
    pub dir: PathBuf,
    pub stop: Arc<Stop>,
    pub repetitions: u32,
    pub quick: bool,
    systems: u32,
}

impl Bench {
    pub(crate) fn new(parts: Parts, dir: PathBuf, stop: Arc<Stop>, repetitions: u32, quick: bool) -> Self {
        Self {
            kafka: None,
            postgres: None,
            parts,
            dir,
            stop,
            repetitions,
            quick,
            systems: 0,
        }
    }

    /// An Esker with an empty bucket and an empty database; the Postgres server is one for the whole run.
    pub(crate) fn esker(&mut self, settings: &Settings) -> Result<Esker, String> {
        let database = self.database()?;
        Esker::start(&self.parts, &self.dir, &database, self.systems, settings)
    }

    /// The URL of an empty database of the run's Postgres, which syncs to disk.
    pub(crate) fn database(&mut self) -> Result<Database, String> {
        if self.postgres.is_none() {
            self.postgres = Postgres::start(&self.dir);
        }
        let name = format!("bench_{}", self.number());
        let postgres = self
            .postgres
            .as_ref()
            .ok_or("there is no Postgres here: run scripts/setup")?;
        postgres.query(&format!("CREATE DATABASE {name}"));
        let url = postgres.url();
        let server = url.rsplit_once('/').map_or(url.as_str(), |(server, _)| server);
        Ok(Database {
            url: format!("{server}/{name}"),
            postgres_pid: postgres.process().map_or(0, |process| process.pid()),
        })
    }

    /// Whether there is an Apache Kafka to compare with.
    pub(crate) fn has_kafka(&self) -> bool {
        self.parts.kafka.is_some()
    }

    /// The Apache Kafka of this run, warm; `None` where the run goes without.
    pub(crate) fn kafka(&mut self) -> Result<Option<Rc<Kafka>>, String> {
        let Some(jars) = self.parts.kafka.clone() else {
            return Ok(None);
        };
        if self.kafka.is_none() {
            let kafka = Kafka::start(&jars, &self.dir)?;
            crate::load::warm_up(self, &kafka)?;
            self.kafka = Some(Rc::new(kafka));
        }
        Ok(self.kafka.clone())
    }

    /// Waits; an error if the run is to end.
    pub(crate) fn wait(&self, limit: Duration) -> Result<(), String> {
        match self.stop.wait(limit) {
            true => Err("interrupted".to_owned()),
            false => Ok(()),
        }
    }

    /// A number for something that has to have a name of its own.
    pub(crate) fn number(&mut self) -> u32 {
        self.systems += 1;
        self.systems
    }
}

/// A database for one system.
#[derive(Clone)]
pub(crate) struct Database {
    pub url: String,
    pub postgres_pid: u32,
}
