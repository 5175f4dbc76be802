//! A Postgres that syncs to disk and can be stopped and started again with its data.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::Process;
use crate::{free_port, skipped, wait_until};

const BIN_DEFAULT: &str = "/usr/lib/postgresql/15/bin";
/// Postgres refuses to run as root; root runs it as this user.
pub(crate) const USER: &str = "postgres";

/// The directory of the server's programs: `ESKER_TEST_POSTGRES_BIN`, else where Debian puts them. Without any,
/// a sentence.
pub fn find_programs() -> Result<PathBuf, String> {
    let bin =
        PathBuf::from(std::env::var_os("ESKER_TEST_POSTGRES_BIN").unwrap_or_else(|| BIN_DEFAULT.into()));
    match bin.join("postgres").exists() {
        true => Ok(bin),
        false => Err(format!(
            "there is no Postgres in {}: run scripts/setup",
            bin.display()
        )),
    }
}

/// The same; where there are none, the test says so and goes without.
pub(crate) fn programs() -> Option<PathBuf> {
    find_programs().inspect_err(|why| skipped(why)).ok()
}

/// A Postgres server.
pub struct Postgres {
    bin: PathBuf,
    dir: PathBuf,
    log: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Postgres {
    /// Initialises and starts one; `None` (said on stderr) where there is no Postgres.
    pub fn start(log_dir: &Path) -> Option<Self> {
        let bin = programs()?;
        let port = free_port();
        // The server's user must be able to reach its data, which it may not be in a home directory.
        let base = if is_root() {
            std::env::temp_dir()
        } else {
            log_dir.to_path_buf()
        };
        let dir = base.join(format!("esker-e2e-pg-{}-{port}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        if is_root() {
            assert!(
                Command::new("chown")
                    .arg(USER)
                    .arg(&dir)
                    .status()
                    .unwrap()
                    .success()
            );
        }
        let mut server = Self {
            bin,
            dir,
            log: log_dir.join("postgres.log"),
            port,
            process: None,
        };
        let initialised = server
            .command("initdb")
            .args([
                "-D",
                &server.data(),
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
            ])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(initialised.success(), "initdb failed");
        server.resume();
        Some(server)
    }

    fn data(&self) -> String {
        self.dir.join("data").display().to_string()
    }

    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", USER, "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.dir);
        command
    }

    /// Starts the server on the data it has.
    pub fn resume(&mut self) {
        let mut command = self.command("postgres");
        command
            .args(["-D", &self.data()])
            .args(["-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", &format!("port={}", self.port), "-c", "max_connections=300"]);
        command.args(["-c", &format!("unix_socket_directories={}", self.dir.display())]);
        self.process = Some(Process::start("postgres", command, &self.log));
        let up = wait_until(Duration::from_secs(60), || {
            let status = fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap_or_default();
            status.lines().nth(7).is_some_and(|line| line.trim() == "ready")
        });
        assert!(up, "Postgres did not start");
    }

    /// Stops the server at once, as a crash does: what was committed is on disk.
    pub fn crash(&mut self) {
        let postmaster = fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap_or_default();
        if let Some(pid) = postmaster.lines().next() {
            let _ = Command::new("kill").args(["-QUIT", pid]).status();
        }
        let ended = self
            .process
            .take()
            .is_some_and(|mut process| process.wait(Duration::from_secs(10)).is_some());
        if !ended {
            wait_until(Duration::from_secs(10), || {
                !self.dir.join("data/postmaster.pid").exists()
            });
        }
        // An immediate shutdown leaves it behind.
        let _ = fs::remove_file(self.dir.join("data/postmaster.pid"));
    }

    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// The URL of the database `postgres`, which is empty at first.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Runs one statement and returns what `psql -At` prints.
    pub fn query(&self, sql: &str) -> String {
        let output = self
            .command("psql")
            .args(["-At", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-c", sql])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.crash();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn is_root() -> bool {
    // A process's files in /proc belong to its effective user.
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
