//! The Kafka wire protocol, as far as Esker speaks it: bytes in, types out. No I/O, no clock, no randomness.
//!
//! A request passes these modules in order:
//!
//! 1. [`frame`]: is the announced size allowed?
//! 2. [`header`]: which API, version and client; or close; or the one special answer of ApiVersions.
//! 3. [`guard`]: walk the body without decoding it, so that no length in it can make the decoder allocate.
//! 4. [`request`]: decode into the message types. Records stay slices of the frame.
//! 5. [`batch`]: check the record batch of a produce; patch batches on the way out. [`records`] opens them.
//! 6. [`response`] and [`fetch_response`]: encode the answer with its size prefix.
//!
//! What holds everywhere: no input panics, aborts or allocates beyond [`limits`]; an error says whether the
//! connection has to be closed or which [`ErrorCode`] to answer; nothing is logged here.
//!
//! Message structs come from the crate `kafka-protocol` and are re-exported as [`messages`], so that nobody else
//! depends on it.

pub mod batch;
#[cfg(any(test, feature = "client"))]
pub mod client;
pub mod consumer_protocol;
mod error_code;
pub mod fetch_response;
pub mod frame;
pub mod guard;
pub mod header;
pub mod limits;
pub mod records;
pub mod request;
pub mod response;
#[cfg(test)]
mod test_rng;
pub mod versions;
mod wire;

pub use error_code::ErrorCode;
pub use header::RequestHeader;
pub use kafka_protocol::messages;
pub use kafka_protocol::protocol::StrBytes;
pub use request::{DecodeError, Request};
pub use response::{EncodeError, Response};
pub use versions::api_key;
