//! What is counted for each topic, with a bounded number of labels.
//!
//! At most so many topics as a setting says have series of their own; what the others do is counted under
//! [`OTHER_TOPICS`]. Topics get a label as they become known, while there are labels left; after that, [`TopicMeters::rank`]
//! gives them to the topics that move most bytes.
//!
//! What holds: each byte is counted under one label, and a series only grows while it is there. A topic that loses its
//! label and gets it again begins at 0, which readers of counters take for a restart; nothing moves from one series to
//! another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The label of all topics that have none of their own. No topic can have this name: Kafka allows it, so a topic that is
/// called so is counted among the others.
pub const OTHER_TOPICS: &str = "_other";

/// Topics with a label of their own if nothing else is said.
pub const TOPICS_MAX_DEFAULT: usize = 200;

/// Most topics whose labels change hands in one ranking.
const SWAPS_MAX: usize = 20;

/// So many times as much must a topic move to take the label of another: labels should not go to and fro.
const CLEARLY_MORE: u64 = 2;

/// Label of per-topic counters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TopicLabels {
    /// Topic name.
    pub topic: String,
}

/// Where fetched bytes come from.
const FETCH_SOURCES: [&str; 4] = ["memory", "cache", "peer", "store"];

/// Labels of fetched bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FetchLabels {
    /// Topic name.
    pub topic: String,
    /// One of `memory`, `cache`, `peer` and `store`.
    pub source: &'static str,
}

/// The series of all topics. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct TopicMeters(Arc<Meters>);

struct Meters {
    families: Families,
    topics_max: usize,
    known: Mutex<Known>,
    other: Arc<Series>,
}

#[derive(Default)]
struct Known {
    topics: BTreeMap<String, Arc<TopicMeter>>,
    /// Of them, those with a label.
    labelled: usize,
}

#[derive(Clone, Default)]
struct Families {
    produced: Family<TopicLabels, Counter>,
    fetched: Family<FetchLabels, Counter>,
    stored: Family<TopicLabels, Gauge>,
}

/// The series of one label.
struct Series {
    topic: String,
    families: Families,
    produced: OnceLock<Counter>,
    fetched: [OnceLock<Counter>; FETCH_SOURCES.len()],
}

/// What is counted for one topic.
pub struct TopicMeter {
    /// Bytes moved since the last ranking.
    moved: AtomicU64,
    /// What it moved lately: halved by each ranking.
    score: AtomicU64,
    own: RwLock<Option<Series>>,
    other: Arc<Series>,
}

impl TopicMeters {
    /// With labels for so many topics.
    pub fn new(topics_max: usize) -> Self {
        let families = Families::default();
        Self(Arc::new(Meters {
            other: Arc::new(Series::new(OTHER_TOPICS, &families)),
            families,
            topics_max,
            known: Mutex::default(),
        }))
    }

    /// Makes the counters visible under their public names.
    pub(super) fn register(&self, registry: &mut Registry) {
        let families = &self.0.families;
        registry.register(
            "esker_produce_bytes",
            "Bytes of record batches acknowledged",
            families.produced.clone(),
        );
        registry.register(
            "esker_fetch_bytes",
            "Bytes of record batches sent to consumers",
            families.fetched.clone(),
        );
        registry.register(
            "esker_topic_stored_bytes",
            "Bytes of record batches kept, as the agent that measures them last saw; no other agent shows them",
            families.stored.clone(),
        );
    }

    /// The meter of a topic.
    pub(crate) fn of(&self, topic: &str) -> Arc<TopicMeter> {
        let meters = &self.0;
        let mut known = meters.known.lock();
        if let Some(meter) = known.topics.get(topic) {
            return Arc::clone(meter);
        }
        let meter = Arc::new(TopicMeter {
            moved: AtomicU64::new(0),
            score: AtomicU64::new(0),
            own: RwLock::new(None),
            other: Arc::clone(&meters.other),
        });
        if known.labelled < meters.topics_max && topic != OTHER_TOPICS {
            known.labelled += 1;
            *meter.own.write() = Some(Series::new(topic, &meters.families));
        }
        known.topics.insert(topic.to_owned(), Arc::clone(&meter));
        meter
    }

