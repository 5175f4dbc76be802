//! Which replies a client may expect.

use bytes::Bytes;
use esker_protocol::frame::{check_size, peek_api_key};
use esker_protocol::header::{Incoming, decode_request_header};
use esker_protocol::request::decode_request;
use esker_protocol::{Request, RequestHeader};

use super::stream::Stream;

/// A reply that is owed.
pub(super) enum Expected {
    /// To this request.
    Reply(RequestHeader),
    /// To an ApiVersions request of unknown version, with this correlation id.
    UnsupportedApiVersions(i32),
}

/// What is owed to a client.
pub(super) struct Expectations {
    /// The replies, in order.
    pub(super) replies: Vec<Expected>,
    /// A request without an answer was among them, and closes the connection where it fails: later replies may
    /// be missing.
    pub(super) may_end_early: bool,
}

/// What a broker owes for these bytes.
pub(super) fn expect(stream: &Stream) -> Expectations {
    let mut owed = Expectations {
        replies: Vec::new(),
        may_end_early: false,
    };
    for frame in stream.frames().0 {
        match expect_one(frame) {
            Some(Owed::Reply(reply)) => owed.replies.push(reply),
            Some(Owed::Silence) => owed.may_end_early = true,
            None => break,
        }
    }
    owed
}

enum Owed {
    Reply(Expected),
    Silence,
}

/// What is owed for one frame; `None` if it closes the connection.
fn expect_one(frame: Bytes) -> Option<Owed> {
    check_size(frame.len(), peek_api_key(&frame)?).ok()?;
    match decode_request_header(frame).ok()? {
        Incoming::UnsupportedApiVersions(header) => Some(Owed::Reply(Expected::UnsupportedApiVersions(
            header.correlation_id,
        ))),
        Incoming::Request(header, body) => match decode_request(&header, body).ok()? {
            Request::Produce(request) if request.acks == 0 => Some(Owed::Silence),
            _ => Some(Owed::Reply(Expected::Reply(header))),
        },
    }
}
