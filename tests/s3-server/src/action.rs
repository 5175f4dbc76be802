//! What a request asks for, by the names that S3's own documentation gives its actions.
//!
//! An [`Action`] is one of them; an [`Op`] is the class that is counted and that fault rules name.

use std::fmt;

/// The classes of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// Everything that stores an object, or a part of one.
    Put,
    /// Reading an object.
    Get,
    /// Asking for an object's size and tags.
    Head,
    /// Listings.
    List,
    /// Removing objects and unfinished uploads.
    Delete,
    /// Making buckets, and questions about them.
    Bucket,
}

impl Op {
    /// The name in rules and counts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Bucket => "bucket",
        }
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $op:ident;)*) => {
        /// One S3 action.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $($(#[$doc])* $variant,)* }

        impl Action {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in rules and counts.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The class that it belongs to.
            pub fn op(self) -> Op {
                match self { $(Self::$variant => Op::$op,)* }
            }
        }
    };
}

actions! {
    /// `PUT /bucket/key`
    PutObject, "put_object", Put;
    /// `PUT /bucket/key` with `x-amz-copy-source`
    CopyObject, "copy_object", Put;
    /// `POST /bucket/key?uploads`
    CreateMultipartUpload, "create_multipart_upload", Put;
    /// `PUT /bucket/key?partNumber=1&uploadId=…`
    UploadPart, "upload_part", Put;
    /// `POST /bucket/key?uploadId=…`
    CompleteMultipartUpload, "complete_multipart_upload", Put;
    /// `GET /bucket/key`
    GetObject, "get_object", Get;
    /// `HEAD /bucket/key`
    HeadObject, "head_object", Head;
    /// `GET /bucket`, both versions
    ListObjects, "list_objects", List;
    /// `GET /bucket?uploads`
    ListMultipartUploads, "list_multipart_uploads", List;
    /// `GET /bucket/key?uploadId=…`
    ListParts, "list_parts", List;
    /// `GET /`
    ListBuckets, "list_buckets", List;
    /// `DELETE /bucket/key`
    DeleteObject, "delete_object", Delete;
    /// `POST /bucket?delete`
    DeleteObjects, "delete_objects", Delete;
    /// `DELETE /bucket/key?uploadId=…`
    AbortMultipartUpload, "abort_multipart_upload", Delete;
    /// `PUT /bucket`
    CreateBucket, "create_bucket", Bucket;
    /// `HEAD /bucket`
    HeadBucket, "head_bucket", Bucket;
    /// `DELETE /bucket`
    DeleteBucket, "delete_bucket", Bucket;
    /// `GET /bucket?location`
    GetBucketLocation, "get_bucket_location", Bucket;
    /// `GET /bucket?versioning`
    GetBucketVersioning, "get_bucket_versioning", Bucket;
}

impl Action {
    /// Whether it changes what is stored, so that it can be done late, twice, or without an answer.
    pub fn has_effect(self) -> bool {
        match self.op() {
            Op::Put | Op::Delete => true,
            Op::Bucket => matches!(self, Self::CreateBucket | Self::DeleteBucket),
            Op::Get | Op::Head | Op::List => false,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The requests that a fault rule is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// All.
    #[default]
    Any,
    /// A class.
    Op(Op),
    /// One action.
    Action(Action),
}

impl Target {
    /// Whether a request is meant.
    pub fn covers(self, action: Action) -> bool {
        match self {
            Self::Any => true,
            Self::Op(op) => action.op() == op,
            Self::Action(one) => action == one,
        }
    }

    /// The name in rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Op(op) => op.name(),
            Self::Action(action) => action.name(),
        }
    }
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "any" {
            return Ok(Self::Any);
        }
        let by_op = Action::ALL.iter().find(|action| action.op().name() == name);
        if let Some(action) = by_op {
            return Ok(Self::Op(action.op()));
        }
        Action::ALL
            .iter()
            .find(|action| action.name() == name)
            .map(|action| Self::Action(*action))
            .ok_or_else(|| {
                format!(
                    "op is {name:?}, which is none of any, put, get, head, list, delete, bucket or an S3 action such as \
                     upload_part"
                )
            })
    }
}
