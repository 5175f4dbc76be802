//! The settings as flags: made from the list of settings, so that nothing is written twice.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::settings::{Fallback, Layers, Mode, SETTINGS, Setting, SettingsError};

/// Settings given as flags, by name. `DEV` says whose defaults the help shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags<const DEV: bool>(BTreeMap<&'static str, String>);

/// Where settings come from besides the environment.
#[derive(Clone, Debug, Args)]
pub(crate) struct SettingsArgs<const DEV: bool> {
    /// TOML file with settings by name, e.g. `segment_bytes = "8MiB"`
    #[arg(long, value_name = "FILE", env = "ESKER_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags<DEV>,
}

impl<const DEV: bool> SettingsArgs<DEV> {
    /// Flags, environment and file together.
    pub(crate) fn layers(&self) -> Result<Layers, SettingsError> {
        Layers::merge(
            mode::<DEV>(),
            &self.flags.0,
            environment(),
            self.config.as_deref(),
        )
    }
}

/// The environment, as far as it is text.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

const fn mode<const DEV: bool>() -> Mode {
    if DEV { Mode::Dev } else { Mode::Agent }
}

fn arg(setting: &'static Setting, mode: Mode) -> Arg {
    let default = match setting.default_of(mode) {
        Fallback::Value(text) => format!(" [default: {text}]"),
        Fallback::Computed(text) => format!(" [default: {text}]"),
        Fallback::Nothing => String::new(),
        Fallback::Required => " [required]".to_owned(),
    };
    let arg = Arg::new(setting.name)
        .long(setting.flag())
        .value_name(setting.value)
        .help_heading(setting.heading)
        .help(format!("{}{default}", setting.help));
    if setting.value == "BOOL" {
        // The value may be left out: then the next flag is none.
        arg.num_args(0..=1)
            .require_equals(false)
            .default_missing_value("true")
    } else {
        arg.allow_hyphen_values(true)
    }
}

impl<const DEV: bool> FromArgMatches for Flags<DEV> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in SETTINGS {
            if let Some(value) = matches.get_one::<String>(setting.name) {
                self.0.insert(setting.name, value.clone());
            }
        }
        Ok(())
    }
}

impl<const DEV: bool> Args for Flags<DEV> {
    fn augment_args(command: Command) -> Command {
        command.args(SETTINGS.iter().map(|setting| arg(setting, mode::<DEV>())))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
