//! Settings: what people say on the command line, in the environment and in a file, made into one
//! checked configuration. Everything wrong with it is found here, before anything starts.
//!
//! [`names`] lists the settings, [`layers`] merges where they come from, this file and its neighbours
//! give them meaning.

pub(crate) mod address;
mod connections;
mod error;
mod groups;
mod layers;
mod listeners;
mod memory;
mod names;
pub(crate) mod secret;
pub(crate) mod size;
mod suggest;
mod telemetry;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use esker_broker::budget::MEMORY_BYTES_MIN;
use esker_model::groups::GroupLimits;
use esker_model::limits::{SEGMENT_BYTES_RANGE, TOPIC_PARTITIONS_MAX};

use address::Address;
use secret::SecretUrl;

pub(crate) use error::SettingsError;
pub(crate) use layers::Layers;
pub(crate) use listeners::Listener;
pub(crate) use names::{Fallback, Mode, SETTINGS, Setting, find};
pub(crate) use suggest::nearest;
pub(crate) use telemetry::Telemetry;

/// Longest `flush_interval_ms` and `shutdown_grace_seconds`.
const FLUSH_INTERVAL_MS_MAX: u64 = 60_000;
const SHUTDOWN_GRACE_SECONDS_MAX: u64 = 3_600;
/// Longest `archive_interval_ms` and `archive_grace_ms`: a day.
const ARCHIVE_MS_MAX: u64 = 86_400_000;
/// Longest `merge_interval_ms` and `sweep_interval_ms`: a week.
const UPKEEP_MS_MAX: u64 = 7 * 86_400_000;
/// Longest name of a node, cluster or zone, in bytes.
const NAME_BYTES_MAX: usize = 200;
/// What an agent can do.
const ROLES: [&str; 2] = ["serve", "upkeep"];

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Where offsets and metadata live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MetastoreUrl {
    /// One file, one process.
    Sqlite(PathBuf),
    /// A database for many agents.
    Postgres(SecretUrl),
}

impl std::fmt::Display for MetastoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

/// A configuration that can be started.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) admin_addr: Option<Address>,
    pub(crate) peer_addr: Option<Address>,
    pub(crate) connections_max: usize,
    pub(crate) connections_per_ip_max: usize,
    pub(crate) metastore: MetastoreUrl,
    pub(crate) bucket: SecretUrl,
    /// The directory that holds both stores, if it does.
    pub(crate) data_dir: Option<PathBuf>,
    /// `None`: the first advertised address.
    pub(crate) node_name: Option<String>,
    pub(crate) cluster_id: Option<String>,
    pub(crate) zone: Option<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) segment_bytes: u64,
    pub(crate) flush_interval: Duration,
    pub(crate) archive_interval: Duration,
    pub(crate) archive_grace: Duration,
    pub(crate) merge_interval: Duration,
    pub(crate) sweep_interval: Duration,
    pub(crate) memory_bytes: u64,
    pub(crate) auto_create_topics: bool,
    pub(crate) num_partitions: i32,
    pub(crate) shutdown_grace: Duration,
    pub(crate) groups: GroupLimits,
    pub(crate) telemetry: Telemetry,
}

