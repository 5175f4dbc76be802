//! Who reads what: the bytes in which consumers tell each other, and the range assignor.
//!
//! Source: `ConsumerProtocolSubscription.json`, `ConsumerProtocolAssignment.json` and `RangeAssignor` of Apache Kafka. Of
//! both formats version 0 is written, which every consumer reads.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::describe::Partitions;
use crate::client::{ClientError, Result};

/// Topics, and partitions of a topic, that one assignment may name.
const ENTRIES_MAX: i32 = 100_000;
/// The version that is written.
const VERSION: i16 = 0;
/// Length of user data that is not there.
const NONE: i32 = -1;

fn put_text(out: &mut BytesMut, text: &str) -> Result<()> {
    let length = i16::try_from(text.len())
        .map_err(|_| ClientError::Input("a topic name is longer than 32767 bytes".to_owned()))?;
    out.put_i16(length);
    out.put_slice(text.as_bytes());
    Ok(())
}

fn put_count(out: &mut BytesMut, count: usize) -> Result<()> {
    let count = i32::try_from(count)
        .ok()
        .filter(|count| *count <= ENTRIES_MAX)
        .ok_or_else(|| {
            ClientError::Input(format!(
                "a group may read at most {ENTRIES_MAX} topics or partitions"
            ))
        })?;
    out.put_i32(count);
    Ok(())
}

/// What a member says when it joins: the topics that it wants to read.
pub(super) fn subscription(topics: &[String]) -> Result<Bytes> {
    let mut out = BytesMut::new();
    out.put_i16(VERSION);
    put_count(&mut out, topics.len())?;
    for topic in topics {
        put_text(&mut out, topic)?;
    }
    out.put_i32(NONE);
    Ok(out.freeze())
}

/// What the leader gives a member.
pub(super) fn encode(partitions: &Partitions) -> Result<Bytes> {
    let mut out = BytesMut::new();
    out.put_i16(VERSION);
    put_count(&mut out, partitions.len())?;
    for (topic, indexes) in partitions {
        put_text(&mut out, topic)?;
        put_count(&mut out, indexes.len())?;
        for index in indexes {
            out.put_i32(*index);
        }
    }
    out.put_i32(NONE);
    Ok(out.freeze())
}

/// Reads an assignment; `None` if it does not read. No bytes at all are an assignment of nothing.
pub(super) fn decode(bytes: &[u8]) -> Option<Partitions> {
    let mut rest = bytes;
    let mut partitions = Partitions::new();
    if rest.is_empty() {
        return Some(partitions);
    }
    let version = rest.try_get_i16().ok()?;
    let topics = rest.try_get_i32().ok()?;
    if version < 0 || !(0..=ENTRIES_MAX).contains(&topics) {
        return None;
    }
    for _ in 0..topics {
        let length = usize::try_from(rest.try_get_i16().ok()?).ok()?;
        let (name, after) = rest.split_at_checked(length)?;
        rest = after;
        let count = rest.try_get_i32().ok()?;
        if !(0..=ENTRIES_MAX).contains(&count) {
            return None;
        }
        let indexes = partitions
            .entry(std::str::from_utf8(name).ok()?.to_owned())
            .or_default();
        for _ in 0..count {
            indexes.push(rest.try_get_i32().ok()?);
        }
        indexes.sort_unstable();
    }
    Some(partitions)
}

/// A member as the leader knows it.
#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    pub(super) id: String,
    pub(super) instance_id: Option<String>,
    pub(super) topics: Vec<String>,
}

