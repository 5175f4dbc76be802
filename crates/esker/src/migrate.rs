//! `esker migrate`: the metastore's schema, brought up to date. Safe to repeat, and safe beside live
//! agents: an advisory lock lets one migrate at a time, and migrations only add.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use esker_metastore::postgres::{self, SCHEMA_KNOWN};
use esker_model::seams::Seams;
use serde_json::json;

use crate::cli::{block_on, print_json, print_lines};
use crate::failure::{Failure, Outcome};
use crate::run::{open_sqlite, sentence_of};
use crate::settings::secret::SecretUrl;
use crate::settings::{self, Layers, MetastoreUrl, Mode};

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// TOML file with settings by name
    #[arg(long, value_name = "FILE", env = "ESKER_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// The metastore: postgres://user:password@host/database [env: ESKER_METASTORE_URL]
    #[arg(long, value_name = "URL")]
    metastore_url: Option<String>,
    /// Declare that this database may be built upon although it has another past than the cluster last
    /// saw, e.g. after a failover that may have lost commits: agents then write again. Offsets that were
    /// lost may be given a second time, so do it only when no agent acknowledged what is missing
    #[arg(long)]
    accept_past: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &MigrateArgs) -> Outcome {
    let mut flags = BTreeMap::new();
    if let Some(url) = &args.metastore_url {
        flags.insert("metastore_url", url.clone());
    }
    let environment = crate::cli::environment();
    let layers = Layers::merge(Mode::Agent, &flags, environment, args.config.as_deref())?;
    let metastore = settings::metastore(&layers)?;
    block_on(async {
        match &metastore {
            MetastoreUrl::Postgres(url) => migrate(args, &metastore, url).await,
            MetastoreUrl::Sqlite(path) if args.accept_past => Err(Failure::Usage(format!(
                "--accept-past is for Postgres; {} is one file and has one past",
                path.display()
            ))),
            MetastoreUrl::Sqlite(path) => {
                open_sqlite(path, &Seams::real(), esker_metastore::MetastoreMetrics::default())
                    .map_err(|error| Failure::Failed(sentence_of(&metastore, &error)))?;
                print_lines(&[format!("{metastore}: the schema is up to date")])
            }
        }
    })
}

async fn migrate(args: &MigrateArgs, metastore: &MetastoreUrl, url: &SecretUrl) -> Outcome {
    let failed = |error| Failure::Failed(sentence_of(metastore, &error));
    let report = postgres::migrate(url.address()).await.map_err(failed)?;
    if args.accept_past {
        postgres::accept_past(url.address()).await.map_err(failed)?;
    }
    if args.json {
        return print_json(&json!({
            "metastore": metastore.to_string(),
            "from": report.from,
            "to": report.to,
            "applied": report.applied,
            "past_accepted": args.accept_past,
        }));
    }
    let mut lines = vec![if report.applied.is_empty() {
        format!("{metastore}: the schema is up to date at version {SCHEMA_KNOWN}")
    } else {
        let applied = report.applied.join(", ");
        format!(
            "{metastore}: the schema went from version {} to {} ({applied})",
            report.from, report.to
        )
    }];
    if args.accept_past {
        lines.push(format!(
            "{metastore}: its past is accepted; agents write again. If topics were created in what was lost, restart \
             the agents that ran then: they still show these topics"
        ));
    }
    print_lines(&lines)
}
