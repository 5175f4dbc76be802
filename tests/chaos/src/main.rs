//! `esker-chaos`: real faults on real processes under real clients.
//!
//! `plan → system → clients → faults → heal → read through → judge`. The plan of faults follows from a seed,
//! which is printed; what the processes make of it does not, so that a seed repeats the faults and not the
//! run. What holds: everything that is started listens on loopback, and ends with this program, however that
//! ends; one agent is always up; a fault that did not take hold is not counted.

mod clients;
mod clock;
mod driver;
mod faults;
mod figures;
mod guard;
mod http;
mod judge;
mod options;
mod parts;
mod plan;
mod proc;
mod run;
mod stop;
mod system;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use options::Options;
use run::Verdict;
use stop::Stop;

const BROKEN: u8 = 1;
const UNUSABLE: u8 = 2;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let options = Options::parse();
    let stop = Arc::new(Stop::default());
    let seed = options.seed.unwrap_or_else(plan::fresh_seed);
    let outcome = match &options.judge {
        Some(dir) => run::judge_again(dir),
        None if options.plan => {
            print_plan(&options, seed);
            Ok(Verdict::Kept)
        }
        None => listen(&stop).and_then(|()| run::run(&options, seed, &stop)),
    };
    match outcome {
        Ok(Verdict::Kept) => ExitCode::SUCCESS,
        Ok(Verdict::Broken) => ExitCode::from(BROKEN),
        Ok(Verdict::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(why) => {
            eprintln!("chaos: {why}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn print_plan(options: &Options, seed: u64) {
    let plan = run::plan_of(options, seed);
    println!("seed {seed}: {} faults", plan.len());
    for planned in plan {
        let fault = &planned.fault;
        println!(
            "{:>9.2} s  {} ({:.2} s, agent {}, strength {:.2})",
            planned.at.as_secs_f64(),
            fault.kind.name(),
            fault.lasts.as_secs_f64(),
            fault.agent + 1,
            fault.strength
        );
    }
}

/// The first SIGINT or SIGTERM ends the run in good order; the second at once, and what was started with it.
fn listen(stop: &Arc<Stop>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|err| format!("cannot start: {err}"))?;
    let stop = Arc::clone(stop);
    let listening = move || {
        runtime.block_on(async {
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if stop.is_set() {
                    std::process::exit(i32::from(INTERRUPTED));
                }
                eprintln!("ending: once more ends at once");
                stop.set();
            }
        });
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(listening)
        .map(|_| ())
        .map_err(|err| format!("cannot start: {err}"))
}