/// Gives out each topic by itself: its partitions in order, members in order, the first ones get one more if the
/// numbers do not divide. Static members come first, so that what they read survives their restarts.
/// `counts` has the number of partitions by topic; topics that are not in it have none.
pub(super) fn range(
    subscribers: &[Subscriber],
    counts: &BTreeMap<String, usize>,
) -> BTreeMap<String, Partitions> {
    let mut assigned: BTreeMap<String, Partitions> = subscribers
        .iter()
        .map(|subscriber| (subscriber.id.clone(), Partitions::new()))
        .collect();
    for (topic, count) in counts {
        let mut readers: Vec<_> = subscribers
            .iter()
            .filter(|subscriber| subscriber.topics.contains(topic))
            .collect();
        readers.sort_by_key(|reader| (reader.instance_id.is_none(), &reader.instance_id, &reader.id));
        let mut next = 0;
        for (at, reader) in readers.iter().enumerate() {
            let share = count / readers.len() + usize::from(at < count % readers.len());
            let indexes = (next..next + share).filter_map(|index| i32::try_from(index).ok());
            next += share;
            if share > 0
                && let Some(partitions) = assigned.get_mut(&reader.id)
            {
                partitions.insert(topic.clone(), indexes.collect());
            }
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(id: &str, instance_id: Option<&str>, topics: &[&str]) -> Subscriber {
        Subscriber {
            id: id.to_owned(),
            instance_id: instance_id.map(str::to_owned),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        }
    }

    fn counts(topics: &[(&str, usize)]) -> BTreeMap<String, usize> {
        topics
            .iter()
            .map(|(topic, count)| ((*topic).to_owned(), *count))
            .collect()
    }

    #[test]
    fn the_first_members_get_what_is_left_over() {
        let members = [subscriber("b", None, &["t", "u"]), subscriber("a", None, &["t"])];
        let assigned = range(&members, &counts(&[("t", 3), ("u", 2)]));
        assert_eq!(assigned["a"]["t"], [0, 1]);
        assert_eq!(assigned["b"]["t"], [2]);
        assert_eq!(assigned["b"]["u"], [0, 1]);
        assert!(!assigned["a"].contains_key("u"));
    }

    #[test]
    fn members_in_excess_get_nothing_and_static_ones_come_first() {
        let members = [
            subscriber("a", None, &["t"]),
            subscriber("z", Some("1"), &["t"]),
            subscriber("y", Some("2"), &["t"]),
        ];
        let assigned = range(&members, &counts(&[("t", 2)]));
        assert_eq!(assigned["z"]["t"], [0]);
        assert_eq!(assigned["y"]["t"], [1]);
        assert!(assigned["a"].is_empty());
        assert!(range(&members, &counts(&[]))["z"].is_empty());
    }

    #[test]
    fn every_partition_has_one_reader() {
        for members in 1..7 {
            for count in 0..20 {
                let members: Vec<_> = (0..members)
                    .map(|id| subscriber(&id.to_string(), None, &["t"]))
                    .collect();
                let assigned = range(&members, &counts(&[("t", count)]));
                let mut all: Vec<_> = assigned
                    .values()
                    .flat_map(|given| given.get("t").cloned().unwrap_or_default())
                    .collect();
                all.sort_unstable();
                assert_eq!(all, (0..count as i32).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn assignments_read_back_and_nonsense_does_not() {
        let mut partitions = Partitions::new();
        partitions.insert("orders".to_owned(), vec![0, 5]);
        partitions.insert("t".to_owned(), vec![]);
        let bytes = encode(&partitions).unwrap();
        assert_eq!(decode(&bytes), Some(partitions));
        // User data at the end is not looked at.
        for end in 1..bytes.len() - 4 {
            assert_eq!(decode(&bytes[..end]), None, "{end}");
        }
        assert_eq!(decode(&[]), Some(Partitions::new()));
        assert_eq!(decode(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(decode(&[0xff, 0xff, 0, 0, 0, 0]), None);
    }

    #[test]
    fn subscriptions_are_what_brokers_read() {
        let topics = ["a".to_owned(), "bc".to_owned()];
        let bytes = subscription(&topics).unwrap();
        assert_eq!(
            esker_protocol::consumer_protocol::subscribed_topics(&bytes),
            Some(topics.to_vec())
        );
        assert!(subscription(&["x".repeat(40_000)]).is_err());
    }
}
