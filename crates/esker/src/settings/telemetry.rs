//! What is told of an agent, and to whom.

use std::path::PathBuf;

use super::secret::SecretUrl;
use super::{Layers, SettingsError, number};

/// Most topics with metrics of their own that may be asked for: each has up to six series, on every agent.
const TOPICS_MAX: u64 = 10_000;

/// Metrics and traces.
#[derive(Clone, Debug)]
pub(crate) struct Telemetry {
    /// Topics that have metrics of their own.
    pub(crate) topics_max: usize,
    /// `None`: the prices that are built in.
    pub(crate) prices_file: Option<PathBuf>,
    /// Where traces and metrics go by OTLP.
    pub(crate) otel_endpoint: Option<SecretUrl>,
    /// Part of all requests that are traced.
    pub(crate) sample_ratio: f64,
}

pub(super) fn resolve(layers: &Layers) -> Result<Telemetry, SettingsError> {
    let topics_max = layers.parse("metrics_topics_max", |value| number(value, 0, TOPICS_MAX))?;
    Ok(Telemetry {
        topics_max: usize::try_from(topics_max.unwrap_or_default()).unwrap_or(usize::MAX),
        prices_file: layers.parse("prices_file", super::directory)?,
        otel_endpoint: layers.parse("otel_endpoint", endpoint)?,
        sample_ratio: layers
            .parse("otel_traces_sample_ratio", ratio)?
            .unwrap_or_default(),
    })
}

fn endpoint(value: &str) -> Result<SecretUrl, String> {
    let rest = value
        .strip_prefix("http://")
        .or_else(|| value.strip_prefix("https://"));
    match rest {
        Some(rest) if rest.contains(['@', '?', '#']) => Err(
            "only an address stands here, without user and query: headers for the collector, such as a token, come from \
             OTEL_EXPORTER_OTLP_HEADERS"
                .to_owned(),
        ),
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace) => {
            Ok(SecretUrl::new(value.trim_end_matches('/')))
        }
        // The value is not repeated: it may hold a password.
        _ => Err("this is not the address of a collector: write http://host:4318 or https://host".to_owned()),
    }
}

fn ratio(value: &str) -> Result<f64, String> {
    match value.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(format!(
            "{value:?} is not a part of all requests: a number from 0 to 1"
        )),
    }
}
