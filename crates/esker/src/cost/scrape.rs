//! What an agent's `GET /metrics` says, as far as a bill needs it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plain_http;
use crate::settings::address::Address;

/// How long one agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

const PRODUCED: &str = "esker_produce_bytes_total";
const FETCHED: &str = "esker_fetch_bytes_total";
const FROM_STORE: &str = "source=\"store\"";

fn sum(series: &BTreeMap<String, f64>, which: impl Fn(&str) -> bool) -> f64 {
    series
        .iter()
        .filter(|(name, _)| which(name))
        .map(|(_, value)| value)
        .sum()
}

/// Counters of one agent since its start, and what is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) produced: f64,
    pub(super) fetched: f64,
    /// Of what was fetched: bytes that came from the bucket.
    pub(super) from_store: f64,
    pub(super) puts: f64,
    pub(super) gets: f64,
    pub(super) lists: f64,
    pub(super) deletes: f64,
    pub(super) statements: f64,
    /// Bytes in the bucket; one agent of a cluster says it, or two while another takes over.
    pub(super) stored: f64,
    /// Each series of bytes by itself: topics lose their series and get them back.
    pub(super) series: BTreeMap<String, f64>,
    /// When the process began, as it says itself.
    pub(super) started: f64,
}

impl Sample {
    /// What happened since `before`; `None` if the agent was started in between.
    pub(super) fn since(&self, before: &Self) -> Option<Self> {
        if self.started > before.started {
            return None;
        }
        let fields = |sample: &Self| {
            [
                sample.puts,
                sample.gets,
                sample.lists,
                sample.deletes,
                sample.statements,
            ]
        };
        let mut more = [0.0; 5];
        for ((more, now), then) in more.iter_mut().zip(fields(self)).zip(fields(before)) {
            *more = now - then;
            if *more < 0.0 {
                return None;
            }
        }
        let [puts, gets, lists, deletes, statements] = more;
        let series: BTreeMap<String, f64> = self
            .series
            .iter()
            .map(|(name, now)| {
                let then = before.series.get(name).copied().unwrap_or_default();
                // One that is less than it was began anew.
                let more = if *now < then { *now } else { now - then };
                (name.clone(), more)
            })
            .collect();
        Some(Self {
            produced: sum(&series, |name| name.starts_with(PRODUCED)),
            fetched: sum(&series, |name| name.starts_with(FETCHED)),
            from_store: sum(&series, |name| {
                name.starts_with(FETCHED) && name.contains(FROM_STORE)
            }),
            started: self.started,
            series,
            puts,
            gets,
            lists,
            deletes,
            statements,
            stored: self.stored,
        })
    }

    /// Two agents together.
    pub(super) fn and(self, other: &Self) -> Self {
        Self {
            produced: self.produced + other.produced,
            fetched: self.fetched + other.fetched,
            from_store: self.from_store + other.from_store,
            puts: self.puts + other.puts,
            gets: self.gets + other.gets,
            lists: self.lists + other.lists,
            deletes: self.deletes + other.deletes,
            statements: self.statements + other.statements,
            stored: self.stored.max(other.stored),
            started: self.started.max(other.started),
            series: BTreeMap::new(),
        }
    }
}

/// The address in `http://host:port/metrics`, `http://host:port` or `host:port`.
pub(super) fn address(url: &str) -> Result<Address, String> {
    let wrong =
        |why: &str| format!("{url:?} is not an agent's address: {why}, e.g. http://127.0.0.1:9644/metrics");
    if url.starts_with("https://") {
        return Err(wrong("agents serve their metrics without TLS, write http://"));
    }
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !matches!(path.trim_end_matches('/'), "" | "metrics") {
        return Err(wrong("its path is /metrics"));
    }
    Address::parse(authority).map_err(|why| wrong(&why))
}

/// Asks one agent.
pub(super) async fn sample(address: &Address) -> Result<Sample, String> {
    let answer = plain_http::get(address, "/metrics", PATIENCE).await?;
    if answer.status != 200 {
        return Err(format!(
            "{address} answered GET /metrics with status {}",
            answer.status
        ));
    }
    parse(&answer.body).map_err(|why| format!("the metrics of {address} cannot be used: {why}"))
}

/// When one agent was started, in milliseconds of the wall clock.
pub(super) async fn started_ms(address: &Address) -> Result<i64, String> {
    let answer = plain_http::get(address, "/status", PATIENCE).await?;
    serde_json::from_str::<serde_json::Value>(&answer.body)
        .ok()
        .filter(|_| answer.status == 200)
        .and_then(|status| chrono::DateTime::parse_from_rfc3339(status.get("started")?.as_str()?).ok())
        .map(|started| started.timestamp_millis())
        .ok_or_else(|| format!("{address} does not say when it was started: leave out --since-start"))
}

