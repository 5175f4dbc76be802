//! What is wrong with an object, in a sentence that continues after its name.

use std::fmt;

use crate::keys::ObjectKind;
use crate::segment::SegmentError;

/// What somebody takes an object for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// A segment: ingest, archive or merged.
    Segment,
    /// A manifest.
    Manifest,
}

impl Class {
    pub(super) fn holds(self, kind: ObjectKind) -> bool {
        (self == Self::Manifest) == (kind == ObjectKind::Manifest)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Segment => "segment",
            Self::Manifest => "manifest",
        })
    }
}

/// The first thing that is wrong with an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Its bytes are not those that were written.
    Damaged(String),
    /// It is right in itself, but lies under the key of another object.
    Misplaced {
        /// Where it belongs.
        own_key: String,
    },
    /// It is something else than was asked for.
    Other {
        /// What it is.
        is: String,
        /// What it should be.
        should: Class,
    },
    /// Nothing says that it ever was an object of Esker's, or a later release wrote it: whether it is whole,
    /// this release cannot tell.
    Unknown(String),
}

impl Fault {
    pub(super) fn of(error: &SegmentError) -> Self {
        match error {
            SegmentError::UnknownVersion(_) | SegmentError::UnknownSection(_) => {
                Self::Unknown(error.to_string())
            }
            _ => Self::Damaged(error.to_string()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(why) => write!(f, "is damaged: {why}"),
            Self::Misplaced { own_key } => write!(f, "is misplaced: its own key is {own_key}"),
            Self::Other { is, should } => write!(f, "is {is}, not a {should}"),
            Self::Unknown(why) => {
                write!(f, "is not an object that this release of Esker writes: {why}")
            }
        }
    }
}

/// A kind of object with its article.
pub(super) fn a(kind: ObjectKind) -> String {
    let article = match kind {
        ObjectKind::Ingest | ObjectKind::Archive => "an",
        ObjectKind::Merged | ObjectKind::Manifest => "a",
    };
    format!("{article} {kind}")
}
