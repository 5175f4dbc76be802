//! The simulator's command line: many seeds, or one again.

#![allow(
    clippy::disallowed_methods,
    reason = "real time outside of the runs: how long they take, and a seed that nobody chose"
)]

mod watchdog;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use esker_history::report;
use esker_sim::run::{self, Figures, Outcome};
use esker_sim::setup::Setup;
use esker_sim::setup::groups::Crowd;
use esker_sim::world::tally::Counts;
use watchdog::Watchdog;

/// Runs whole Esker clusters in simulated time and holds what their clients saw against the promises.
#[derive(Parser, Debug)]
#[command(
    after_help = "Example: esker-sim --seeds 3000 --summary summary.txt\n         esker-sim --seed 1234"
)]
struct Options {
    /// Run this many seeds
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first of them; a fresh one each time if it is left out
    #[arg(long)]
    from: Option<u64>,
    /// Run this seed alone, and tell about it
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Print what the agents log
    #[arg(long, requires = "seed")]
    log: bool,
    /// Print every event of the history
    #[arg(long, requires = "seed")]
    history: bool,
    /// Threads, each with a seed of its own [default: one for each core]
    #[arg(long, conflicts_with = "seed", value_parser = threads_from)]
    threads: Option<usize>,
    /// Give every run several groups of consumers
    #[arg(long)]
    groups: bool,
    /// Go on after a seed failed
    #[arg(long, conflicts_with = "seed")]
    keep_going: bool,
    /// Write a summary of the run to this file
    #[arg(long, conflicts_with = "seed")]
    summary: Option<PathBuf>,
    /// Plant a mistake in the agents, or `all` one after the other, and say how many seeds it takes to catch it;
    /// with --seed, run that seed with the mistake
    #[cfg(feature = "planted")]
    #[arg(long)]
    plant: Option<String>,
}

impl Options {
    fn crowd(&self) -> Crowd {
        #[cfg(feature = "planted")]
        if let Some(mistake) = esker_model::planted::now() {
            return esker_sim::planted::crowd(mistake);
        }
        match self.groups {
            true => Crowd::Many,
            false => Crowd::Some,
        }
    }
}

/// More would only wait for each other.
const THREADS_MAX: usize = 1024;

fn threads_from(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=THREADS_MAX) => Ok(threads),
        _ => Err(format!("a number from 1 to {THREADS_MAX}")),
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    // A run takes long: that it cannot be told of is better known before.
    if let Some(path) = &options.summary
        && let Err(err) = fs::OpenOptions::new().append(true).create(true).open(path)
    {
        eprintln!("cannot write {}: {err}", path.display());
        return ExitCode::from(2);
    }
    run::catch_panics();
    #[cfg(feature = "planted")]
    if let Some(name) = &options.plant {
        return plant(name, &options);
    }
    match options.seed {
        Some(seed) => one(seed, &options),
        None => many(&options),
    }
}

fn one(seed: u64, options: &Options) -> ExitCode {
    let setup = Setup::with(seed, options.crowd());
    println!("seed {seed}: {setup:#?}");
    let _log = options.log.then(esker_sim::log::to_stderr);
    let outcome = match run::run(&setup) {
        Ok(outcome) => outcome,
        Err(why) => {
            eprintln!("seed {seed} could not run: {why}");
            return ExitCode::from(2);
        }
    };
    if options.history {
        println!("{:#?}", outcome.history.topics);
        for event in &outcome.history.events {
            println!(
                "{:10.3} {:?} {:?}",
                event.at_us as f64 / 1e6,
                event.client,
                event.what
            );
        }
    }
    println!("{:#?}", outcome.figures);
    println!("digest {:016x}", outcome.digest);
    if tell(seed, &outcome, options) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Looks for planted mistakes. Fails if one is not caught.
#[cfg(feature = "planted")]
fn plant(name: &str, options: &Options) -> ExitCode {
    use esker_model::planted::Mistake;
    use esker_sim::planted;

    let chosen: Vec<_> = Mistake::ALL
        .into_iter()
        .filter(|mistake| name == "all" || format!("{mistake:?}").eq_ignore_ascii_case(name))
        .collect();
    if chosen.is_empty() {
        eprintln!(
            "there is no mistake {name}; these can be planted: all, {:?}",
            Mistake::ALL
        );
        return ExitCode::from(2);
    }
    if let Some(seed) = options.seed {
        let [mistake] = chosen[..] else {
            eprintln!(
                "--seed replays one mistake: name it, for example --plant {:?}",
                Mistake::ALL[0]
            );
            return ExitCode::from(2);
        };
        esker_model::planted::plant(Some(mistake));
        return one(seed, options);
    }
    let mut missed = 0;
    let mut table = String::from("| mistake | seeds | broken promise | rule |\n|---|---|---|---|\n");
    for mistake in chosen {
        let begun = Instant::now();
        let (row, seed) = match planted::hunt(
            mistake,
            options.from.unwrap_or(0),
            options.seeds,
            threads(options),
        ) {
            Some(caught) => {
                let row = format!(
                    "| {mistake:?} | {} | {} | {} |\n",
                    caught.seeds, caught.promise, caught.rule
                );
                (row, Some(caught.seed))
            }
            None => {
                missed += 1;
                (
                    format!("| {mistake:?} | not within {} | | |\n", options.seeds),
                    None,
                )
            }
        };
        println!(
            "{} seed {seed:?}, {:.0} s",
            row.trim_end(),
            begun.elapsed().as_secs_f64()
        );
        table.push_str(&row);
    }
    print!("\n{table}");
    if let Some(path) = &options.summary
        && let Err(err) = fs::write(path, &table)
    {
        eprintln!("cannot write {}: {err}", path.display());
        return ExitCode::from(2);
    }
    if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn threads(options: &Options) -> usize {
    options
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |cores| cores.get()))
}