/// Reads Prometheus' text. Lines that a bill does not need may say what they want.
fn parse(text: &str) -> Result<Sample, String> {
    let mut sample = Sample::default();
    let mut is_agent = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || format!("line {} is no metric: {:?}", number + 1, shortened(line));
        let (name, rest) = line.split_at(line.find(['{', ' ']).ok_or_else(wrong)?);
        let (labels, value) = match rest.strip_prefix('{') {
            None => ("", rest),
            Some(rest) => rest.rsplit_once('}').ok_or_else(wrong)?,
        };
        is_agent |= name == "esker_build_info";
        let sum = match (name, label(labels, "op")) {
            (PRODUCED, _) => &mut sample.produced,
            (FETCHED, _) => &mut sample.fetched,
            ("esker_store_requests_total", Some("put")) => &mut sample.puts,
            ("esker_store_requests_total", Some("get" | "head")) => &mut sample.gets,
            ("esker_store_requests_total", Some("list")) => &mut sample.lists,
            ("esker_store_requests_total", Some("delete")) => &mut sample.deletes,
            ("esker_metastore_statements_total", _) => &mut sample.statements,
            ("esker_topic_stored_bytes", _) => &mut sample.stored,
            ("process_start_time_seconds", _) => &mut sample.started,
            _ => continue,
        };
        let value = value
            .split_whitespace()
            .next()
            .and_then(|value| value.parse::<f64>().ok());
        let value = value
            .filter(|value| value.is_finite() && *value >= 0.0)
            .ok_or_else(wrong)?;
        *sum += value;
        if name == PRODUCED || name == FETCHED {
            if name == FETCHED && label(labels, "source") == Some("store") {
                sample.from_store += value;
            }
            sample.series.insert(format!("{name}{{{labels}}}"), value);
        }
    }
    match is_agent {
        true => Ok(sample),
        false => Err("esker_build_info is not among them, so that this is no agent".to_owned()),
    }
}

/// The value of a label. Names of topics hold no quotes and no commas, so that looking for them is enough.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    labels.split(',').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

fn shortened(line: &str) -> String {
    line.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::{Sample, address, parse};

    const TEXT: &str = "# HELP x y\nesker_build_info{version=\"0.1.0\"} 1\n\
        esker_produce_bytes_total{topic=\"a\"} 100\nesker_produce_bytes_total{topic=\"b\"} 50\n\
        esker_fetch_bytes_total{topic=\"a\",source=\"memory\"} 70\n\
        esker_fetch_bytes_total{topic=\"a\",source=\"store\"} 30\n\
        esker_store_requests_total{op=\"put\",outcome=\"ok\"} 4\n\
        esker_store_requests_total{op=\"put\",outcome=\"conflict\"} 1\n\
        esker_store_requests_total{op=\"get\",outcome=\"ok\"} 7\n\
        esker_store_requests_total{op=\"list\",outcome=\"ok\"} 2\n\
        esker_store_requests_total{op=\"delete\",outcome=\"ok\"} 3\n\
        esker_metastore_statements_total{statement=\"commit\"} 9\n\
        esker_topic_stored_bytes{topic=\"a\"} 1e3\n\
        esker_commit_seconds_bucket{le=\"+Inf\"} NaN\n# EOF\n";

    fn sample() -> Sample {
        Sample {
            produced: 150.0,
            fetched: 100.0,
            from_store: 30.0,
            puts: 5.0,
            gets: 7.0,
            lists: 2.0,
            deletes: 3.0,
            statements: 9.0,
            stored: 1_000.0,
            started: 0.0,
            series: [
                ("esker_produce_bytes_total{topic=\"a\"}", 100.0),
                ("esker_produce_bytes_total{topic=\"b\"}", 50.0),
                ("esker_fetch_bytes_total{topic=\"a\",source=\"memory\"}", 70.0),
                ("esker_fetch_bytes_total{topic=\"a\",source=\"store\"}", 30.0),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        }
    }

    #[test]
    fn adds_up_what_a_bill_needs() {
        assert_eq!(parse(TEXT).unwrap(), sample());
    }

    #[test]
    fn says_what_is_wrong_with_other_texts() {
        for (text, why) in [
            ("<html>", "line 1 is no metric: \"<html>\""),
            ("up 1\n", "so that this is no agent"),
            ("", "so that this is no agent"),
            (
                "esker_build_info 1\nesker_produce_bytes_total{topic=\"a\"} many\n",
                "line 2 is no metric",
            ),
            (
                "esker_build_info 1\nesker_produce_bytes_total{topic=\"a\"} NaN\n",
                "line 2 is no metric",
            ),
            (
                "esker_build_info 1\nesker_produce_bytes_total{topic=\"a\" 1\n",
                "line 2 is no metric",
            ),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn the_difference_of_two_samples_knows_restarts() {
        let mut more = Sample {
            stored: 900.0,
            ..sample()
        };
        // One topic went on, the other lost its label and began anew.
        more.series
            .insert("esker_produce_bytes_total{topic=\"a\"}".to_owned(), 120.0);
        more.series
            .insert("esker_produce_bytes_total{topic=\"b\"}".to_owned(), 10.0);
        let since = more.since(&sample()).unwrap();
        assert!((since.produced - 30.0).abs() < 1e-9 && since.puts == 0.0 && since.stored == 900.0);
        let again = Sample {
            started: 5.0,
            ..sample()
        };
        assert_eq!(again.since(&sample()), None);
        let fewer = Sample {
            puts: 1.0,
            ..sample()
        };
        assert_eq!(fewer.since(&sample()), None);
    }

    #[test]
    fn addresses() {
        for url in [
            "http://127.0.0.1:9644/metrics",
            "http://127.0.0.1:9644/",
            "127.0.0.1:9644",
            "http://agent-1:9644",
        ] {
            assert_eq!(address(url).unwrap().port, 9644, "{url}");
        }
        for (url, why) in [
            ("https://agent:9644", "without TLS"),
            ("http://agent:9644/upkeep", "its path is /metrics"),
            ("http://agent", "agent's address"),
        ] {
            assert!(address(url).unwrap_err().contains(why), "{url}");
        }
    }
}
