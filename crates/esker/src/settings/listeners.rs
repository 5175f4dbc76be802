//! Listeners: `NAME://host:port`, each with its protocol, its zone and what its clients are told.

use std::collections::BTreeMap;

use super::address::Address;
use super::error::SettingsError;
use super::layers::{Given, Layers, Origin};

/// The only protocol so far.
const PLAINTEXT: &str = "PLAINTEXT";

/// Protocols of Kafka that are not there yet.
const LATER: &[&str] = &["SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/// Most listeners of one agent.
const LISTENERS_MAX: usize = 16;

/// One listener before it is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Its name, in upper case as in Kafka.
    pub(crate) name: String,
    /// Its security protocol.
    pub(crate) protocol: String,
    /// Where it listens.
    pub(crate) bind: Address,
    /// What its clients are told; `None`: where it listens, with the real port.
    pub(crate) advertised: Option<Address>,
    /// Zone of its clients.
    pub(crate) zone: Option<String>,
}

/// Reads all settings of listeners.
pub(crate) fn resolve(layers: &Layers) -> Result<Vec<Listener>, SettingsError> {
    let (name, given) = stronger(layers, "listeners", "kafka_addr")?;
    let binds = parse_list(name, &given)?;
    if binds.is_empty() {
        return Err(wrong(name, &given.origin, "there must be at least one listener"));
    }
    if binds.len() > LISTENERS_MAX {
        return Err(wrong(
            name,
            &given.origin,
            &format!("there can be at most {LISTENERS_MAX} listeners"),
        ));
    }
    let protocols = map(layers, "listener_security_protocol_map", &binds)?;
    let zones = map(layers, "listener_zones", &binds)?;
    let advertised = advertised(layers, &binds)?;
    binds
        .into_iter()
        .map(|(listener, bind)| {
            let protocol = protocols
                .get(&listener)
                .map_or_else(|| protocol_of_name(&listener), |p| p.to_uppercase());
            check_protocol(name, &given.origin, &listener, &protocol)?;
            let advertised = advertised.get(&listener).cloned();
            if advertised.is_none() && bind.is_wildcard() {
                return Err(SettingsError::Missing {
                    name: "advertised_addr",
                    hint: wildcard_hint(&listener, &bind),
                });
            }
            Ok(Listener {
                zone: zones.get(&listener).cloned(),
                name: listener,
                protocol,
                bind,
                advertised,
            })
        })
        .collect()
}

fn wildcard_hint(listener: &str, bind: &Address) -> String {
    format!(
        "the listener {listener} is on all addresses ({bind}), so say which one clients connect to, e.g. --advertised-addr this-host:{}",
        if bind.port == 0 { 9092 } else { bind.port }
    )
}

fn protocol_of_name(listener: &str) -> String {
    if LATER.contains(&listener) {
        listener.to_owned()
    } else {
        PLAINTEXT.to_owned()
    }
}

fn check_protocol(
    name: &'static str,
    origin: &Origin,
    listener: &str,
    protocol: &str,
) -> Result<(), SettingsError> {
    if protocol == PLAINTEXT {
        Ok(())
    } else if LATER.contains(&protocol) {
        let reason = format!(
            "the protocol {protocol} of the listener {listener} is not supported yet; only PLAINTEXT is"
        );
        Err(wrong(name, origin, &reason))
    } else {
        Err(wrong(
            name,
            origin,
            &format!("{protocol} is not a security protocol; only PLAINTEXT is supported so far"),
        ))
    }
}

/// The setting or its shorthand, whichever was given with more force.
fn stronger(
    layers: &Layers,
    long: &'static str,
    short: &'static str,
) -> Result<(&'static str, Given), SettingsError> {
    let nothing = Given {
        value: String::new(),
        origin: Origin::Default,
    };
    match (layers.explicit(long), layers.explicit(short)) {
        (Some(a), Some(b)) if a.origin.rank() == b.origin.rank() => Err(SettingsError::Conflict(format!(
            "{long} and {short} are both given ({}; {}): {short} is a shorthand, use one of them",
            a.origin, b.origin
        ))),
        (Some(a), Some(b)) if a.origin > b.origin => Ok((long, a.clone())),
        (_, Some(b)) => Ok((short, b.clone())),
        _ => Ok((long, layers.get(long).unwrap_or(nothing))),
    }
}

