//! `esker dev`: how soon it answers, and what it takes while nobody asks.

use std::net::SocketAddr;
use std::time::Duration;

use esker_harness::agents::Agent;

use super::{Entry, each};
use crate::clock::{monotonic_ns, seconds};
use crate::load::MB;
use crate::results::{Figure, lower};
use crate::system::Bench;
use crate::wire;

const START_LIMIT_S: f64 = 20.0;
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Until memory has settled.
const IDLE: Duration = Duration::from_secs(5);

pub(super) const ENTRIES: &[Entry] = &[Entry {
    name: "dev-ready",
    title: "`esker dev` on an empty directory: exec to the first answer, and memory while idle",
    metrics: &[
        lower("ready-ms", "ms").at_most(150.0),
        lower("again-ms", "ms").at_most(150.0),
        lower("idle-mb", "MB").at_most(40.0),
    ],
    by_default: true,
    take,
}];

fn take(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    each(bench, figure, |bench, figure| {
        let number = bench.number();
        let dir = bench.dir.join(format!("dev-{number}"));
        std::fs::create_dir_all(&dir).map_err(|err| format!("cannot make {}: {err}", dir.display()))?;
        let data = dir.join("data").display().to_string();
        let arguments = ["dev", "--data-dir", &data].map(str::to_owned).to_vec();
        let mut agent = Agent::new("dev", arguments, Vec::new(), &dir);
        figure.esker("ready-ms", start(bench, &mut agent)?);
        bench.wait(IDLE)?;
        figure.esker("idle-mb", agent.process().resident_bytes() as f64 / MB);
        agent.terminate(Duration::from_secs(10));
        figure.esker("again-ms", start(bench, &mut agent)?);
        agent.kill();
        Ok(())
    })
}

/// Milliseconds from the start of the process to its first answer.
fn start(bench: &Bench, agent: &mut Agent) -> Result<f64, String> {
    let address: SocketAddr = agent
        .bootstrap()
        .parse()
        .map_err(|err| format!("no address: {err}"))?;
    let began = monotonic_ns();
    agent.launch();
    loop {
        if wire::connect(address).is_some() {
            return Ok(seconds(began, monotonic_ns()) * 1000.0);
        }
        if seconds(began, monotonic_ns()) > START_LIMIT_S || !agent.process_mut().is_running() {
            return Err(format!("esker dev did not answer: {}", agent.process().log()));
        }
        bench.wait(LOOK_EVERY)?;
    }
}
