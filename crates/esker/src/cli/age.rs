//! Spans of time as people read them.

/// Units and their milliseconds, the largest first.
const UNITS: &[(&str, i64)] = &[("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)];

/// A span in its largest unit and the next one: `3 h 20 min`. Below a second: milliseconds.
pub(crate) fn show(ms: i64) -> String {
    let ms = ms.max(0);
    let Some(at) = UNITS.iter().position(|(_, unit)| ms >= *unit) else {
        return format!("{ms} ms");
    };
    let mut left = ms;
    let mut words = Vec::with_capacity(2);
    for (name, unit) in UNITS.iter().skip(at).take(2) {
        let count = left / unit;
        left %= unit;
        if count > 0 {
            words.push(format!("{count} {name}"));
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::show;

    #[test]
    fn shows_what_people_read() {
        for (ms, shown) in [
            (-1, "0 ms"),
            (350, "350 ms"),
            (1_999, "1 s"),
            (123_456, "2 min 3 s"),
            (120_000, "2 min"),
            (12_000_000, "3 h 20 min"),
            (10 * 86_400_000 + 59_000, "10 d"),
        ] {
            assert_eq!(show(ms), shown);
        }
    }
}
