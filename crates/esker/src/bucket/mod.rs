//! `esker bucket`: making and configuring the bucket of a cluster; and what `esker check` says about one.
//!
//! Agents never do this, and need no permission for it. On S3 it goes through aws-sdk-s3 ([`client`]); a directory is made;
//! for other stores the command says that it cannot.

mod client;
mod findings;
mod init;
mod rules;

use std::path::{Path, PathBuf};

use aws_sdk_s3::types::{BucketVersioningStatus, ServerSideEncryption};
use clap::{Args, Subcommand, ValueEnum};
use esker_storage::S3Access;
use serde_json::json;

use crate::cli::{block_on, environment, print_json, print_lines};
use crate::failure::{Failure, Outcome, io_reason};
use crate::settings::secret::SecretUrl;
use crate::settings::{self, Layers, Mode};
use client::S3;
use init::{How, Step, Wanted, init};

pub(crate) use findings::{Finding, Grade};

#[derive(Debug, Subcommand)]
pub(crate) enum BucketCommand {
    /// Create the bucket if it is missing, encrypt it, block public access, and have unfinished uploads removed; safe to
    /// repeat, and never drops a lifecycle rule. Not for agents: it needs permissions that they do not
    #[command(
        after_help = "Example:\n  esker bucket init --bucket-url s3://bucket/esker\n\nWhat would it do?\n  esker bucket init --bucket-url s3://bucket/esker --dry-run"
    )]
    Init(InitArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// TOML file with settings by name
    #[arg(long, value_name = "FILE", env = "ESKER_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// The bucket: s3://bucket/prefix or file:///directory [env: ESKER_BUCKET_URL]
    #[arg(long, value_name = "URL")]
    bucket_url: Option<String>,
    /// How new objects are encrypted [default: as it is, AES256 if it is not]
    #[arg(long, value_name = "ALGORITHM")]
    encryption: Option<Encryption>,
    /// The key of aws:kms, by its ARN or id [default: the account's own for S3]
    #[arg(long, value_name = "KEY")]
    kms_key: Option<String>,
    /// Whether deleted objects stay as versions, which are paid for [default: as it is]
    #[arg(long, value_name = "STATUS")]
    versioning: Option<Versioning>,
    /// After how many days the parts of an unfinished upload are removed
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(i32).range(1..=3650))]
    abort_uploads_days: i32,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Encryption {
    #[value(name = "AES256")]
    Aes256,
    #[value(name = "aws:kms")]
    AwsKms,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Versioning {
    Enabled,
    Suspended,
}

/// Runs the command.
pub(crate) fn run(command: &BucketCommand) -> Outcome {
    let BucketCommand::Init(args) = command;
    if args.kms_key.is_some() && args.encryption == Some(Encryption::Aes256) {
        return Err(Failure::Usage(
            "--kms-key needs --encryption aws:kms: AES256 has no key to choose".to_owned(),
        ));
    }
    let flags = args
        .bucket_url
        .iter()
        .map(|url| ("bucket_url", url.clone()))
        .collect();
    let layers = Layers::merge(Mode::Agent, &flags, environment(), args.config.as_deref())?;
    let url = settings::bucket(&layers)?;
    let scheme = url.expose().split("://").next().unwrap_or_default().to_owned();
    match scheme.as_str() {
        "s3" => block_on(on_s3(args, &url)),
        "file" => on_disk(args, &url),
        _ => Err(Failure::Usage(format!(
            "{scheme}:// buckets are made with their provider's own tools; esker bucket init knows s3:// and file:///"
        ))),
    }
}

async fn on_s3(args: &InitArgs, url: &SecretUrl) -> Outcome {
    let s3 = S3::open(&access(url)?).await?;
    let wanted = Wanted {
        encryption: args.encryption.map(|choice| match choice {
            Encryption::Aes256 => ServerSideEncryption::Aes256,
            Encryption::AwsKms => ServerSideEncryption::AwsKms,
        }),
        kms_key: args.kms_key.clone(),
        versioning: args.versioning.map(|choice| match choice {
            Versioning::Enabled => BucketVersioningStatus::Enabled,
            Versioning::Suspended => BucketVersioningStatus::Suspended,
        }),
        abort_days: args.abort_uploads_days,
        dry_run: args.dry_run,
    };
    print(&init(&s3, &wanted).await, args.json)
}

fn access(url: &SecretUrl) -> Outcome<S3Access> {
    S3Access::of(url.expose())
        .map_err(|error| Failure::Failed(url.scrub(&error.to_string())))?
        .ok_or_else(|| Failure::Failed(format!("{url} is not on S3")))
}

/// A directory; on a disk there is nothing else to configure.
fn on_disk(args: &InitArgs, url: &SecretUrl) -> Outcome {
    if args.encryption.is_some() || args.kms_key.is_some() || args.versioning.is_some() {
        return Err(Failure::Usage(
            "a directory has neither encryption nor versions of its own: leave these flags out".to_owned(),
        ));
    }
    let path = Path::new(url.expose().strip_prefix("file://").unwrap_or_default());
    let (how, sentence) = if path.is_dir() {
        (
            How::AlreadySo,
            format!("the directory {} is there", path.display()),
        )
    } else if args.dry_run {
        (How::Would, format!("create the directory {}", path.display()))
    } else {
        match std::fs::create_dir_all(path) {
            Ok(()) => (How::Done, format!("created the directory {}", path.display())),
            Err(error) => (
                How::Failed,
                format!(
                    "cannot create the directory {}: {}",
                    path.display(),
                    io_reason(&error)
                ),
            ),
        }
    };
    let step = Step {
        name: "bucket",
        how,
        sentence,
    };
    print(&[step], args.json)
}

/// One line for each step; exit code 1 if one of them failed.
fn print(steps: &[Step], as_json: bool) -> Outcome {
    let word = |how| match how {
        How::Done => "done",
        How::AlreadySo => "already so",
        How::Would => "would",
        How::Unsupported => "not here",
        How::Failed => "FAIL",
    };
    if as_json {
        let list: Vec<_> = steps
            .iter()
            .map(|step| json!({ "name": step.name, "result": word(step.how).to_lowercase(), "sentence": step.sentence }))
            .collect();
        print_json(&json!({ "ok": steps.iter().all(|step| step.how != How::Failed), "steps": list }))?;
    } else {
        let lines: Vec<_> = steps
            .iter()
            .map(|step| format!("{:10}  {:13}  {}", word(step.how), step.name, step.sentence))
            .collect();
        print_lines(&lines)?;
    }
    match steps.iter().any(|step| step.how == How::Failed) {
        true => Err(Failure::Said),
        false => Ok(()),
    }
}

/// What is to be said about the configuration of a bucket on S3; nothing of other stores.
pub(crate) async fn configuration(url: &SecretUrl) -> Vec<Finding> {
    let access = match S3Access::of(url.expose()) {
        Ok(Some(access)) => access,
        // Opening it as an agent does has said so already.
        Ok(None) | Err(_) => return Vec::new(),
    };
    match S3::open(&access).await {
        Ok(s3) => findings::findings(&s3).await,
        Err(_) => Vec::new(),
    }
}
