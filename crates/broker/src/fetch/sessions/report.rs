//! What of an answer is told: without a session everything, with one what is news.

use esker_protocol::fetch_response::{FetchPartitionParts, FetchTopicParts};

use super::InSession;
use crate::fetch::asked::{Asked, AskedTopic};

/// An answer's topics as they are filled.
pub(in crate::fetch) struct Report<'a> {
    asked: &'a [AskedTopic],
    topics: Vec<FetchTopicParts>,
    /// The place in the request of each of `topics`.
    of: Vec<usize>,
    /// The place in `topics` of each topic of the request that is in it.
    places: Vec<Option<usize>>,
}

impl<'a> Report<'a> {
    /// An answer in which nothing is told yet. Without a session all topics are in it, in the order of the request.
    pub(in crate::fetch) fn new(asked: &'a Asked, session: &InSession<'_>) -> Self {
        let mut report = Self {
            asked: &asked.topics,
            topics: Vec::new(),
            of: Vec::new(),
            places: vec![None; asked.topics.len()],
        };
        if matches!(session, InSession::None) {
            (0..asked.topics.len()).for_each(|at| {
                report.place(at);
            });
        }
        report
    }

    /// Tells of the partition that is at `place` in what was asked, if it is news.
    pub(in crate::fetch) fn tell(
        &mut self,
        session: &mut InSession<'_>,
        place: usize,
        topic: usize,
        part: FetchPartitionParts,
    ) {
        let told = match session {
            InSession::None => true,
            InSession::New(partitions, _) => {
                partitions.is_news(place, &part);
                true
            }
            InSession::Known(lease) => lease.partitions.is_news(place, &part),
        };
        if told {
            let at = self.place(topic);
            self.topics[at].partitions.push(part);
        }
    }

    /// The topics, and of each its place in the request.
    pub(in crate::fetch) fn into_topics(self) -> (Vec<FetchTopicParts>, Vec<usize>) {
        (self.topics, self.of)
    }

    fn place(&mut self, topic: usize) -> usize {
        if let Some(at) = self.places[topic] {
            return at;
        }
        let at = self.topics.len();
        self.topics.push(FetchTopicParts {
            name: self.asked[topic].name.clone(),
            topic_id: self.asked[topic].id,
            partitions: Vec::new(),
        });
        self.of.push(topic);
        self.places[topic] = Some(at);
        at
    }
}
