//! Apache Kafka, the peer: one broker in KRaft mode, with the JVM settings of its own start script.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use esker_harness::process::Process;
use esker_harness::{free_port, proc, wait_until};

use super::{Broker, Usage};

const START_LIMIT: Duration = Duration::from_secs(60);
/// What kafka-server-start.sh and kafka-run-class.sh give the JVM.
const JVM: [&str; 7] = [
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
];

/// A running Apache Kafka.
pub(crate) struct Kafka {
    process: Process,
    port: u16,
}

impl Kafka {
    /// Formats its directory, starts it and waits until it listens.
    pub(super) fn start(jars: &Path, dir: &Path) -> Result<Self, String> {
        let failed = |err: &dyn std::fmt::Display| format!("Apache Kafka did not start: {err}");
        let (port, controller) = (free_port(), free_port());
        let dir = dir.join("kafka");
        fs::create_dir_all(&dir).map_err(|err| failed(&err))?;
        let properties = dir.join("server.properties");
        fs::write(&properties, server_properties(port, controller, &dir)).map_err(|err| failed(&err))?;
        let classpath = format!("{}/*", jars.display());
        let formatted = Command::new("java")
            .args(["-cp", &classpath, "kafka.tools.StorageTool"])
            .args(["format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c"])
            .arg(&properties)
            .stdin(Stdio::null())
            .output()
            .map_err(|err| failed(&err))?;
        if !formatted.status.success() {
            return Err(failed(&String::from_utf8_lossy(&formatted.stderr).trim()));
        }
        let mut command = Command::new("java");
        command
            .args(JVM)
            .args(["-cp", &classpath, "kafka.Kafka"])
            .arg(&properties);
        let log: PathBuf = dir.join("kafka.log");
        let mut process = Process::start("Apache Kafka", command, &log);
        let mut listens = false;
        wait_until(START_LIMIT, || {
            listens = TcpStream::connect(("127.0.0.1", port)).is_ok();
            listens || !process.is_running()
        });
        match listens {
            true => Ok(Self { process, port }),
            false => Err(failed(&format!("see {}", log.display()))),
        }
    }
}

impl Broker for Kafka {
    fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn usage(&self) -> Usage {
        Usage {
            broker_cpu_s: proc::cpu(self.pid()).map_or(0.0, |cpu| cpu.own_s),
            ..Usage::default()
        }
    }
}

fn server_properties(port: u16, controller: u16, dir: &Path) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         controller.listener.names=CONTROLLER\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         log.segment.delete.delay.ms=1000\n",
        dir.join("data").display()
    )
}
