//! Many small segments: how often each is read again.

use super::super::{System, each, note_complaint};
use super::wait::{SERVE, UPKEEP, until_archived};
use crate::client::Spec;
use crate::load::{GIB, Load, MB, PARTITIONS, paced_producer};
use crate::results::Figure;
use crate::system::{Bench, Requests, Settings, create_topic};

const TOPIC: &str = "trickle";
const WARM_UP_S: f64 = 1.0;
const MEASURE_S: f64 = 60.0;
/// So that there are several rounds.
const INTERVAL: [&str; 2] = ["--archive-interval-ms", "10000"];

pub(super) fn take(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    each(bench, figure, |bench, figure| {
        let (requests, bytes) = archived(bench, figure, true)?;
        let objects = requests.of("put", "ingest");
        figure.esker("gets-per-object", requests.of("get", "ingest") / objects);
        figure.esker("objects", objects);
        figure.esker("object-kib", bytes / 1024.0 / objects);
        figure.esker("requests-per-gib", (requests.of_work() - objects) / (bytes / GIB));
        let (requests, _) = archived(bench, figure, false)?;
        figure.esker(
            "cached-gets-per-object",
            requests.of("get", "ingest") / requests.of("put", "ingest"),
        );
        Ok(())
    })
}

/// Requests until all of it is archived, by another agent than the one that was written to if it is `apart`; and bytes
/// of batches that were archived.
fn archived(bench: &mut Bench, figure: &mut Figure, apart: bool) -> Result<(Requests, f64), String> {
    let serving: &[&str] = if apart { &SERVE } else { &INTERVAL };
    let esker = bench.esker(&Settings::with(serving))?;
    let upkeep = apart.then(|| esker.beside("upkeep", &[UPKEEP, INTERVAL].concat()));
    create_topic(&bench.parts, &esker, TOPIC, PARTITIONS)?;
    let client = Spec::Produce(paced_producer(&esker, TOPIC, PARTITIONS, MB));
    let measured = Load::new(bench, vec![client], WARM_UP_S, MEASURE_S).run(bench, &esker)?;
    note_complaint(figure, System::Esker, &measured);
    until_archived(bench, &mut esker.sql()?)?;
    let archiver = upkeep.as_ref().unwrap_or(&esker.agent);
    Ok((esker.requests(), archiver.metric("esker_archive_bytes_total", "")))
}
