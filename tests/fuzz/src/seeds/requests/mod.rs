//! A sensible request for every API and version that Esker answers, as a client encodes it.

mod admin;
mod data;
mod extremes;
mod groups;
mod partitions;

use bytes::Bytes;
use esker_protocol::client::{self, ClientRequest};
use esker_protocol::frame::SIZE_BYTES;
use esker_protocol::messages::TopicName;
use esker_protocol::{StrBytes, versions};

/// One request.
pub(crate) struct SeedRequest {
    /// What it asks for, with its API and version: a name for a file.
    pub(crate) name: String,
    /// The frame without its size prefix.
    pub(crate) frame: Bytes,
}

/// Collects requests.
#[derive(Default)]
struct Requests(Vec<SeedRequest>);

impl Requests {
    /// Adds what `make` makes, in every version of its API that is served.
    fn add<R: ClientRequest>(&mut self, what: &str, make: impl Fn(i16) -> R) {
        let range = versions::range(R::KEY).unwrap();
        for version in range.min..=range.max {
            if versions::is_served(R::KEY, version) {
                self.add_one(what, version, &make(version));
            }
        }
    }

    fn add_one<R: ClientRequest>(&mut self, what: &str, version: i16, request: &R) {
        let header = client::request_header::<R>(version, 7, "seed,zone=z");
        let frame = client::encode_request(&header, request).unwrap();
        let api = versions::api_name(R::KEY).unwrap();
        let dash = if what.is_empty() { "" } else { "-" };
        self.0.push(SeedRequest {
            name: format!("{api}-v{version}{dash}{what}"),
            frame: frame.slice(SIZE_BYTES..),
        });
    }
}

/// All of them: every API in every version, some of them with more than one purpose.
pub(crate) fn all() -> Vec<SeedRequest> {
    let mut requests = Requests::default();
    data::add(&mut requests);
    admin::add(&mut requests);
    partitions::add(&mut requests);
    groups::add(&mut requests);
    extremes::add(&mut requests);
    requests.0
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn name(name: &str) -> TopicName {
    TopicName(text(name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use esker_protocol::header::{Incoming, decode_request_header};
    use esker_protocol::{request, versions};

    #[test]
    fn every_version_of_every_api_has_a_request_that_decodes() {
        let mut seen = BTreeSet::new();
        for seed in super::all() {
            let Ok(Incoming::Request(header, body)) = decode_request_header(seed.frame) else {
                panic!("{}: no header", seed.name);
            };
            seen.insert((header.api_key, header.api_version));
            request::decode_request(&header, body).unwrap_or_else(|err| panic!("{}: {err}", seed.name));
        }
        let ranges = versions::api_versions().iter();
        let all = ranges.flat_map(|range| (range.min..=range.max).map(|version| (range.key, version)));
        let served = all.filter(|(key, version)| versions::is_served(*key, *version));
        assert_eq!(seen, served.collect());
    }
}
