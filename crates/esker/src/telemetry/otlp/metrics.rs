//! The metrics of `/metrics` as OTLP has them.
//!
//! They are read from the same text, so that both always say the same. Names stay as they are there, with `_total`: a
//! collector that writes for Prometheus adds it only where it is missing. Everything counts from the start of the process
//! (cumulative temporality).

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1 as wire;
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::traces::{key_value, scope};
use crate::openmetrics::{self, Exemplar, Family, Kind, Labels, Sample};

/// The wire's number for "counts from the start".
const CUMULATIVE: i32 = wire::AggregationTemporality::Cumulative as i32;

/// From when, and as of when; in nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Times {
    start: u64,
    now: u64,
}

/// The page of a process that began at `start_ms`. The error says what of the page does not read.
pub(super) fn request(
    resource: &Resource,
    page: &str,
    start_ms: i64,
    now_ms: i64,
) -> Result<ExportMetricsServiceRequest, String> {
    let nanos = |ms: i64| u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000);
    let times = Times {
        start: nanos(start_ms),
        now: nanos(now_ms),
    };
    let metrics = openmetrics::parse(page)?
        .into_iter()
        .filter(|family| !family.samples.is_empty())
        .map(|family| metric(family, times))
        .collect();
    Ok(ExportMetricsServiceRequest {
        resource_metrics: vec![wire::ResourceMetrics {
            resource: Some(resource.clone()),
            scope_metrics: vec![wire::ScopeMetrics {
                scope: Some(scope()),
                metrics,
                ..wire::ScopeMetrics::default()
            }],
            ..wire::ResourceMetrics::default()
        }],
    })
}

fn metric(family: Family, times: Times) -> wire::Metric {
    let name = match family.kind {
        Kind::Counter => format!("{}_total", family.name),
        Kind::Info => format!("{}_info", family.name),
        Kind::Gauge | Kind::Histogram | Kind::Other => family.name.clone(),
    };
    let unit = match family.name.rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        _ => "",
    };
    let data = match family.kind {
        Kind::Counter => wire::metric::Data::Sum(wire::Sum {
            data_points: family.samples.iter().map(|sample| point(sample, times)).collect(),
            aggregation_temporality: CUMULATIVE,
            is_monotonic: true,
        }),
        Kind::Histogram => wire::metric::Data::Histogram(wire::Histogram {
            data_points: histograms(&family, times),
            aggregation_temporality: CUMULATIVE,
        }),
        Kind::Gauge | Kind::Info | Kind::Other => wire::metric::Data::Gauge(wire::Gauge {
            data_points: family.samples.iter().map(|sample| point(sample, times)).collect(),
        }),
    };
    wire::Metric {
        name,
        description: family.help,
        unit: unit.to_owned(),
        data: Some(data),
        ..wire::Metric::default()
    }
}

fn point(sample: &Sample, times: Times) -> wire::NumberDataPoint {
    wire::NumberDataPoint {
        attributes: attributes(&sample.labels),
        start_time_unix_nano: times.start,
        time_unix_nano: times.now,
        value: Some(wire::number_data_point::Value::AsDouble(sample.value)),
        ..wire::NumberDataPoint::default()
    }
}

fn attributes(labels: &[(String, String)]) -> Vec<KeyValue> {
    labels
        .iter()
        .map(|(name, value)| key_value(name, Value::StringValue(value.clone())))
        .collect()
}

