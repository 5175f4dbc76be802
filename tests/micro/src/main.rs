//! `esker-micro`: one stage by itself, for counting its instructions (`make micro-counts`).
//!
//! `list` prints the stages that need nothing but this process: name, bytes, items and what an item is, with tabs
//! between. `count STAGE N` prepares and runs a stage N times and says nothing.

use std::process::ExitCode;

use esker_micro::{repeat, stages};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["list"] => {
            list();
            ExitCode::SUCCESS
        }
        ["count", name, times] => match (stages::find(name), times.parse()) {
            (Some(entry), Ok(times)) => {
                repeat(&mut *(entry.build)(), times);
                ExitCode::SUCCESS
            }
            (None, _) => refused(&format!("there is no stage '{name}'; `list` names them")),
            (_, Err(_)) => refused(&format!("'{times}' is not a number of runs")),
        },
        _ => refused("usage: esker-micro list | count STAGE N"),
    }
}

fn list() {
    for entry in stages::STAGES.iter().filter(|entry| entry.is_pure) {
        let work = (entry.build)().work();
        println!("{}\t{}\t{}\t{}", entry.name, work.bytes, work.items, work.item);
    }
}

fn refused(why: &str) -> ExitCode {
    eprintln!("micro: {why}");
    ExitCode::from(2)
}
