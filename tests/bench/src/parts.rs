//! What a run needs, and one sentence for what is not there.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use esker_harness::dirs;
use esker_harness::postgres::find_programs;

/// The programs of a run.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// The directory that holds this program's profile directory.
    pub build: PathBuf,
    pub esker: PathBuf,
    /// The directory with Postgres's programs.
    pub postgres: PathBuf,
    /// Apache Kafka's jars, unless the run goes without.
    pub kafka: Option<PathBuf>,
}

impl Parts {
    /// Looks for everything before anything is started.
    pub(crate) fn find(without_kafka: bool) -> Result<Self, String> {
        let profile = dirs::profile_directory();
        let built = |name: &str| {
            let path = profile.join(name);
            path.exists().then_some(path).ok_or_else(|| {
                format!(
                    "{name} is not built in {}: run make bench, which builds it",
                    profile.display()
                )
            })
        };
        built("esker-s3-server")?;
        Ok(Self {
            build: dirs::build_directory(),
            esker: built("esker")?,
            postgres: find_programs()?,
            kafka: match without_kafka {
                true => None,
                false => Some(kafka()?),
            },
        })
    }

    /// Runs our own command line; if it fails, what it said.
    pub(crate) fn esker(&self, arguments: &[&str]) -> Result<(), String> {
        let output = Command::new(&self.esker)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|err| format!("{} did not start: {err}", self.esker.display()))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!(
                "esker {} failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            )),
        }
    }

    /// E.g. `Apache Kafka 4.2.0`, from its jar.
    pub(crate) fn kafka_version(&self) -> Option<String> {
        let jars = std::fs::read_dir(self.kafka.as_ref()?).ok()?;
        let mut names = jars
            .flatten()
            .filter_map(|jar| jar.file_name().into_string().ok());
        let version = names.find_map(|name| {
            let version = name.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")?;
            Some(version.to_owned())
        })?;
        Some(format!("Apache Kafka {version}"))
    }
}

fn kafka() -> Result<PathBuf, String> {
    let jars = std::env::var_os("ESKER_TEST_KAFKA_JARS").map(PathBuf::from).ok_or(
        "there is no Apache Kafka to compare with (ESKER_TEST_KAFKA_JARS is not set): run it as make bench, or with \
         --without-kafka",
    )?;
    let java = Command::new("java")
        .arg("-version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match java {
        Ok(status) if status.success() => Ok(jars),
        _ => Err("there is no Java, 17 or newer, for Apache Kafka: --without-kafka does without".to_owned()),
    }
}
