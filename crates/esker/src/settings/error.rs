//! What is wrong with the settings: one sentence each. Values that may hold a password are not repeated.

use std::path::PathBuf;

use super::layers::Origin;

/// Why the settings do not make a configuration. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// A name that does not exist.
    #[error("{what} does not exist{}", suggestion(.nearest))]
    Unknown {
        /// The name as it was written, with where.
        what: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// The file cannot be read.
    #[error("cannot read the settings file {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is no TOML.
    #[error("the settings file {path} is not valid TOML, line {line}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// A value that does not fit its setting.
    #[error("{name} ({origin}): {reason}")]
    Value {
        /// The setting.
        name: &'static str,
        /// Where the value was given.
        origin: Origin,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A setting that must be given.
    #[error("{name} is not set: {hint}")]
    Missing {
        /// The setting.
        name: &'static str,
        /// How to give it.
        hint: String,
    },
    /// Settings that contradict each other.
    #[error("{0}")]
    Conflict(String),
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map_or(String::new(), |nearest| format!("; did you mean {nearest}?"))
}
