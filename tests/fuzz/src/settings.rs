//! Text from outside that is parsed by hand: client ids, bucket URLs and endpoints.

use esker_broker::context::zone_of_client_id;
use esker_model::seams::Seams;
use esker_storage::{BucketOptions, Environment, StoreError, StoreMetrics, open_with};

use crate::input::Input;

/// What the first byte of an input says that the rest is.
pub(crate) mod kind {
    /// A client id.
    pub(crate) const CLIENT_ID: u8 = 0;
    /// A bucket URL.
    pub(crate) const BUCKET_URL: u8 = 1;
    /// A block with the URL of an S3 endpoint, then the rest of an `s3://` URL.
    pub(crate) const ENDPOINT: u8 = 2;
    /// How many there are.
    pub(crate) const COUNT: u8 = 3;
}

/// Text is taken or refused with a sentence, without a panic.
pub fn settings(data: &[u8]) {
    let mut input = Input::new(data);
    match input.u8() % kind::COUNT {
        kind::BUCKET_URL => {
            if let Ok(url) = std::str::from_utf8(input.rest()) {
                check_bucket_url(url, &Environment::new());
            }
        }
        kind::ENDPOINT => {
            let endpoint = std::str::from_utf8(input.block());
            let name = std::str::from_utf8(input.rest());
            if let (Ok(endpoint), Ok(name)) = (endpoint, name) {
                let environment = Environment::from([("AWS_ENDPOINT_URL".to_owned(), endpoint.to_owned())]);
                check_bucket_url(&format!("s3://{name}"), &environment);
            }
        }
        _ => check_client_id(&String::from_utf8_lossy(input.rest())),
    }
}

fn check_client_id(id: &str) {
    if let Some(zone) = zone_of_client_id(id) {
        assert!(!zone.is_empty() && !zone.contains([',', ';']));
        assert!(id.contains(&format!("zone={zone}")));
    }
}

/// Opening a bucket sends no request; only a directory is touched, so that is left out.
fn check_bucket_url(url: &str, environment: &Environment) {
    if url.starts_with("file://") {
        return;
    }
    let opened = crate::runtime::block_on(async {
        let options = BucketOptions::new(Seams::real(), StoreMetrics::default());
        open_with(url, environment, options).map(|_| ())
    });
    match opened {
        Ok(()) => assert!(
            ["s3://", "gs://", "az://", "memory://"]
                .iter()
                .any(|scheme| url.starts_with(scheme))
        ),
        Err(StoreError::Misconfigured(sentence)) => assert!(sentence.contains("bucket_url")),
        Err(other) => panic!("{other}"),
    }
}
