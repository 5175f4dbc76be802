//! Reads the text of `/metrics`: OpenMetrics 1.0, as agents write it, and the older Prometheus text format.
//!
//! What holds: a line that does not read is an error that names it, so that nobody takes a page of something else for
//! metrics. Samples keep their order.

/// What a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
    /// Anything else.
    Other,
}

/// The samples that stand under one `# TYPE`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) help: String,
    pub(crate) samples: Vec<Sample>,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// With its suffix, such as `_total` or `_bucket`.
    pub(crate) name: String,
    pub(crate) labels: Labels,
    pub(crate) value: f64,
    pub(crate) exemplar: Option<Exemplar>,
}

/// Labels in their order.
pub(crate) type Labels = Vec<(String, String)>;

/// One of the events in a bucket.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) labels: Labels,
    pub(crate) value: f64,
}

impl Sample {
    /// The value of a label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        let found = self.labels.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Reads a page. The error says which line does not read.
pub(crate) fn parse(text: &str) -> Result<Vec<Family>, String> {
    let mut families: Vec<Family> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let wrong = |why: &str| {
            let start: String = line.chars().take(80).collect();
            format!("line {} is no metric ({why}): {start}", number + 1)
        };
        if line == "# EOF" {
            break;
        }
        if let Some(comment) = line.strip_prefix('#') {
            heed(comment.trim_start(), &mut families);
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let sample = sample(line).map_err(wrong)?;
        match families.last_mut() {
            Some(family) if belongs(&sample.name, &family.name) => family.samples.push(sample),
            _ => families.push(Family {
                name: sample.name.clone(),
                kind: Kind::Other,
                help: String::new(),
                samples: vec![sample],
            }),
        }
    }
    Ok(families)
}

/// `HELP name text` or `TYPE name kind`; anything else is for people.
fn heed(comment: &str, families: &mut Vec<Family>) {
    let mut words = comment.splitn(3, ' ');
    let (Some(what), Some(name)) = (words.next(), words.next()) else {
        return;
    };
    let rest = words.next().unwrap_or_default();
    if what != "HELP" && what != "TYPE" {
        return;
    }
    if families.last().is_none_or(|family| family.name != name) {
        families.push(Family {
            name: name.to_owned(),
            kind: Kind::Other,
            help: String::new(),
            samples: Vec::new(),
        });
    }
    let Some(family) = families.last_mut() else { return };
    if what == "HELP" {
        rest.clone_into(&mut family.help);
    } else {
        family.kind = match rest.trim() {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "histogram" => Kind::Histogram,
            "info" => Kind::Info,
            _ => Kind::Other,
        };
    }
}

fn belongs(sample: &str, family: &str) -> bool {
    const SUFFIXES: [&str; 7] = ["", "_total", "_bucket", "_sum", "_count", "_info", "_created"];
    sample
        .strip_prefix(family)
        .is_some_and(|suffix| SUFFIXES.contains(&suffix))
}

/// `name{label="value",…} value [time] [# {label="value"} value]`.
fn sample(line: &str) -> Result<Sample, &'static str> {
    let end = line
        .find(|c: char| c == '{' || c.is_whitespace())
        .ok_or("it has no value")?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() {
        return Err("it has no name");
    }
    let (labels, rest) = labels(rest)?;
    let (numbers, exemplar) = match rest.split_once('#') {
        Some((numbers, exemplar)) => (numbers, Some(exemplar.trim())),
        None => (rest, None),
    };
    let exemplar = match exemplar {
        None => None,
        Some(text) => {
            let (labels, rest) = self::labels(text)?;
            Some(Exemplar {
                labels,
                value: number(rest)?,
            })
        }
    };
    Ok(Sample {
        name: name.to_owned(),
        labels,
        value: number(numbers)?,
        exemplar,
    })
}

/// The first number of a text.
fn number(text: &str) -> Result<f64, &'static str> {
    let word = text.split_whitespace().next().ok_or("it has no value")?;
    match word {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        word => word.parse().map_err(|_| "its value is no number"),
    }
}

/// What stands in braces, and what follows them.
fn labels(text: &str) -> Result<(Labels, &str), &'static str> {
    let Some(mut rest) = text.strip_prefix('{') else {
        return Ok((Vec::new(), text));
    };
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, value) = rest.split_once("=\"").ok_or("its labels have no end")?;
        let (value, after) = quoted(value).ok_or("a label has no end")?;
        labels.push((name.trim().to_owned(), value));
        rest = after;
    }
}

/// Up to the closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            character => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r##"# HELP esker_fetch_bytes Bytes of record batches sent.
# TYPE esker_fetch_bytes counter
esker_fetch_bytes_total{topic="a\"b\\c",source="memory"} 17
esker_fetch_bytes_total{topic="d",source="cache"} 3
# HELP esker_ack_seconds Time.
# TYPE esker_ack_seconds histogram
esker_ack_seconds_sum 0.5
esker_ack_seconds_count 2
esker_ack_seconds_bucket{le="0.1"} 1 # {trace_id="00ff"} 0.05
esker_ack_seconds_bucket{le="+Inf"} 2
# TYPE esker_build info
esker_build_info{version="0.1.0"} 1
# EOF
"##;

    #[test]
    fn reads_a_page() {
        let families = parse(PAGE).unwrap();
        let kinds: Vec<_> = families
            .iter()
            .map(|family| (family.name.as_str(), family.kind))
            .collect();
        assert_eq!(
            kinds,
            [
                ("esker_fetch_bytes", Kind::Counter),
                ("esker_ack_seconds", Kind::Histogram),
                ("esker_build", Kind::Info),
            ]
        );
        assert_eq!(families[0].help, "Bytes of record batches sent.");
        assert_eq!(families[0].samples[0].label("topic"), Some("a\"b\\c"));
        assert_eq!(families[0].samples[1].value, 3.0);
        let exemplar = families[1].samples[2].exemplar.clone().unwrap();
        assert_eq!((exemplar.labels[0].1.as_str(), exemplar.value), ("00ff", 0.05));
        assert_eq!(families[1].samples[3].label("le"), Some("+Inf"));
    }

    #[test]
    fn reads_what_prometheus_wrote_before() {
        let families = parse("# TYPE up gauge\nup{job=\"x\"} 1 1700000000000\nrest_total 4\n").unwrap();
        assert_eq!(
            (families[0].samples[0].value, families[1].samples[0].value),
            (1.0, 4.0)
        );
    }

    #[test]
    fn says_what_does_not_read() {
        for (page, why) in [
            ("<html>", "no value"),
            ("a{b=\"c} 1", "no end"),
            ("a{b} 1", "no end"),
            ("a x", "no number"),
            ("{a=\"b\"} 1", "no name"),
        ] {
            let error = parse(page).unwrap_err();
            assert!(
                error.contains(why) && error.starts_with("line 1"),
                "{page}: {error}"
            );
        }
    }
}
