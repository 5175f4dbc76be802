//! Where values come from: flag > environment > file > default. Every layer is a map from name to text,
//! so that one parser serves all and one error names the place.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::error::SettingsError;
use super::names::{self, Fallback, Mode, OTHER_VARIABLE_STARTS, OTHER_VARIABLES, PREFIX, SETTINGS, Setting};
use super::suggest::nearest;

/// Where a value was given. The order is the precedence, the weakest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Nowhere.
    Default,
    /// In the file.
    File(PathBuf),
    /// In this environment variable.
    Environment(String),
    /// On the command line, as this flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Environment(variable) => write!(f, "from {variable}"),
            Self::Flag(flag) => write!(f, "from --{flag}"),
        }
    }
}

impl Origin {
    /// 0 for a default, rising with precedence.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(_) => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

/// A value and where it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// What was given, the strongest origin of each name.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    mode: Mode,
    given: BTreeMap<&'static str, Given>,
}

impl Layers {
    /// Merges the layers. `flags` are by setting name; `file` is the path of `--config` or `ESKER_CONFIG`.
    pub(crate) fn merge(
        mode: Mode,
        flags: &BTreeMap<&'static str, String>,
        environment: impl Iterator<Item = (String, String)>,
        file: Option<&Path>,
    ) -> Result<Self, SettingsError> {
        let mut given = BTreeMap::new();
        if let Some(path) = file {
            for (setting, value) in from_file(path)? {
                given.insert(
                    setting.name,
                    Given {
                        value,
                        origin: Origin::File(path.to_owned()),
                    },
                );
            }
        }
        for (setting, value) in from_environment(environment)? {
            given.insert(
                setting.name,
                Given {
                    value,
                    origin: Origin::Environment(setting.variable()),
                },
            );
        }
        for (name, value) in flags {
            let origin = Origin::Flag(name.replace('_', "-"));
            given.insert(
                name,
                Given {
                    value: value.clone(),
                    origin,
                },
            );
        }
        Ok(Self { mode, given })
    }

    /// Which defaults apply.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// The value of a setting: what was given, else its default as text.
    pub(crate) fn get(&self, name: &str) -> Option<Given> {
        self.explicit(name)
            .cloned()
            .or_else(|| match names::find(name)?.default_of(self.mode) {
                Fallback::Value(value) => Some(Given {
                    value: value.to_owned(),
                    origin: Origin::Default,
                }),
                Fallback::Computed(_) | Fallback::Nothing | Fallback::Required => None,
            })
    }

    /// The value of a setting if somebody gave one.
    pub(crate) fn explicit(&self, name: &str) -> Option<&Given> {
        self.given.get(name)
    }

    /// Which of two settings was given by the stronger layer: flag, environment, file, default.
    pub(crate) fn stronger(&self, one: &str, other: &str) -> std::cmp::Ordering {
        let rank = |name| self.get(name).map(|given| given.origin.rank());
        rank(one).cmp(&rank(other))
    }

    /// The value of a setting, parsed.
    pub(crate) fn parse<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, SettingsError> {
        let Some(Given { value, origin }) = self.get(name) else {
            return Ok(None);
        };
        match parse(value.trim()) {
            Ok(value) => Ok(Some(value)),
            Err(reason) => Err(SettingsError::Value { name, origin, reason }),
        }
    }
}

/// Settings of the environment; empty values count as not given, as is usual for variables.
fn from_environment(
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Vec<(&'static Setting, String)>, SettingsError> {
    let mut found = Vec::new();
    for (variable, value) in environment {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        if let Some(setting) = names::find(&name.to_lowercase()).filter(|s| s.variable() == variable) {
            if !value.is_empty() {
                found.push((setting, value));
            }
        } else if !belongs_to_others(&variable, &value) {
            // The environment also holds what other programs put there: only what looks like a slip is one.
            let Some(meant) = nearest(&name.to_lowercase(), SETTINGS.iter().map(|setting| setting.name))
            else {
                continue;
            };
            return Err(SettingsError::Unknown {
                nearest: names::find(meant).map(Setting::variable),
                what: format!("the setting {variable} in the environment"),
            });
        }
    }
    Ok(found)
}

fn belongs_to_others(variable: &str, value: &str) -> bool {
    OTHER_VARIABLES.contains(&variable)
        || OTHER_VARIABLE_STARTS
            .iter()
            .any(|start| variable.starts_with(start))
        || is_service_link(variable, value)
}

/// Kubernetes tells every pod of the Services around it: a Service named `esker` or `esker-x` comes as
/// `ESKER_SERVICE_HOST`, `ESKER_PORT=tcp://...`, `ESKER_X_PORT_9092_TCP_ADDR` and so on.
fn is_service_link(variable: &str, value: &str) -> bool {
    variable.ends_with("_SERVICE_HOST")
        || variable.ends_with("_SERVICE_PORT")
        || variable.contains("_SERVICE_PORT_")
        || (variable.ends_with("_PORT") && value.contains("://"))
        || ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| {
            variable
                .rsplit_once("_PORT_")
                .and_then(|(_, rest)| rest.split_once(protocol))
                .is_some_and(|(port, _)| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()))
        })
}

fn from_file(path: &Path) -> Result<Vec<(&'static Setting, String)>, SettingsError> {
    let text = std::fs::read_to_string(path).map_err(|error| SettingsError::Unreadable {
        path: path.to_owned(),
        reason: crate::failure::io_reason(&error),
    })?;
    // Only message and line of a parse error: its full text would repeat a line that may hold a password.
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| SettingsError::Malformed {
            path: path.to_owned(),
            line: 1 + error
                .span()
                .map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count()),
            reason: error.message().to_owned(),
        })?;
    table
        .into_iter()
        .map(|(name, value)| from_entry(path, &name, &value))
        .collect()
}

fn from_entry(
    path: &Path,
    name: &str,
    value: &toml::Value,
) -> Result<(&'static Setting, String), SettingsError> {
    let Some(setting) = names::find(name) else {
        return Err(SettingsError::Unknown {
            nearest: nearest(name, SETTINGS.iter().map(|setting| setting.name)).map(str::to_owned),
            what: format!("the setting {name} in {}", path.display()),
        });
    };
    match text_of(value) {
        Some(value) => Ok((setting, value)),
        None => Err(SettingsError::Value {
            name: setting.name,
            origin: Origin::File(path.to_owned()),
            reason: format!(
                "a {} does not fit here: write a string, number, true/false or a list",
                value.type_str()
            ),
        }),
    }
}

/// A value as flags and variables have it: lists by commas, tables as `name:value`.
fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(yes) => Some(yes.to_string()),
        toml::Value::Datetime(_) => None,
        toml::Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(text_of).collect();
            Some(items?.join(","))
        }
        toml::Value::Table(table) => {
            let pairs: Option<Vec<_>> = table
                .iter()
                .map(|(name, value)| value.as_str().map(|value| format!("{name}:{value}")))
                .collect();
            Some(pairs?.join(","))
        }
    }
}
