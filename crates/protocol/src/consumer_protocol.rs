//! What classic members of consumers say of themselves: the metadata of a JoinGroup whose protocol type is `consumer`.
//!
//! Source: `ConsumerProtocolSubscription.json` of Apache Kafka.

use crate::wire::Reader;

/// Topics that one subscription may name.
const TOPICS_MAX: i32 = 100_000;

/// The topics that a member subscribes to; `None` if that cannot be read.
pub fn subscribed_topics(metadata: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::new(metadata);
    let version = reader.i16().ok()?;
    let count = reader.i32().ok()?;
    if version < 0 || !(0..=TOPICS_MAX).contains(&count) {
        return None;
    }
    let mut topics = Vec::new();
    for _ in 0..count {
        let bytes = usize::try_from(reader.i16().ok()?).ok()?;
        let name = reader.take(bytes).ok()?;
        topics.push(std::str::from_utf8(name).ok()?.to_owned());
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_and_nonsense_is_not() {
        let metadata = [0, 1, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 0, 0, 0, 0];
        assert_eq!(
            subscribed_topics(&metadata),
            Some(vec!["a".to_owned(), "bc".to_owned()])
        );
        for end in 0..13 {
            assert_eq!(subscribed_topics(&metadata[..end]), None, "{end}");
        }
        assert_eq!(subscribed_topics(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(subscribed_topics(&[0xff, 0xff, 0, 0, 0, 0]), None);
        assert_eq!(subscribed_topics(&[0, 0, 0, 0, 0, 1, 0, 1, 0xff]), None);
    }
}
