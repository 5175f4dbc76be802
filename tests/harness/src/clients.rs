//! Clients that we did not write: kcat, confluent-kafka, Kafka's console tools, and our own command line.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::dirs::program;
use crate::process::{Process, run};
use crate::skipped;

fn part(variable: &str, what: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        skipped(&format!("no {what} ({variable} is not set: run scripts/setup)"));
    }
    found
}

/// kcat, if this machine has it.
pub fn kcat() -> Option<Command> {
    part("ESKER_TEST_KCAT", "kcat").map(Command::new)
}

/// Whether the Python clients are there; says so if not.
pub fn has_python() -> bool {
    part("ESKER_TEST_PYTHON", "Python clients").is_some()
}

/// One of Kafka's own tools by its class name.
pub fn kafka_tool(class: &str) -> Option<Command> {
    let jars = part("ESKER_TEST_KAFKA_JARS", "Kafka tools")?;
    let mut command = Command::new("java");
    command.args([
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-cp",
        &format!("{}/*", jars.display()),
        class,
    ]);
    Some(command)
}

/// The `esker` command.
pub fn esker() -> Command {
    Command::new(program("esker"))
}

fn script(name: &str) -> Command {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/python");
    let python = std::env::var_os("ESKER_TEST_PYTHON").expect("ESKER_TEST_PYTHON is not set");
    let mut command = Command::new(python);
    command.arg(scripts.join(name));
    command
}

/// Runs a Python client to its end; fails the test if it fails, and returns its summary.
pub fn python(name: &str, arguments: &[&str], dir: &Path) -> Value {
    let (ok, summary, output) = try_python(name, arguments, dir);
    assert!(ok, "{name} {arguments:?} failed: {output}");
    summary
}

/// Runs a Python client to its end: whether it succeeded, its summary and all it printed.
pub fn try_python(name: &str, arguments: &[&str], dir: &Path) -> (bool, Value, String) {
    let mut command = script(name);
    command.args(arguments);
    let log = dir.join(format!("{name}-{}.log", crate::free_port()));
    let (status, output) = run(name, &mut command, &log);
    (status.success(), summary(&output), output)
}

/// Starts a Python client in the background.
pub fn python_in_background(name: &str, arguments: &[&str], log: &Path) -> Process {
    let mut command = script(name);
    command.args(arguments);
    Process::start(name, command, log)
}

/// The last line of the output that is a JSON object.
pub fn summary(output: &str) -> Value {
    output
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str(line).ok().filter(Value::is_object))
        .unwrap_or(Value::Null)
}

/// Runs a command that must succeed; returns its standard output.
pub fn must(what: &str, command: &mut Command) -> Vec<u8> {
    let output = command
        .output()
        .unwrap_or_else(|err| panic!("{what} did not start: {err}"));
    assert!(
        output.status.success(),
        "{what} failed: {}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
