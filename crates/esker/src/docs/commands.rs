//! Every command with its flags, as `--help` tells them; settings stand once, on their own page.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};

use super::markdown::sentence;
use crate::cli::Cli;
use crate::settings;

const INTRODUCTION: &str = "\
# Commands

Every command of `esker`, as `esker COMMAND --help` shows it. Commands that start or examine an agent also take the
[settings](configuration.md) as flags. Exit codes: 0 done, 1 failed, 2 wrong usage or settings, and nothing was started.
";

pub(super) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut root = Cli::command();
    root.build();
    for command in visible(&root) {
        describe(&mut page, "esker", command, 2);
    }
    page
}

/// The commands below one that people are to see, `help` left out.
fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    let all = command.get_subcommands();
    all.filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn describe(page: &mut String, above: &str, command: &Command, level: usize) {
    let path = format!("{above} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = write!(page, "\n{} `{path}`\n\n{}\n", "#".repeat(level), sentence(&about));
    if visible(command).next().is_some() {
        for below in visible(command) {
            describe(page, &path, below, level + 1);
        }
        return;
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let _ = write!(page, "\n```text\n{usage}\n```\n");
    let mut takes_settings = false;
    let mut list = String::new();
    for arg in command.get_arguments() {
        if settings::find(arg.get_id().as_str()).is_some() {
            takes_settings = true;
        } else if !matches!(arg.get_id().as_str(), "help" | "version") && !arg.is_hide_set() {
            list += &line(arg);
        }
    }
    if !list.is_empty() {
        let _ = write!(page, "\n{list}");
    }
    if takes_settings {
        let _ = write!(page, "\nIt takes [settings](configuration.md) as flags, too.\n");
    }
}

fn line(arg: &Arg) -> String {
    let values: Vec<_> = arg
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    let values = if arg.get_action().takes_values() {
        values.join(" ")
    } else {
        String::new()
    };
    let name = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long} {values}"),
        (None, Some(long)) => format!("--{long} {values}"),
        (Some(short), None) => format!("-{short} {values}"),
        (None, None) => values,
    };
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let default: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    let default = if default.is_empty() || !arg.get_action().takes_values() {
        String::new()
    } else {
        format!(" Default: `{}`.", default.join(" "))
    };
    let possible: Vec<_> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let possible = if possible.is_empty() || !arg.get_action().takes_values() {
        String::new()
    } else {
        format!(" One of {}.", possible.join(", "))
    };
    format!("- `{}`: {}{possible}{default}\n", name.trim(), sentence(&help))
}
