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
mod system;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use esker_harness::stop::{self, INTERRUPTED, Stop};

use options::Options;
use run::Verdict;

const BROKEN: u8 = 1;
const UNUSABLE: u8 = 2;

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
        None => stop::on_signals(&stop).and_then(|()| run::run(&options, seed, &stop)),
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
