//! Esker itself: `esker dev`, or agents on Postgres and MinIO.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::dirs::{TestDir, program};
use crate::minio::Minio;
use crate::postgres::Postgres;
use crate::process::Process;
use crate::{free_port, wait_until};

/// How long an agent may take until it is ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// One agent, which can be killed and started again with the same name and addresses.
pub struct Agent {
    name: String,
    program: PathBuf,
    kafka_port: u16,
    admin_port: u16,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    process: Option<Process>,
}

impl Agent {
    /// One that is not running yet. `arguments` are its command and settings without addresses; its log goes to `dir`.
    pub fn new(name: &str, arguments: Vec<String>, environment: Vec<(String, String)>, dir: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: program("esker"),
            kafka_port: free_port(),
            admin_port: free_port(),
            arguments,
            environment,
            log: dir.join(format!("{name}.log")),
            process: None,
        }
    }

    /// Which program it is from its next start on.
    pub fn becomes(&mut self, program: &Path) {
        self.program = program.to_owned();
    }

    /// Where clients connect.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.kafka_port)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the agent is not running")
    }

    pub fn process_mut(&mut self) -> &mut Process {
        self.process.as_mut().expect("the agent is not running")
    }

    /// Starts it and does not wait.
    pub fn launch(&mut self) {
        let address = format!("127.0.0.1:{}", self.kafka_port);
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .args(["--kafka-addr", &address, "--advertised-addr", &address])
            .args(["--admin-addr", &format!("127.0.0.1:{}", self.admin_port)])
            .envs(self.environment.iter().cloned());
        self.process = Some(Process::start(&self.name, command, &self.log));
    }

    /// Starts it and waits until it is ready.
    pub fn start(&mut self) {
        self.launch();
        assert!(
            self.wait_ready(READY_LIMIT),
            "{} is not ready: {}",
            self.name,
            self.process().log()
        );
    }

    pub fn wait_ready(&self, limit: Duration) -> bool {
        wait_until(limit, || {
            self.get("/readyz").is_some_and(|(status, _)| status == 200)
        })
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// SIGTERM; returns the exit code, `None` if it did not end in time.
    pub fn terminate(&mut self, limit: Duration) -> Option<i32> {
        let mut process = self.process.take().expect("the agent is not running");
        process.signal("TERM");
        process.wait(limit).and_then(|status| status.code())
    }

    /// Status and body of a page of its admin server; `None` if it does not answer.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.admin_port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split_whitespace().nth(1)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())?;
        Some((status, body))
    }

    /// The sum of a metric over all label sets that contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let (_, page) = self.get("/metrics").expect("no metrics");
        page.lines()
            .filter(|line| line.starts_with(name) && line.contains(labels))
            .filter(|line| matches!(line.as_bytes().get(name.len()), Some(b'{' | b' ')))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

/// Agents that share their stores.
pub struct Cluster {
    // Agents go before what they stand on.
    pub agents: Vec<Agent>,
    pub postgres: Option<Postgres>,
    pub minio: Option<Minio>,
    pub dir: TestDir,
}

impl Cluster {
    /// `esker dev` on an empty directory.
    pub fn dev(name: &str, settings: &[&str]) -> Self {
        let dir = TestDir::new(name);
        let mut arguments = vec![
            "dev".to_owned(),
            "--data-dir".to_owned(),
            dir.join("data").display().to_string(),
        ];
        arguments.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let mut agent = Agent::new("dev", arguments, Vec::new(), dir.path());
        agent.start();
        Self {
            agents: vec![agent],
            postgres: None,
            minio: None,
            dir,
        }
    }

    /// `count` agents on one Postgres and one MinIO, each in a zone of its own (`zone-1`, …); `None`
    /// (said on stderr) if the machine lacks either.
    pub fn shared(name: &str, count: usize, settings: &[&str]) -> Option<Self> {
        Self::shared_of(&program("esker"), name, count, settings)
    }

    /// As [`Cluster::shared`], with this program.
    pub fn shared_of(program: &Path, name: &str, count: usize, settings: &[&str]) -> Option<Self> {
        let dir = TestDir::new(name);
        let minio = Minio::start(dir.path())?;
        let postgres = Postgres::start(dir.path())?;
        migrate(program, &postgres.url());
        let agents = (1..=count)
            .map(|number| {
                let name = format!("agent-{number}");
                let mut arguments = [
                    "agent",
                    "--metastore-url",
                    &postgres.url(),
                    "--bucket-url",
                    &minio.url(),
                ]
                .map(str::to_owned)
                .to_vec();
                arguments.extend(["--node-name".to_owned(), name.clone()]);
                arguments.extend(["--zone".to_owned(), format!("zone-{number}")]);
                arguments.extend(settings.iter().map(|setting| (*setting).to_owned()));
                let mut agent = Agent::new(&name, arguments, minio.environment(), dir.path());
                agent.becomes(program);
                agent.start();
                agent
            })
            .collect();
        Some(Self {
            agents,
            postgres: Some(postgres),
            minio: Some(minio),
            dir,
        })
    }

    /// All agents, for a client's bootstrap list.
    pub fn bootstrap(&self) -> String {
        self.agents
            .iter()
            .map(Agent::bootstrap)
            .collect::<Vec<_>>()
            .join(",")
    }
}

/// Brings a database's schema up to date, with this program.
pub fn migrate(program: &Path, metastore_url: &str) {
    let migrated = Command::new(program)
        .args(["migrate", "--metastore-url", metastore_url])
        .output()
        .unwrap();
    assert!(
        migrated.status.success(),
        "migrate: {}",
        String::from_utf8_lossy(&migrated.stderr)
    );
}
