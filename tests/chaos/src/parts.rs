//! What a run needs, and one sentence for what is not there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use esker_harness::postgres::find_programs;

use crate::options::{Options, StoreChoice};

/// The programs of a run.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The directory that holds this program's profile directory.
    pub build: PathBuf,
    pub esker: PathBuf,
    /// Our S3 server; MinIO if there is none.
    pub s3_server: Option<PathBuf>,
    pub postgres: PathBuf,
    /// Apache Kafka's jars, if there are Java clients.
    pub jars: Option<PathBuf>,
    /// The client drivers' sources.
    pub clients: PathBuf,
}

impl Parts {
    /// Looks for everything before anything is started.
    pub(crate) fn find(options: &Options) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|err| format!("cannot find this program: {err}"))?;
        // A test of this program runs one directory deeper.
        let profile = match own.ancestors().find(|dir| dir.ends_with("deps")) {
            Some(deps) => deps.parent(),
            None => own.parent(),
        };
        let profile = profile.ok_or("cannot find the directory of this program")?;
        let ours = match options.store {
            StoreChoice::Ours => Some(program(profile, "esker-s3-server")?),
            StoreChoice::Minio => variable("ESKER_TEST_MINIO", "MinIO").map(|_| None)?,
        };
        let postgres = find_programs()?;
        let python = variable("ESKER_TEST_PYTHON", "Python with its Kafka clients")?;
        works(
            Command::new(python).args(["-c", "import confluent_kafka"]),
            "Python with confluent-kafka",
        )?;
        let jars = match options.without_java {
            true => None,
            false => Some(java()?),
        };
        Ok(Self {
            build: profile.parent().unwrap_or(profile).to_owned(),
            esker: program(profile, "esker")?,
            s3_server: ours,
            postgres,
            jars,
            clients: Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients"),
        })
    }
}

fn program(profile: &Path, name: &str) -> Result<PathBuf, String> {
    let path = profile.join(name);
    match path.exists() {
        true => Ok(path),
        false => Err(format!(
            "{} is not built: cargo build -p {name}, in the same profile",
            path.display()
        )),
    }
}

fn variable(name: &str, what: &str) -> Result<PathBuf, String> {
    std::env::var_os(name).map(PathBuf::from).ok_or_else(|| {
        format!("there is no {what} ({name} is not set): run scripts/setup, and this with scripts/with-env")
    })
}

fn java() -> Result<PathBuf, String> {
    let jars = variable("ESKER_TEST_KAFKA_JARS", "Kafka client for Java")?;
    works(
        Command::new("javac").arg("-version"),
        "Java compiler, 17 or newer (--without-java does without)",
    )?;
    Ok(jars)
}

fn works(command: &mut Command, what: &str) -> Result<(), String> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("there is no {what} here: run scripts/setup")),
    }
}
