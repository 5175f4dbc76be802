//! The errors of S3: a status, a code that clients act on, and a sentence.

use std::borrow::Cow;

/// An error answer. Codes and statuses are those of the list of error responses in the S3 API reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Error {
    /// HTTP status.
    pub status: u16,
    /// For programs.
    pub code: Cow<'static, str>,
    /// For people.
    pub message: Cow<'static, str>,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u64>,
    /// The size of the object, where a range outside of it was asked for.
    pub object_bytes: Option<u64>,
}

impl S3Error {
    /// An error without further headers.
    pub fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            retry_after_s: None,
            object_bytes: None,
        }
    }

    pub(crate) fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "InvalidRequest", message)
    }

    pub(crate) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "InvalidArgument", message)
    }

    pub(crate) fn malformed_xml() -> Self {
        Self::new(
            400,
            "MalformedXML",
            "The XML in the body is not what this request takes.",
        )
    }

    pub(crate) fn no_such_bucket() -> Self {
        Self::new(404, "NoSuchBucket", "There is no such bucket.")
    }

    pub(crate) fn no_such_key() -> Self {
        Self::new(404, "NoSuchKey", "There is no object with this key.")
    }

    pub(crate) fn no_such_upload() -> Self {
        Self::new(
            404,
            "NoSuchUpload",
            "There is no such multipart upload: it was completed, aborted or never begun.",
        )
    }

    pub(crate) fn precondition_failed() -> Self {
        Self::new(
            412,
            "PreconditionFailed",
            "A condition in the request's headers does not hold.",
        )
    }

    pub(crate) fn not_modified() -> Self {
        Self::new(304, "NotModified", "The object is as the client knows it.")
    }

    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("This server has no {what}."))
    }

    pub(crate) fn bad_digest(what: &str) -> Self {
        Self::new(400, "BadDigest", format!("The body does not match its {what}."))
    }

    pub(crate) fn incomplete_body() -> Self {
        Self::new(
            400,
            "IncompleteBody",
            "The body is shorter or longer than its headers say.",
        )
    }

    pub(crate) fn io(what: &str, err: &std::io::Error) -> Self {
        Self::new(500, "InternalError", format!("{what}: {err}"))
    }
}
