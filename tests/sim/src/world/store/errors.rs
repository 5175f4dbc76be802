//! What the store answers when it fails.

use object_store::Error;

/// The name of the store.
pub(super) const STORE: &str = "simulated";

pub(super) fn slow_down() -> Error {
    generic("status code: 503 Service Unavailable: <Code>SlowDown</Code>")
}

pub(super) fn failed() -> Error {
    generic("status code: 500 Internal Server Error: <Code>InternalError</Code>")
}

pub(super) fn connection_lost() -> Error {
    generic("the connection was lost")
}

pub(super) fn generic(what: &str) -> Error {
    Error::Generic {
        store: STORE,
        source: what.into(),
    }
}

pub(super) fn not_implemented(operation: &str) -> Error {
    Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: STORE.to_owned(),
    }
}
