//! Who may come in. Signatures are not checked: of `Authorization` only the access key is read.

use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;

use crate::body::text;
use crate::error::S3Error;
use crate::route::Call;
use crate::shared::Shared;

/// The access key that a request is signed with (version 4 or 2, in the header or in the query).
fn access_key(parts: &Parts, call: &Call) -> Option<String> {
    if let Some(header) = text(&parts.headers, AUTHORIZATION.as_str()) {
        let credential = match header.split_once("Credential=") {
            Some((_, rest)) => rest.split('/').next(),
            None => header
                .strip_prefix("AWS ")
                .and_then(|rest| rest.split(':').next()),
        };
        return credential.map(|key| key.trim().to_owned());
    }
    let in_query = call.query.get("X-Amz-Credential")?;
    in_query.split('/').next().map(str::to_owned)
}

pub(crate) fn check(shared: &Shared, parts: &Parts, call: &Call) -> Result<(), S3Error> {
    if shared.access_keys.is_empty() && shared.bad_signature_keys.is_empty() {
        return Ok(());
    }
    let Some(key) = access_key(parts, call) else {
        if shared.access_keys.is_empty() {
            return Ok(());
        }
        return Err(S3Error::new(403, "AccessDenied", "The request is not signed."));
    };
    if shared.bad_signature_keys.contains(&key) {
        return Err(S3Error::new(
            403,
            "SignatureDoesNotMatch",
            "The signature is not what the secret key makes of this request.",
        ));
    }
    if !shared.access_keys.is_empty() && !shared.access_keys.contains(&key) {
        return Err(S3Error::new(
            403,
            "InvalidAccessKeyId",
            "There is no such access key.",
        ));
    }
    Ok(())
}
