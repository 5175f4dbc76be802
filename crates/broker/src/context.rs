//! Who asks, from where: handed to every handler.

use std::sync::Arc;

use crate::config::ListenerConfig;
use crate::trace::Trace;

/// Who a connection speaks for. Everybody is `User:ANONYMOUS` until a listener authenticates.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal {
    /// Kind, e.g. `User`.
    pub kind: String,
    /// Name.
    pub name: String,
}

impl Principal {
    /// The principal of a connection that did not authenticate.
    pub fn anonymous() -> Self {
        Self {
            kind: "User".into(),
            name: "ANONYMOUS".into(),
        }
    }
}

/// What is known of a connection.
#[derive(Debug)]
pub struct ConnectionContext {
    /// The listener it came through.
    pub listener: Arc<ListenerConfig>,
    /// Whom it speaks for.
    pub principal: Principal,
    /// The other end, for logs.
    pub peer: String,
}

/// What is known of a request.
#[derive(Clone)]
pub struct RequestContext {
    /// Its connection.
    pub connection: Arc<ConnectionContext>,
    /// The client's name for itself; empty if it has none.
    pub client_id: Arc<str>,
    /// The client's zone: from its id (`zone=<id>` between commas or semicolons), else the listener's.
    pub zone: Option<Arc<str>>,
    /// The request's API version.
    pub api_version: i16,
    /// Memory is charged for the request until it is answered: it should not wait for long while others want it.
    pub charged: bool,
    /// Its trace, if it was chosen.
    pub(crate) trace: Option<Arc<Trace>>,
}

/// The zone that a client id states: the value of `zone=` up to the next `,` or `;`.
pub fn zone_of_client_id(client_id: &str) -> Option<&str> {
    client_id
        .split([',', ';'])
        .find_map(|part| part.trim().strip_prefix("zone="))
        .filter(|zone| !zone.is_empty())
}

#[cfg(test)]
mod tests {
    use super::zone_of_client_id;

    #[test]
    fn reads_the_zone_of_a_client_id() {
        assert_eq!(zone_of_client_id("orders,zone=eu-1a;x"), Some("eu-1a"));
        assert_eq!(zone_of_client_id("zone=b"), Some("b"));
        assert_eq!(zone_of_client_id("zone="), None);
        assert_eq!(zone_of_client_id("timezone=b"), None);
        assert_eq!(zone_of_client_id(""), None);
    }
}
