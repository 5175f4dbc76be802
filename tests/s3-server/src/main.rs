//! `esker-s3-server`: the server as a process of its own.

#![allow(
    clippy::disallowed_methods,
    reason = "a server of its own: real clocks and real tasks, none of them in the product"
)]

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};
use esker_s3_server::{EtagKind, Keep, MEMORY_BYTES_MAX, Options, Server};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// An S3 server for tests that fails on command.
///
/// It keeps objects in memory, or in a directory with --data, and takes any access key and signature. When
/// it is ready it prints one line of JSON on stdout with the addresses of S3 and of its control listener:
///
///   {"s3":"http://127.0.0.1:41873","control":"http://127.0.0.1:37125","buckets":["esker"],"pid":4711}
///
/// An agent uses it with AWS_ENDPOINT_URL set to the first address, any AWS_ACCESS_KEY_ID and
/// AWS_SECRET_ACCESS_KEY, and --bucket-url s3://esker/data.
///
/// Over the control listener it is told what to do wrong, and asked what it has done:
///
///   curl -X POST $CONTROL/faults -d '{"op":"put","probability":0.1,"kind":"drop_after"}'
///   curl -X POST $CONTROL/faults -d '{"op":"any","kind":"latency","ms":20,"p99_ms":400}'
///   curl -X DELETE $CONTROL/faults
///   curl $CONTROL/counts
///   curl "$CONTROL/objects?prefix=data/ingest/"
///
/// README.md beside its source has all kinds of faults.
#[derive(Debug, Parser)]
#[command(name = "esker-s3-server", version, verbatim_doc_comment)]
struct Arguments {
    /// Where S3 clients connect; port 0 is a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Where the control listener is; port 0 is a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    control: SocketAddr,

    /// A bucket that exists from the start; may be given more than once
    #[arg(long, value_name = "NAME", default_value = "esker")]
    bucket: Vec<String>,

    /// Keep objects in this directory, where a server that starts again finds them; otherwise in memory
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// With --data: answer only when the disk has it (otherwise it survives kill -9, not a power cut)
    #[arg(long, requires = "data")]
    sync: bool,

    /// What is kept in memory at most; a PUT beyond it gets 507 InsufficientStorage
    #[arg(long, value_name = "BYTES", default_value_t = MEMORY_BYTES_MAX, conflicts_with = "data")]
    memory_bytes_max: u64,

    /// The seed of what is random about faults: the same seed and rules do the same to the n-th request
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,

    /// How entity tags are made: crc64 is nearly free, md5 is what S3 itself does
    #[arg(long, value_name = "KIND", default_value = "crc64")]
    etag: Etag,

    /// Accept only this access key (403 InvalidAccessKeyId for others); may be given more than once
    #[arg(long, value_name = "KEY")]
    access_key: Vec<String>,

    /// Answer requests with this access key 403 SignatureDoesNotMatch; may be given more than once
    #[arg(long, value_name = "KEY")]
    bad_signature_key: Vec<String>,

    /// Threads that serve; 0 is one for each processor
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    threads: usize,

    /// Tell of each request when it is over, in one line of JSON on stderr, with the faults that it met
    #[arg(long)]
    log: bool,

    /// End when stdin closes, so that the server cannot outlive whoever started it
    #[arg(long)]
    until_stdin_closes: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Etag {
    Crc64,
    Md5,
}

impl Arguments {
    fn options(&self) -> Options {
        Options {
            listen: self.listen,
            control: self.control,
            keep: match &self.data {
                Some(path) => Keep::Directory {
                    path: path.clone(),
                    sync: self.sync,
                },
                None => Keep::Memory {
                    bytes_max: self.memory_bytes_max,
                },
            },
            buckets: self.bucket.clone(),
            seed: self.seed,
            etag: match self.etag {
                Etag::Crc64 => EtagKind::Crc64,
                Etag::Md5 => EtagKind::Md5,
            },
            access_keys: self.access_key.clone(),
            bad_signature_keys: self.bad_signature_key.clone(),
            threads: self.threads,
            log: self.log,
        }
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(err) if matches!(err.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => err.exit(),
        Err(err) => return refuse(&sentence(&err)),
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => refuse(&err.to_string()),
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("esker-s3-server: {why}");
    ExitCode::from(2)
}

/// The first lines of an error, without the advice behind them, as one.
fn sentence(err: &clap::Error) -> String {
    let text = err.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let lines: Vec<_> = text
        .lines()
        .take_while(|line| !line.is_empty())
        .map(str::trim)
        .collect();
    lines.join(" ") + " (see --help)"
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let server = Server::start(&arguments.options())?;
    // Whoever reads the line may send a signal at once.
    let end = runtime.block_on(async { End::new(arguments.until_stdin_closes) })?;
    let ready = serde_json::json!({
        "s3": server.endpoint(),
        "control": server.control_endpoint(),
        "buckets": arguments.bucket,
        "pid": std::process::id(),
    });
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{ready}")?;
    stdout.flush()?;
    runtime.block_on(end.wait());
    Ok(())
}

/// What the server ends by.
struct End {
    terminate: Signal,
    interrupt: Signal,
    stdin_closed: Option<oneshot::Receiver<()>>,
}

impl End {
    fn new(until_stdin_closes: bool) -> std::io::Result<Self> {
        let mut stdin_closed = None;
        if until_stdin_closes {
            let (closed, receiver) = oneshot::channel();
            // A read of stdin cannot be called off: the thread ends with the process.
            let wait = move || {
                let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
                let _ = closed.send(());
            };
            std::thread::Builder::new().name("stdin".to_owned()).spawn(wait)?;
            stdin_closed = Some(receiver);
        }
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            stdin_closed,
        })
    }

    async fn wait(mut self) {
        let stdin_closed = async {
            match self.stdin_closed {
                Some(closed) => drop(closed.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            () = stdin_closed => {}
        }
    }
}