    /// Bytes of a topic that were sent to consumers from a source, under a label of its own.
    pub fn fetched(&self, topic: &str, source: &'static str) -> u64 {
        let topic = topic.to_owned();
        self.0
            .families
            .fetched
            .get_or_create_owned(&FetchLabels { topic, source })
            .get()
    }

    /// Ends the counters of a topic that does not exist any more.
    pub(crate) fn forget(&self, topic: &str) {
        let mut known = self.0.known.lock();
        if known.topics.remove(topic).is_some_and(|meter| meter.unlabel()) {
            known.labelled -= 1;
        }
    }

    /// Gives labels to the topics that moved most bytes lately. To be called about once a minute.
    pub fn rank(&self) {
        let meters = &self.0;
        let mut known = meters.known.lock();
        let Known {
            topics,
            labelled: count,
        } = &mut *known;
        let (mut labelled, mut others) = (Vec::new(), Vec::new());
        for (topic, meter) in topics.iter() {
            let moved = meter.moved.swap(0, Ordering::Relaxed);
            let score = meter.score.load(Ordering::Relaxed) / 2 + moved;
            meter.score.store(score, Ordering::Relaxed);
            match meter.is_labelled() {
                true => labelled.push((score, topic, meter)),
                false if topic != OTHER_TOPICS => others.push((score, topic, meter)),
                false => {}
            }
        }
        // The least first; of the others, the most.
        labelled.sort_unstable_by_key(|(score, topic, _)| (*score, *topic));
        others.sort_unstable_by_key(|(score, topic, _)| (std::cmp::Reverse(*score), *topic));
        let mut others = others.into_iter();
        for _ in labelled.len()..meters.topics_max {
            let Some((_, topic, meter)) = others.next() else {
                return;
            };
            *count += 1;
            *meter.own.write() = Some(Series::new(topic, &meters.families));
        }
        for ((least, _, loses), (most, topic, gets)) in labelled.into_iter().zip(others).take(SWAPS_MAX) {
            if most <= least.saturating_mul(CLEARLY_MORE) {
                return;
            }
            loses.unlabel();
            *gets.own.write() = Some(Series::new(topic, &meters.families));
        }
    }

    /// Shows how many bytes are kept of each topic; `None`: another agent does.
    pub(crate) fn show_stored(&self, stored: Option<&BTreeMap<String, u64>>) {
        let families = &self.0.families;
        families.stored.clear();
        let known = self.0.known.lock();
        for (topic, bytes) in stored.into_iter().flatten() {
            let labelled = known.topics.get(topic).is_some_and(|meter| meter.is_labelled());
            let topic = if labelled { topic.as_str() } else { OTHER_TOPICS };
            let labels = TopicLabels {
                topic: topic.to_owned(),
            };
            let bytes = i64::try_from(*bytes).unwrap_or(i64::MAX);
            families.stored.get_or_create(&labels).inc_by(bytes);
        }
    }
}

impl TopicMeter {
    /// Counts bytes that were acknowledged.
    pub(crate) fn produced(&self, bytes: u64) {
        self.count(bytes, |series| series.produced());
    }

    /// Counts bytes that were sent to a consumer.
    pub(crate) fn fetched(&self, source: &'static str, bytes: u64) {
        let Some(place) = FETCH_SOURCES.iter().position(|known| *known == source) else {
            return;
        };
        self.count(bytes, |series| series.fetched(place));
    }

    fn count(&self, bytes: u64, counter: impl Fn(&Series) -> &Counter) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        match &*self.own.read() {
            Some(own) => counter(own).inc_by(bytes),
            None => counter(&self.other).inc_by(bytes),
        };
    }

    fn is_labelled(&self) -> bool {
        self.own.read().is_some()
    }

    /// Takes its label away; whether it had one.
    fn unlabel(&self) -> bool {
        let own = self.own.write().take();
        own.as_ref().map(Series::end).is_some()
    }
}

