//! What people call things in a history.

use crate::History;
use crate::event::{Batch, Client, Life, Partition, Topic};

/// A topic by its name, with its place among those of that name if there are several.
pub(crate) fn topic(history: &History, topic: Topic) -> String {
    let (name, place) = of_topic(history, topic);
    format!("{name}{place}")
}

/// A partition: `orders-0`, with the topic's place among those of its name if there are several.
pub(crate) fn partition(history: &History, partition: Partition) -> String {
    let at = partition.topic.0 as usize;
    if at >= history.topics.len() {
        return format!("topic {}, partition {}", at, partition.index);
    }
    let (name, place) = of_topic(history, partition.topic);
    format!("{name}-{}{place}", partition.index)
}

/// A topic's name, and which it is of that name where that needs saying.
fn of_topic(history: &History, topic: Topic) -> (String, String) {
    let at = topic.0 as usize;
    let Some(info) = history.topics.get(at) else {
        return (format!("topic {at}"), String::new());
    };
    let same = |topics: &[crate::TopicInfo]| topics.iter().filter(|other| other.name == info.name).count();
    let place = match same(&history.topics) {
        ..=1 => String::new(),
        _ => format!(" (topic {} of that name)", same(&history.topics[..=at])),
    };
    (info.name.clone(), place)
}

/// A client: its description and number.
pub(crate) fn client(history: &History, client: Client) -> String {
    match history.clients.get(client.0 as usize) {
        Some(what) => format!("{what} [{}]", client.0),
        None => format!("client {}", client.0),
    }
}

/// A batch: whose, and which.
pub(crate) fn batch(history: &History, batch: Batch) -> String {
    format!("batch {} of {}", batch.number, client(history, batch.by))
}

/// A life: the node's name, and which of its lives.
pub(crate) fn life(history: &History, life: Life) -> String {
    let at = life.0 as usize;
    let Some(info) = history.lives.get(at) else {
        return format!("life {at}");
    };
    let nth = history.lives[..=at]
        .iter()
        .filter(|other| other.node == info.node)
        .count();
    format!("{} #{nth}", info.node)
}

/// Seconds with milliseconds.
pub(crate) fn seconds(us: u64) -> String {
    format!("{}.{:03}", us / 1_000_000, us / 1000 % 1000)
}
