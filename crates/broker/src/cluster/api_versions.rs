//! ApiVersions 0-4: which APIs this agent serves (KIP-511, KIP-584).
//!
//! No features are listed yet, and therefore no tagged field is written at all: clients act only on
//! `transaction.version`, and librdkafka before 2.2 misreads tags that carry nothing.

use esker_protocol::messages::api_versions_response::ApiVersion;
use esker_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use esker_protocol::{ErrorCode, versions};

use crate::Broker;
use crate::context::RequestContext;

/// First version in which clients say which software they are.
const SOFTWARE_VERSION: i16 = 3;

/// Lists the APIs; 42 and no APIs for a client whose software name or version is malformed.
pub(crate) async fn handle(
    _: &Broker,
    context: &RequestContext,
    request: ApiVersionsRequest,
) -> ApiVersionsResponse {
    answer(context.api_version, &request)
}

fn answer(version: i16, request: &ApiVersionsRequest) -> ApiVersionsResponse {
    let named = is_software(&request.client_software_name) && is_software(&request.client_software_version);
    if version >= SOFTWARE_VERSION && !named {
        return ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.code());
    }
    let apis = versions::api_versions().iter().map(|range| {
        ApiVersion::default()
            .with_api_key(range.key)
            .with_min_version(range.min)
            .with_max_version(range.max)
    });
    ApiVersionsResponse::default().with_api_keys(apis.collect())
}

/// Letters and digits; between them also `-` and `.`.
fn is_software(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use esker_protocol::response::encode_response;
    use esker_protocol::{RequestHeader, StrBytes, api_key};

    fn ask(name: &str, software_version: &str) -> ApiVersionsRequest {
        ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_string(name.into()))
            .with_client_software_version(StrBytes::from_string(software_version.into()))
    }

    fn bytes(version: i16, response: &ApiVersionsResponse) -> Vec<u8> {
        let header = RequestHeader {
            api_key: api_key::API_VERSIONS,
            api_version: version,
            correlation_id: 9,
            client_id: None,
        };
        encode_response(&header, response).unwrap().to_vec()
    }

    #[test]
    fn lists_the_table_in_every_version() {
        for version in 0..=4 {
            let response = answer(version, &ask("librdkafka", "2.3.0-rc1"));
            assert_eq!(response.error_code, 0);
            assert_eq!(response.api_keys.len(), versions::api_versions().len());
            bytes(version, &response);
        }
    }

    #[test]
    fn software_names_are_checked_from_version_3_on() {
        for bad in ["", "-a", "a.", "a b", "ä", "a_b"] {
            assert_eq!(answer(2, &ask(bad, bad)).error_code, 0);
            for response in [answer(3, &ask(bad, "1")), answer(4, &ask("a", bad))] {
                assert_eq!(response.error_code, 42);
                assert!(response.api_keys.is_empty());
            }
        }
        assert_eq!(answer(3, &ask("a", "1")).error_code, 0);
        assert_eq!(answer(4, &ask("apache-kafka-java", "4.1.0")).error_code, 0);
    }

    #[test]
    fn writes_no_tag_that_old_clients_would_misread() {
        let encoded = bytes(3, &answer(3, &ask("a", "1")));
        // Size prefix, correlation id, error code; then the compact array and the throttle time, and an
        // empty tag section at the very end.
        let entries = versions::api_versions().len();
        assert_eq!(encoded.len(), 4 + 4 + 2 + 1 + entries * 7 + 4 + 1);
        assert_eq!(encoded.last(), Some(&0));
    }
}
