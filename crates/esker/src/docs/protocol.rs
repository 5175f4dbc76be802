//! Which requests are served, in which versions, and which are not.

use esker_protocol::messages::ApiKey;
use esker_protocol::{api_key, versions};

use super::markdown::{head, row};

const INTRODUCTION: &str = "\
# Requests and versions

What an agent answers. Where answers differ from Kafka's: [The Kafka protocol](../protocol.md).

ApiVersions lists exactly the requests of the first table. Any other request, and any other version, closes the connection without an
answer, as Kafka does; only ApiVersions itself answers an unknown version with 35 and its own range, so that a client can ask again.

*Kafka* is the range that Kafka 4 has for the request, as far as the wire format is known to this build; `=` is the same. From the version
*flexible* on, headers and bodies have the compact form with tagged fields (KIP-482).

## Served

";

const NOT_SERVED: &str = "
## Not served

A client that asks for one of these sees in ApiVersions that it is not there.

";

/// Remarks about requests that are served.
const REMARKS: &[(i16, &str)] = &[
    (
        api_key::PRODUCE,
        "listed from 0, like Kafka: old librdkafka wants to see that. 0-2 close the connection",
    ),
    (
        api_key::FETCH,
        "with [fetch sessions](../protocol.md#fetch-sessions) from 7",
    ),
    (
        api_key::LIST_OFFSETS,
        "every special timestamp; by time exact to the record",
    ),
    (api_key::METADATA, "topics by name and by id"),
    (api_key::OFFSET_COMMIT, "topics by name only: 10 has ids"),
    (
        api_key::OFFSET_FETCH,
        "one group or many; topics by name only: 10 has ids",
    ),
    (
        api_key::FIND_COORDINATOR,
        "of groups; a coordinator of share groups, which 6 may ask for, is answered 42 INVALID_REQUEST",
    ),
    (api_key::LEAVE_GROUP, "of groups of both kinds"),
    (
        api_key::LIST_GROUPS,
        "those that the asked agent coordinates, as in Kafka",
    ),
    (api_key::API_VERSIONS, "no features are listed"),
    (api_key::DELETE_TOPICS, "by name and by id"),
    (
        api_key::DELETE_RECORDS,
        "the log start moves at once; the bytes go with retention",
    ),
    (api_key::INIT_PRODUCER_ID, "for idempotent producers"),
    (
        api_key::DESCRIBE_CONFIGS,
        "topics, the agent that is asked and its log level, groups, client metrics",
    ),
    (api_key::ALTER_CONFIGS, "topics, groups"),
    (api_key::DESCRIBE_LOG_DIRS, "one directory stands for the bucket"),
    (api_key::ELECT_LEADERS, "nothing has to be elected"),
    (api_key::INCREMENTAL_ALTER_CONFIGS, "topics, groups"),
    (
        api_key::ALTER_PARTITION_REASSIGNMENTS,
        "checked; nothing has to be moved",
    ),
    (api_key::LIST_PARTITION_REASSIGNMENTS, "always empty"),
    (
        api_key::DESCRIBE_PRODUCERS,
        "100,000 producers in an answer, the same share for each partition: those that appended last",
    ),
    (api_key::CONSUMER_GROUP_HEARTBEAT, "the protocol of KIP-848"),
];

/// What requests are about that are not served, and why. A test holds that each of Kafka's requests is served or here.
const MISSING: &[(&str, &[i16], &str)] = &[
    ("transactions", &[24, 25, 26, 27, 28, 65, 66], "not yet"),
    (
        "who clients are (SASL), and their passwords",
        &[17, 36, 50, 51],
        "not yet",
    ),
    ("access control lists", &[29, 30, 31], "not yet"),
    ("quotas", &[48, 49], "not yet"),
    (
        "groups that share records",
        &[76, 77, 78, 79, 83, 84, 85, 86, 87, 90, 91, 92],
        "a kind of group that does not exist here",
    ),
    (
        "metrics of clients",
        &[71, 72],
        "not listed, as in Kafka without a plugin that takes them",
    ),
    (
        "moving replicas between the log directories of brokers",
        &[34, 73],
        "never: there is one bucket",
    ),
    ("delegation tokens", &[38, 39, 40, 41], "never"),
    (
        "the controllers' own protocol",
        &[52, 53, 54, 55, 56, 57, 58, 59, 62, 63, 64, 67, 70, 80, 81, 82],
        "never: there are no controllers",
    ),
];

pub(super) fn page() -> String {
    format!("{INTRODUCTION}{}{NOT_SERVED}{}", served(), missing())
}

fn served() -> String {
    let mut table = head(&["key", "request", "versions", "Kafka", "flexible", "remarks"]);
    for range in versions::api_versions() {
        let decodable = (range.min..=range.max).find(|version| versions::is_served(range.key, *version));
        let min = decodable.unwrap_or(range.min);
        let flexible = (min..=range.max).find(|version| versions::is_flexible(range.key, *version));
        let ours = versions_text(min, range.max);
        let kafka = ApiKey::try_from(range.key).map_or_else(
            |()| String::new(),
            |key| versions_text(key.valid_versions().min, key.valid_versions().max),
        );
        table += &row(&[
            &range.key.to_string(),
            versions::api_name(range.key).unwrap_or_default(),
            &ours,
            if kafka == ours { "=" } else { &kafka },
            &flexible.map_or_else(|| "-".to_owned(), |version| version.to_string()),
            REMARKS
                .iter()
                .find(|(key, _)| *key == range.key)
                .map_or("", |(_, remark)| remark),
        ]);
    }
    table
}

fn missing() -> String {
    let mut table = head(&["what", "requests (key)", "when"]);
    for (what, keys, when) in MISSING {
        let names: Vec<_> = keys
            .iter()
            .filter_map(|key| Some((key, ApiKey::try_from(*key).ok()?)))
            .map(|(key, name)| format!("{name:?} ({key})"))
            .collect();
        table += &row(&[what, &names.join(", "), when]);
    }
    table
}

fn versions_text(min: i16, max: i16) -> String {
    if min == max {
        min.to_string()
    } else {
        format!("{min}-{max}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_kafkas_requests_is_served_or_said_to_be_missing() {
        for key in 0..=1000_i16 {
            let named = MISSING.iter().filter(|(_, keys, _)| keys.contains(&key)).count();
            let served = usize::from(versions::range(key).is_some());
            let exists = usize::from(ApiKey::try_from(key).is_ok());
            assert_eq!(named + served, exists, "key {key}");
        }
    }

    #[test]
    fn remarks_are_about_what_is_served() {
        for (key, remark) in REMARKS {
            assert!(versions::range(*key).is_some(), "{key}: {remark}");
        }
    }
}
