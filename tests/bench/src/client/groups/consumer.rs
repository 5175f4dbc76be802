//! A member of a group with the newer protocol (KIP-848): ConsumerGroupHeartbeat is all that it says.
//!
//! As consumers do, it tells what it is asked for once, then only what has changed; and that it took over what it was
//! given, or gave up what was taken from it, at once. Else it comes again when the last answer told it to.

use std::time::Duration;

use esker_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use esker_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, GroupId, TopicName,
};
use esker_protocol::{ErrorCode, StrBytes};

use super::rest::Standing;
use super::{Beat, asks_again, pause, refused};
use crate::client::connection::Connection;

/// The default of consumers.
const REBALANCE_TIMEOUT_MS: i32 = 300_000;
/// The epoch with which a member joins, and the one with which it leaves.
const JOINS: i32 = 0;
const LEAVES: i32 = -1;

/// One member, and what it knows of itself.
pub(super) struct Member {
    group: StrBytes,
    topic: StrBytes,
    id: StrBytes,
    epoch: i32,
    /// As it was told last.
    interval: Duration,
    owned: Vec<TopicPartitions>,
    /// Whether `owned` was not told yet.
    to_tell: bool,
}

impl Member {
    /// Somebody who has not joined yet; `id` is its own and nobody else's.
    pub(super) fn new(group: StrBytes, topic: StrBytes, id: StrBytes) -> Self {
        Self {
            group,
            topic,
            id,
            epoch: JOINS,
            interval: Duration::ZERO,
            owned: Vec::new(),
            to_tell: false,
        }
    }

    /// Joins, for the first time or again.
    pub(super) async fn join(&mut self, connection: &mut Connection) -> Result<Standing, String> {
        self.owned.clear();
        self.to_tell = false;
        let request = self
            .request(JOINS)
            .with_rebalance_timeout_ms(REBALANCE_TIMEOUT_MS)
            .with_subscribed_topic_names(Some(vec![TopicName(self.topic.clone())]))
            .with_topic_partitions(Some(Vec::new()));
        loop {
            let answer = connection.call(&request).await?;
            if answer.error_code == 0 {
                self.take(answer);
                return Ok(self.standing());
            }
            if !asks_again(answer.error_code) {
                return Err(refused("ConsumerGroupHeartbeat", answer.error_code));
            }
            pause(Duration::from_millis(100)).await;
        }
    }

    /// Says that it is there, and what has changed.
    pub(super) async fn beat(&mut self, connection: &mut Connection) -> Result<Beat, String> {
        let mut request = self.request(self.epoch);
        if self.to_tell {
            request.topic_partitions = Some(self.owned.clone());
        }
        let answer = connection.call(&request).await?;
        let code = answer.error_code;
        match ErrorCode::from_code(code) {
            Some(ErrorCode::None) => {
                self.to_tell = false;
                let before = self.epoch;
                self.take(answer);
                Ok(match self.to_tell || self.epoch != before {
                    true => Beat::Moved(self.standing()),
                    false => Beat::Heard,
                })
            }
            Some(ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId) => Ok(Beat::MustJoin),
            _ if asks_again(code) => Ok(Beat::Refused(refused("ConsumerGroupHeartbeat", code))),
            _ => Err(refused("ConsumerGroupHeartbeat", code)),
        }
    }

    /// Leaves; that it did not work is of no interest.
    pub(super) async fn leave(&mut self, connection: &mut Connection) {
        let _ = connection.call(&self.request(LEAVES)).await;
    }

    /// Whether it has something to say that does not wait until it is time.
    pub(super) fn is_in_haste(&self) -> bool {
        self.to_tell
    }

    /// When it is to come again.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    fn request(&self, epoch: i32) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(self.group.clone()))
            .with_member_id(self.id.clone())
            .with_member_epoch(epoch)
    }

    fn take(&mut self, answer: ConsumerGroupHeartbeatResponse) {
        self.epoch = answer.member_epoch;
        let interval_ms = u64::try_from(answer.heartbeat_interval_ms).unwrap_or(0);
        self.interval = Duration::from_millis(interval_ms);
        if let Some(assignment) = answer.assignment {
            let topics = assignment.topic_partitions.into_iter().map(|topic| {
                TopicPartitions::default()
                    .with_topic_id(topic.topic_id)
                    .with_partitions(topic.partitions)
            });
            self.owned = topics.collect();
            self.to_tell = true;
        }
    }

    fn standing(&self) -> Standing {
        let partitions = self.owned.iter().flat_map(|topic| &topic.partitions);
        Standing {
            epoch: self.epoch,
            partitions: partitions.copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use esker_protocol::messages::consumer_group_heartbeat_response as response;

    #[test]
    fn what_it_was_given_is_told_once() {
        let text = StrBytes::from_static_str;
        let mut member = Member::new(text("g"), text("t"), text("m"));
        let answer = ConsumerGroupHeartbeatResponse::default()
            .with_member_epoch(4)
            .with_heartbeat_interval_ms(1500);
        member.take(answer.clone());
        assert!(!member.is_in_haste(), "no assignment is no change");
        assert_eq!(member.interval(), Duration::from_millis(1500));
        let topic = response::TopicPartitions::default().with_partitions(vec![2, 5]);
        let assignment = response::Assignment::default().with_topic_partitions(vec![topic]);
        member.take(answer.with_assignment(Some(assignment)));
        assert!(member.is_in_haste());
        let standing = member.standing();
        assert_eq!((standing.epoch, standing.partitions), (4, vec![2, 5]));
    }
}
