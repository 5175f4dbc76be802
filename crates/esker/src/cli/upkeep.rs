//! `esker cluster upkeep`: what background work has before it and who does it, as the metastore tells it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use esker_metastore::{JobReport, UpkeepStatus};
use esker_model::seams::Seams;

use super::output::{self, counted};
use super::table::Table;
use super::{age, environment};
use crate::failure::{Failure, Outcome};
use crate::run::{Looked, sentence_of};
use crate::settings::{self, Layers, MetastoreUrl, Mode, size};
use crate::upkeep::document;

#[derive(Debug, Args)]
pub(crate) struct UpkeepArgs {
    /// TOML file with settings by name
    #[arg(long, value_name = "FILE", env = "ESKER_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// The metastore: postgres://user:password@host/database or sqlite:PATH [env: ESKER_METASTORE_URL]
    #[arg(long, value_name = "URL")]
    metastore_url: Option<String>,
    /// The directory of `esker dev`, whose metastore is meant [env: ESKER_DATA_DIR]
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "metastore_url")]
    data_dir: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The numbers of each job in the order in which people read them, with the words for them. Those whose names end in
/// `bytes` are sizes.
const NUMBERS: &[(&str, &[(&str, &str)])] = &[
    (
        "archive",
        &[
            ("segments", "segments"),
            ("bytes", "archived"),
            ("rounds", "rounds"),
            ("failures", "failures"),
        ],
    ),
    (
        "merge",
        &[
            ("partitions", "partitions"),
            ("bytes", "merged"),
            ("moved_bytes", "moved"),
            ("failures", "failures"),
        ],
    ),
    (
        "retain",
        &[
            ("moved", "log starts moved"),
            ("chunks", "chunks forgotten"),
            ("failures", "failures"),
        ],
    ),
    (
        "remove",
        &[
            ("objects", "objects removed"),
            ("topics", "topics emptied"),
            ("failures", "failures"),
        ],
    ),
    (
        "sweep",
        &[
            ("sweeps", "sweeps"),
            ("listed", "objects listed"),
            ("orphans", "orphans removed"),
            ("failures", "failures"),
        ],
    ),
];

/// Runs the command.
pub(super) async fn run(args: UpkeepArgs) -> Outcome {
    let flags = [("metastore_url", args.metastore_url), ("data_dir", args.data_dir)];
    let flags: BTreeMap<_, _> = flags
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let layers = Layers::merge(Mode::Agent, &flags, environment(), args.config.as_deref())?;
    let url = settings::metastore(&layers)?;
    let failed = |error| Failure::Failed(sentence(&url, &error));
    let looked = Looked::at(&url, &Seams::real()).await.map_err(failed)?;
    let status = looked.metastore().upkeep_status().await.map_err(failed);
    looked.close().await;
    let status = status?;
    if args.json {
        return output::json(&document(&status));
    }
    for line in lines(&status) {
        output::line(&line)?;
    }
    output::table(&jobs(&status))
}

fn sentence(url: &MetastoreUrl, error: &esker_metastore::MetastoreError) -> String {
    let sentence = sentence_of(url, error);
    match url {
        MetastoreUrl::Postgres(_) => sentence,
        MetastoreUrl::Sqlite(_) => format!(
            "{sentence}; name the directory of `esker dev` with --data-dir, or ask the process itself: GET /upkeep on its admin_addr"
        ),
    }
}

fn lines(status: &UpkeepStatus) -> Vec<String> {
    let waiting = match status.waiting_segments {
        0 => "nothing".to_owned(),
        count => format!(
            "{}, {}, the oldest for {}",
            counted(count, "segment"),
            size::show(status.waiting_bytes),
            age::show(status.waiting_age_ms)
        ),
    };
    [
        ("waits to be archived", waiting),
        (
            "waits to be merged",
            format!(
                "{} in {}",
                counted(status.archived_extents, "extent"),
                counted(status.archive_segments, "archive segment")
            ),
        ),
        (
            "in manifests",
            format!(
                "{} in {}",
                size::show(status.manifest_bytes),
                counted(status.manifests, "manifest")
            ),
        ),
        ("objects to remove", status.unneeded_objects.to_string()),
        ("topics to empty", status.topics_to_empty.to_string()),
        ("incarnations to sweep", status.to_sweep.to_string()),
        ("", String::new()),
    ]
    .map(|(name, value)| format!("{name:23}{value}").trim_end().to_owned())
    .into()
}

fn jobs(status: &UpkeepStatus) -> Table {
    let mut table = Table::new(&["JOB", "NODE", "REPORTED", "DONE"]);
    for job in &status.jobs {
        let reported = job
            .report_age_ms
            .map_or("never".to_owned(), |ms| format!("{} ago", age::show(ms)));
        table.row([
            job.name.clone(),
            job.node_name.clone().unwrap_or_else(|| "-".to_owned()),
            reported,
            done(&job.name, &job.report),
        ]);
    }
    table
}

/// What a job did: the numbers that are known in their order, then others as they are called.
fn done(job: &str, report: &JobReport) -> String {
    let known = NUMBERS.iter().find(|(name, _)| *name == job);
    let known = known.map_or(&[][..], |(_, numbers)| numbers);
    let show = |name: &str, number: i64| match u64::try_from(number) {
        Ok(bytes) if name.ends_with("bytes") => size::show(bytes),
        _ => number.to_string(),
    };
    let mut words = Vec::new();
    for (name, word) in known {
        if let Some(number) = report.get(*name) {
            words.push(format!("{word} {}", show(name, *number)));
        }
    }
    for (name, number) in report {
        if !known.iter().any(|(known, _)| known == name) {
            words.push(format!("{name} {}", show(name, *number)));
        }
    }
    match words.is_empty() {
        true => "-".to_owned(),
        false => words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use esker_metastore::JobStatus;

    use super::*;

    fn job(name: &str, node: Option<&str>, age: Option<i64>, report: &[(&str, i64)]) -> JobStatus {
        JobStatus {
            name: name.to_owned(),
            node_name: node.map(str::to_owned),
            report: report
                .iter()
                .map(|(name, number)| ((*name).to_owned(), *number))
                .collect(),
            report_age_ms: age,
        }
    }

    #[test]
    fn people_read_it() {
        let archive = [
            ("bytes", 3 << 20),
            ("failures", 0),
            ("rounds", 4),
            ("segments", 12),
            ("later", 5),
        ];
        let status = UpkeepStatus {
            waiting_segments: 2,
            waiting_bytes: 1536,
            waiting_age_ms: 61_000,
            archived_extents: 1,
            archive_segments: 1,
            jobs: vec![
                job("archive", Some("agent-1"), Some(12_345), &archive),
                job("merge", None, None, &[]),
                job("unheard-of", None, Some(1), &[("some_bytes", 2048)]),
            ],
            ..UpkeepStatus::default()
        };
        let text = format!("{}\n{}", lines(&status).join("\n"), jobs(&status).render(None));
        let expected = "\
waits to be archived   2 segments, 1.5 KiB, the oldest for 1 min 1 s
waits to be merged     1 extent in 1 archive segment
in manifests           0 B in 0 manifests
objects to remove      0
topics to empty        0
incarnations to sweep  0

JOB         NODE     REPORTED  DONE
archive     agent-1  12 s ago  segments 12, archived 3 MiB, rounds 4, failures 0, later 5
merge       -        never     -
unheard-of  -        1 ms ago  some_bytes 2 KiB
";
        assert_eq!(text, expected);
    }
}