impl Settings {
    /// Checks everything.
    pub(crate) fn resolve(layers: &Layers) -> Result<Self, SettingsError> {
        let data_dir = layers.parse("data_dir", directory)?;
        let memory_bytes = layers
            .parse("memory_bytes", memory_bytes)?
            .unwrap_or_else(memory::default_bytes);
        let (connections_max, connections_per_ip_max) = connections::resolve(layers, memory_bytes)?;
        Ok(Self {
            mode: layers.mode(),
            listeners: listeners::resolve(layers)?,
            admin_addr: admin(layers)?,
            peer_addr: layers.parse("peer_addr", Address::parse)?,
            connections_max,
            connections_per_ip_max,
            metastore: metastore(layers)?,
            bucket: bucket(layers)?,
            data_dir,
            node_name: layers.parse("node_name", name)?,
            cluster_id: layers.parse("cluster_id", name)?,
            zone: layers.parse("zone", name)?,
            roles: layers.parse("roles", roles)?.unwrap_or_default(),
            segment_bytes: layers.parse("segment_bytes", segment_bytes)?.unwrap_or_default(),
            flush_interval: Duration::from_millis(
                layers
                    .parse("flush_interval_ms", |v| number(v, 0, FLUSH_INTERVAL_MS_MAX))?
                    .unwrap_or_default(),
            ),
            archive_interval: Duration::from_millis(
                layers
                    .parse("archive_interval_ms", |v| number(v, 1, ARCHIVE_MS_MAX))?
                    .unwrap_or_default(),
            ),
            archive_grace: Duration::from_millis(
                layers
                    .parse("archive_grace_ms", |v| number(v, 0, ARCHIVE_MS_MAX))?
                    .unwrap_or_default(),
            ),
            merge_interval: Duration::from_millis(
                layers
                    .parse("merge_interval_ms", |v| number(v, 1, UPKEEP_MS_MAX))?
                    .unwrap_or_default(),
            ),
            sweep_interval: Duration::from_millis(
                layers
                    .parse("sweep_interval_ms", |v| number(v, 1, UPKEEP_MS_MAX))?
                    .unwrap_or_default(),
            ),
            memory_bytes,
            auto_create_topics: layers.parse("auto_create_topics", boolean)?.unwrap_or_default(),
            groups: groups::resolve(layers)?,
            telemetry: telemetry::resolve(layers)?,
            num_partitions: layers.parse("num_partitions", partitions)?.unwrap_or(1),
            shutdown_grace: Duration::from_secs(
                layers
                    .parse("shutdown_grace_seconds", |v| {
                        number(v, 0, SHUTDOWN_GRACE_SECONDS_MAX)
                    })?
                    .unwrap_or_default(),
            ),
        })
    }
}

/// The metastore alone: all that `esker migrate` needs.
pub(crate) fn metastore(layers: &Layers) -> Result<MetastoreUrl, SettingsError> {
    let password_file = layers.parse("metastore_password_file", directory)?;
    let url_file = layers.parse("metastore_url_file", directory)?;
    let url = layers.parse("metastore_url", metastore_url)?;
    let both = url.is_some() && url_file.is_some();
    let stronger = layers.stronger("metastore_url", "metastore_url_file");
    if both && stronger.is_eq() {
        return Err(SettingsError::Conflict(
            "metastore_url and metastore_url_file are both set: give the URL in one place".to_owned(),
        ));
    }
    let metastore = match (url, url_file) {
        (Some(url), Some(_)) if stronger.is_gt() => Some(url),
        (_, Some(file)) => Some(MetastoreUrl::Postgres(SecretUrl::in_file(file))),
        (url, None) => url,
    };
    if let Some(metastore) = metastore {
        return match (metastore, password_file) {
            // Who names another database by a stronger layer names its password there, too.
            (MetastoreUrl::Postgres(url), Some(_))
                if url.has_password()
                    && layers
                        .stronger("metastore_url", "metastore_password_file")
                        .is_gt() =>
            {
                Ok(MetastoreUrl::Postgres(url))
            }
            (MetastoreUrl::Postgres(url), Some(file)) => url
                .with_password_file(file)
                .map(MetastoreUrl::Postgres)
                .map_err(SettingsError::Conflict),
            (metastore, _) => Ok(metastore),
        };
    }
    match layers.parse("data_dir", directory)? {
        Some(directory) => Ok(MetastoreUrl::Sqlite(directory.join("metastore.sqlite"))),
        None => Err(SettingsError::Missing {
            name: "metastore_url",
            hint: "say where offsets and metadata live, e.g. --metastore-url postgres://user:password@host/esker".to_owned(),
        }),
    }
}

/// The form of the log alone: needed before everything else.
pub(crate) fn log_format(layers: &Layers) -> Result<LogFormat, SettingsError> {
    let parse = |value: &str| match value {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("{other:?} is not a log format: write text or json")),
    };
    Ok(layers.parse("log_format", parse)?.unwrap_or(LogFormat::Text))
}

/// The bucket alone.
pub(crate) fn bucket(layers: &Layers) -> Result<SecretUrl, SettingsError> {
    if let Some(url) = layers.parse("bucket_url", bucket_url)? {
        return Ok(url);
    }
    match layers.parse("data_dir", directory)? {
        Some(directory) => Ok(SecretUrl::new(format!(
            "file://{}",
            directory.join("bucket").display()
        ))),
        None => Err(SettingsError::Missing {
            name: "bucket_url",
            hint: "say where segments live, e.g. --bucket-url s3://bucket/prefix".to_owned(),
        }),
    }
}

