//! Postgres: crashed, paused, and its connections cut.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use esker_harness::postgres::Postgres;

/// A running Postgres that syncs to disk.
pub(crate) struct Database {
    url: String,
    programs: PathBuf,
    server: Mutex<Postgres>,
}

impl Database {
    /// Initialises and starts one; its log goes to `dir`.
    pub(crate) fn start(programs: PathBuf, dir: &Path) -> Option<Self> {
        let server = Postgres::start(dir)?;
        Some(Self {
            url: server.url(),
            programs,
            server: Mutex::new(server),
        })
    }

    fn server(&self) -> MutexGuard<'_, Postgres> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The process that leads all others.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.server().process().map(esker_harness::process::Process::pid)
    }

    /// Immediate shutdown: as if the machine had failed, except that what was written is there.
    pub(crate) fn crash(&self) {
        self.server().crash();
    }

    pub(crate) fn resume(&self) {
        self.server().resume();
    }

    /// What `psql` prints for a statement; `None` if it failed.
    pub(crate) fn query(&self, sql: &str) -> Option<String> {
        let output = Command::new(self.programs.join("psql"))
            .args(["-At", "-v", "ON_ERROR_STOP=1", "-d", &self.url, "-c", sql])
            .env("PGCONNECT_TIMEOUT", "3")
            .env("PGOPTIONS", "-c statement_timeout=5000")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    /// Cuts this share of the connections that the agents have; returns how many.
    pub(crate) fn terminate(&self, share: f64) -> u64 {
        let sql = format!(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < {share}"
        );
        self.query(&sql).and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// Writes everything that the database holds to a file, for those who look for a cause.
    pub(crate) fn dump(&self, to: &Path) -> bool {
        let status = Command::new(self.programs.join("pg_dump"))
            .args(["-d", &self.url, "-f"])
            .arg(to)
            .stdin(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }
}
