//! Where our own failures become Kafka's error codes: the only mapping in the broker.
//!
//! What holds: a producer learns whether its records were surely not written (19: send again) or whether
//! nobody knows (7: send again, a duplicate is possible unless the producer is idempotent); no failure of
//! ours is -1, 45 or 59 on the data path, because clients treat those as the end. A reader gets 56, which
//! every client answers by refreshing its metadata and asking again (what a read of the bucket means to a
//! consumer is decided where extents are read). An administrator gets 41 where surely
//! nothing was done (clients look for another agent and repeat) and 7 where it may have been.

use esker_metastore::MetastoreError;
use esker_model::groups::GroupError;
use esker_model::planted::{Mistake, planted};
use esker_model::sequence::Refusal;
use esker_protocol::{ErrorCode, StrBytes};

/// Records that surely were not written and may be sent again.
pub(crate) const fn surely_not_written() -> ErrorCode {
    ErrorCode::NotEnoughReplicas
}

/// Records that may or may not have been written.
pub(crate) const fn outcome_unknown() -> ErrorCode {
    ErrorCode::RequestTimedOut
}

/// Records that were written long ago, nobody knows at which offset.
pub(crate) const fn offset_not_remembered() -> ErrorCode {
    ErrorCode::DuplicateSequenceNumber
}

/// Why the metastore did not append a batch. A Produce by topic id (v13 on) answers 100 instead of 3 for
/// a topic that is gone: its handler knows which was asked.
pub(crate) fn of_refusal(refusal: Refusal) -> ErrorCode {
    match refusal {
        Refusal::Gap if planted(Mistake::GapIsOutOfOrder) => ErrorCode::OutOfOrderSequenceNumber,
        Refusal::Gap => surely_not_written(),
        Refusal::OutOfOrder => ErrorCode::OutOfOrderSequenceNumber,
        Refusal::StaleEpoch => ErrorCode::InvalidProducerEpoch,
        Refusal::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
    }
}

/// Why a group refused.
pub(crate) const fn of_group(error: GroupError) -> ErrorCode {
    match error {
        GroupError::IllegalGeneration => ErrorCode::IllegalGeneration,
        GroupError::InconsistentGroupProtocol => ErrorCode::InconsistentGroupProtocol,
        GroupError::InvalidGroupId => ErrorCode::InvalidGroupId,
        GroupError::UnknownMemberId => ErrorCode::UnknownMemberId,
        GroupError::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
        GroupError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        GroupError::InvalidRequest => ErrorCode::InvalidRequest,
        GroupError::NonEmptyGroup => ErrorCode::NonEmptyGroup,
        GroupError::GroupIdNotFound => ErrorCode::GroupIdNotFound,
        GroupError::MemberIdRequired => ErrorCode::MemberIdRequired,
        GroupError::GroupMaxSizeReached => ErrorCode::GroupMaxSizeReached,
        GroupError::FencedInstanceId => ErrorCode::FencedInstanceId,
        GroupError::GroupSubscribedToTopic => ErrorCode::GroupSubscribedToTopic,
        GroupError::FencedMemberEpoch => ErrorCode::FencedMemberEpoch,
        GroupError::UnreleasedInstanceId => ErrorCode::UnreleasedInstanceId,
        GroupError::UnsupportedAssignor => ErrorCode::UnsupportedAssignor,
        GroupError::StaleMemberEpoch => ErrorCode::StaleMemberEpoch,
        GroupError::InvalidRegularExpression => ErrorCode::InvalidRegularExpression,
    }
}

/// A topic or partition that does not exist, asked for by topic id or by name.
pub(crate) const fn unknown_topic(by_id: bool) -> ErrorCode {
    if by_id {
        ErrorCode::UnknownTopicId
    } else {
        ErrorCode::UnknownTopicOrPartition
    }
}

