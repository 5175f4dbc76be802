//! `esker inspect`: any object of the bucket in words; exit code 1 unless it is whole. Nothing is created or changed.

mod asked;

use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use esker_model::seams::Seams;
use esker_storage::Bucket;
use esker_storage::inspect::Known;
use futures::StreamExt;

use crate::cli::{block_on, environment, print_lines};
use crate::failure::{Failure, Outcome, io_reason};
use crate::run::open_bucket_to_read;
use crate::settings::secret::SecretUrl;
use crate::settings::{self, Layers, Mode};
use asked::{Asked, Place};

/// Most keys that `--list` prints.
const KEYS_MAX: usize = 10_000;

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The object: its key below the bucket's prefix, e.g. `cluster.json`, or its whole URL; before it, if you like, what it
    /// has to be: segment or manifest. With --file, what the copy is of, if you know it; with --list, the start of keys
    #[arg(required_unless_present_any = ["file", "list"], num_args = 1..=2, value_name = "OBJECT")]
    words: Vec<String>,
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
        Some(path) => copy(path, &Asked::of(&args.words)?),
        None if args.list => block_on(list(args)),
        None => block_on(from_bucket(args)),
    }
}

/// A file; its key is what was typed, else what its path ends with.
fn copy(path: &Path, asked: &Asked<'_>) -> Outcome {
    let name = path.display().to_string();
    let mut object = Vec::new();
    std::fs::File::open(path)
        .and_then(|mut file| file.read_to_end(&mut object))
        .map_err(|error| Failure::Failed(format!("cannot read {name}: {}", io_reason(&error))))?;
    let known = Known {
        name: &name,
        key: asked.object.unwrap_or(&name),
        class: asked.class,
    };
    describe(&known, &Bytes::from(object))
}

async fn from_bucket(args: &InspectArgs) -> Outcome {
    let asked = Asked::of(&args.words)?;
    let place = asked.place()?;
    let (bucket, url) = open(args, &place)?;
    let object = bucket.get(&place.key).await;
    let object = object.map_err(|error| Failure::Failed(url.scrub(&error.to_string())))?;
    let known = Known {
        name: &place.key,
        key: &place.key,
        class: asked.class,
    };
    describe(&known, &object)
}

async fn list(args: &InspectArgs) -> Outcome {
    let prefix = match &args.words[..] {
        [] => String::new(),
        [prefix] if !prefix.contains("://") => prefix.clone(),
        _ => {
            return Err(Failure::Usage(
                "--list takes the start of keys, e.g. archive/, and the bucket as --bucket-url".to_owned(),
            ));
        }
    };
    let (bucket, url) = open(
        args,
        &Place {
            bucket_url: None,
            key: String::new(),
        },
    )?;
    let mut listed = bucket.list(&prefix).take(KEYS_MAX);
    while let Some(object) = listed.next().await {
        let object = object.map_err(|error| Failure::Failed(url.scrub(&error.to_string())))?;
        print_lines(&[format!("{:>12}  {}", object.bytes, object.key)])?;
    }
    Ok(())
}

/// Opens the bucket of a place, or the one that the settings name.
fn open(args: &InspectArgs, place: &Place) -> Outcome<(Bucket, SecretUrl)> {
    if place.bucket_url.is_some() && (args.bucket_url.is_some() || args.data_dir.is_some()) {
        return Err(Failure::Usage(
            "the object's URL names its bucket already: leave out --bucket-url and --data-dir".to_owned(),
        ));
    }
    let bucket_url = place.bucket_url.as_ref().or(args.bucket_url.as_ref());
    let flags = [("bucket_url", bucket_url), ("data_dir", args.data_dir.as_ref())];
    let flags = flags
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?.clone())))
        .collect();
    let layers = Layers::merge(Mode::Agent, &flags, environment(), args.config.as_deref())?;
    let url = settings::bucket(&layers)?;
    let bucket = open_bucket_to_read(&url, &Seams::real())?;
    Ok((bucket, url))
}

/// Prints all that there is to say, and fails if the object is not whole.
fn describe(known: &Known<'_>, object: &Bytes) -> Outcome {
    let described = known.describe(object);
    let lines: Vec<_> = described.text.trim_end().lines().map(str::to_owned).collect();
    print_lines(&lines)?;
    match described.fault {
        None => Ok(()),
        Some(fault) => Err(Failure::Failed(format!("{} {fault}", known.name))),
    }
}
