//! The kinds of faults.

/// What can break.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// An agent's process dies at some await point and is started again.
    Crash,
    /// An agent stands still for a while: a zombie.
    Pause,
    /// An agent leaves in good order and comes back.
    Leave,
    /// An agent cannot reach the metastore.
    CutMetastore,
    /// An agent cannot reach the object store.
    CutStore,
    /// An agent cannot read from the object store.
    CutReads,
    /// An agent cannot read `cluster.json`.
    CutEpoch,
    /// Some clients cannot reach an agent.
    CutClients,
    /// Connections between clients and an agent break.
    Reset,
    /// The network is slow.
    SlowNetwork,
    /// The store answers 503 to most requests.
    SlowDown,
    /// The store is slow.
    SlowStore,
    /// The store fails in every way that it knows.
    StoreTrouble,
    /// Some objects cannot be written, however often it is tried.
    CursedKeys,
    /// Nobody reaches the metastore.
    Outage,
    /// The metastore is slow.
    SlowMetastore,
    /// Calls of the metastore are lost, repeated or refused.
    MetastoreTrouble,
    /// A machine's wall clock jumps.
    WallClock,
    /// A machine was suspended: its monotonic clock jumps forward.
    Suspend,
    /// Some of the objects of a delete stay.
    DeleteTrouble,
    /// The bucket refuses all deletes.
    DeletesRefused,
    /// Listings end early.
    ListTrouble,
    /// Several agents believe that they have the lease of a job.
    SharedLeases,
    /// Agents stand still for long just before they have something refer to what they wrote.
    PauseInUpkeep,
}

/// All of them.
pub const FAULTS: [Fault; 24] = [
    Fault::Crash,
    Fault::Pause,
    Fault::Leave,
    Fault::CutMetastore,
    Fault::CutStore,
    Fault::CutReads,
    Fault::CutEpoch,
    Fault::CutClients,
    Fault::Reset,
    Fault::SlowNetwork,
    Fault::SlowDown,
    Fault::SlowStore,
    Fault::StoreTrouble,
    Fault::CursedKeys,
    Fault::Outage,
    Fault::SlowMetastore,
    Fault::MetastoreTrouble,
    Fault::WallClock,
    Fault::Suspend,
    Fault::DeleteTrouble,
    Fault::DeletesRefused,
    Fault::ListTrouble,
    Fault::SharedLeases,
    Fault::PauseInUpkeep,
];
