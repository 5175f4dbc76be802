//! One failed attempt: what the object store said, sorted by what it means.
//!
//! The object store's own error type keeps a response's status and body in a private type, so they are
//! read from its text; the tests of this module pin that text against a live HTTP server.

use object_store::client::{HttpError, HttpErrorKind};

use crate::error::StoreError;

/// Why one attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No such object.
    NotFound,
    /// A put that must not replace met an object.
    Exists,
    /// The range lies outside the object.
    Range,
    /// The store asks for fewer requests (503, 429).
    Throttled(String),
    /// No answer within the attempt's time.
    TimedOut(String),
    /// Connection trouble or an error of the store's own.
    Unavailable(String),
    /// Credentials.
    Denied(String),
    /// Permissions.
    Forbidden(String),
    /// Settings.
    Misconfigured(String),
}

impl Failure {
    /// The metric label.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::Range => "range",
            Self::Throttled(_) => "throttled",
            Self::TimedOut(_) => "timeout",
            Self::Unavailable(_) => "unavailable",
            Self::Denied(_) | Self::Forbidden(_) => "denied",
            Self::Misconfigured(_) => "misconfigured",
        }
    }

    /// Whether the same request may succeed later.
    pub(super) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Throttled(_) | Self::TimedOut(_) | Self::Unavailable(_)
        )
    }

    /// What a caller is told that does not try again.
    pub(super) fn into_error(self, key: &str) -> StoreError {
        let key = key.to_owned();
        match self {
            Self::NotFound => StoreError::NotFound { key },
            Self::Exists => StoreError::Conflict { key },
            Self::Range => StoreError::Corrupt {
                key,
                what: "the object ends before the range asked for".into(),
            },
            Self::Throttled(why) | Self::TimedOut(why) | Self::Unavailable(why) => {
                StoreError::Unavailable(why)
            }
            Self::Denied(why) => StoreError::Denied(why),
            Self::Forbidden(why) => StoreError::Forbidden(why),
            Self::Misconfigured(why) => StoreError::Misconfigured(why),
        }
    }

    /// The sentence, for failures that carry one.
    pub(super) fn sentence(&self) -> &str {
        match self {
            Self::NotFound => "there is no such object",
            Self::Exists => "the object exists",
            Self::Range => "the range lies outside the object",
            Self::Throttled(why)
            | Self::TimedOut(why)
            | Self::Unavailable(why)
            | Self::Denied(why)
            | Self::Forbidden(why)
            | Self::Misconfigured(why) => why,
        }
    }

    /// Sorts an error of the object store. `place` names the bucket for people.
    pub(super) fn of(err: &object_store::Error, place: &str) -> Self {
        let text = chain(err);
        match err {
            object_store::Error::AlreadyExists { .. } => return Self::Exists,
            object_store::Error::NotFound { .. } if !names_missing_bucket(&text) => return Self::NotFound,
            object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. } => {
                return Self::Misconfigured(format!("{place} cannot do what Esker needs: {err}"));
            }
            _ => {}
        }
        if names_missing_bucket(&text) {
            return Self::Misconfigured(format!("{place} does not exist: create it or correct bucket_url"));
        }
        if text.contains("Range started at") || text.contains("Wanted range starting at") {
            return Self::Range;
        }
        // Of one key among many the answer has no status of its own.
        if text.contains("DeleteObjects request failed") && text.contains("(code: AccessDenied)") {
            return Self::of_status(403, &text, place);
        }
        match status(&text) {
            Some(status) => Self::of_status(status, &text, place),
            None => Self::of_transport(err, &text, place),
        }
    }

    fn of_status(status: u16, text: &str, place: &str) -> Self {
        let code = code(text).unwrap_or("no further code");
        match (status, code) {
            // What MinIO says of an object that too few of its disks can read or write: asking for less does not help.
            (_, "SlowDownRead" | "SlowDownWrite") => Self::Unavailable(format!(
                "{place} cannot reach what holds the object (HTTP {status}, {code})"
            )),
            (_, "SlowDown" | "TooManyRequests" | "ServerBusy") | (429 | 503, _) => {
                Self::Throttled(format!("{place} asks for fewer requests (HTTP {status}, {code})"))
            }
            (_, "RequestTimeout" | "OperationAborted" | "InternalError") | (408 | 409 | 500.., _)
                if status != 501 =>
            {
                Self::Unavailable(format!("{place} failed for a moment (HTTP {status}, {code})"))
            }
            (416, _) => Self::Range,
            (
                _,
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "InvalidToken"
                | "ExpiredToken"
                | "TokenRefreshRequired"
                | "AuthenticationFailed",
            )
            | (401, _) => Self::Denied(format!(
                "{place} refuses the credentials (HTTP {status}, {code}): check AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, or the platform's identity"
            )),
            (_, "RequestTimeTooSkewed") => Self::Denied(format!(
                "{place} refuses requests because this machine's clock is wrong"
            )),
            (403, _) => Self::Forbidden(format!(
                "{place} denies access ({code}): the credentials need to get, put, list and delete objects"
            )),
            (301 | 302 | 307 | 308, _) | (_, "AuthorizationHeaderMalformed" | "PermanentRedirect") => {
                Self::Misconfigured(format!(
                    "{place} is in another region or behind another endpoint (HTTP {status}, {code}): set AWS_REGION"
                ))
            }
            _ => Self::Misconfigured(format!(
                "{place} does not understand Esker's request (HTTP {status}, {code})"
            )),
        }
    }

    fn of_transport(err: &object_store::Error, text: &str, place: &str) -> Self {
        if text.contains("without LOCATION") {
            return Self::Misconfigured(format!("{place} is in another region: set AWS_REGION"));
        }
        if text.contains("/latest/api/token") || text.contains("/latest/meta-data") {
            return Self::Unavailable(format!(
                "there are no credentials for {place}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give \
                 this machine an identity"
            ));
        }
        let why = root(err);
        match http_kind(err) {
            Some(HttpErrorKind::Connect) => Self::Unavailable(format!("{place} cannot be reached: {why}")),
            Some(HttpErrorKind::Timeout) => Self::TimedOut(format!("{place} did not answer in time")),
            Some(_) => Self::Unavailable(format!("the connection to {place} broke: {why}")),
            None => match err {
                object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. } => {
                    Self::Denied(format!("{place} denies access: {why}"))
                }
                _ => Self::Unavailable(format!("{place} failed: {why}")),
            },
        }
    }
}

