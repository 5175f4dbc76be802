//! One thing that a client did or was told, or that was done to the system.

use serde::{Deserialize, Serialize};

use crate::group::InGroup;

/// A client: one producer, consumer or administrator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Client(pub u32);

/// One life of an agent: an index into [`crate::History::lives`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Life(pub u32);

/// One topic from its creation to its deletion: an index into [`crate::History::topics`]. A topic that is
/// created again under its old name is another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Topic(pub u32);

/// A partition of one topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Partition {
    /// The topic.
    pub topic: Topic,
    /// Index of the partition.
    pub index: i32,
}

/// Records that one client made one after the other for one partition. Their numbers follow on each other
/// and are never used again by that client, so that a number names a record and its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Records {
    /// Who made them.
    pub by: Client,
    /// Number of the first.
    pub first: u64,
    /// How many, at least 1.
    pub count: u32,
}

/// The batch that carries some records: retries of it keep the name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Batch {
    /// Who made it.
    pub by: Client,
    /// Its number among that client's batches.
    pub number: u64,
}

/// What makes a batch recognisable to the broker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Producer id.
    pub id: i64,
    /// Producer epoch.
    pub epoch: i16,
    /// Sequence of the batch's first record; -1 if the client's library keeps it to itself.
    pub first_sequence: i32,
}

/// Consecutive offsets with the records that a reader found there. The reader has compared every record's
/// bytes with what its number says they are; what differs is [`What::Damaged`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// Offset of the first record.
    pub base_offset: i64,
    /// The records.
    pub records: Records,
    /// Hash of the record batch as it came, without the fields that the broker may set (base offset, leader
    /// epoch), if this is one whole batch and the reader sees batches.
    pub batch_hash: Option<u64>,
}

/// What ListOffsets is asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Query {
    /// First offset of the log (-2).
    Earliest,
    /// Next offset (-1).
    Latest,
    /// First record with this timestamp or a later one.
    Time(i64),
}

/// What a topic has to keep of each partition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Retention {
    /// `retention.ms`: records may go when they are older. `None`: they stay however old they are.
    pub ms: Option<i64>,
    /// `retention.bytes`: records may go that have so many bytes behind them. `None`: they stay however many there are.
    pub bytes: Option<u64>,
}

impl Retention {
    /// Nothing goes by itself.
    pub const EVERYTHING: Self = Self {
        ms: None,
        bytes: None,
    };
}

/// What an audit of bucket and metastore can find.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Flaw {
    /// Something refers to an object that is not there, or is not what was written.
    Missing,
    /// An offset is in no list, or in two of them.
    Uncovered,
    /// What is counted of a list is not what it holds.
    Miscounted,
    /// An object stays to which nothing refers.
    Orphan,
    /// The metastore holds more, or for longer, than it should.
    Rows,
    /// Two incarnations wrote for a group under one lease.
    Shared,
}

