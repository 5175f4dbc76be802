//! Reading histories, and what it takes.

use std::collections::BTreeMap;

use super::data::{History, READ};
use crate::client::{Client, ConsumeSpec, Outcome, Spec};
use crate::load::{GIB, MB, consumer};
use crate::system::{Requests, end};

/// What an agent asks for whether it is read from or not; and heads, for consumers that wait at the end of a log.
const UNASKED: [&str; 5] = ["heartbeat", "catalog", "cluster", "past", "heads"];

/// What reading took.
pub(super) struct Reading {
    pub bytes: f64,
    pub seconds: f64,
    pub requests: Requests,
    /// Statements of the agent, by the method that sent them.
    pub statements: BTreeMap<String, f64>,
}

impl Reading {
    pub(super) fn mb_per_s(&self) -> f64 {
        self.bytes / MB / self.seconds
    }

    /// GETs of records and of manifests.
    pub(super) fn gets(&self) -> f64 {
        let folders = ["ingest", "archive", "merged", "manifest"];
        folders.iter().map(|folder| self.requests.of("get", folder)).sum()
    }

    pub(super) fn gets_per_gib(&self) -> f64 {
        self.gets() / (self.bytes / GIB)
    }

    /// Statements of a method.
    pub(super) fn statements(&self, method: &str) -> f64 {
        self.statements.get(method).copied().unwrap_or(0.0)
    }

    /// Statements, but for those that an agent sends without readers, too, or for readers that wait.
    pub(super) fn asked(&self) -> f64 {
        let asked = self
            .statements
            .iter()
            .filter(|(method, _)| !UNASKED.contains(&method.as_str()));
        asked.map(|(_, count)| count).sum()
    }
}

impl History {
    /// One partition after the other, each by a consumer of its own.
    pub(super) fn one_by_one(&self) -> Result<Reading, String> {
        self.read(|history| {
            let (mut bytes, mut seconds) = (0.0, 0.0);
            for partition in 0..history.partitions {
                let outcome = history.together(1, partition, 1)?.remove(0);
                bytes += outcome.bytes as f64;
                seconds += outcome.seconds;
            }
            Ok((bytes, seconds))
        })
    }

    /// All partitions at once, by so many consumers, each of all of them.
    pub(super) fn all_at_once(&self, consumers: usize) -> Result<Reading, String> {
        self.read(|history| {
            let outcomes = history.together(consumers, 0, history.partitions)?;
            let bytes = outcomes.iter().map(|outcome| outcome.bytes as f64).sum();
            let last = outcomes.iter().map(|outcome| outcome.seconds).fold(0.0, f64::max);
            Ok((bytes, last))
        })
    }

    /// Consumers that begin together and read some partitions to their end.
    fn together(&self, consumers: usize, first: i32, partitions: i32) -> Result<Vec<Outcome>, String> {
        let spec = ConsumeSpec {
            first_partition: first,
            records_max: Some(self.records_per_partition * u64::from(partitions.unsigned_abs())),
            ..consumer(&self.esker, READ, partitions)
        };
        let started = (0..consumers).map(|_| Client::start(&Spec::Consume(spec.clone())));
        let mut clients = started.collect::<Result<Vec<_>, _>>()?;
        for client in &mut clients {
            client.measure()?;
        }
        let outcomes = clients
            .into_iter()
            .map(Client::finish)
            .collect::<Result<Vec<_>, _>>()?;
        match outcomes.iter().find_map(|outcome| outcome.first_error.as_ref()) {
            Some(error) => Err(format!("reading a history failed: {error}")),
            None => Ok(outcomes),
        }
    }

    fn read(&self, read: impl FnOnce(&Self) -> Result<(f64, f64), String>) -> Result<Reading, String> {
        let (before, statements) = (self.esker.requests(), self.statements());
        let (bytes, seconds) = read(self)?;
        let mut more = self.statements();
        for (method, count) in &mut more {
            *count -= statements.get(method).copied().unwrap_or(0.0);
        }
        Ok(Reading {
            bytes,
            seconds,
            requests: self.esker.requests().since(&before),
            statements: more,
        })
    }

    fn statements(&self) -> BTreeMap<String, f64> {
        let page = self.esker.agent.get("/metrics").map(|(_, page)| page);
        let counters = page.iter().flat_map(|page| page.lines()).filter_map(|line| {
            let of_method = line.strip_prefix("esker_metastore_statements_total{statement=\"")?;
            let (method, count) = of_method.split_once("\"} ")?;
            Some((method.to_owned(), count.parse().ok()?))
        });
        counters.collect()
    }

    /// Ends the agent before its stores go.
    pub(super) fn end(mut self) -> Result<(), String> {
        end(&mut self.esker.agent)
    }
}
