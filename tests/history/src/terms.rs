//! What a history was made under, as far as it changes what may be concluded from it.

/// The terms under which a history is judged. The default fits a simulated run that ends with a
/// read-through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// At the end, after the producers, somebody read through every partition that still exists. A partition
    /// with acknowledged records that nobody read through is then a violation: nobody knows whether they
    /// are there.
    pub read_through: bool,
    /// From here on nothing can be written any more: the producers are done, and what they gave up is older
    /// than a batch may get. Read-throughs that begin later must show the same end.
    pub settled_from_us: Option<u64>,
    /// How long after [`crate::What::Healed`] everybody must have finished.
    pub progress_us: Option<u64>,
    /// Every request that a client sent is in the history, and every answer's high watermark. False for real
    /// libraries, which repeat requests by themselves: then the number of a plain batch's copies and the
    /// largest possible offset tell nothing, and a high watermark of -1 means that it is not known.
    pub requests_shown: bool,
    /// Records may be removed by what the history does not show: nothing is concluded from a log start then.
    pub records_deleted: bool,
    /// What the clock that decides about retention, the database's, showed when the history began, in
    /// milliseconds since 1970. `None`: nothing is concluded from the age of records.
    pub database_ms: Option<i64>,
    /// After the faults, records that nobody has to keep are gone within this time. `None`: they may stay.
    pub retention_us: Option<u64>,
    /// Topics may get more partitions: an agent may not know one of them for a moment.
    pub partitions_added: bool,
    /// Stored objects were damaged or removed: a Fetch may be answered with CORRUPT_MESSAGE.
    pub objects_damaged: bool,
    /// How often one agent may read the same object whole in one life.
    pub object_reads_max: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            read_through: true,
            settled_from_us: None,
            progress_us: None,
            requests_shown: true,
            records_deleted: false,
            database_ms: None,
            retention_us: None,
            partitions_added: false,
            objects_damaged: false,
            object_reads_max: 1,
        }
    }
}
