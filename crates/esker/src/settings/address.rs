//! Addresses: `host:port`, with `[...]` around IPv6.

use std::fmt;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Name or number, IPv6 without brackets.
    pub(crate) host: String,
    /// Port; 0 asks for any free one.
    pub(crate) port: u16,
}

impl Address {
    /// Parses `host:port`. The error says what would be right.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not an address: write HOST:PORT, e.g. 127.0.0.1:9092 or [::1]:9092");
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once("]:").ok_or_else(wrong)?,
            None => text.rsplit_once(':').ok_or_else(wrong)?,
        };
        let number = host.parse::<std::net::IpAddr>();
        let bracketed = text.starts_with('[');
        if host.is_empty() || bracketed != matches!(number, Ok(std::net::IpAddr::V6(_))) {
            return Err(wrong());
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if number.is_err() && !host.chars().all(allowed) {
            return Err(wrong());
        }
        if port.is_empty() || !port.chars().all(|c| c.is_ascii_digit()) {
            return Err(wrong());
        }
        let port = port
            .parse()
            .map_err(|_| format!("{port} is not a port: ports go from 0 to 65535"))?;
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// All addresses of the machine: good to listen on, useless to connect to.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_unspecified())
    }

    /// The same host with another port.
    pub(crate) fn with_port(&self, port: u16) -> Self {
        Self {
            host: self.host.clone(),
            port,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn parses_names_and_numbers() {
        for text in [
            "localhost:9092",
            "127.0.0.1:0",
            "[::1]:9092",
            "kafka-0.kafka.svc:19092",
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "localhost",
            ":9092",
            "::1:9092",
            "[::1]",
            "[localhost]:1",
            "a b:1",
            "h:",
            "h:+1",
            "h:65536",
        ] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Address::parse("0.0.0.0:1").unwrap().is_wildcard());
        assert!(Address::parse("[::]:1").unwrap().is_wildcard());
        assert!(!Address::parse("localhost:1").unwrap().is_wildcard());
    }
}