/// Where HTTP is served, if it is.
pub(crate) fn admin(layers: &Layers) -> Result<Option<Address>, SettingsError> {
    Ok(layers.parse("admin_addr", admin_addr)?.flatten())
}

fn metastore_url(value: &str) -> Result<MetastoreUrl, String> {
    if value.starts_with("postgres://") || value.starts_with("postgresql://") {
        return Ok(MetastoreUrl::Postgres(SecretUrl::new(value)));
    }
    match value.strip_prefix("sqlite:") {
        Some(path) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(
                    "the path after sqlite: is missing, e.g. sqlite:/var/lib/esker/metastore.sqlite"
                        .to_owned(),
                );
            }
            directory(path).map(MetastoreUrl::Sqlite)
        }
        // The value is not repeated: it may hold a password.
        None => Err("this is not a metastore's URL: it starts with postgres:// or sqlite:".to_owned()),
    }
}

/// Checks what can be seen without the store; the rest is said when it is opened.
fn bucket_url(value: &str) -> Result<SecretUrl, String> {
    const SCHEMES: [&str; 5] = ["s3", "gs", "az", "file", "memory"];
    match value.split_once("://") {
        Some((scheme, rest)) if SCHEMES.contains(&scheme) => {
            if rest.trim_matches('/').is_empty() && scheme != "memory" {
                return Err(format!("the bucket is missing after {scheme}://"));
            }
            if scheme == "file" && !rest.starts_with('/') {
                return Err(
                    "a directory needs its full path: file:///directory has three slashes".to_owned(),
                );
            }
            Ok(SecretUrl::new(value))
        }
        _ => Err("this is not a bucket's URL: it starts with s3://, gs://, az:// or file:///".to_owned()),
    }
}

/// An absolute path, so that a URL can be made of it and errors name the real place.
fn directory(value: &str) -> Result<PathBuf, String> {
    if value.is_empty() {
        return Err("the path is empty".to_owned());
    }
    std::path::absolute(value).map_err(|error| format!("{value:?} is not a path: {error}"))
}

fn admin_addr(value: &str) -> Result<Option<Address>, String> {
    if value == "none" {
        Ok(None)
    } else {
        Address::parse(value).map(Some)
    }
}

fn name(value: &str) -> Result<String, String> {
    if value.is_empty() || value.len() > NAME_BYTES_MAX {
        return Err(format!("a name has 1 to {NAME_BYTES_MAX} characters"));
    }
    if value.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!(
            "{value:?} is not a name: it holds spaces or control characters"
        ));
    }
    Ok(value.to_owned())
}

fn roles(value: &str) -> Result<Vec<String>, String> {
    let mut roles = Vec::new();
    for role in value.split(',').map(str::trim).filter(|role| !role.is_empty()) {
        match role {
            "all" => roles.extend(ROLES.map(str::to_owned)),
            _ if ROLES.contains(&role) => roles.push(role.to_owned()),
            _ => return Err(format!("{role:?} is not a role: write serve, upkeep or all")),
        }
    }
    roles.sort();
    roles.dedup();
    if roles.is_empty() {
        Err("there must be at least one role: serve, upkeep or all".to_owned())
    } else {
        Ok(roles)
    }
}

fn segment_bytes(value: &str) -> Result<u64, String> {
    let (least, most) = SEGMENT_BYTES_RANGE;
    let bytes = size::parse(value)?;
    if (least..=most).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!(
            "{} is out of range: between {} and {}",
            size::show(bytes),
            size::show(least),
            size::show(most)
        ))
    }
}

fn memory_bytes(value: &str) -> Result<u64, String> {
    let bytes = size::parse(value)?;
    if bytes < MEMORY_BYTES_MIN {
        return Err(format!(
            "{} is too little: at least {}",
            size::show(bytes),
            size::show(MEMORY_BYTES_MIN)
        ));
    }
    Ok(bytes)
}

fn partitions(value: &str) -> Result<i32, String> {
    let most = u64::try_from(TOPIC_PARTITIONS_MAX).unwrap_or(u64::MAX);
    number(value, 1, most).and_then(|count| i32::try_from(count).map_err(|error| error.to_string()))
}

fn number(value: &str, least: u64, most: u64) -> Result<u64, String> {
    match value.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(number) => Err(format!("{number} is out of range: between {least} and {most}")),
        Err(_) => Err(format!(
            "{value:?} is not a whole number between {least} and {most}"
        )),
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{other:?} is neither true nor false")),
    }
}