fn names_missing_bucket(text: &str) -> bool {
    text.contains("NoSuchBucket")
        || text.contains("ContainerNotFound")
        || text.contains("The specified bucket does not exist")
}

/// The text of an error and of everything beneath it.
fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        text.push_str(": ");
        text.push_str(&err.to_string());
        cause = err.source();
    }
    text
}

/// The text of the innermost error: the operating system's own words.
fn root(err: &dyn std::error::Error) -> String {
    let mut innermost: &dyn std::error::Error = err;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

fn http_kind(err: &dyn std::error::Error) -> Option<HttpErrorKind> {
    let mut cause = err.source();
    while let Some(err) = cause {
        if let Some(http) = err.downcast_ref::<HttpError>() {
            return Some(http.kind());
        }
        cause = err.source();
    }
    None
}

/// The HTTP status that an error's text names.
fn status(text: &str) -> Option<u16> {
    let rest = text.split_once("status code: ")?.1;
    rest.get(..3)?.parse().ok()
}

/// The store's own error code: `<Code>…</Code>` of S3, GCS and Azure, or that of one key among many.
fn code(text: &str) -> Option<&str> {
    let (rest, end) = match text.split_once("<Code>") {
        Some((_, rest)) => (rest, "</Code>"),
        None => (text.split_once("(code: ")?.1, ")"),
    };
    Some(rest.split_once(end)?.0)
}
