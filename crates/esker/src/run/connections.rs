//! How many connections a process may have: in all, and from one address.
//!
//! What holds: a connection beyond either limit is closed as soon as it is accepted, so that it costs next to
//! nothing, and whoever holds many cannot keep others out. [`FILES_RESERVED`] stay for the stores: where the
//! system allows fewer files than `max_connections` needs, fewer connections are taken.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, info};

use crate::settings::Settings;

/// Connections that the system queues per listener until they are accepted.
pub(super) const BACKLOG: u32 = 1024;

/// Open files that connections of clients leave to everything else: stores, HTTP, listeners. A quarter of
/// what the system allows, if that is less.
const FILES_RESERVED: u64 = 512;

/// Bytes of replies that the system may take before the windows of their peers let them go: a connection gets this
/// divided by those that are open when it comes, so that n of them have about ln(n) times this together. Else the
/// system takes megabytes for each peer that reads nothing, beside every budget.
const UNSENT_BYTES_ALL: u32 = 64 << 20;

/// The least share of [`UNSENT_BYTES_ALL`]: smaller ones cost a reader of much many calls to the system.
const UNSENT_BYTES_MIN: u32 = 64 << 10;

/// Lets the process open as many files as it may: the usual default of 1,024 is a limit for programs
/// that use `select`.
pub(super) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        debug!(%error, "cannot raise the limit of open files");
    }
}

/// Connections that so many open files allow.
fn files_allow(files: Option<u64>) -> usize {
    let allowed = files.map_or(u64::MAX, |files| files - FILES_RESERVED.min(files / 4));
    usize::try_from(allowed).unwrap_or(usize::MAX)
}

/// A limit that a connection met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Connections,
    PerAddress,
}

impl Limit {
    /// The name of its setting.
    pub(super) const fn setting(self) -> &'static str {
        match self {
            Self::Connections => "max_connections",
            Self::PerAddress => "max_connections_per_ip",
        }
    }
}

/// The open connections and their limits.
pub(crate) struct Connections {
    max: usize,
    per_address_max: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// The place of one connection; dropping it gives it back.
pub(super) struct Slot {
    of: Arc<Connections>,
    address: IpAddr,
    unsent_bytes: u32,
}

impl Slot {
    /// Bytes of replies that the system may take for it before the peer's window lets them go
    /// (`TCP_NOTSENT_LOWAT`): [`UNSENT_BYTES_ALL`] divided by those that were open when it came. What is on its way
    /// counts not, so a long way is not slower.
    pub(super) fn unsent_bytes(&self) -> u32 {
        self.unsent_bytes
    }
}

impl Connections {
    /// The limits of the settings, as far as the system's limit of open files allows.
    pub(super) fn new(settings: &Settings) -> Self {
        let allowed = files_allow(getrlimit(Resource::Nofile).current);
        if allowed < settings.connections_max {
            info!(
                "max_connections is {}, but the limit of open files (ulimit -n) allows for {allowed}",
                settings.connections_max
            );
        }
        Self::with_limits(
            settings.connections_max.min(allowed),
            settings.connections_per_ip_max,
        )
    }

    fn with_limits(max: usize, per_address_max: usize) -> Self {
        Self {
            max,
            per_address_max,
            open: Mutex::default(),
        }
    }

    /// Most connections at a time.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Most connections of one address.
    pub(crate) fn per_address_max(&self) -> usize {
        self.per_address_max
    }

    /// Takes a place for a connection from that address, or names the limit that it met.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Slot, Limit> {
        let address = counted_as(peer);
        let all = self.with(|open| {
            if open.all >= self.max {
                return Err(Limit::Connections);
            }
            let of_address = open.by_address.entry(address).or_default();
            if *of_address >= self.per_address_max {
                return Err(Limit::PerAddress);
            }
            *of_address += 1;
            open.all += 1;
            Ok(open.all)
        })?;
        Ok(Slot {
            of: Arc::clone(self),
            address,
            unsent_bytes: unsent_share(all),
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Open) -> T) -> T {
        change(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.of.with(|open| {
            open.all = open.all.saturating_sub(1);
            if let Some(count) = open.by_address.get_mut(&self.address) {
                *count -= 1;
                if *count == 0 {
                    open.by_address.remove(&self.address);
                }
            }
        });
    }
}

fn unsent_share(connections: usize) -> u32 {
    let connections = u32::try_from(connections).unwrap_or(u32::MAX);
    (UNSENT_BYTES_ALL / connections.max(1)).max(UNSENT_BYTES_MIN)
}

/// One host may use all addresses of an IPv6 network of 64 bits: they count as one.
fn counted_as(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_cannot_take_all_places() {
        let all = Arc::new(Connections::with_limits(3, 2));
        let first = all.admit(ip("10.0.0.1")).unwrap_or_else(|_| panic!());
        let _second = all.admit(ip("::ffff:10.0.0.1")).unwrap_or_else(|_| panic!());
        assert_eq!(all.admit(ip("10.0.0.1")).err(), Some(Limit::PerAddress));
        let other = all.admit(ip("10.0.0.2")).unwrap_or_else(|_| panic!());
        assert_eq!(all.admit(ip("10.0.0.3")).err(), Some(Limit::Connections));
        drop(first);
        drop(other);
        assert!(all.admit(ip("10.0.0.1")).is_ok());
        assert_eq!(all.with(|open| (open.all, open.by_address.len())), (1, 1));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let all = Arc::new(Connections::with_limits(10, 1));
        let _one = all.admit(ip("2001:db8::1")).unwrap_or_else(|_| panic!());
        assert_eq!(all.admit(ip("2001:db8::2")).err(), Some(Limit::PerAddress));
        assert!(all.admit(ip("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn many_connections_have_little_in_the_system() {
        assert_eq!(
            [1, 16, 1_024, 100_000].map(unsent_share),
            [64 << 20, 4 << 20, 64 << 10, 64 << 10]
        );
    }

    #[test]
    fn files_are_left_for_the_stores() {
        assert_eq!(files_allow(Some(20_000)), 19_488);
        assert_eq!(files_allow(Some(1024)), 768);
        assert_eq!(files_allow(None), usize::MAX);
    }
}
