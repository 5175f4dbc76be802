//! Clients that we did not write, driven by small programs that write down what they saw.

mod cast;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use esker_harness::clients::{python_in_background, summary};
use esker_harness::process::Process;
use serde_json::Value;

pub(crate) use cast::{CAST, Library, Part, Role};

use crate::parts::Parts;
use crate::system::{System, TOPICS};
use esker_harness::stop::Stop;

/// What a client may need beyond its own limits until it has ended.
const END_SLACK: Duration = Duration::from_secs(60);
/// How long a producer may take for its last acknowledgements, a consumer for its last records.
const END_LIMIT: Duration = Duration::from_secs(120);
/// How long a read-through may take.
const READ_LIMIT: Duration = Duration::from_secs(1200);

/// A client that runs, or has run.
pub(crate) struct Client {
    pub number: u32,
    pub what: String,
    pub part: Option<Part>,
    process: Process,
}

/// What a client said at its end.
pub(crate) struct Ended {
    pub number: u32,
    pub what: String,
    pub part: Option<Part>,
    pub summary: Value,
    /// Why it did not end as it should have.
    pub problem: Option<String>,
}

/// Starts everybody.
pub(crate) fn start(parts: &Parts, system: &System, dir: &Path, rate: u64) -> Result<Vec<Client>, String> {
    let classes = dir.join("classes");
    if let Some(jars) = &parts.jars {
        compile(&parts.clients.join("java/chaos"), jars, &classes)?;
    }
    let mut clients = Vec::new();
    for part in CAST {
        if part.library == Library::Java && parts.jars.is_none() {
            continue;
        }
        let number = clients.len() as u32;
        let history = dir.join(format!("client-{number}.jsonl"));
        let log = dir.join(format!("client-{number}.log"));
        let arguments = arguments(&part, system, number, &history, rate);
        let process = match (part.library, &parts.jars) {
            (Library::Java, Some(jars)) => {
                let mut command = java(jars, &classes);
                command.arg(class(&part)).args(&arguments);
                Process::start(part.script(), command, &log)
            }
            _ => {
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                python_in_background(&format!("chaos_{}.py", part.script()), &arguments, &log)
            }
        };
        clients.push(Client {
            number,
            what: part.describe(),
            part: Some(part),
            process,
        });
    }
    Ok(clients)
}

fn class(part: &Part) -> &'static str {
    match part.role {
        Role::Producer { .. } => "ChaosProducer",
        Role::Consumer { .. } => "ChaosConsumer",
    }
}

/// What clients of both libraries are told in the same words.
fn arguments(part: &Part, system: &System, number: u32, history: &Path, rate: u64) -> Vec<String> {
    let zone = part.zone.map(|zone| format!(",zone={zone}")).unwrap_or_default();
    let mut arguments = common(system, part.topic, number, history);
    arguments.extend(["--bootstrap".to_owned(), system.bootstrap()]);
    arguments.extend(["--client-id".to_owned(), format!("chaos-{number}{zone}")]);
    match part.role {
        Role::Producer { kind, codec, share } => {
            arguments.extend(["--kind", kind, "--codec", codec].map(str::to_owned));
            arguments.extend(["--rate".to_owned(), (rate * share / 1000).max(1).to_string()]);
            arguments.extend(["--flush-s".to_owned(), END_LIMIT.as_secs().to_string()]);
        }
        Role::Consumer { mode } => {
            arguments.extend(["--mode", mode].map(str::to_owned));
            arguments.extend(["--catch-up-s".to_owned(), END_LIMIT.as_secs().to_string()]);
        }
    }
    arguments
}

fn common(system: &System, topic: u32, number: u32, history: &Path) -> Vec<String> {
    let about = &TOPICS[topic as usize];
    [
        ("--topic", about.name.to_owned()),
        ("--topic-number", topic.to_string()),
        ("--partitions", format!("0-{}", about.partitions - 1)),
        ("--client", number.to_string()),
        ("--start-ns", system.clock.start_ns().to_string()),
        ("--history", history.display().to_string()),
    ]
    .into_iter()
    .flat_map(|(name, value)| [name.to_owned(), value])
    .collect()
}

fn java(jars: &Path, classes: &Path) -> Command {
    let mut command = Command::new("java");
    command
        .args(["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
        .args(["-cp", &format!("{}:{}/*", classes.display(), jars.display())]);
    command
}

fn compile(sources: &Path, jars: &Path, classes: &Path) -> Result<(), String> {
    let files = std::fs::read_dir(sources).map_err(|err| format!("{}: {err}", sources.display()))?;
    let files = files.flatten().map(|entry| entry.path());
    let output = Command::new("javac")
        .args(["-cp", &format!("{}/*", jars.display()), "-d"])
        .arg(classes)
        .args(files.filter(|file| file.extension().is_some_and(|end| end == "java")))
        .output()
        .map_err(|err| format!("javac did not start: {err}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "the Java clients do not compile: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// Starts a reader for every topic and agent; their numbers go on after the clients'.
pub(crate) fn start_readers(system: &System, dir: &Path, first: u32) -> Result<Vec<Client>, String> {
    let mut readers = Vec::new();
    for agent in &system.agents {
        let node = agent
            .node_id()
            .ok_or_else(|| format!("{} has no status page", agent.name))?;
        let life = agent
            .life()
            .ok_or_else(|| format!("{} does not run", agent.name))?;
        for topic in 0..2u32 {
            let number = first + readers.len() as u32;
            let history = dir.join(format!("client-{number}.jsonl"));
            let mut arguments = common(system, topic, number, &history);
            arguments.extend(
                [
                    ("--bootstrap", agent.kafka.to_string()),
                    ("--zone", agent.zone.clone()),
                    ("--node", node.to_string()),
                    ("--life", life.0.to_string()),
                ]
                .into_iter()
                .flat_map(|(name, value)| [name.to_owned(), value]),
            );
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let log = dir.join(format!("client-{number}.log"));
            readers.push(Client {
                number,
                what: format!("reader through {}", agent.name),
                part: None,
                process: python_in_background("chaos_read.py", &arguments, &log),
            });
        }
    }
    Ok(readers)
}

/// Tells these to end; they do what is left to be done first.
pub(crate) fn tell_to_end<'a>(clients: impl IntoIterator<Item = &'a mut Client>) {
    for client in clients {
        if client.process.is_running() {
            client.process.signal("TERM");
        }
    }
}

/// Waits until they have ended, as far as `stop` allows, and asks what they have to say.
pub(crate) fn wait(clients: Vec<Client>, system: &System, stop: &Stop) -> Vec<Ended> {
    let began = system.clock.elapsed();
    clients
        .into_iter()
        .map(|mut client| {
            let limit = if client.part.is_some() {
                END_LIMIT + END_SLACK
            } else {
                READ_LIMIT
            };
            while client.process.is_running()
                && system.clock.elapsed() - began < limit
                && !stop.wait(Duration::from_millis(50))
            {}
            let status = client.process.wait(Duration::ZERO);
            let said = summary(&client.process.log());
            let problem = match status {
                None => Some("had not ended in time".to_owned()),
                // What it found wrong stands in its history; what it could not write down is said here.
                Some(status) if said.is_null() => Some(format!("ended with {status} and said nothing")),
                Some(_) => said["problem"].as_str().map(str::to_owned),
            };
            Ended {
                number: client.number,
                problem: problem.map(|problem| format!("{} [{}]: {problem}", client.what, client.number)),
                what: client.what,
                part: client.part,
                summary: said,
            }
        })
        .collect()
}