fn advertised(
    layers: &Layers,
    binds: &[(String, Address)],
) -> Result<BTreeMap<String, Address>, SettingsError> {
    let (name, given) = stronger(layers, "advertised_listeners", "advertised_addr")?;
    if given.value.is_empty() {
        return Ok(BTreeMap::new());
    }
    let list = if name == "advertised_addr" {
        let [(only, _)] = binds else {
            let reason = "there are several listeners: say advertised_listeners, with a name each";
            return Err(wrong(name, &given.origin, reason));
        };
        vec![(
            only.clone(),
            parse_address(name, &given.origin, given.value.trim())?,
        )]
    } else {
        parse_list(name, &given)?
    };
    for (listener, address) in &list {
        if !binds.iter().any(|(bound, _)| bound == listener) {
            return Err(wrong(name, &given.origin, &unknown_listener(listener, binds)));
        }
        if address.is_wildcard() {
            return Err(wrong(
                name,
                &given.origin,
                &format!("clients cannot connect to {address}: name this host"),
            ));
        }
    }
    Ok(list.into_iter().collect())
}

fn unknown_listener(listener: &str, binds: &[(String, Address)]) -> String {
    let names: Vec<_> = binds.iter().map(|(name, _)| name.as_str()).collect();
    format!(
        "there is no listener {listener}; the listeners are {}",
        names.join(", ")
    )
}

/// `NAME://host:port,...`; the shorthand's bare `host:port` is a listener named after its protocol.
fn parse_list(name: &'static str, given: &Given) -> Result<Vec<(String, Address)>, SettingsError> {
    if name == "kafka_addr" {
        return Ok(vec![(
            PLAINTEXT.to_owned(),
            parse_address(name, &given.origin, given.value.trim())?,
        )]);
    }
    let mut list: Vec<(String, Address)> = Vec::new();
    for item in given
        .value
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        let Some((listener, address)) = item.split_once("://") else {
            let reason = format!(
                "{item:?} is not a listener: write NAME://HOST:PORT, e.g. PLAINTEXT://127.0.0.1:9092"
            );
            return Err(wrong(name, &given.origin, &reason));
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if listener.is_empty() || !listener.chars().all(allowed) {
            let reason = format!("{listener:?} is not a listener's name: use letters, digits, - and _");
            return Err(wrong(name, &given.origin, &reason));
        }
        let listener = listener.to_uppercase();
        if list.iter().any(|(other, _)| *other == listener) {
            return Err(wrong(
                name,
                &given.origin,
                &format!("the listener {listener} is named twice"),
            ));
        }
        // `PLAINTEXT://:9092` is Kafka's way to say all addresses.
        let address = match address.strip_prefix(':') {
            Some(port) => format!("0.0.0.0:{port}"),
            None => address.to_owned(),
        };
        let address = parse_address(name, &given.origin, &address)?;
        if let Some((other, _)) = list
            .iter()
            .find(|(_, taken)| *taken == address && address.port != 0)
        {
            let reason = format!("the listeners {other} and {listener} have the same address {address}");
            return Err(wrong(name, &given.origin, &reason));
        }
        list.push((listener, address));
    }
    Ok(list)
}

/// `NAME:value,...` for some of the listeners.
fn map(
    layers: &Layers,
    name: &'static str,
    binds: &[(String, Address)],
) -> Result<BTreeMap<String, String>, SettingsError> {
    let Some(given) = layers.explicit(name) else {
        return Ok(BTreeMap::new());
    };
    let mut map = BTreeMap::new();
    for item in given
        .value
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        match item.split_once(':') {
            Some((listener, value)) if !listener.trim().is_empty() && !value.trim().is_empty() => {
                let listener = listener.trim().to_uppercase();
                if !binds.iter().any(|(bound, _)| *bound == listener) {
                    return Err(wrong(name, &given.origin, &unknown_listener(&listener, binds)));
                }
                map.insert(listener, value.trim().to_owned());
            }
            _ => {
                let reason =
                    format!("{item:?} does not read: write the listener's name, a colon and the value");
                return Err(wrong(name, &given.origin, &reason));
            }
        }
    }
    Ok(map)
}

fn parse_address(name: &'static str, origin: &Origin, text: &str) -> Result<Address, SettingsError> {
    Address::parse(text).map_err(|reason| wrong(name, origin, &reason))
}

fn wrong(name: &'static str, origin: &Origin, reason: &str) -> SettingsError {
    SettingsError::Value {
        name,
        origin: origin.clone(),
        reason: reason.to_owned(),
    }
}
