//! What can go wrong between this client and a broker, in words, with Kafka's names for its codes.

use std::time::Duration;

use esker_protocol::ErrorCode;

/// Why a request was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody could be reached.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Where.
        address: String,
        /// Why.
        reason: String,
    },
    /// The connection ended.
    #[error("the connection to {address} was lost: {reason}")]
    Lost {
        /// To where.
        address: String,
        /// Why.
        reason: String,
    },
    /// The broker took too long.
    #[error("{address} did not answer {api} within {} s", .waited.as_secs_f32())]
    TimedOut {
        /// Who.
        address: String,
        /// What was asked.
        api: &'static str,
        /// How long.
        waited: Duration,
    },
    /// The broker has no version of an API that we know.
    #[error("{address} does not support {api} in a version that this client knows")]
    Unsupported {
        /// Who.
        address: String,
        /// Which API.
        api: &'static str,
    },
    /// An answer that does not read, or contradicts the protocol.
    #[error("{address} sent an answer that does not read: {reason}")]
    Malformed {
        /// Who.
        address: String,
        /// Why.
        reason: String,
    },
    /// The broker said no.
    #[error("{what}: {}{}", name(*.code), explanation(*.code, .message))]
    Refused {
        /// What was asked.
        what: String,
        /// Kafka's code.
        code: i16,
        /// What the broker says about it.
        message: Option<String>,
    },
    /// Our own data cannot be sent.
    #[error("{0}")]
    Input(String),
}

impl ClientError {
    /// Makes a code of a response an error; 0 is none.
    pub(crate) fn check(code: i16, what: impl FnOnce() -> String, message: Option<&str>) -> Result<(), Self> {
        if code == ErrorCode::None.code() {
            return Ok(());
        }
        let message = message
            .map(str::to_owned)
            .filter(|message| !message.trim().is_empty());
        Err(Self::Refused {
            what: what(),
            code,
            message,
        })
    }

    /// Whether the same may succeed later, perhaps elsewhere.
    pub(crate) fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Lost { .. } | Self::TimedOut { .. } => true,
            Self::Refused { code, .. } => is_retriable(*code),
            Self::Unsupported { .. } | Self::Malformed { .. } | Self::Input(_) => false,
        }
    }

    /// Whether somebody else has to be asked, or the same one later: a broker went away, or leads no more. Unlike what
    /// [`Self::is_retriable`] tells, that a topic is not there is an answer.
    pub(crate) fn is_elsewhere(&self) -> bool {
        match self {
            Self::Refused { code, .. } => matches!(
                ErrorCode::from_code(*code),
                Some(
                    ErrorCode::LeaderNotAvailable
                        | ErrorCode::NotLeaderOrFollower
                        | ErrorCode::NetworkException
                        | ErrorCode::CoordinatorLoadInProgress
                        | ErrorCode::CoordinatorNotAvailable
                        | ErrorCode::NotCoordinator
                )
            ),
            _ => self.is_retriable(),
        }
    }
}

/// Whether Kafka's clients try again after this code.
pub(crate) fn is_retriable(code: i16) -> bool {
    ErrorCode::from_code(code).is_some_and(ErrorCode::is_retriable)
}

/// Kafka's name of a code.
pub(crate) fn name(code: i16) -> String {
    ErrorCode::from_code(code).map_or_else(|| format!("error {code}"), |known| known.name().to_owned())
}

/// What the broker said, else what the code means where that helps.
fn explanation(code: i16, message: &Option<String>) -> String {
    let text = match (message, ErrorCode::from_code(code)) {
        (Some(message), _) => message.as_str(),
        (None, Some(ErrorCode::UnknownTopicOrPartition)) => "there is no such topic or partition",
        (None, Some(ErrorCode::MessageTooLarge)) => "larger than the topic's max.message.bytes",
        (None, Some(ErrorCode::OffsetOutOfRange)) => "the log does not have this offset",
        (None, Some(ErrorCode::InvalidTopicException)) => "not a valid topic name",
        (None, Some(ErrorCode::NotEnoughReplicas)) => "not committed in time",
        (None, Some(ErrorCode::NonEmptyGroup)) => "it has members; stop them first",
        (None, Some(ErrorCode::GroupIdNotFound)) => {
            "there is no such group; `esker group list` shows those there are"
        }
        (None, Some(ErrorCode::GroupSubscribedToTopic)) => "a member reads this topic; stop it first",
        (None, Some(ErrorCode::UnknownMemberId)) => "the group has no such member",
        (None, Some(ErrorCode::InvalidGroupId)) => "not a valid group name",
        (None, Some(ErrorCode::RebalanceInProgress)) => "its members are just joining; try again",
        (None, Some(ErrorCode::CoordinatorNotAvailable | ErrorCode::CoordinatorLoadInProgress)) => {
            "the broker that looks after the group is not ready; try again"
        }
        _ => return String::new(),
    };
    format!(": {}", text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_kafkas_name_and_the_reason() {
        let refused =
            ClientError::check(36, || "cannot create topic t".into(), Some("it exists.")).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "cannot create topic t: TOPIC_ALREADY_EXISTS: it exists."
        );
        assert!(!refused.is_retriable());
        let refused = ClientError::check(3, || "topic t".into(), None).unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with("topic t: UNKNOWN_TOPIC_OR_PARTITION: there is no")
        );
        assert!(ClientError::check(0, String::new, None).is_ok());
        assert_eq!(name(4711), "error 4711");
    }
}
