//! What an error of Postgres or of its connection means to the caller.
//!
//! The rule: an error that the server sends as the answer to a statement means that its transaction did
//! not commit. The exceptions are a server that ends the session (57P01, 57P02, class 08): it may do so
//! after it committed. A connection that breaks, or an answer that does not come, says nothing.

use sqlx::Error;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError};

use crate::MetastoreError;

/// Errors that our functions raise.
const FENCED: &str = "ES001";
const WRONG_EPOCH: &str = "ES002";
const ALREADY_SETTLED: &str = "ES003";
const DIFFERENT_PAST: &str = "ES004";

/// Whether a statement changes something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Reads,
    Writes,
}

impl Effect {
    /// The answer was lost.
    pub(super) fn lost(self, reason: String) -> MetastoreError {
        match self {
            Effect::Reads => MetastoreError::Unavailable(reason),
            Effect::Writes => MetastoreError::UnknownOutcome(reason),
        }
    }
}

/// Serialization failures and deadlocks: the server rolled back and asks for a repetition.
pub(super) fn may_be_repeated(error: &Error) -> bool {
    matches!(code(error), Some("40001" | "40P01"))
}

/// Whether the connection can serve the next statement. Not after a lost session, and not with a server
/// that has become read-only: the next connection may find the new primary.
pub(super) fn leaves_connection_usable(error: &Error) -> bool {
    match error {
        Error::Database(_) => code(error).is_some_and(|code| {
            !ends_session(code) && !matches!(code, "25006" | "55000" | "57P03") && !code.starts_with("XX")
        }),
        _ => false,
    }
}

fn ends_session(code: &str) -> bool {
    code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P04" | "57P05" | "25P03")
}

/// The meaning of a failed statement.
pub(super) fn of_statement(error: &Error, effect: Effect) -> MetastoreError {
    let Error::Database(answer) = error else {
        return match error {
            Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => {
                effect.lost(reason(error))
            }
            _ => MetastoreError::Corrupt(reason(error)),
        };
    };
    let Some(answer) = answer.try_downcast_ref::<PgDatabaseError>() else {
        return MetastoreError::Corrupt(reason(error));
    };
    let text = format!("Postgres answered {}: {}", answer.code(), answer.message());
    match answer.code() {
        FENCED => MetastoreError::Fenced,
        // The caller's epoch is filled in by the method.
        WRONG_EPOCH => MetastoreError::WrongEpoch {
            expected: 0,
            found: number(answer, 0),
        },
        ALREADY_SETTLED => MetastoreError::AlreadySettled,
        DIFFERENT_PAST => MetastoreError::DifferentPast {
            system: number(answer, 0),
            timeline: number(answer, 1),
        },
        // The outcome of the transaction is not known to the server itself.
        "40003" => effect.lost(text),
        code if ends_session(code) => effect.lost(text),
        "28000" | "28P01" | "3D000" | "42501" => MetastoreError::Refused(format!(
            "the metastore's user may not do what it must ({}): grant it the rights on the schema",
            answer.message()
        )),
        // Damage, and what a working program and schema never cause.
        code if code.starts_with("XX") || code.starts_with("22") || code.starts_with("23") => {
            MetastoreError::Corrupt(text)
        }
        code if code.starts_with("42") || code.starts_with("P0") => MetastoreError::Corrupt(text),
        // Deadlines, locks, conflicts, a standby, a full disk, too many connections, a start or an end.
        _ => MetastoreError::Unavailable(text),
    }
}

/// The meaning of a failure to connect: no statement was sent.
pub(super) fn of_connect(error: &Error, options: &PgConnectOptions) -> MetastoreError {
    let place = format!("{}:{}", options.get_host(), options.get_port());
    match (error, code(error)) {
        (_, Some("28P01" | "28000")) => MetastoreError::Refused(format!(
            "Postgres at {place} refused user \"{}\" ({}): correct user and password of the metastore's URL, \
             or the server's pg_hba.conf",
            options.get_username(),
            reason(error),
        )),
        (_, Some("3D000")) => MetastoreError::Refused(format!(
            "Postgres at {place} has no database \"{}\": create it, or correct the metastore's URL",
            options.get_database().unwrap_or(options.get_username()),
        )),
        (_, Some("42501")) => MetastoreError::Refused(format!(
            "Postgres at {place} does not let user \"{}\" connect ({}): grant it CONNECT on the database",
            options.get_username(),
            reason(error),
        )),
        (Error::Tls(_), _) => MetastoreError::Misconfigured(format!(
            "no TLS session with Postgres at {place} ({}): correct sslmode and sslrootcert of the metastore's URL",
            reason(error),
        )),
        (Error::Configuration(_), _) => MetastoreError::Misconfigured(format!(
            "the metastore's URL does not fit Postgres at {place}: {}",
            reason(error),
        )),
        (Error::Protocol(_), _) => MetastoreError::Misconfigured(format!(
            "what answers at {place} does not talk like Postgres ({}): correct host and port of the \
             metastore's URL",
            reason(error),
        )),
        _ => MetastoreError::Unavailable(format!("no connection to Postgres at {place}: {}", reason(error))),
    }
}

/// The innermost words of an error. None of sqlx's carry a password.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::Database(answer) => answer.message().to_owned(),
        Error::Io(source) => source.to_string(),
        Error::Configuration(source) | Error::Tls(source) => source.to_string(),
        other => other.to_string(),
    }
}

fn code(error: &Error) -> Option<&str> {
    match error {
        Error::Database(answer) => answer
            .try_downcast_ref::<PgDatabaseError>()
            .map(PgDatabaseError::code),
        _ => None,
    }
}

/// A number of those that our functions send as detail.
fn number<T: std::str::FromStr + Default>(answer: &PgDatabaseError, index: usize) -> T {
    answer
        .detail()
        .and_then(|detail| detail.split(' ').nth(index))
        .and_then(|word| word.parse().ok())
        .unwrap_or_default()
}

/// A row that does not have the columns it should.
impl From<Error> for MetastoreError {
    fn from(error: Error) -> Self {
        MetastoreError::Corrupt(format!("an unexpected row from Postgres: {}", reason(&error)))
    }
}

#[cfg(test)]
mod tests;
