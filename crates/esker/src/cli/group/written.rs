//! What people write to say which partitions, which time and which offsets.

use std::collections::BTreeMap;

use crate::client::group::offsets::Offsets;

/// Longest span that can be said: a century.
const SPAN_MS_MAX: i64 = 100 * 366 * 86_400_000;

/// A topic, or some of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) topic: String,
    /// Empty for all.
    pub(crate) partitions: Vec<i32>,
}

/// Reads `TOPIC` or `TOPIC:0,1`.
pub(super) fn asked(text: &str) -> Result<Asked, String> {
    let wrong = || "write TOPIC, or TOPIC:PARTITION,...".to_owned();
    let (topic, partitions) = match text.split_once(':') {
        Some((topic, partitions)) => {
            let index = |part: &str| part.trim().parse().ok().filter(|index: &i32| *index >= 0);
            let partitions: Option<Vec<_>> = partitions.split(',').map(index).collect();
            (topic, partitions.ok_or_else(wrong)?)
        }
        None => (text, Vec::new()),
    };
    match topic.is_empty() {
        true => Err(wrong()),
        false => Ok(Asked {
            topic: topic.to_owned(),
            partitions,
        }),
    }
}

/// Where to set offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    Earliest,
    Latest,
    Offset(i64),
}

pub(super) fn to(text: &str) -> Result<To, String> {
    match text {
        "earliest" | "beginning" => Ok(To::Earliest),
        "latest" | "end" => Ok(To::Latest),
        _ => match text.parse() {
            Ok(offset) if offset >= 0 => Ok(To::Offset(offset)),
            Ok(_) => Err("offsets begin with 0; --shift-by goes back from where the group is".to_owned()),
            Err(_) => Err("write earliest, latest or an offset".to_owned()),
        },
    }
}

/// Milliseconds since 1970 of `2026-01-31T12:00:00`, with a zone or without one, which is UTC then.
pub(super) fn datetime(text: &str) -> Result<i64, String> {
    let zoned = chrono::DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis());
    let plain = || {
        chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
            .map(|time| time.and_utc().timestamp_millis())
    };
    match zoned.or_else(|_| plain()) {
        Ok(ms) if ms >= 0 => Ok(ms),
        _ => Err(
            "write a time after 1970 as 2026-01-31T12:00:00, with Z or +01:00 if it is not UTC".to_owned(),
        ),
    }
}

/// Milliseconds of an ISO 8601 span of weeks, days, hours, minutes and seconds: `P1D`, `PT2H30M`.
pub(super) fn span(text: &str) -> Result<i64, String> {
    span_ms(text).ok_or_else(|| match text.strip_prefix('-') {
        Some(span) if span_ms(span).is_some() => format!("it always goes back: write {span}"),
        _ => "write a span as P1D, PT2H30M or P1DT12H".to_owned(),
    })
}

fn span_ms(text: &str) -> Option<i64> {
    let body = text.strip_prefix('P')?;
    let (days, times) = match body.split_once('T') {
        Some((_, "")) => return None,
        Some((days, times)) => (days, times),
        None => (body, ""),
    };
    if days.is_empty() && times.is_empty() {
        return None;
    }
    let days = sum(days, &[('W', 604_800_000), ('D', 86_400_000)])?;
    let times = sum(times, &[('H', 3_600_000), ('M', 60_000), ('S', 1_000)])?;
    days.checked_add(times).filter(|ms| *ms <= SPAN_MS_MAX)
}

/// Adds numbers that are followed by their units, each unit at most once and in this order.
fn sum(text: &str, units: &[(char, i64)]) -> Option<i64> {
    let (mut rest, mut ms) = (text, 0_i64);
    for (unit, unit_ms) in units {
        let Some((number, after)) = rest.split_once(*unit) else {
            continue;
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: i64 = number.parse().ok()?;
        ms = ms.checked_add(number.checked_mul(*unit_ms)?)?;
        rest = after;
    }
    rest.is_empty().then_some(ms)
}

/// Reads lines `topic,partition,offset`; empty lines are skipped.
pub(super) fn csv(text: &str) -> Result<Offsets, String> {
    let mut offsets = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let wrong = || format!("line {}: write topic,partition,offset", at + 1);
        let fields: Vec<_> = line
            .split(',')
            .map(|field| field.trim().trim_matches('"'))
            .collect();
        let [topic, partition, offset] = fields.as_slice() else {
            return Err(wrong());
        };
        let partition = partition.parse().ok().filter(|index: &i32| *index >= 0);
        let offset = offset.parse().ok().filter(|offset: &i64| *offset >= 0);
        let (Some(partition), Some(offset), false) = (partition, offset, topic.is_empty()) else {
            return Err(wrong());
        };
        if offsets.insert(((*topic).to_owned(), partition), offset).is_some() {
            return Err(format!("line {}: {topic}/{partition} is there twice", at + 1));
        }
    }
    match offsets.is_empty() {
        true => Err("it has no lines".to_owned()),
        false => Ok(offsets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_partitions() {
        let read = asked("orders:2,0").unwrap();
        assert_eq!((read.topic.as_str(), read.partitions), ("orders", vec![2, 0]));
        assert!(asked("orders").unwrap().partitions.is_empty());
        for wrong in ["", ":1", "t:", "t:a", "t:-1", "t:1,,2"] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_utc_unless_they_say_otherwise() {
        assert_eq!(datetime("1970-01-01T00:00:01"), Ok(1_000));
        assert_eq!(datetime("1970-01-01T00:00:01.5Z"), Ok(1_500));
        assert_eq!(datetime("1970-01-01T02:00:00+01:00"), Ok(3_600_000));
        for wrong in ["", "1970-01-01", "1969-12-31T23:59:59", "yesterday"] {
            assert!(datetime(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn spans_are_iso_8601() {
        assert_eq!(span("P1D"), Ok(86_400_000));
        assert_eq!(span("PT2H30M"), Ok(9_000_000));
        assert_eq!(span("P1W2DT3S"), Ok(9 * 86_400_000 + 3_000));
        for wrong in [
            "",
            "P",
            "PT",
            "P1DT",
            "1D",
            "P1M",
            "PT1",
            "PTH",
            "PT1M2H",
            "P-1D",
            "P99999999999999999D",
            "P1000000D",
        ] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_sign_is_answered_with_what_to_write() {
        assert_eq!(span("-PT1H"), Err("it always goes back: write PT1H".to_owned()));
        assert!(span("-x").is_err_and(|said| said.contains("P1D")));
    }

    #[test]
    fn places() {
        assert_eq!(to("latest"), Ok(To::Latest));
        assert_eq!(to("12"), Ok(To::Offset(12)));
        assert!(to("").is_err());
        assert!(to("-1").is_err_and(|said| said.contains("--shift-by")));
    }

    #[test]
    fn files_of_offsets() {
        let read = csv("orders,0,5\n\n\"orders\", 1, 7\r\n").unwrap();
        assert_eq!(read.into_values().collect::<Vec<_>>(), [5, 7]);
        for (wrong, said) in [
            ("", "no lines"),
            ("orders,0", "line 1"),
            ("orders,0,5\norders,0,6", "line 2: orders/0 is there twice"),
            ("orders,0,-5", "line 1"),
            (",0,5", "line 1"),
        ] {
            assert!(csv(wrong).unwrap_err().contains(said), "{wrong}");
        }
    }
}
