//! Where and with what a run was made.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::clock::unix_seconds;
use crate::parts::Parts;

/// Facts that a reader needs before comparing two runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub began_unix_s: u64,
    pub cores: usize,
    pub processor: String,
    pub memory_bytes: u64,
    pub kernel: String,
    /// Of the last minute, before anything of this run began.
    pub load_average: f64,
    /// With `+` if there were changes.
    pub commit: String,
    pub versions: Vec<String>,
}

impl Machine {
    pub(crate) fn look(parts: &Parts) -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let versions = [
            first_line(Command::new(&parts.esker).arg("--version")),
            first_line(Command::new(parts.postgres.join("postgres")).arg("--version")),
            parts.kafka_version(),
            Some(format!("librdkafka {}", rdkafka::util::get_rdkafka_version().1)),
        ];
        Self {
            began_unix_s: unix_seconds(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: field(&cpu, "model name"),
            memory_bytes: memory_kib(&memory, "MemTotal") * 1024,
            kernel: text("/proc/sys/kernel/osrelease"),
            load_average: load_average(),
            commit: commit(),
            versions: versions.into_iter().flatten().collect(),
        }
    }

    /// Two lines.
    pub(crate) fn describe(&self) -> String {
        format!(
            "commit {}, {} cores ({}), {} GiB, Linux {}, load average {:.2} before it began\n{}\n",
            self.commit,
            self.cores,
            self.processor,
            self.memory_bytes >> 30,
            self.kernel,
            self.load_average,
            self.versions.join(", ")
        )
    }
}

/// Of the last minute.
pub(crate) fn load_average() -> f64 {
    let load = text("/proc/loadavg");
    load.split(' ')
        .next()
        .and_then(|load| load.parse().ok())
        .unwrap_or(0.0)
}

/// Memory that could be used now, in bytes.
pub(crate) fn memory_available() -> u64 {
    memory_kib(
        &fs::read_to_string("/proc/meminfo").unwrap_or_default(),
        "MemAvailable",
    ) * 1024
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn field(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or("", |(_, value)| value.trim()).to_owned()
}

fn memory_kib(text: &str, name: &str) -> u64 {
    let field = field(text, name);
    field
        .split(' ')
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0)
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        first_line(Command::new("git").arg("-C").arg(sources).args(arguments))
    };
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(commit) if git(&["status", "--porcelain", "--untracked-files=no"]).is_some() => {
            format!("{commit}+")
        }
        Some(commit) => commit,
        None => "unknown".to_owned(),
    }
}
