//! What a sweep hears from the metastore.

use esker_model::ObjectId;

use super::manifest::ManifestRef;

/// What refers to the objects of one partition, seen in one snapshot with who is alive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReferences {
    /// Whether the partition exists. If not, nothing refers to its objects, and nothing ever will.
    pub exists: bool,
    /// Its manifest.
    pub manifest: Option<ManifestRef>,
    /// How many objects the manifest refers to.
    pub objects: u64,
    /// Objects of it that are to be removed, but were not yet.
    pub unneeded: Vec<ObjectId>,
}

/// The answer to a question about partitions and incarnations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// For each incarnation, whether it lives: then it may make something refer to its objects.
    pub live: Vec<bool>,
    /// For each partition, what refers to its objects.
    pub logs: Vec<LogReferences>,
}
