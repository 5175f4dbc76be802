//! Which values a config takes.
//!
//! Values are kept as the client wrote them; white space around them does not count, as in Kafka.

use esker_model::limits::CONFIG_VALUE_BYTES_MAX;

/// A config's type by Kafka's numbers (DescribeConfigs v3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum Kind {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// The values that a config takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    Boolean,
    /// Whole number of 32 bits, from and to inclusive.
    Int(i32, i32),
    /// Whole number of 64 bits, at least this.
    Long(i64),
    /// A number between 0 and 1.
    Ratio,
    OneOf(&'static [&'static str]),
    /// Some of these words, each separated by a comma; may be empty.
    ListOf(&'static [&'static str]),
    /// `*`, or `partition:broker` pairs; may be empty.
    ThrottledReplicas,
    /// -1 for the codec's own default, or 1 to 9.
    GzipLevel,
    /// Any words, each separated by a comma; may be empty.
    AnyList,
}

impl Rule {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Boolean => Kind::Boolean,
            Self::Int(..) | Self::GzipLevel => Kind::Int,
            Self::Long(_) => Kind::Long,
            Self::Ratio => Kind::Double,
            Self::OneOf(_) => Kind::String,
            Self::ListOf(_) | Self::ThrottledReplicas | Self::AnyList => Kind::List,
        }
    }

    /// What would be right, if `value` is not.
    pub(crate) fn check(self, value: &str) -> Result<(), String> {
        if value.len() > CONFIG_VALUE_BYTES_MAX {
            return Err(format!("at most {CONFIG_VALUE_BYTES_MAX} bytes"));
        }
        let value = value.trim();
        let right = match self {
            Self::Boolean => is_boolean(value, "true") || is_boolean(value, "false"),
            Self::Int(min, max) => value
                .parse::<i32>()
                .is_ok_and(|number| (min..=max).contains(&number)),
            Self::GzipLevel => value
                .parse::<i32>()
                .is_ok_and(|level| level == -1 || (1..=9).contains(&level)),
            Self::Long(min) => value.parse::<i64>().is_ok_and(|number| number >= min),
            Self::Ratio => value
                .parse::<f64>()
                .is_ok_and(|ratio| (0.0..=1.0).contains(&ratio)),
            Self::OneOf(words) => words.contains(&value),
            Self::ListOf(words) => parts(value).all(|part| words.contains(&part)),
            Self::AnyList => true,
            Self::ThrottledReplicas => value == "*" || parts(value).all(is_replica),
        };
        if right { Ok(()) } else { Err(self.expected()) }
    }

    /// The values that it takes, in words.
    pub(super) fn expected(self) -> String {
        match self {
            Self::Boolean => "true or false".into(),
            Self::Int(min, i32::MAX) => format!("a whole number of type INT, at least {min}"),
            Self::Int(min, max) => format!("a whole number of type INT from {min} to {max}"),
            Self::GzipLevel => "-1, or a whole number from 1 to 9".into(),
            Self::Long(i64::MIN) => "a whole number of type LONG".into(),
            Self::Long(min) => format!("a whole number of type LONG, at least {min}"),
            Self::Ratio => "a number from 0 to 1".into(),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
            Self::ListOf(words) => format!("a list of {}", words.join(", ")),
            Self::AnyList => "a list".into(),
            Self::ThrottledReplicas => "*, or a list of partition:broker".into(),
        }
    }
}

/// The parts of a list value. A list that is empty has none.
pub(crate) fn parts(value: &str) -> impl Iterator<Item = &str> {
    let value = value.trim();
    value.split(',').map(str::trim).filter(move |_| !value.is_empty())
}

fn is_boolean(value: &str, word: &str) -> bool {
    value.eq_ignore_ascii_case(word)
}

fn is_replica(part: &str) -> bool {
    let number = |text: &str| text.parse::<i32>().is_ok_and(|number| number >= 0);
    part.split_once(':')
        .is_some_and(|(partition, broker)| number(partition) && number(broker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn takes(rule: Rule, good: &[&str], bad: &[&str]) {
        for value in good {
            assert_eq!(rule.check(value), Ok(()), "{value:?}");
        }
        for value in bad {
            assert!(rule.check(value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn each_rule_takes_its_values_only() {
        takes(Rule::Boolean, &["true", "FALSE", " true "], &["", "yes", "1"]);
        takes(
            Rule::Int(1, 9),
            &["1", " 9 "],
            &["0", "10", "a", "", "1.5", "99999999999"],
        );
        takes(Rule::GzipLevel, &["-1", "1", "9"], &["0", "10", "-2"]);
        takes(
            Rule::Long(-1),
            &["-1", "9223372036854775807"],
            &["-2", "9223372036854775808", "x"],
        );
        takes(
            Rule::Ratio,
            &["0", "1", "0.5"],
            &["-0.1", "1.1", "NaN", "inf", ""],
        );
        takes(Rule::OneOf(&["a", "b"]), &["a", " b"], &["", "c", "a,b"]);
        takes(
            Rule::ListOf(&["a", "b"]),
            &["", "a", "a, b"],
            &["c", "a,,b", "a,"],
        );
        takes(
            Rule::ThrottledReplicas,
            &["", "*", "0:1", "0:1, 2:3"],
            &["x", "1", "0:-1", "*,0:1"],
        );
        let long = "x".repeat(CONFIG_VALUE_BYTES_MAX + 1);
        assert!(Rule::ListOf(&[]).check(&long).is_err());
    }
}
