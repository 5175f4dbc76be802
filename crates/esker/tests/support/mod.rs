//! Runs the real binary: to its end, or in the background until the test is over.

#![allow(dead_code, unreachable_pub)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failure here is a failed test, and tests have no seams"
)]

pub mod cutting;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Long enough for a busy machine, short enough for a person.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The command without any setting of the machine's environment.
pub fn esker(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_esker"));
    for (name, _) in std::env::vars() {
        if name.starts_with("ESKER_") || name.starts_with("AWS_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// What a command that ended left.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end with nothing on its input.
pub fn run(arguments: &[&str]) -> Ended {
    run_command(esker(arguments), b"")
}

/// Runs a command to its end.
pub fn run_command(mut command: Command, input: &[u8]) -> Ended {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A command may end without reading its input.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ended {
    /// It ended with `code`, printed nothing and said one sentence that holds `part`.
    pub fn says(&self, code: i32, part: &str) {
        self.says_each(code, &[part]);
        assert!(self.out.is_empty(), "{}", self.out);
    }

    /// It ended with `code` and said a sentence for each of these, in this order.
    pub fn says_each(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.err);
        let lines: Vec<_> = self.err.trim_end().lines().collect();
        assert_eq!(lines.len(), parts.len(), "other lines: {}", self.err);
        for (line, part) in lines.iter().zip(parts) {
            assert!(
                line.starts_with("esker: ") && line.contains(part),
                "{line:?} lacks {part:?}"
            );
        }
    }

    /// It ended well; returns what it printed.
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }
}

/// A process in the background; it ends with the test.
pub struct Background {
    child: Child,
    stdin: Option<ChildStdin>,
    out: Receiver<String>,
    err: Receiver<String>,
    seen: String,
}

impl Background {
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (
            lines(child.stdout.take().unwrap()),
            lines(child.stderr.take().unwrap()),
        );
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            out,
            err,
            seen: String::new(),
        }
    }

    /// `esker dev` on a directory, on free ports, ready.
    pub fn dev(directory: &Path, more: &[&str]) -> Dev {
        Self::dev_at(directory, "127.0.0.1:0", more)
    }

    /// The same, with an address for clients.
    pub fn dev_at(directory: &Path, kafka: &str, more: &[&str]) -> Dev {
        let directory = directory.to_str().unwrap();
        let fixed = [
            "dev",
            "--data-dir",
            directory,
            "--kafka-addr",
            kafka,
            "--admin-addr",
            "127.0.0.1:0",
        ];
        let mut process = Self::start(esker(&[&fixed, more].concat()));
        let first = process.out_line();
        let kafka = first.rsplit(' ').next().unwrap().to_owned();
        let rest: Vec<_> = (0..3).map(|_| process.out_line()).collect();
        let http = rest
            .iter()
            .find_map(|line| line.strip_prefix("http  http://"))
            .expect("no http line");
        let admin = http.split('/').next().unwrap().to_owned();
        let lines = std::iter::once(first).chain(rest).collect();
        Dev {
            process,
            kafka,
            admin,
            lines,
        }
    }

    /// The next line of its output.
    pub fn out_line(&mut self) -> String {
        match self.out.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(_) => panic!("no line on stdout; stderr: {}", self.rest_of_err()),
        }
    }

    /// Waits for a line on stderr that holds `part`.
    pub fn err_line(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .err
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.seen.push_str(&line);
                    self.seen.push('\n');
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(error) => panic!("no line with {part:?} ({error}): {}", self.seen),
            }
        }
    }

    pub fn rest_of_err(&mut self) -> String {
        while let Ok(line) = self.err.recv_timeout(Duration::from_millis(200)) {
            self.seen.push_str(&line);
            self.seen.push('\n');
        }
        std::mem::take(&mut self.seen)
    }

    /// Lines on stdout until it closes it.
    pub fn rest_of_out(&mut self) -> Vec<String> {
        let mut rest = Vec::new();
        loop {
            match self.out.recv_timeout(PATIENCE) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => return rest,
                Err(RecvTimeoutError::Timeout) => panic!("stdout stays open"),
            }
        }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end: {}",
                self.rest_of_err()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A running `esker dev`.
pub struct Dev {
    pub process: Background,
    pub kafka: String,
    pub admin: String,
    pub lines: Vec<String>,
}

impl Dev {
    /// Runs a client command against it.
    pub fn client(&self, arguments: &[&str]) -> Ended {
        self.client_with(arguments, b"")
    }

    pub fn client_with(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut command = esker(arguments);
        command.env("ESKER_BOOTSTRAP_SERVER", &self.kafka);
        run_command(command, input)
    }

    /// SIGTERM; it must end with 0.
    pub fn terminate(mut self) {
        self.process.signal("TERM");
        assert_eq!(
            self.process.wait().code(),
            Some(0),
            "{}",
            self.process.rest_of_err()
        );
    }
}

/// Status and body of a page; `None` if nobody answers.
pub fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

/// Waits until a page answers with this status; returns its body.
pub fn wait_for(address: &str, path: &str, status: u16) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = get(address, path);
        match answer {
            Some((found, body)) if found == status => return body,
            _ if Instant::now() >= deadline => panic!("{path} does not answer {status}: {answer:?}"),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// A port that nobody uses now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
