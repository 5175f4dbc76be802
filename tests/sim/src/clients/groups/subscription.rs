//! What classic consumers say to each other through the coordinator: `ConsumerProtocolSubscription` 2 and
//! `ConsumerProtocolAssignment` 1 of Kafka.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Partitions by topic name.
pub(super) type ByTopic = BTreeMap<String, Vec<i32>>;

const SUBSCRIPTION_VERSION: i16 = 2;
const ASSIGNMENT_VERSION: i16 = 1;

/// What a member says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Subscription {
    pub(super) topics: Vec<String>,
    /// What it owns and would keep.
    pub(super) owned: ByTopic,
    /// The generation in which it was given that.
    pub(super) generation: i32,
}

impl Subscription {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(SUBSCRIPTION_VERSION);
        out.put_i32(self.topics.len() as i32);
        self.topics.iter().for_each(|topic| put_text(&mut out, topic));
        out.put_i32(-1);
        put_partitions(&mut out, &self.owned);
        out.put_i32(self.generation);
        out.freeze()
    }

    /// `None`: it is none.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        if bytes.try_get_i16().ok()? != SUBSCRIPTION_VERSION {
            return None;
        }
        let topics = bytes.try_get_i32().ok()?;
        let topics: Option<Vec<_>> = (0..topics).map(|_| take_text(&mut bytes)).collect();
        bytes.try_get_i32().ok()?;
        let owned = take_partitions(&mut bytes)?;
        let generation = bytes.try_get_i32().ok()?;
        Some(Self {
            topics: topics?,
            owned,
            generation,
        })
    }
}

/// An assignment as it travels.
pub(super) fn encode_assignment(partitions: &ByTopic) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(ASSIGNMENT_VERSION);
    put_partitions(&mut out, partitions);
    out.put_i32(-1);
    out.freeze()
}

/// Nothing at all is an assignment of nothing. `None`: it is none.
pub(super) fn decode_assignment(mut bytes: &[u8]) -> Option<ByTopic> {
    if bytes.is_empty() {
        return Some(ByTopic::new());
    }
    if bytes.try_get_i16().ok()? != ASSIGNMENT_VERSION {
        return None;
    }
    take_partitions(&mut bytes)
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

fn put_partitions(out: &mut BytesMut, partitions: &ByTopic) {
    out.put_i32(partitions.len() as i32);
    for (topic, partitions) in partitions {
        put_text(out, topic);
        out.put_i32(partitions.len() as i32);
        partitions.iter().for_each(|index| out.put_i32(*index));
    }
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
    let text = bytes.get(..length)?;
    let text = std::str::from_utf8(text).ok()?.to_owned();
    bytes.advance(length);
    Some(text)
}

fn take_partitions(bytes: &mut &[u8]) -> Option<ByTopic> {
    let topics = bytes.try_get_i32().ok()?;
    let mut all = ByTopic::new();
    for _ in 0..topics {
        let topic = take_text(bytes)?;
        let count = bytes.try_get_i32().ok()?;
        let partitions: Option<Vec<_>> = (0..count).map(|_| bytes.try_get_i32().ok()).collect();
        all.insert(topic, partitions?);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let owned = ByTopic::from([("a".to_owned(), vec![0, 2]), ("bc".to_owned(), vec![])]);
        let subscription = Subscription {
            topics: vec!["a".to_owned(), "bc".to_owned()],
            owned: owned.clone(),
            generation: 7,
        };
        assert_eq!(Subscription::decode(&subscription.encode()), Some(subscription));
        assert_eq!(decode_assignment(&encode_assignment(&owned)), Some(owned));
        assert_eq!(decode_assignment(&[]), Some(ByTopic::new()));
        assert_eq!(decode_assignment(&[0, 1, 0]), None);
    }
}
