//! Commits on stores outside of this process's memory: SQLite in a file, which syncs every commit and has a thread
//! of its own; and a throwaway Postgres, which does not sync to disk. The same requests as in `commit`.
//!
//! With three writers, all write to the same partitions, and a run ends when the last of them has its reply.

use std::sync::Arc;

use esker_harness::throwaway_postgres;
use esker_metastore::benching::appended;
use esker_metastore::postgres::{PostgresConfig, PostgresMetastore, migrate};
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{CommitReply, CommitRequest, Metastore, MetastoreMetrics};
use esker_model::seams::Seams;
use futures::future::join_all;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::commit::{self, Writer, set_up};
use crate::{Stage, Work, agent};

struct Commit {
    writers: Vec<Writer>,
    requests: Vec<CommitRequest>,
    replies: Vec<CommitReply>,
    runtime: Runtime,
    /// Dropped after the stores in it.
    _directory: Option<TempDir>,
}

pub(super) fn sqlite_file(extents: usize) -> Box<dyn Stage> {
    let runtime = agent::runtime();
    // Not in /tmp: that may be memory.
    let base = esker_harness::dirs::build_directory();
    let directory = tempfile::tempdir_in(base).unwrap();
    let writer = runtime.block_on(async {
        let clock = Seams::real().clock;
        let path = directory.path().join("esker.db");
        let store = SqliteMetastore::open(&path, clock, MetastoreMetrics::default()).unwrap();
        let store: Arc<dyn Metastore> = Arc::new(store);
        let topic = set_up(&*store).await;
        Writer::new(store, topic, 0, extents).await
    });
    commit(runtime, vec![writer], Some(directory))
}

pub(super) fn postgres(writers: usize, extents: usize) -> Box<dyn Stage> {
    let url = throwaway_postgres::start_or_reuse().expect("Postgres is there");
    let runtime = agent::runtime();
    let writers = runtime.block_on(async {
        migrate(&url).await.unwrap();
        let mut all = Vec::new();
        let mut topic = None;
        for number in 0..writers {
            let store = PostgresMetastore::connect(PostgresConfig::new(&url))
                .await
                .unwrap();
            let store: Arc<dyn Metastore> = Arc::new(store);
            let topic = match topic {
                Some(topic) => topic,
                None => *topic.insert(set_up(&*store).await),
            };
            all.push(Writer::new(store, topic, number, extents).await);
        }
        all
    });
    commit(runtime, writers, None)
}

fn commit(runtime: Runtime, writers: Vec<Writer>, directory: Option<TempDir>) -> Box<dyn Stage> {
    Box::new(Commit {
        writers,
        requests: Vec::new(),
        replies: Vec::new(),
        runtime,
        _directory: directory,
    })
}

impl Stage for Commit {
    fn work(&self) -> Work {
        commit::work(self.writers.len(), self.writers[0].commits.extents)
    }

    fn prepare(&mut self) {
        self.replies = Vec::new();
        self.requests = self
            .writers
            .iter_mut()
            .map(|writer| writer.commits.request())
            .collect();
    }

    fn run(&mut self) -> u64 {
        let requests = self.requests.drain(..);
        let commits = self.writers.iter().zip(requests);
        let commits = commits.map(|(writer, request)| writer.store.commit(request));
        let replies = self.runtime.block_on(join_all(commits));
        self.replies = replies
            .into_iter()
            .map(|reply| reply.expect("a commit"))
            .collect();
        self.replies.iter().map(|reply| appended(reply) as u64).sum()
    }
}
