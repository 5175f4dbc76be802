//! Sizes in bytes, as people write them.

/// Units and their bytes; a number alone is bytes.
const UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("kib", 1 << 10),
    ("ki", 1 << 10),
    ("mib", 1 << 20),
    ("mi", 1 << 20),
    ("gib", 1 << 30),
    ("gi", 1 << 30),
    ("tib", 1 << 40),
    ("ti", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
];

/// Parses `8MiB`, `1GiB`, `512Mi`, `10MB` or plain bytes. The error says what would be right.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size: write bytes or a unit, e.g. 8388608 or 8MiB");
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.replace('_', "").parse().map_err(|_| wrong())?;
    let unit = unit.trim().to_ascii_lowercase();
    let bytes = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1;
    number.checked_mul(bytes).ok_or_else(wrong)
}

/// A size as people read it: exact if it is a whole number of a unit, else rounded to one decimal.
pub(crate) fn show(bytes: u64) -> String {
    for (name, unit) in [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= unit {
            return match bytes % unit {
                0 => format!("{} {name}", bytes / unit),
                _ => format!("{:.1} {name}", bytes as f64 / unit as f64),
            };
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::{parse, show};

    #[test]
    fn parses_units() {
        assert_eq!(parse("8MiB"), Ok(8 << 20));
        assert_eq!(parse("1 GiB"), Ok(1 << 30));
        assert_eq!(parse("512Mi"), Ok(512 << 20));
        assert_eq!(parse("10MB"), Ok(10_000_000));
        assert_eq!(parse("65_536"), Ok(65536));
        for wrong in ["", "MiB", "-1", "8 megs", "1.5GiB", "99999999999TiB"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shows_what_people_read() {
        assert_eq!(show(8 << 20), "8 MiB");
        assert_eq!(show(1536), "1.5 KiB");
        assert_eq!(show(7), "7 B");
    }
}
