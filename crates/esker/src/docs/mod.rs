//! The pages of `docs/reference/`, printed from the tables that the code itself goes by.
//!
//! Nothing here is written twice: names, defaults, versions and flags come from the tables, only remarks are added.
//! `tests/docs.rs` compares the files with what is printed, so that they cannot drift.

mod commands;
mod configs;
mod configuration;
mod markdown;
mod more;
mod protocol;
#[cfg(test)]
mod tests;

use clap::{Args, ValueEnum};

use crate::cli::print_text;
use crate::failure::Outcome;

/// Which page is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Page {
    /// Settings of agents
    Configuration,
    /// Configs of topics and groups
    Configs,
    /// Requests and versions
    Protocol,
    /// Commands and flags
    Commands,
}

/// What `esker docs` takes.
#[derive(Debug, Args)]
pub(crate) struct DocsArgs {
    /// The page
    page: Page,
}

/// Prints the page as Markdown.
pub(crate) fn run(args: &DocsArgs) -> Outcome {
    print_text(&text(args.page))
}

fn text(page: Page) -> String {
    let name = page.to_possible_value();
    let name = name.as_ref().map_or("", |value| value.get_name());
    let body = match page {
        Page::Configuration => configuration::page(),
        Page::Configs => configs::page(),
        Page::Protocol => protocol::page(),
        Page::Commands => commands::page(),
    };
    format!(
        "<!-- Printed by `esker docs {name}`. `make docs-reference` writes it anew: change the code, not this file. -->\n{body}"
    )
}