/// What an agent uses of one of its memory budgets.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// `control`, `produce`, `fetch` or `cache`; `recent` for the part of `produce` that recent segments hold.
    pub r#use: String,
    /// Bytes in use.
    pub used: u64,
    /// The limit.
    pub max: u64,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum What {
    /// A producer made a batch, which it sends from then on. Without this nothing is concluded from the
    /// batch's size and age.
    Made {
        /// The batch.
        batch: Batch,
        /// How long it is as it travels.
        bytes: u64,
        /// The largest timestamp of its records, milliseconds since 1970.
        max_timestamp_ms: i64,
    },
    /// A producer sent a batch to an agent, for the first time or again.
    Sent {
        /// The batch.
        batch: Batch,
        /// Where it belongs, as the producer believes.
        partition: Partition,
        /// The topic was named by name: if it was deleted and created again meanwhile, the records may be
        /// in the new one.
        by_name: bool,
        /// For an idempotent producer.
        identity: Option<Identity>,
        /// What it carries.
        records: Records,
        /// The agent, if the client knows.
        to: Option<Life>,
    },
    /// A batch was acknowledged.
    Acked {
        /// The batch.
        batch: Batch,
        /// Offset of its first record.
        base_offset: i64,
        /// First offset of the log as the answer says, -1 if it does not.
        log_start: i64,
        /// Who answered, if the client knows.
        by: Option<Life>,
    },
    /// A batch was answered with an error.
    Refused {
        /// The batch.
        batch: Batch,
        /// Kafka's error code.
        error: i16,
        /// The offset in that answer.
        base_offset: i64,
        /// Who answered, if the client knows.
        by: Option<Life>,
    },
    /// No answer came: the connection was lost, or the client did not wait any longer.
    Unanswered {
        /// The batch.
        batch: Batch,
    },
    /// The client will not send this batch again: its fate stays unknown.
    GivenUp {
        /// The batch.
        batch: Batch,
    },
    /// The client considers itself broken for good, as a real one would.
    Fatal {
        /// The error code that it got.
        error: i16,
        /// What it concluded.
        why: String,
    },
    /// A Fetch was answered for one partition.
    Fetched {
        /// The partition, named by id unless `by_name`.
        partition: Partition,
        /// The topic was named by name.
        by_name: bool,
        /// The offset asked for.
        from: i64,
        /// When the request was sent.
        asked_us: u64,
        /// Who answered, if the client knows.
        by: Option<Life>,
        /// Kafka's error code.
        error: i16,
        /// The answer's high watermark; with an error it must be -1. Real libraries may not tell: -1.
        high_watermark: i64,
        /// The answer's log start offset; -1 if unknown; with an error it must be -1.
        log_start: i64,
        /// The records at or after `from`, in the order in which they came.
        seen: Vec<Seen>,
    },
    /// A reader found bytes that are not those of the record that should be there, or that cannot be read.
    Damaged {
        /// The partition.
        partition: Partition,
        /// Where.
        offset: i64,
        /// What is wrong.
        why: String,
    },
    /// A ListOffsets was answered for one partition.
    Listed {
        /// The partition.
        partition: Partition,
        /// What was asked.
        query: Query,
        /// When the request was sent.
        asked_us: u64,
        /// Who answered, if the client knows.
        by: Option<Life>,
        /// Kafka's error code.
        error: i16,
        /// The offset; with an error it must be -1.
        offset: i64,
    },
    /// A topic had to keep so much when it was created. May be told at any later time. A topic of which nobody
    /// tells that keeps everything.
    Created {
        /// The topic.
        topic: Topic,
        /// What it had to keep.
        retention: Retention,
    },
    /// An administrator asked for another retention of a topic, which may count from then on.
    Altering {
        /// The topic.
        topic: Topic,
        /// What it has to keep.
        retention: Retention,
        /// The agent, if the client knows.
        to: Option<Life>,
    },
    /// That was answered. A request without an answer may take effect at any time.
    Altered {
        /// The topic.
        topic: Topic,
        /// What it has to keep.
        retention: Retention,
        /// When the request was sent: the time of its `Altering`.
        asked_us: u64,
        /// Who answered, if the client knows.
        by: Option<Life>,
        /// Kafka's error code.
        error: i16,
    },
    /// An administrator asked for the removal of the records below an offset (DeleteRecords). It names the
    /// topic by name.
    Deleting {
        /// The partition, as the client believes.
        partition: Partition,
        /// The offset; -1 for the high watermark.
        offset: i64,
        /// The agent, if the client knows.
        to: Option<Life>,
    },
    /// That was answered. A request without an answer may take effect at any time.
    Deleted {
        /// The partition.
        partition: Partition,
        /// The offset that was asked for.
        offset: i64,
        /// When the request was sent: the time of its `Deleting`.
        asked_us: u64,
        /// Who answered, if the client knows.
        by: Option<Life>,
        /// Kafka's error code.
        error: i16,
        /// The log start afterwards; with an error it must be -1.
        low_watermark: i64,
    },
    /// A reader read a partition from its log start to its end through one agent, after the faults. What it
    /// found is in its own `Fetched` events, asked since `began_us` and answered by that agent.
    ReadThrough {
        /// The partition.
        partition: Partition,
        /// Through whom, if the client knows.
        through: Option<Life>,
        /// When it began. After that the reader asked where the log begins and ends (ListOffsets).
        began_us: u64,
        /// First offset, as ListOffsets said.
        log_start: i64,
        /// Next offset, as ListOffsets said.
        end: i64,
    },
    /// Something in a group of consumers.
    InGroup(InGroup),
    /// A producer, consumer or administrator has done all it had to do after the faults.
    Finished,
    /// Something that must happen in time after the faults did not.
    Stuck {
        /// What.
        why: String,
    },
    /// An agent's memory, looked at from outside.
    MemoryUsed {
        /// Whose.
        life: Life,
        /// Nothing was under way: only the cache may hold anything, and recent segments the frames that they
        /// came in.
        idle: bool,
        /// Each use.
        memory: Vec<Memory>,
    },
    /// Objects that one agent read whole in one life more than once although each read succeeded and the
    /// cache had room.
    ReadAgain {
        /// Whose life.
        life: Life,
        /// The object.
        key: String,
        /// How often.
        times: u32,
    },
    /// A fault begins, ends, or strikes.
    Fault {
        /// In words.
        what: String,
    },
    /// From here on nothing is done to the system any more.
    Healed,
    /// Somebody raised the cluster epoch in the bucket: a restore begins.
    EpochRaised {
        /// T and the longest way of a message later: nothing may be acknowledged any more. `u64::MAX` where
        /// agents may stand still for any time between an acknowledgement and its way out.
        silence_from_us: u64,
    },
    /// What the restore found when it listed the bucket, longer than T after the epoch was raised: all that
    /// the restored cluster can have. Whatever is acknowledged at any time has to be in it.
    Restorable {
        /// The records of all segments.
        records: Vec<Records>,
    },
    /// A segment in the bucket that is neither committed nor tombstoned, although the incarnation that wrote
    /// it lives and has nothing under way.
    Unsettled {
        /// The object's key.
        key: String,
    },
    /// Somebody who looked at bucket and metastore from outside, while nothing was done to the system, found something
    /// that must not be.
    Audited {
        /// What kind of thing.
        flaw: Flaw,
        /// In words.
        what: String,
    },
    /// The only copy of some records was removed from the bucket, or damaged there, on purpose.
    Lost {
        /// Whose records.
        partition: Partition,
        /// Offset of the first.
        first: i64,
        /// Offset after the last.
        end: i64,
    },
    /// All partitions forgot what they knew of producers, as they do after a day without a record. Nothing
    /// was under way just then.
    ProducersForgotten,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Microseconds since the beginning.
    pub at_us: u64,
    /// The client that did or was told it; `None` for what was done to the system.
    pub client: Option<Client>,
    /// What happened.
    pub what: What,
}