/// Says what is broken; whether anything is.
fn tell(seed: u64, outcome: &Outcome, options: &Options) -> bool {
    let Some(first) = outcome.violations.first() else {
        println!("seed {seed}: all promises kept");
        return false;
    };
    println!(
        "\nseed {seed}: {} violation(s); the first:\n",
        outcome.violations.len()
    );
    println!("{}", report::tell(first, &outcome.history));
    println!("replay it with: {}", replay(seed, options));
    true
}

/// The command that runs a seed again with what is planted now.
fn replay(seed: u64, options: &Options) -> String {
    let args = if options.groups { " ARGS=--groups" } else { "" };
    #[cfg(feature = "planted")]
    if let Some(mistake) = esker_model::planted::now() {
        return format!("make sim-planted PLANT={mistake:?} SEED={seed}{args}");
    }
    format!("make sim SEED={seed}{args}")
}

#[derive(Default)]
struct Total {
    seeds: u64,
    failed: Vec<u64>,
    by_rule: BTreeMap<String, u64>,
    figures: Figures,
}

impl Total {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.seeds += 1;
        let (sum, one) = (&mut self.figures, &outcome.figures);
        sum.simulated += one.simulated;
        sum.store_events += one.store_events;
        sum.faults += one.faults;
        sum.acknowledged += one.acknowledged;
        sum.records_read += one.records_read;
        sum.shortened += one.shortened;
        sum.events += one.events;
        for (what, times) in &one.counts {
            *sum.counts.entry(*what).or_default() += times;
        }
        if let Some(first) = outcome.violations.first() {
            self.failed.push(seed);
            *self
                .by_rule
                .entry(format!("{:?} {}", first.promise, first.rule))
                .or_default() += 1;
        }
    }
}

fn many(options: &Options) -> ExitCode {
    let from = options.from.unwrap_or_else(fresh);
    let threads = threads(options);
    println!("{} seeds from {from} on {threads} thread(s)", options.seeds);
    let begun = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let total = Mutex::new(Total::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= options.seeds {
                        return;
                    }
                    let seed = from.wrapping_add(at);
                    let watchdog = Watchdog::start(seed);
                    let outcome = run::run(&Setup::with(seed, options.crowd()));
                    drop(watchdog);
                    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                    match outcome {
                        Ok(outcome) => {
                            total.add(seed, &outcome);
                            if !outcome.violations.is_empty() {
                                tell(seed, &outcome, options);
                                if !options.keep_going {
                                    stop.store(true, Ordering::Relaxed);
                                }
                            }
                        }
                        Err(why) => {
                            eprintln!("seed {seed} could not run: {why}");
                            eprintln!("replay it with: {}", replay(seed, options));
                            total.failed.push(seed);
                        }
                    }
                    if total.seeds.is_multiple_of(200) {
                        progress(&total, begun);
                    }
                }
            });
        }
    });
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let summary = summary(&total, from, begun.elapsed());
    print!("{summary}");
    if let Some(path) = &options.summary
        && let Err(err) = fs::write(path, &summary)
    {
        eprintln!("cannot write {}: {err}", path.display());
        return ExitCode::from(2);
    }
    if total.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn progress(total: &Total, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} seeds, {} failed, {:.0} s, {:.1} seeds/s",
        total.seeds,
        total.failed.len(),
        seconds,
        total.seeds as f64 / seconds
    );
}

fn summary(total: &Total, from: u64, took: Duration) -> String {
    let figures = &total.figures;
    let mut text = format!(
        "seeds                  {} from {from}\n\
         failed                 {}\n\
         simulated time         {:.1} h ({:.0} s per seed)\n\
         real time              {:.0} s ({:.1} seeds/s)\n\
         faults                 {}\n\
         requests at stores     {}\n\
         batches acknowledged   {}\n\
         records read           {}\n\
         partitions shortened   {}\n\
         events in histories    {}\n",
        total.seeds,
        total.failed.len(),
        figures.simulated.as_secs_f64() / 3600.0,
        figures.simulated.as_secs_f64() / total.seeds.max(1) as f64,
        took.as_secs_f64(),
        total.seeds as f64 / took.as_secs_f64(),
        figures.faults,
        figures.store_events / 2,
        figures.acknowledged,
        figures.records_read,
        figures.shortened,
        figures.events,
    );
    text.push_str(&counts(&figures.counts));
    for (rule, count) in &total.by_rule {
        text.push_str(&format!("broken: {rule}: {count} seed(s)\n"));
    }
    if !total.failed.is_empty() {
        text.push_str(&format!("failed seeds: {:?}\n", total.failed));
    }
    text
}

/// A line for each group of what was counted.
fn counts(counts: &Counts) -> String {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((group, what), times) in counts {
        groups.entry(group).or_default().push(format!("{what} {times}"));
    }
    let line = |(group, counted): (&str, Vec<String>)| format!("{group:<22} {}\n", counted.join(", "));
    groups.into_iter().map(line).collect()
}

/// A seed that nobody chose.
fn fresh() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64 % 1_000_000_000)
}
