//! Where a consumer stands in one partition.

use esker_history::event::{Partition, Query, Topic};
use esker_protocol::messages::fetch_response::PartitionData;
use uuid::Uuid;

use super::fetching::Asked;
use super::heard::{Heard, Told};
use crate::clients::ClientContext;
use crate::clients::metadata::{Found, View};
use crate::clients::offsets::Place;

/// So many answers of Metadata in a row say that a topic is gone.
const GONE_MAX: u32 = 8;
const OUT_OF_RANGE: i16 = 1;
const CORRUPT_MESSAGE: i16 = 2;

/// A partition that is being read.
pub(super) struct Cursor {
    topic: String,
    index: i32,
    home: Option<(Uuid, Topic)>,
    /// The next offset to be read; unknown: to be asked for.
    position: Option<i64>,
    /// What to ask for when the position is unknown.
    reset: Query,
    /// What to ask for when the position is out of range.
    policy: Query,
    /// Where the log begins, as the last answer with an offset said.
    log_start: Option<i64>,
    /// Where the log ended when the consumer was told to finish.
    end: Option<i64>,
    gone: u32,
    /// Some question about it is under way.
    pub(super) busy: bool,
    /// Nothing is asked before.
    pub(super) ready_us: u64,
    heard: Heard,
}

/// Where a consumer that starts over believes that the log begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// It asks.
    Asked,
    /// Where the last answer to a Fetch said.
    Known,
    /// At 0.
    Zero,
}

/// What to do after an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// Go on.
    On,
    /// Wait a little; where the topic is may have changed.
    Wait,
}

impl Cursor {
    /// Knows nothing yet.
    pub(super) fn new(topic: &str, index: i32, from_start: bool) -> Self {
        let policy = if from_start {
            Query::Earliest
        } else {
            Query::Latest
        };
        Self {
            topic: topic.to_owned(),
            index,
            home: None,
            position: None,
            reset: policy,
            policy,
            log_start: None,
            end: None,
            gone: 0,
            busy: false,
            ready_us: 0,
            heard: Heard::default(),
        }
    }

    /// The topic's name.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition's index.
    pub(super) fn index(&self) -> i32 {
        self.index
    }

    /// Takes over what Metadata says. A topic that was created again is read from its start.
    pub(super) fn update(&mut self, view: &View) {
        match view.topics.get(&self.topic) {
            Some(Found::Here(topic)) if topic.leaders.contains_key(&self.index) => {
                self.gone = 0;
                let home = (topic.uuid, topic.topic);
                if self.home.replace(home).is_some_and(|before| before != home) {
                    self.position = None;
                    self.reset = Query::Earliest;
                    self.end = None;
                    self.log_start = None;
                    self.heard.forget();
                }
            }
            Some(Found::Here(_) | Found::Gone) => self.gone += 1,
            Some(Found::Unsure(_)) | None => {}
        }
    }

    fn partition(&self) -> Option<Partition> {
        let (_, topic) = self.home?;
        let index = self.index;
        Some(Partition { topic, index })
    }

    /// The partition, for ListOffsets.
    pub(super) fn place(&self) -> Option<Place> {
        Some(Place {
            topic: self.topic.clone(),
            partition: self.partition()?,
        })
    }

    /// Which offset has to be asked for before it can be read (again).
    pub(super) fn wanted(&self, draining: bool) -> Option<Query> {
        self.home?;
        if self.position.is_none() {
            return Some(self.reset);
        }
        (draining && self.end.is_none()).then_some(Query::Latest)
    }

    /// An offset was asked for with `query` for `place`.
    pub(super) fn listed(
        &mut self,
        place: &Place,
        query: Query,
        draining: bool,
        error: i16,
        offset: i64,
    ) -> Next {
        if self.partition() != Some(place.partition) {
            return Next::On;
        }
        if error != 0 || offset < 0 {
            return Next::Wait;
        }
        if self.position.is_none() {
            if query == self.reset {
                self.position = Some(offset);
            }
        } else if draining && query == Query::Latest {
            self.end = Some(offset);
        }
        Next::On
    }

    /// What to fetch, if it is known.
    pub(super) fn ask(&self) -> Option<Asked> {
        Some(Asked {
            topic: self.topic.clone(),
            uuid: self.home?.0,
            partition: self.partition()?,
            from: self.position?,
        })
    }

    /// Reads again from the start.
    pub(super) fn rewind(&mut self, to: Start) {
        self.reset = Query::Earliest;
        self.position = match to {
            Start::Asked => None,
            Start::Known => self.log_start,
            Start::Zero => Some(0),
        };
    }

    /// Goes on where its policy says.
    fn recover(&mut self) {
        self.position = None;
        self.reset = self.policy;
    }

    /// All is read, or there is nothing to be read any more.
    pub(super) fn is_done(&self) -> bool {
        let read = self
            .position
            .zip(self.end)
            .is_some_and(|(position, end)| position >= end);
        read || self.gone >= GONE_MAX
    }

    /// A fetch was answered.
    pub(super) fn fetched(
        &mut self,
        ctx: &ClientContext,
        asked: &Asked,
        told: Told,
        data: PartitionData,
    ) -> Next {
        let (error, from, log_start) = (data.error_code, asked.from, data.log_start_offset);
        let current = self.partition() == Some(asked.partition) && self.position == Some(from);
        let read = self.heard.tell(ctx, asked, told, data);
        if current {
            if error == 0 {
                self.log_start = Some(log_start);
            }
            if error == OUT_OF_RANGE {
                self.recover();
            } else if let Some(next) = ctx
                .record
                .lost_until(asked.partition, from)
                .filter(|_| error == CORRUPT_MESSAGE)
            {
                self.position = Some(next);
            } else if let Some(next) = read.next.filter(|next| *next > from) {
                self.position = Some(next);
            }
        }
        if error == 0 && !read.damaged {
            Next::On
        } else {
            Next::Wait
        }
    }
}
