//! Traces of the broker as OTLP has them.

use std::time::Duration;

use esker_broker::trace::{Finished, Note, Span, SpanId, TraceId};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as wire;

/// The lowest bit of W3C's trace flags: somebody records it.
const SAMPLED: u32 = 1;

/// All spans of some traces.
pub(super) fn request(resource: &Resource, traces: Vec<Finished>) -> ExportTraceServiceRequest {
    let spans = traces.into_iter().flat_map(spans).collect();
    ExportTraceServiceRequest {
        resource_spans: vec![wire::ResourceSpans {
            resource: Some(resource.clone()),
            scope_spans: vec![wire::ScopeSpans {
                scope: Some(scope()),
                spans,
                ..wire::ScopeSpans::default()
            }],
            ..wire::ResourceSpans::default()
        }],
    }
}

/// What measures.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "esker".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

fn spans(trace: Finished) -> Vec<wire::Span> {
    let Finished {
        id,
        mut request,
        error,
        spans,
        left_out,
    } = trace;
    if left_out > 0 {
        let count = i64::try_from(left_out).unwrap_or(i64::MAX);
        request.notes.push(("esker.spans_left_out", Note::Number(count)));
    }
    let parent = request.id;
    let status = error.map(|error| wire::Status {
        message: error.to_owned(),
        code: wire::status::StatusCode::Error.into(),
    });
    if let Some(error) = error {
        request.notes.push(("error.type", Note::Text(error.into())));
    }
    let mut all = Vec::with_capacity(1 + spans.len());
    all.push(wire::Span {
        kind: wire::span::SpanKind::Server.into(),
        status,
        ..span(id, None, request)
    });
    all.extend(spans.into_iter().map(|stage| span(id, Some(parent), stage)));
    all
}

fn span(trace: TraceId, parent: Option<SpanId>, span: Span) -> wire::Span {
    wire::Span {
        trace_id: trace.0.to_be_bytes().to_vec(),
        span_id: span.id.0.to_be_bytes().to_vec(),
        parent_span_id: parent.map_or_else(Vec::new, |parent| parent.0.to_be_bytes().to_vec()),
        flags: SAMPLED,
        name: span.name.to_owned(),
        kind: wire::span::SpanKind::Internal.into(),
        start_time_unix_nano: nanos(span.began),
        end_time_unix_nano: nanos(span.ended),
        attributes: span
            .notes
            .into_iter()
            .map(|(name, note)| attribute(name, note))
            .collect(),
        ..wire::Span::default()
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn attribute(name: &str, note: Note) -> KeyValue {
    let value = match note {
        Note::Text(text) => Value::StringValue(text.into_owned()),
        Note::Number(number) => Value::IntValue(number),
    };
    key_value(name, value)
}

/// An attribute.
pub(super) fn key_value(name: &str, value: Value) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
