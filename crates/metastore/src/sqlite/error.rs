//! What SQLite's errors mean to a caller.

use rusqlite::ErrorCode;

use crate::MetastoreError;

/// An error inside a transaction, which is then rolled back: the call had no effect.
impl From<rusqlite::Error> for MetastoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // A broken constraint is a defect of ours: the rules were checked before.
            None
            | Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::ApiMisuse
                | ErrorCode::ParameterOutOfRange
                | ErrorCode::Unknown,
            ) => Self::Corrupt(error.to_string()),
            // Disk full, I/O errors, locked by a tool of the operator: may pass.
            Some(_) => Self::Unavailable(error.to_string()),
        }
    }
}

/// An error of COMMIT. Waiting for another process's lock has surely no effect; but when writing or
/// syncing the log failed, the commit may still be found there after a crash.
pub(super) fn of_commit(error: rusqlite::Error) -> MetastoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            MetastoreError::Unavailable(error.to_string())
        }
        _ => MetastoreError::UnknownOutcome(error.to_string()),
    }
}
