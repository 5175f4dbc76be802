//! A child process that cannot outlive its test.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::{proc, wait_until};

/// A running process, its log, and a watchdog that kills it when the test process is gone.
pub struct Process {
    name: String,
    child: Child,
    watchdog: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output appended to `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Self {
        let output = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|err| panic!("{name} did not start: {err}"));
        // The pipe closes when the test process ends, however it ends.
        let watchdog = Command::new("sh")
            .args([
                "-c",
                "read -r _; kill -9 -- -\"$1\" 2>/dev/null",
                "watchdog",
                &child.id().to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        Self {
            name: name.to_owned(),
            child,
            watchdog,
            log: log.to_path_buf(),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, e.g. `KILL`, `STOP`, `CONT`, `TERM`, to the process and its children.
    pub fn signal(&self, signal: &str) {
        let group = format!("-{}", self.pid());
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), "--", &group])
            .status()
            .unwrap();
        assert!(sent.success(), "could not send {signal} to {}", self.name);
    }

    /// `kill -9`, and waits until the process is gone.
    pub fn kill(&mut self) {
        let _ = Command::new("kill")
            .args(["-KILL", "--", &format!("-{}", self.pid())])
            .stderr(Stdio::null())
            .status();
        let _ = self.child.wait();
    }

    /// Waits until the process has ended by itself.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let mut status = None;
        wait_until(limit, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Everything it has written so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// CPU seconds used so far by the process itself, from the kernel's account of it.
    pub fn cpu_seconds(&self) -> f64 {
        proc::cpu(self.pid()).map_or(0.0, |cpu| cpu.own_s)
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        proc::resident_bytes(self.pid()).0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // Its group is gone; a later process must not be hit by an old number.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(25).collect();
            eprintln!("--- last lines of {} ({})", self.name, self.log.display());
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
        }
    }
}

/// Runs a command to its end; its output goes to `log` and comes back with its exit status.
pub fn run(name: &str, command: &mut Command, log: &Path) -> (ExitStatus, String) {
    let output = File::create(log).unwrap();
    let status = command
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .status()
        .unwrap_or_else(|err| panic!("{name} did not start: {err}"));
    (status, fs::read_to_string(log).unwrap_or_default())
}
