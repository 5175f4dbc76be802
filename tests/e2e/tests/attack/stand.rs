//! An agent to attack, and the judgement afterwards.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use esker_harness::agents::{Agent, Cluster, migrate};
use esker_harness::dirs::{TestDir, program};
use esker_harness::proc;
use esker_harness::s3_server::S3Server;
use esker_harness::throwaway_postgres;
use rustix::process::setpriority_process;
use serde_json::json;

use crate::bystander::{Bystander, Figures};

const MIB: u64 = 1 << 20;
/// The smallest budget that there is.
const MEMORY_MIB: u64 = 64;
/// What an agent may have resident beside its budget: its program, threads, what connections cost, pages that
/// the allocator has not given back. As in chaos.
const ALLOWANCE_MIB: u64 = 128;
/// How long the bystander works before the attack, on a disk and on a network.
const BEFORE: Duration = Duration::from_secs(1);
const BEFORE_ON_NETWORK: Duration = Duration::from_secs(30);
/// How long the bucket on a network takes for a PUT.
const PUT_MS: u64 = 20;
/// Log lines that an attack may cause, and more for each second.
const LINES_MAX: usize = 30;
const LINES_PER_SECOND_MAX: f64 = 3.0;
/// The bystander's p99 may be so many times what it was. A disk alone makes outliers of ten times that, and a
/// second has no 99th percentile: there it may be so much. The figures are printed.
const P99_TIMES: f64 = 1.5;
const P99_ON_DISK_MS: f64 = 5_000.0;

static TURN: Mutex<()> = Mutex::new(());

/// One agent, by itself on the machine as far as these tests go.
pub(crate) struct Stand {
    pub(crate) store: Option<S3Server>,
    pub(crate) agent: Agent,
    pub(crate) at: SocketAddr,
    on_network: bool,
    _dir: TestDir,
    _turn: MutexGuard<'static, ()>,
}

/// What the bystander has to stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// Nothing: no error, and a bounded p99.
    Unaffected,
    /// Delay, and errors that are answered by trying again: an overload is everybody's.
    Slower,
}

impl Stand {
    /// `esker dev` on a directory.
    pub(crate) fn new(name: &str, settings: &[&str]) -> Self {
        let turn = turn();
        let mut all = vec!["--memory-bytes", "64MiB"];
        all.extend(settings);
        let Cluster { mut agents, dir, .. } = Cluster::dev(name, &all);
        Self::of(None, agents.remove(0), dir, turn)
    }

    /// With a bucket that fails on command.
    pub(crate) fn on_s3(name: &str, settings: &[&str]) -> Self {
        let turn = turn();
        let dir = TestDir::new(name);
        let store = S3Server::start(dir.path(), &[]);
        let data = dir.join("data").display().to_string();
        let url = store.url();
        let mut arguments: Vec<String> = ["dev", "--data-dir", &data, "--bucket-url", &url]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(["--memory-bytes", "64MiB"].map(str::to_owned));
        arguments.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let mut agent = Agent::new("agent", arguments, store.environment(), dir.path());
        agent.start();
        Self::of(Some(store), agent, dir, turn)
    }

    /// An agent on Postgres and a bucket that take their time and never pause: neither has a disk. `None` where
    /// there is no Postgres.
    pub(crate) fn on_network(name: &str, settings: &[&str]) -> Option<Self> {
        let turn = turn();
        let metastore = throwaway_postgres::start_or_reuse()?;
        let dir = TestDir::new(name);
        let store = S3Server::start(dir.path(), &[]);
        store.add_faults(&json!({"op": "put", "kind": "latency", "ms": PUT_MS}));
        migrate(&program("esker"), &metastore);
        let bucket = store.url();
        let own = [
            "agent",
            "--metastore-url",
            &metastore,
            "--bucket-url",
            &bucket,
            "--memory-bytes",
            "64MiB",
            // The wait for a fuller segment would hide every other.
            "--flush-interval-ms",
            "0",
        ];
        let arguments = own.iter().chain(settings).map(|&argument| argument.to_owned());
        let mut agent = Agent::new("agent", arguments.collect(), store.environment(), dir.path());
        agent.start();
        let stand = Self::of(Some(store), agent, dir, turn);
        Some(Self {
            on_network: true,
            ..stand
        })
    }

