//! Who sends, and how: the agent as OpenTelemetry describes it, and the variables that all of its exporters read.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::failure::{Failure, Outcome};
use crate::run::State;

const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// The agent. What `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say comes before what is known here.
pub(super) fn of(state: &State) -> Resource {
    let mut known = vec![
        KeyValue::new("service.instance.id", state.node_name()),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
    ];
    if let Some(zone) = &state.settings().zone {
        known.push(KeyValue::new("cloud.availability_zone", zone.clone()));
    }
    let said = opentelemetry_sdk::Resource::builder().build();
    let named = said
        .iter()
        .any(|(key, value)| key.as_str() == "service.name" && !value.as_str().starts_with("unknown_service"));
    let mut builder = opentelemetry_sdk::Resource::builder_empty().with_attributes(known);
    builder = builder.with_attributes(
        said.iter()
            .map(|(key, value)| KeyValue::new(key.clone(), value.clone())),
    );
    if !named {
        builder = builder.with_service_name("esker");
    }
    let attributes = ResourceAttributesWithSchema::from(&builder.build());
    Resource {
        attributes: attributes.attributes.0,
        ..Resource::default()
    }
}

/// Headers for the collector, such as a token: `name=value,name=value`, values percent-encoded.
pub(super) fn headers() -> Outcome<HeaderMap> {
    parse(&std::env::var(HEADERS).unwrap_or_default())
        .ok_or_else(|| Failure::Usage(format!("{HEADERS} is not of the form name=value,name=value")))
}

fn parse(text: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        let value = percent_encoding::percent_decode_str(value.trim())
            .decode_utf8()
            .ok()?;
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Some(headers)
}

/// Milliseconds from a variable; what does not read counts as not said.
pub(super) fn interval(variable: &str) -> Option<Duration> {
    let text = std::env::var(variable).ok()?;
    let milliseconds: u64 = text.trim().parse().ok()?;
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn headers_are_pairs() {
        let headers = parse("Authorization=Bearer%20abc%3D, x-scope = team-a").unwrap();
        assert_eq!(headers["authorization"], "Bearer abc=");
        assert_eq!(headers["x-scope"], "team-a");
        assert!(parse("").unwrap().is_empty());
        for wrong in ["novalue", "a b=c", "a=%00"] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
