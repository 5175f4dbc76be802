//! One rule: which requests, how often, and what happens to them.

use crate::action::{Action, Op, Target};

/// An error answer that a rule gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// HTTP status.
    pub status: u16,
    /// S3's code.
    pub code: String,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u64>,
    /// Whether the request is carried out before it is answered so.
    pub after_effect: bool,
}

/// What a rule does. README.md says it for people.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Waits before anything is done: `ms`, or a lognormal spread with the median `ms`.
    Latency {
        /// The time, or its median.
        ms: u64,
        /// The 99th percentile of the spread.
        p99_ms: Option<u64>,
    },
    /// The body goes in or out at this pace.
    SlowBody {
        /// The pace.
        bytes_per_s: u64,
    },
    /// An error answer; the first field is the kind's name in rules and counts.
    Error(&'static str, ErrorAnswer),
    /// No answer.
    Hang {
        /// When the connection closes; never if `None`.
        ms: Option<u64>,
        /// Whether the request is carried out first.
        after_effect: bool,
    },
    /// The connection closes; nothing was done.
    DropBefore,
    /// It is done, and the connection closes instead of an answer.
    DropAfter,
    /// The connection closes now, and what was asked for is done later.
    LateEffect {
        /// How much later.
        ms: u64,
    },
    /// It is done twice; the second answer is given.
    DuplicateEffect,
    /// The body of an answer ends early, and the connection closes.
    TruncatedBody {
        /// Where; at half of it if `None`.
        bytes: Option<u64>,
    },
    /// One bit of a GET's body is wrong.
    BitFlip,
}

impl Kind {
    /// 503 SlowDown.
    pub fn slow_down() -> Self {
        Self::error_named("slow_down", 503, "SlowDown")
    }

    /// 500 InternalError.
    pub fn internal_error() -> Self {
        Self::error_named("internal_error", 500, "InternalError")
    }

    /// 409 ConditionalRequestConflict: what S3 says when writers of one key meet.
    pub fn conflict() -> Self {
        Self::error_named("conflict", 409, "ConditionalRequestConflict")
    }

    /// Any other error.
    pub fn error(status: u16, code: &str) -> Self {
        Self::error_named("error", status, code)
    }

    fn error_named(name: &'static str, status: u16, code: &str) -> Self {
        Self::Error(
            name,
            ErrorAnswer {
                status,
                code: code.to_owned(),
                retry_after_s: None,
                after_effect: false,
            },
        )
    }

    /// The same, but the request is carried out first. Changes only errors and `Hang`.
    pub fn after_effect(mut self) -> Self {
        match &mut self {
            Self::Error(_, answer) => answer.after_effect = true,
            Self::Hang { after_effect, .. } => *after_effect = true,
            _ => {}
        }
        self
    }

    /// The name in rules and counts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::SlowBody { .. } => "slow_body",
            Self::Error(name, _) => name,
            Self::Hang { .. } => "hang",
            Self::DropBefore => "drop_before",
            Self::DropAfter => "drop_after",
            Self::LateEffect { .. } => "late_effect",
            Self::DuplicateEffect => "duplicate_effect",
            Self::TruncatedBody { .. } => "truncated_body",
            Self::BitFlip => "bit_flip",
        }
    }

    /// Whether it only slows a request down, so that another rule may still decide its outcome.
    pub(crate) fn is_shape(&self) -> bool {
        matches!(self, Self::Latency { .. } | Self::SlowBody { .. })
    }

    /// Whether there is something for it to do.
    fn applies_to(&self, action: Action) -> bool {
        match self {
            Self::LateEffect { .. } | Self::DuplicateEffect => action.has_effect(),
            Self::SlowBody { .. } => {
                matches!(action.op(), Op::Get | Op::List)
                    || matches!(action, Action::PutObject | Action::UploadPart)
            }
            Self::TruncatedBody { .. } => matches!(action.op(), Op::Get | Op::List),
            Self::BitFlip => action.op() == Op::Get,
            _ => true,
        }
    }
}

/// A rule. Public fields, and a builder for the common ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Which requests.
    pub target: Target,
    /// Only keys that start so.
    pub key_prefix: String,
    /// Of each request that matches.
    pub probability: f64,
    /// How often it acts at most.
    pub count: Option<u64>,
    /// So many matching requests pass first.
    pub skip: u64,
    /// What it does.
    pub kind: Kind,
}

impl Rule {
    /// A rule for every request of these.
    pub fn new(target: Target, kind: Kind) -> Self {
        Self {
            target,
            key_prefix: String::new(),
            probability: 1.0,
            count: None,
            skip: 0,
            kind,
        }
    }

    /// For a class of requests.
    pub fn on(op: Op, kind: Kind) -> Self {
        Self::new(Target::Op(op), kind)
    }

    /// Only keys that start so.
    pub fn key_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.key_prefix);
        self
    }

    /// Acts on this share of the matching requests.
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// Acts so often at most.
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Lets so many matching requests pass first.
    pub fn skip(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    pub(crate) fn matches(&self, action: Action, keys: &[&str]) -> bool {
        self.target.covers(action)
            && self.kind.applies_to(action)
            && (self.key_prefix.is_empty() || keys.iter().any(|key| key.starts_with(&self.key_prefix)))
    }
}