/// One point for each set of labels; the lines of each follow each other in the page.
fn histograms(family: &Family, times: Times) -> Vec<wire::HistogramDataPoint> {
    let mut points: Vec<(Labels, wire::HistogramDataPoint)> = Vec::new();
    let mut below = 0.0;
    for sample in &family.samples {
        let labels: Labels = sample
            .labels
            .iter()
            .filter(|(name, _)| name != "le")
            .cloned()
            .collect();
        if points.last().is_none_or(|(last, _)| *last != labels) {
            let point = wire::HistogramDataPoint {
                attributes: attributes(&labels),
                start_time_unix_nano: times.start,
                time_unix_nano: times.now,
                ..wire::HistogramDataPoint::default()
            };
            points.push((labels, point));
            below = 0.0;
        }
        let Some((_, point)) = points.last_mut() else {
            continue;
        };
        match sample.name.strip_prefix(&family.name) {
            Some("_sum") => point.sum = Some(sample.value),
            Some("_count") => point.count = sample.value as u64,
            Some("_bucket") => {
                // The page counts all below a bound, the wire those between two.
                point.bucket_counts.push((sample.value - below).max(0.0) as u64);
                below = sample.value;
                let bound = sample.label("le").and_then(|bound| bound.parse::<f64>().ok());
                if let Some(bound) = bound.filter(|bound| bound.is_finite()) {
                    point.explicit_bounds.push(bound);
                }
                point
                    .exemplars
                    .extend(sample.exemplar.as_ref().and_then(|one| exemplar(one, times)));
            }
            _ => {}
        }
    }
    points.into_iter().map(|(_, point)| point).collect()
}

fn exemplar(exemplar: &Exemplar, times: Times) -> Option<wire::Exemplar> {
    let (_, id) = exemplar.labels.iter().find(|(name, _)| name == "trace_id")?;
    let id = u128::from_str_radix(id, 16).ok()?;
    Some(wire::Exemplar {
        time_unix_nano: times.now,
        trace_id: id.to_be_bytes().to_vec(),
        value: Some(wire::exemplar::Value::AsDouble(exemplar.value)),
        ..wire::Exemplar::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r##"# HELP esker_segments Segments sealed.
# TYPE esker_segments counter
esker_segments_total 17
# TYPE esker_request_seconds histogram
esker_request_seconds_sum{api="Fetch"} 0.5
esker_request_seconds_count{api="Fetch"} 3
esker_request_seconds_bucket{le="0.1",api="Fetch"} 1 # {trace_id="0000000000000000000000000000000f"} 0.05
esker_request_seconds_bucket{le="0.2",api="Fetch"} 1
esker_request_seconds_bucket{le="+Inf",api="Fetch"} 3
esker_request_seconds_sum{api="Produce"} 0.1
esker_request_seconds_count{api="Produce"} 1
esker_request_seconds_bucket{le="0.1",api="Produce"} 0
esker_request_seconds_bucket{le="+Inf",api="Produce"} 1
# TYPE esker_memory_bytes gauge
esker_memory_bytes{use="cache"} 5
# TYPE esker_build info
esker_build_info{version="1"} 1
# EOF
"##;

    fn metrics(page: &str) -> Vec<wire::Metric> {
        let mut request = request(&Resource::default(), page, 1_000, 2_000).unwrap();
        request.resource_metrics.remove(0).scope_metrics.remove(0).metrics
    }

    #[test]
    fn the_page_keeps_its_names_and_numbers() {
        let metrics = metrics(PAGE);
        let names: Vec<_> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "esker_segments_total",
                "esker_request_seconds",
                "esker_memory_bytes",
                "esker_build_info"
            ]
        );
        let Some(wire::metric::Data::Sum(sum)) = &metrics[0].data else {
            panic!()
        };
        assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
        let point = &sum.data_points[0];
        assert_eq!(point.value, Some(wire::number_data_point::Value::AsDouble(17.0)));
        assert_eq!(
            (point.start_time_unix_nano, point.time_unix_nano),
            (1_000_000_000, 2_000_000_000)
        );
        assert_eq!((metrics[1].unit.as_str(), metrics[2].unit.as_str()), ("s", "By"));
    }

    #[test]
    fn buckets_count_what_is_between_their_bounds() {
        let metrics = metrics(PAGE);
        let Some(wire::metric::Data::Histogram(histogram)) = &metrics[1].data else {
            panic!()
        };
        let [fetch, produce] = histogram.data_points.as_slice() else {
            panic!()
        };
        assert_eq!(fetch.explicit_bounds, [0.1, 0.2]);
        assert_eq!(fetch.bucket_counts, [1, 0, 2]);
        assert_eq!((fetch.count, fetch.sum), (3, Some(0.5)));
        assert_eq!(fetch.exemplars[0].trace_id[15], 15);
        assert_eq!(produce.bucket_counts, [0, 1]);
        assert_eq!(produce.attributes.len(), 1);
    }
}
