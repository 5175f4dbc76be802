//! Everything that happened, in order.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::{Client, Event, Life, Topic, What};

/// One topic from its creation to its deletion.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TopicInfo {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: Uuid,
    /// When its creation was asked for, if a client of this history did.
    pub created_from_us: Option<u64>,
    /// When its deletion was first asked for: from then on it may be gone.
    pub deleted_from_us: Option<u64>,
}

/// One life of an agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LifeInfo {
    /// The agent's name.
    pub node: String,
    /// When it began.
    pub began_us: u64,
    /// When it ended.
    pub ended_us: Option<u64>,
}

/// What clients saw.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct History {
    /// All topics there ever were.
    pub topics: Vec<TopicInfo>,
    /// All lives there ever were.
    pub lives: Vec<LifeInfo>,
    /// What clients are, for people: by their number.
    pub clients: Vec<String>,
    /// What happened, in the order of time.
    pub events: Vec<Event>,
}

impl History {
    /// Adds a client; `what` describes it for people.
    pub fn client(&mut self, what: &str) -> Client {
        self.clients.push(what.to_owned());
        Client(self.clients.len() as u32 - 1)
    }

    /// Adds a life.
    pub fn life(&mut self, node: &str, began_us: u64) -> Life {
        self.lives.push(LifeInfo {
            node: node.to_owned(),
            began_us,
            ended_us: None,
        });
        Life(self.lives.len() as u32 - 1)
    }

    /// The topic with this id; it is added if it is not known.
    pub fn topic(&mut self, name: &str, id: Uuid) -> Topic {
        if let Some(at) = self.topics.iter().rposition(|topic| topic.id == id) {
            return Topic(at as u32);
        }
        self.topics.push(TopicInfo {
            name: name.to_owned(),
            id,
            created_from_us: None,
            deleted_from_us: None,
        });
        Topic(self.topics.len() as u32 - 1)
    }

    /// Adds what happened.
    pub fn push(&mut self, at_us: u64, client: Option<Client>, what: What) {
        self.events.push(Event { at_us, client, what });
    }
}