    fn of(store: Option<S3Server>, agent: Agent, dir: TestDir, turn: MutexGuard<'static, ()>) -> Self {
        let at = agent.bootstrap().parse().unwrap();
        Self {
            store,
            agent,
            at,
            on_network: false,
            _dir: dir,
            _turn: turn,
        }
    }

    /// Resident memory now, and the most it ever was, in MiB.
    pub(crate) fn resident_mib(&self) -> (u64, u64) {
        let (now, most) = proc::resident_bytes(self.agent.process().pid());
        (now / MIB, most / MIB)
    }

    /// Has the bystander work before and during the attack, and judges.
    pub(crate) fn suffer(mut self, name: &str, others: Others, attack: impl FnOnce(&Self) + Send) {
        let mut bystander = Bystander::start(self.at);
        std::thread::sleep(if self.on_network {
            BEFORE_ON_NETWORK
        } else {
            BEFORE
        });
        let before = bystander.figures();
        let lines_before = self.agent.process().log().lines().count();
        let rss_before = self.resident_mib().0;
        let began = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                yield_processors();
                attack(&self);
            });
        });
        let took = began.elapsed().as_secs_f64();
        let during = bystander.figures();
        bystander.finish();
        assert!(self.agent.process_mut().is_running(), "the agent ended");
        let log = self.agent.process().log();
        let lines = log.lines().count() - lines_before;
        for reason in ["malformed", "no_request", "slow_sender", "slow_reader"] {
            let closed = self.agent.metric("esker_connections_closed_total", reason);
            print!("{reason} {closed}, ");
        }
        let (_, rss) = self.resident_mib();
        println!(
            "{name}: {took:.1} s; resident {rss_before} MiB, at most {rss} MiB of {}; log lines {lines}; load {}; bystander before {}; during {}",
            MEMORY_MIB + ALLOWANCE_MIB,
            load(),
            show(&before),
            show(&during),
        );
        assert!(before.errors.is_empty(), "{before:?}");
        assert!(
            rss <= MEMORY_MIB + ALLOWANCE_MIB,
            "{rss} MiB were resident: {MEMORY_MIB} MiB of budget and {ALLOWANCE_MIB} MiB are allowed"
        );
        assert!(!log.contains("panicked"), "{log}");
        let lines_max = LINES_MAX + (took * LINES_PER_SECOND_MAX) as usize;
        assert!(lines <= lines_max, "{lines} lines of log in {took:.1} s");
        if others == Others::Unaffected {
            assert!(during.errors.is_empty(), "{during:?}");
            assert!(during.acks > 0 && during.consumed > 0, "{during:?}");
            let floor = if self.on_network { 0.0 } else { P99_ON_DISK_MS };
            let p99_max = (before.p99_ms * P99_TIMES).max(floor);
            assert!(during.p99_ms <= p99_max, "p99 above {p99_max} ms: {during:?}");
        }
        assert_eq!(self.agent.get("/livez").map(|(status, _)| status), Some(200));
    }
}

/// An attacker on a network has processors of its own: this thread, and those that it starts, take what the agent
/// and the bystander leave of these.
fn yield_processors() {
    setpriority_process(None, 19).unwrap();
}

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn show(figures: &Figures) -> String {
    format!(
        "{} acks, {} read, p50 {:.1} p99 {:.1} max {:.1} ms, {} errors",
        figures.acks,
        figures.consumed,
        figures.p50_ms,
        figures.p99_ms,
        figures.max_ms,
        figures.errors.len()
    )
}

/// The load average of the last minute.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}
