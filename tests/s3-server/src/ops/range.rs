//! `Range` headers (RFC 9110 §14), as S3 takes them: one range of bytes. Anything else is passed over, and
//! the whole object comes.

use crate::error::S3Error;

/// What of an object is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Whole,
    Part { first: u64, end: u64 },
}

pub(super) fn wanted(range: &str, bytes: u64) -> Result<Wanted, S3Error> {
    let Some((from, to)) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Ok(Wanted::Whole);
    };
    let part = match (from.trim(), to.trim()) {
        ("", last) => match last.parse::<u64>() {
            Ok(last) => (bytes.saturating_sub(last), bytes),
            Err(_) => return Ok(Wanted::Whole),
        },
        (from, "") => match from.parse() {
            Ok(from) => (from, bytes),
            Err(_) => return Ok(Wanted::Whole),
        },
        (from, to) => match (from.parse::<u64>(), to.parse::<u64>()) {
            (Ok(from), Ok(to)) if from <= to => (from, bytes.min(to.saturating_add(1))),
            _ => return Ok(Wanted::Whole),
        },
    };
    let (first, end) = part;
    if first >= end {
        return Err(S3Error {
            object_bytes: Some(bytes),
            ..S3Error::new(416, "InvalidRange", "The range is outside of the object.")
        });
    }
    Ok(Wanted::Part { first, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let part = |first, end| Ok(Wanted::Part { first, end });
        assert_eq!(wanted("bytes=0-0", 10), part(0, 1));
        assert_eq!(wanted("bytes=3-5", 10), part(3, 6));
        assert_eq!(wanted("bytes=3-99", 10), part(3, 10));
        assert_eq!(wanted("bytes=3-18446744073709551615", 10), part(3, 10));
        assert_eq!(wanted("bytes=9-", 10), part(9, 10));
        assert_eq!(wanted("bytes=-4", 10), part(6, 10));
        assert_eq!(wanted("bytes=-40", 10), part(0, 10));
        for whole in [
            "bytes=5-3",
            "bytes=a-b",
            "bytes=1-2,4-5",
            "lines=1-2",
            "bytes=",
            "bytes=-",
        ] {
            assert_eq!(wanted(whole, 10), Ok(Wanted::Whole), "{whole}");
        }
        for outside in ["bytes=10-", "bytes=10-11", "bytes=-0"] {
            assert_eq!(wanted(outside, 10).unwrap_err().status, 416, "{outside}");
        }
        assert!(wanted("bytes=0-", 0).is_err());
    }
}
