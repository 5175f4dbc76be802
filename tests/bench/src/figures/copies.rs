//! How often the agent moves a byte in user space, counted by `tests/bench/copies` under it.

use std::path::{Path, PathBuf};

use esker_harness::dirs;

use super::{Entry, each};
use crate::client::{ConsumeSpec, Spec};
use crate::load::{GIB, Load, PARTITIONS, consumer, fill, producer};
use crate::results::{Declared, Figure, lower, told};
use crate::system::{Bench, Esker, Settings, create_topic};

const LIBRARY: &str = "libesker_bench_copies.so";
const WARM_UP_S: f64 = 3.0;
const MEASURE_S: f64 = 6.0;
const TAIL_BYTES: usize = 128 << 20;

const METRICS: &[Declared] = &[
    lower("per-byte-produced", "bytes").at_most(1.0),
    // Nothing of a record; what goes around many of them is not worth a sign of failure.
    lower("per-byte-consumed", "bytes").at_most(0.01),
    lower("per-byte-produced-16k", "bytes"),
    told("mean-copy-produced", "bytes"),
];

pub(super) const ENTRIES: &[Entry] = &[Entry {
    name: "copies",
    title: "bytes that the agent copies in user space (in pieces of 1 KiB or more) per byte produced and consumed",
    metrics: METRICS,
    by_default: true,
    take,
}];

/// The counts of one agent.
struct Counts(PathBuf);

impl Counts {
    /// Bytes and calls so far.
    fn read(&self) -> Result<(u64, u64), String> {
        let bytes = std::fs::read(&self.0).unwrap_or_default();
        let number = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let both = number(0).zip(number(8));
        both.ok_or_else(|| format!("{LIBRARY} did not count: is the agent linked statically?"))
    }
}

fn take(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    let library = dirs::profile_directory().join(LIBRARY);
    if !library.exists() {
        return Err(format!(
            "{LIBRARY} is not built: cargo build -p esker-bench-copies, in the same profile"
        ));
    }
    each(bench, figure, |bench, figure| {
        for (batch_bytes, metric) in [
            (1_000_000, "per-byte-produced"),
            (16 * 1024, "per-byte-produced-16k"),
        ] {
            let (esker, counts) = counted(bench, &library)?;
            let topic = "copies";
            create_topic(&bench.parts, &esker, topic, PARTITIONS)?;
            let client = Spec::Produce(producer(&esker, topic, PARTITIONS, batch_bytes));
            let (copied, calls, bytes) = during(bench, &esker, &counts, client)?;
            figure.esker(metric, copied / bytes);
            if batch_bytes == 1_000_000 {
                figure.esker("mean-copy-produced", copied / calls);
            }
        }
        let (esker, counts) = counted(bench, &library)?;
        let topic = "copies";
        create_topic(&bench.parts, &esker, topic, PARTITIONS)?;
        fill(&esker, topic, PARTITIONS, TAIL_BYTES)?;
        let client = Spec::Consume(ConsumeSpec {
            again: true,
            ..consumer(&esker, topic, PARTITIONS)
        });
        let (copied, _, bytes) = during(bench, &esker, &counts, client)?;
        figure.esker("per-byte-consumed", copied / bytes);
        Ok(())
    })
}

fn counted(bench: &mut Bench, library: &Path) -> Result<(Esker, Counts), String> {
    let number = bench.number();
    let counts = bench.dir.join(format!("copies-{number}"));
    let environment = [
        ("LD_PRELOAD", library.display().to_string()),
        ("ESKER_BENCH_COPIES", counts.display().to_string()),
    ];
    let settings = Settings {
        environment: environment.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        ..Settings::default()
    };
    Ok((bench.esker(&settings)?, Counts(counts)))
}

/// Bytes copied, calls that copied them, and bytes of values that the client sent or got.
fn during(bench: &Bench, esker: &Esker, counts: &Counts, client: Spec) -> Result<(f64, f64, f64), String> {
    let mut before = Err("not read".to_owned());
    let mut after = Err("not read".to_owned());
    let load = Load::new(bench, vec![client], WARM_UP_S, MEASURE_S);
    let measured = load.run_with(bench, esker, &mut |is_begin| {
        *(if is_begin { &mut before } else { &mut after }) = counts.read();
    })?;
    let ((bytes_before, calls_before), (bytes_after, calls_after)) = (before?, after?);
    Ok((
        (bytes_after - bytes_before) as f64,
        (calls_after - calls_before) as f64,
        measured.gib(0) * GIB,
    ))
}
