//! The parent's side: a client's process.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;
use serde_json::{Value, json};

use super::{Outcome, Spec};

/// The hidden command of this program that is a client.
pub(crate) const COMMAND: &str = "client";

/// A running client. Dropping it ends it.
pub(crate) struct Client {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Client {
    /// Starts one and waits until it works.
    pub(crate) fn start(spec: &Spec) -> Result<Self, String> {
        let failed = |err: &dyn std::fmt::Display| format!("a client did not start: {err}");
        let program = std::env::current_exe().map_err(|err| failed(&err))?;
        let spec = serde_json::to_string(spec).map_err(|err| failed(&err))?;
        let mut child = Command::new(program)
            .args([COMMAND, &spec])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|err| failed(&err))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(&"it has no pipes"));
        };
        let lines = BufReader::new(stdout).lines();
        let mut client = Self { child, stdin, lines };
        client.hear("ready")?;
        Ok(client)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// From now on what it does counts.
    pub(crate) fn measure(&mut self) -> Result<(), String> {
        self.order("measure")
    }

    /// Ends it; what it did since [`Self::measure`].
    pub(crate) fn stop(mut self) -> Result<Outcome, String> {
        self.order("stop")?;
        self.outcome()
    }

    /// Waits until it ends by itself.
    pub(crate) fn finish(mut self) -> Result<Outcome, String> {
        self.outcome()
    }

    fn outcome(&mut self) -> Result<Outcome, String> {
        let value = self.hear("outcome")?;
        serde_json::from_value(value).map_err(|err| format!("a client's outcome makes no sense: {err}"))
    }

    fn order(&mut self, order: &str) -> Result<(), String> {
        writeln!(self.stdin, "{order}").map_err(|err| format!("a client is gone: {err}"))
    }

    fn hear(&mut self, what: &str) -> Result<Value, String> {
        let line = match self.lines.next() {
            Some(Ok(line)) => line,
            _ => return Err("a client ended before its time: its reason stands above".to_owned()),
        };
        let mut value: Value = serde_json::from_str(&line)
            .map_err(|_| format!("a client said `{line}`, which makes no sense"))?;
        Ok(value.get_mut(what).map(Value::take).unwrap_or_default())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client is at work.
pub(super) fn say_ready() {
    say("ready", &true);
}

pub(super) fn say(what: &str, value: &impl Serialize) {
    let line = json!({ what: value });
    println!("{line}");
}