/// A question of the read path (Fetch, ListOffsets, OffsetForLeaderEpoch) that the metastore did not answer.
pub(crate) const fn of_metastore(error: &MetastoreError) -> ErrorCode {
    match error {
        // Another agent can answer: refresh the metadata and go there.
        MetastoreError::Fenced | MetastoreError::WrongEpoch { .. } => ErrorCode::NotLeaderOrFollower,
        MetastoreError::Unavailable(_)
        | MetastoreError::UnknownOutcome(_)
        | MetastoreError::AlreadySettled
        | MetastoreError::DifferentPast { .. }
        | MetastoreError::NotMigrated { .. }
        | MetastoreError::TooNew { .. }
        | MetastoreError::Refused(_)
        | MetastoreError::Misconfigured(_)
        | MetastoreError::Corrupt(_) => ErrorCode::KafkaStorageError,
    }
}

/// A change of topics or configs that the metastore did not make, or may not have made.
pub(crate) const fn of_admin(error: &MetastoreError) -> ErrorCode {
    match error {
        MetastoreError::Unavailable(_)
        | MetastoreError::Refused(_)
        | MetastoreError::Fenced
        | MetastoreError::WrongEpoch { .. }
        | MetastoreError::DifferentPast { .. } => ErrorCode::NotController,
        MetastoreError::UnknownOutcome(_) => outcome_unknown(),
        MetastoreError::AlreadySettled
        | MetastoreError::NotMigrated { .. }
        | MetastoreError::TooNew { .. }
        | MetastoreError::Misconfigured(_)
        | MetastoreError::Corrupt(_) => ErrorCode::UnknownServerError,
    }
}

/// An error of one item of an administrative request: Kafka's code, and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The message as it travels.
    pub(crate) fn text(&self) -> Option<StrBytes> {
        Some(StrBytes::from_string(self.message.clone()))
    }
}

impl From<&MetastoreError> for Failure {
    /// As [`of_admin`]. Addresses and names of the metastore stay in our own log.
    fn from(error: &MetastoreError) -> Self {
        let message = match error {
            MetastoreError::UnknownOutcome(_) => {
                "the connection to the metastore was lost: the change may have been made"
            }
            MetastoreError::Unavailable(_) => "the metastore cannot be reached: nothing was changed",
            MetastoreError::Fenced | MetastoreError::WrongEpoch { .. } => {
                "this agent was replaced: ask another one"
            }
            MetastoreError::DifferentPast { .. } => {
                "the metastore is being reconciled after a failover: nothing was changed"
            }
            _ => "the metastore failed: see the agent's log",
        };
        Self::new(of_admin(error), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_codes_that_keep_a_producer_alive() {
        assert_eq!(of_refusal(Refusal::Gap).code(), 19);
        assert_eq!(of_refusal(Refusal::OutOfOrder).code(), 45);
        assert_eq!(of_refusal(Refusal::StaleEpoch).code(), 47);
        assert_eq!(of_refusal(Refusal::UnknownPartition).code(), 3);
        assert_eq!(surely_not_written().code(), 19);
        assert_eq!(outcome_unknown().code(), 7);
    }

    #[test]
    fn a_reader_is_never_told_that_something_ended() {
        let errors = [
            MetastoreError::Unavailable("x".into()),
            MetastoreError::UnknownOutcome("x".into()),
            MetastoreError::Fenced,
            MetastoreError::AlreadySettled,
            MetastoreError::Corrupt("x".into()),
        ];
        for error in errors {
            assert!(matches!(of_metastore(&error).code(), 6 | 56), "{error}");
        }
    }

    #[test]
    fn an_administrator_learns_whether_anything_was_done() {
        let surely_not = Failure::from(&MetastoreError::Unavailable("secret-host".into()));
        assert_eq!(surely_not.code.code(), 41);
        assert!(!surely_not.message.contains("secret-host"));
        assert_eq!(of_admin(&MetastoreError::UnknownOutcome("x".into())).code(), 7);
        assert_eq!(of_admin(&MetastoreError::Corrupt("x".into())).code(), -1);
    }
}
