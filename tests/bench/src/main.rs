//! `esker-bench`: one command, one run, one table.
//!
//! `parts → figure (systems → clients → measure) → samples → table, file, plot`. What holds: everything that is
//! started listens on loopback and ends with this program, however that ends; Esker and Apache Kafka take turns
//! within a figure; a figure that fails says why and the run goes on without it.

mod client;
mod clock;
mod figures;
mod load;
mod options;
mod parts;
mod results;
mod run;
mod system;
mod wire;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use esker_harness::stop::INTERRUPTED;

use options::{Command, Options};
use results::{Report, compare, plot, table};
use run::Ended;

const FAILED: u8 = 1;
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let outcome = match Options::parse().command {
        Command::Run(run) => run::run(&run),
        Command::Compare { a, b } => both(&a, &b).map(|text| done(&text)),
        Command::Plot { file, dir } => plotted(&file, &dir).map(|text| done(&text)),
        Command::Show { file } => Report::read(&file).map(|report| done(&table::render(&report))),
        Command::List => Ok(done(&list())),
        Command::Client { spec } => client::main(&spec).map(|()| Ended::Well),
    };
    match outcome {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::WithoutAll) => ExitCode::from(FAILED),
        Ok(Ended::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn done(text: &str) -> Ended {
    print!("{text}");
    Ended::Well
}

fn both(a: &Path, b: &Path) -> Result<String, String> {
    Ok(compare::render(&Report::read(a)?, &Report::read(b)?))
}

fn plotted(file: &Path, dir: &Path) -> Result<String, String> {
    let written = plot::write_all(&Report::read(file)?, dir)?;
    Ok(format!("{written} drawings in {}\n", dir.display()))
}

fn list() -> String {
    let mut text = String::new();
    for entry in figures::all() {
        let by_name = if entry.by_default { "" } else { " (only by name)" };
        text.push_str(&format!("{:<26} {}{by_name}\n", entry.name, entry.title));
    }
    text
}
