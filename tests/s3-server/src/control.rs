//! The control listener: faults and figures, as JSON over plain HTTP. README.md has the table.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::{Rule, RuleJson};
use crate::query::Query;
use crate::shared::Shared;

const BODY_BYTES_MAX: usize = 1 << 20;

/// What is wrong with a request, and the status that says so.
type Refused = (u16, String);

pub(crate) async fn serve(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let (status, value) = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => answer(
            &shared,
            &parts.method,
            parts.uri.path(),
            parts.uri.query(),
            &body.to_bytes(),
        ),
        Err(_) => Err((
            400,
            format!("the body is broken off or beyond {BODY_BYTES_MAX} bytes"),
        )),
    }
    .map_or_else(
        |(status, why)| (status, json!({ "error": why })),
        |value| (200, value),
    );
    let mut response = Response::new(Full::from(value.to_string() + "\n"));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

fn answer(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: Option<&str>,
    body: &[u8],
) -> Result<Value, Refused> {
    let faults = &shared.faults;
    match (method.as_str(), path) {
        ("GET", "/health") => Ok(json!({ "ok": true })),
        ("POST", "/faults") => {
            let ids: Vec<_> = rules(body)?.into_iter().map(|rule| faults.add(rule)).collect();
            Ok(json!({ "ids": ids }))
        }
        ("PUT", "/faults") => Ok(json!({ "ids": faults.replace(rules(body)?) })),
        ("GET", "/faults") => Ok(json!(faults.list())),
        ("DELETE", "/faults") | ("POST", "/faults/clear") => Ok(json!({ "removed": faults.clear() })),
        ("DELETE", path) if path.starts_with("/faults/") => {
            let id = path.trim_start_matches("/faults/").parse();
            let id = id.map_err(|_| (400, format!("{path} names no rule by its id")))?;
            Ok(json!({ "removed": u64::from(faults.remove(id)) }))
        }
        ("POST", "/seed") => {
            let Seed { seed } = parse(body)?;
            faults.reseed(seed);
            Ok(json!({ "seed": seed }))
        }
        ("GET", "/counts") => Ok(json!(shared.snapshot())),
        ("POST", "/counts/reset") => Ok(json!(shared.reset_counts())),
        ("GET", "/objects") => objects(shared, query),
        _ => Err((404, format!("there is no {method} {path} here: see README.md"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    seed: u64,
}

fn parse<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|err| (400, format!("the body is not as it should be: {err}")))
}

/// One rule, or a list of them; all are checked before any is added.
fn rules(body: &[u8]) -> Result<Vec<Rule>, Refused> {
    let rules: Vec<RuleJson> = match parse::<Value>(body)? {
        list @ Value::Array(_) => serde_json::from_value(list),
        one => serde_json::from_value(one).map(|rule| vec![rule]),
    }
    .map_err(|err| (400, format!("this is no rule: {err}")))?;
    rules
        .iter()
        .map(|rule| rule.rule().map_err(|why| (400, why)))
        .collect()
}

fn objects(shared: &Shared, query: Option<&str>) -> Result<Value, Refused> {
    let query = Query::parse(query).map_err(|err| (400, err.message.into_owned()))?;
    let listed = shared.objects(query.get("bucket"), query.get("prefix").unwrap_or(""));
    listed
        .map(|objects| json!(objects))
        .map_err(|err| (u16::min(err.status, 404), err.message.into_owned()))
}
