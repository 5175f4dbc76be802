//! `esker check`: what an agent with the same settings would meet ([`preflight`]), or, with `--deep`, whether everything
//! that readers could ask for is there and right ([`deep`]). One line per finding; exit code 1 if one of them is bad.
//! With `--ready` it asks a running agent instead ([`ready`]).

mod deep;
mod preflight;
mod ready;

use clap::Args;

use crate::cli::{SettingsArgs, block_on};
use crate::failure::Outcome;
use crate::settings::{self, Settings, size};

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Print JSON
    #[arg(long, help_heading = "Operation")]
    json: bool,
    /// Instead, read and verify everything that readers could ask for, and say which records are damaged or missing,
    /// and in which object. Needs the metastore's and the bucket's settings only, changes nothing, and may run
    /// beside live agents; all records are read, which the bucket may charge for
    #[arg(long, help_heading = "Operation")]
    deep: bool,
    /// With --deep: read no more than so much from the bucket in a second, e.g. 20MiB
    #[arg(long, value_name = "SIZE", requires = "deep", value_parser = rate, help_heading = "Operation")]
    bytes_per_second: Option<u64>,
    /// Instead, ask the agent at admin_addr whether it is ready: exit code 0 if it is, 1 and the reason if not. For health
    /// checks of containers
    #[arg(long, conflicts_with_all = ["deep", "json"], help_heading = "Operation")]
    ready: bool,
    #[command(flatten)]
    settings: SettingsArgs<false>,
}

/// Runs the command.
pub(crate) fn run(args: &CheckArgs) -> Outcome {
    let layers = args.settings.layers()?;
    if args.ready {
        return block_on(ready::run(settings::admin(&layers)?));
    }
    if args.deep {
        let (metastore, bucket) = (settings::metastore(&layers)?, settings::bucket(&layers)?);
        return block_on(deep::run(&metastore, &bucket, args.bytes_per_second, args.json));
    }
    let settings = Settings::resolve(&layers)?;
    block_on(preflight::run(&settings, args.json))
}

fn rate(text: &str) -> Result<u64, String> {
    match size::parse(text)? {
        0 => Err("at this rate it would never end: write at least 1".to_owned()),
        bytes => Ok(bytes),
    }
}
