//! One run: its figures one after the other.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use esker_harness::stop::{self, Stop};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::figures::{self, Entry};
use crate::options::Run;
use crate::parts::Parts;
use crate::results::machine::{Machine, load_average};
use crate::results::{Figure, Report, table};
use crate::system::Bench;

/// How a run ended.
pub(crate) enum Ended {
    Well,
    /// A figure failed.
    WithoutAll,
    Interrupted,
}

/// Takes the figures that were asked for.
pub(crate) fn run(options: &Run) -> Result<Ended, String> {
    let chosen = choose(&options.only)?;
    allow_files();
    let parts = Parts::find(options.without_kafka)?;
    let stop = Arc::new(Stop::default());
    stop::on_signals(&stop)?;
    let machine = Machine::look(&parts);
    let home = parts.build.join("bench");
    let dir = home.join(format!("run-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|err| format!("cannot make {}: {err}", dir.display()))?;
    let out = match &options.out {
        Some(out) => out.clone(),
        None => home.join(format!("{}.json", machine.began_unix_s)),
    };
    let mut report = Report::new(machine, options.repetitions, options.quick);
    let mut bench = Bench::new(
        parts,
        dir.clone(),
        Arc::clone(&stop),
        options.repetitions,
        options.quick,
    );
    for entry in chosen {
        eprintln!(
            "{}: {} (load average {:.2})",
            entry.name,
            entry.title,
            load_average()
        );
        report.figures.push(take(entry, &mut bench));
        // After each figure, so that a run that is ended early has something to show.
        report.write(&out)?;
        if stop.is_set() {
            break;
        }
    }
    drop(bench);
    print!("{}", table::render(&report));
    println!("results: {}", out.display());
    let failed = report.figures.iter().any(|figure| figure.error.is_some());
    if failed {
        println!("logs: {}", dir.display());
    } else {
        let _ = std::fs::remove_dir_all(&dir);
    }
    Ok(match (stop.is_set(), failed) {
        (true, _) => Ended::Interrupted,
        (false, true) => Ended::WithoutAll,
        (false, false) => Ended::Well,
    })
}

/// Takes one figure. A fixture that fails fails that figure.
fn take(entry: &Entry, bench: &mut Bench) -> Figure {
    let mut figure = Figure::new(entry.name, entry.title, entry.metrics);
    let taken = std::panic::catch_unwind(AssertUnwindSafe(|| (entry.take)(bench, &mut figure)));
    figure.error = match taken {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(why),
        Err(_) => Some("a part failed: its reason stands above".to_owned()),
    };
    if let Some(why) = &figure.error {
        eprintln!("  {}: FAILED: {why}", figure.name);
    }
    figure
}

/// As many open files as this user may have, for this program and what it starts.
fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Without, figures with many connections take fewer, and say so.
    let _ = setrlimit(Resource::Nofile, raised);
}

fn choose(only: &[String]) -> Result<Vec<&'static Entry>, String> {
    if let Some(unknown) = only
        .iter()
        .find(|name| !figures::all().any(|entry| entry.name == **name))
    {
        return Err(format!(
            "there is no figure {unknown}: esker-bench list says which there are"
        ));
    }
    let is_chosen = |entry: &&Entry| match only.is_empty() {
        true => entry.by_default,
        false => only.iter().any(|name| name == entry.name),
    };
    Ok(figures::all().filter(is_chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_chosen_by_name_and_names_are_unique() {
        let names = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            choose(&only).map(|chosen| chosen.iter().map(|entry| entry.name).collect::<Vec<_>>())
        };
        assert_eq!(
            names(&["consume-tail", "produce-1mb"]).unwrap(),
            ["produce-1mb", "consume-tail"]
        );
        assert!(names(&["produce-2mb"]).unwrap_err().contains("produce-2mb"));
        let mut all: Vec<_> = figures::all().map(|entry| entry.name).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        for entry in figures::all() {
            assert!(
                entry
                    .name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            );
            assert!(!entry.metrics.is_empty());
        }
    }
}
