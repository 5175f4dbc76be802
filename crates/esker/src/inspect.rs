//! `esker inspect`: any object of the bucket in words.

use std::io::Read;
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use esker_model::seams::Seams;
use esker_storage::StoreMetrics;
use futures::StreamExt;

use crate::cli::{block_on, environment, print_lines};
use crate::failure::{Failure, Outcome, io_reason};
use crate::run::open_bucket;
use crate::settings::{self, Layers, Mode};

/// Most keys that `--list` prints.
const KEYS_MAX: usize = 10_000;

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The object's key below the bucket's prefix, e.g. `cluster.json`; with --list the start of keys
    #[arg(required_unless_present_any = ["file", "list"], default_value = "", hide_default_value = true)]
    key: String,
    /// Read the object from this file instead of the bucket
    #[arg(long, value_name = "FILE", conflicts_with_all = ["list", "bucket_url"])]
    file: Option<PathBuf>,
    /// List keys and sizes instead
    #[arg(long)]
    list: bool,
    /// TOML file with settings by name
    #[arg(long, value_name = "FILE", env = "ESKER_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// The bucket: s3://bucket/prefix, gs://..., az://... or file:///directory [env: ESKER_BUCKET_URL]
    #[arg(long, value_name = "URL")]
    bucket_url: Option<String>,
    /// The directory of `esker dev`, whose bucket is meant [env: ESKER_DATA_DIR]
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "bucket_url")]
    data_dir: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &InspectArgs) -> Outcome {
    match &args.file {
        Some(path) => {
            let mut object = Vec::new();
            std::fs::File::open(path)
                .and_then(|mut file| file.read_to_end(&mut object))
                .map_err(|error| {
                    Failure::Failed(format!("cannot read {}: {}", path.display(), io_reason(&error)))
                })?;
            describe(&path.display().to_string(), &Bytes::from(object))
        }
        None => block_on(from_bucket(args)),
    }
}

async fn from_bucket(args: &InspectArgs) -> Outcome {
    let flags = [("bucket_url", &args.bucket_url), ("data_dir", &args.data_dir)];
    let flags = flags
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect();
    let layers = Layers::merge(Mode::Agent, &flags, environment(), args.config.as_deref())?;
    let url = settings::bucket(&layers)?;
    let bucket = open_bucket(&url, &Seams::real(), StoreMetrics::default())?;
    let failed = |error: esker_storage::StoreError| Failure::Failed(url.scrub(&error.to_string()));
    if !args.list {
        let object = bucket.get(&args.key).await.map_err(failed)?;
        return describe(&args.key, &object);
    }
    let mut listed = bucket.list(&args.key).take(KEYS_MAX);
    while let Some(object) = listed.next().await {
        let object = object.map_err(failed)?;
        print_lines(&[format!("{:>12}  {}", object.bytes, object.key)])?;
    }
    Ok(())
}

fn describe(key: &str, object: &Bytes) -> Outcome {
    print_lines(&[esker_storage::inspect::describe(key, object)
        .trim_end()
        .to_owned()])
}