impl Series {
    fn new(topic: &str, families: &Families) -> Self {
        let series = Self {
            topic: topic.to_owned(),
            families: families.clone(),
            produced: OnceLock::new(),
            fetched: Default::default(),
        };
        if topic != OTHER_TOPICS {
            // A rate exists from the first byte on.
            series.produced();
        }
        series
    }

    fn produced(&self) -> &Counter {
        self.produced.get_or_init(|| {
            let labels = TopicLabels {
                topic: self.topic.clone(),
            };
            self.families.produced.get_or_create_owned(&labels)
        })
    }

    fn fetched(&self, place: usize) -> &Counter {
        self.fetched[place].get_or_init(|| {
            let labels = FetchLabels {
                topic: self.topic.clone(),
                source: FETCH_SOURCES[place],
            };
            self.families.fetched.get_or_create_owned(&labels)
        })
    }

    fn end(&self) {
        let topic = &self.topic;
        self.families
            .produced
            .remove(&TopicLabels { topic: topic.clone() });
        for source in FETCH_SOURCES {
            let topic = topic.clone();
            self.families.fetched.remove(&FetchLabels { topic, source });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(meters: &TopicMeters) -> BTreeMap<String, u64> {
        let mut registry = Registry::default();
        meters.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text.lines()
            .filter_map(|line| line.strip_prefix("esker_produce_bytes_total{topic=\""))
            .map(|line| {
                let (topic, bytes) = line.split_once("\"} ").unwrap();
                (topic.to_owned(), bytes.parse().unwrap())
            })
            .collect()
    }

    fn map(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs
            .iter()
            .map(|(topic, bytes)| ((*topic).to_owned(), *bytes))
            .collect()
    }

    #[test]
    fn topics_beyond_the_limit_count_together() {
        let meters = TopicMeters::new(2);
        for (topic, bytes) in [("a", 1), ("b", 2), ("c", 4), ("d", 8)] {
            meters.of(topic).produced(bytes);
        }
        assert_eq!(shown(&meters), map(&[("a", 1), ("b", 2), ("_other", 12)]));
        TopicMeters::new(0).of("a").produced(1);
    }

    #[test]
    fn labels_go_to_those_that_move_clearly_more_and_nothing_is_counted_twice() {
        let meters = TopicMeters::new(2);
        let (a, b, c) = (meters.of("a"), meters.of("b"), meters.of("c"));
        a.produced(100);
        b.produced(10);
        c.produced(19);
        meters.rank();
        assert_eq!(shown(&meters), map(&[("a", 100), ("b", 10), ("_other", 19)]));
        c.fetched("cache", 12);
        meters.rank();
        // From now on; what was counted before stays where it was.
        c.produced(7);
        b.produced(3);
        assert_eq!(shown(&meters), map(&[("a", 100), ("c", 7), ("_other", 22)]));
    }

    #[test]
    fn a_deleted_topic_leaves_its_label() {
        let meters = TopicMeters::new(1);
        let deleted = meters.of("a");
        deleted.produced(5);
        meters.of("b").produced(6);
        meters.forget("a");
        deleted.produced(1);
        meters.rank();
        meters.of("b").produced(8);
        assert_eq!(shown(&meters), map(&[("b", 8), ("_other", 7)]));
    }

    #[test]
    fn a_topic_called_like_the_others_is_one_of_them() {
        let meters = TopicMeters::new(5);
        meters.of(OTHER_TOPICS).produced(3);
        meters.rank();
        meters.of(OTHER_TOPICS).produced(4);
        assert_eq!(shown(&meters), map(&[("_other", 7)]));
    }

    #[test]
    fn stored_bytes_have_the_same_labels() {
        let meters = TopicMeters::new(1);
        meters.of("a");
        meters.of("b");
        meters.show_stored(Some(&map(&[("a", 5), ("b", 6), ("gone", 7)])));
        let stored = &meters.0.families.stored;
        let of = |topic: &str| {
            stored
                .get_or_create(&TopicLabels {
                    topic: topic.to_owned(),
                })
                .get()
        };
        assert_eq!((of("a"), of(OTHER_TOPICS)), (5, 13));
        meters.show_stored(None);
        assert_eq!(of("a"), 0);
    }
}
