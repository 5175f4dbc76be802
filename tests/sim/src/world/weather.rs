//! What stores and network are like: how long they take, and how often they fail in which way.
//!
//! Chances are per mille of requests. The nemesis changes the weather while a run goes on; after the faults
//! it is [`Weather::fair`].

use std::time::Duration;

/// From, to.
pub type Range = (Duration, Duration);

/// The object store.
#[derive(Clone, Debug)]
pub struct StoreWeather {
    /// From request to effect, and from effect to reply.
    pub put: Range,
    /// The same for reads.
    pub get: Range,
    /// The request never arrives: no answer.
    pub lost_request: u32,
    /// It takes effect, and no answer comes.
    pub lost_reply: u32,
    /// It takes effect, and the connection breaks at once.
    pub broken_after: u32,
    /// The PUT is applied twice, and the client hears of the second.
    pub duplicate: u32,
    /// The client hears of a failure now; the PUT lands later.
    pub late: u32,
    /// Keys to which no PUT gets through while this lasts.
    pub cursed_keys: u32,
    /// 503 SlowDown.
    pub slow_down: u32,
    /// 500, for PUTs.
    pub put_error: u32,
    /// 500, for reads.
    pub get_error: u32,
    /// A read that takes very long.
    pub slow_get: u32,
    /// The body of a read ends early.
    pub cut_body: u32,
    /// A read gives other bytes than were written.
    pub flipped: u32,
    /// An object is not deleted although others of the same request are.
    pub delete_error: u32,
    /// The bucket refuses all deletes.
    pub deletes_refused: bool,
    /// A listing fails in its middle.
    pub cut_list: u32,
}

/// The metastore.
#[derive(Clone, Debug)]
pub struct MetastoreWeather {
    /// From request to effect, and from effect to reply.
    pub call: Range,
    /// Nobody can connect.
    pub down: bool,
    /// The request is lost: the connection breaks without effect.
    pub lost_request: u32,
    /// It takes effect, and the connection breaks before the reply.
    pub lost_reply: u32,
    /// The connection breaks first, and the request takes effect after that.
    pub late: u32,
    /// Refused without effect: a serialisation failure or a deadlock that outlasted the driver's patience.
    pub refused: u32,
    /// A lease is given to whoever asks, though another has it: several do the same job.
    pub shared_lease: u32,
    /// Whoever is about to have something refer to what upkeep wrote stands still first, across its fencing.
    pub stands_still: u32,
}

/// The network between clients and agents.
#[derive(Clone, Debug)]
pub struct NetworkWeather {
    /// One way.
    pub way: Range,
    /// A reply is lost with its connection.
    pub reset: u32,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Weather {
    /// The object store.
    pub store: StoreWeather,
    /// The metastore.
    pub metastore: MetastoreWeather,
    /// The network.
    pub network: NetworkWeather,
}

fn ms(from: u64, to: u64) -> Range {
    (Duration::from_millis(from), Duration::from_millis(to))
}

impl Weather {
    /// Nothing fails, and nothing takes long.
    pub fn fair() -> Self {
        Self {
            store: StoreWeather {
                put: ms(2, 20),
                get: ms(2, 15),
                lost_request: 0,
                lost_reply: 0,
                broken_after: 0,
                duplicate: 0,
                late: 0,
                cursed_keys: 0,
                slow_down: 0,
                put_error: 0,
                get_error: 0,
                slow_get: 0,
                cut_body: 0,
                flipped: 0,
                delete_error: 0,
                deletes_refused: false,
                cut_list: 0,
            },
            metastore: MetastoreWeather {
                call: ms(0, 2),
                down: false,
                lost_request: 0,
                lost_reply: 0,
                late: 0,
                refused: 0,
                shared_lease: 0,
                stands_still: 0,
            },
            network: NetworkWeather {
                way: ms(0, 1),
                reset: 0,
            },
        }
    }
}
