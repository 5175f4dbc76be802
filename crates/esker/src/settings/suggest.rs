//! The nearest name to one that does not exist.

/// Below this likeness (Jaro-Winkler, 0 to 1) two names have nothing to do with each other.
const LIKENESS_MIN: f64 = 0.8;

/// The candidate that looks most like `name`, if any looks like it.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant() {
        let names = ["listeners", "segment_bytes", "memory_bytes"];
        assert_eq!(nearest("segment_byte", names.into_iter()), Some("segment_bytes"));
        assert_eq!(nearest("listner", names.into_iter()), Some("listeners"));
        assert_eq!(nearest("xyz", names.into_iter()), None);
    }
}
