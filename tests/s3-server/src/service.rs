//! One request, from its line to its answer: routed, let in, given its fate, taken in, carried out, answered.
//!
//! A client that goes away before its request is carried out has had no effect. The body of a request that is
//! refused is read all the same, so that the client gets to see why.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, Response};

use crate::access;
use crate::action::Action;
use crate::body::Arriving;
use crate::counts::Open;
use crate::error::S3Error;
use crate::faults::{ErrorAnswer, Fate, Kind};
use crate::log::Line;
use crate::ops::{self, Effect};
use crate::pace::Pace;
use crate::reply::{Frame, Reply, ReplyBody, Shape, respond};
use crate::route::{Call, route};
use crate::shared::Shared;

/// The connection closes without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fault closes the connection")]
pub(crate) struct Dropped;

pub(crate) async fn serve(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Dropped> {
    let (parts, body) = request.into_parts();
    let call = route(&parts);
    let request_id = shared.request_id();
    let mut open = shared.counts.begin(call.as_ref().ok().map(|call| call.action));
    if shared.log {
        open.line = Some(Line::new(&request_id, &parts));
    }
    let counts = Arc::clone(&shared.counts);
    let count = move |bytes| counts.received(bytes);
    let mut arriving = Arriving {
        headers: &parts.headers,
        body,
        pace: None,
        bytes_in: &count,
    };
    let mut shape = Shape::default();
    let answer = match call {
        Ok(call) => handle(&shared, call, &parts, &mut arriving, &mut shape, &mut open).await?,
        Err(err) => Err(err),
    };
    if answer.is_err() {
        arriving.discard().await;
    }
    let frame = Frame {
        method: &parts.method,
        path: parts.uri.path(),
        request_id,
        shape,
        counts: &shared.counts,
    };
    let response = respond(answer, &frame);
    open.answered(response.status().as_u16());
    Ok(response)
}

async fn handle(
    shared: &Arc<Shared>,
    call: Call,
    parts: &Parts,
    arriving: &mut Arriving<'_>,
    shape: &mut Shape,
    open: &mut Open,
) -> Result<Result<Reply, S3Error>, Dropped> {
    if let Err(err) = access::check(shared, parts, &call) {
        return Ok(Err(err));
    }
    let mut deletions = None;
    if call.action == Action::DeleteObjects {
        let parsed = match arriving.document().await {
            Ok(document) => ops::parse_deletions(&document),
            Err(err) => Err(err),
        };
        match parsed {
            Ok(parsed) => deletions = Some(parsed),
            Err(err) => return Ok(Err(err)),
        }
    }
    let fate = fate(shared, &call, deletions.as_ref());
    open.fated(&fate.kinds);
    if !fate.delay.is_zero() {
        tokio::time::sleep(fate.delay).await;
    }
    if let Some(Kind::Hang {
        ms,
        after_effect: false,
    }) = fate.outcome
    {
        // Or a client that goes away in the middle of its body would not be noticed.
        arriving.read_and_forget().await.map_err(|_| Dropped)?;
        hang(ms).await?;
    }
    arriving.pace = fate.bytes_per_s.map(Pace::new);
    shape.bytes_per_s = fate.bytes_per_s;
    let prepared = ops::prepare(shared, call, &parts.headers, arriving, deletions).await;
    if prepared.is_err() {
        arriving.discard().await;
    }
    // A request that is refused has no effect, and is answered, or not, like the others.
    let effect = prepared.unwrap_or_else(|err| Arc::new(move |_: &Shared| Err(err.clone())));
    carry_out(shared, &effect, fate, shape).await
}

fn fate(shared: &Shared, call: &Call, deletions: Option<&ops::Deletions>) -> Fate {
    match (call.action, deletions) {
        (_, Some(deletions)) => shared.faults.decide(call.action, &deletions.keys()),
        (Action::ListObjects | Action::ListMultipartUploads, None) => {
            let prefix = call.query.get("prefix").unwrap_or("");
            shared.faults.decide(call.action, &[prefix])
        }
        _ => shared.faults.decide(call.action, &[&call.key]),
    }
}

async fn carry_out(
    shared: &Arc<Shared>,
    effect: &Effect,
    fate: Fate,
    shape: &mut Shape,
) -> Result<Result<Reply, S3Error>, Dropped> {
    match fate.outcome {
        None | Some(Kind::Latency { .. } | Kind::SlowBody { .. }) => Ok(shared.run(effect).await),
        Some(Kind::TruncatedBody { bytes }) => {
            shape.cut = Some(bytes);
            Ok(shared.run(effect).await)
        }
        Some(Kind::BitFlip) => {
            shape.flip = Some(fate.dice);
            Ok(shared.run(effect).await)
        }
        Some(Kind::Error(_, answer)) => {
            if answer.after_effect {
                let _ = shared.run(effect).await;
            }
            Ok(Err(refusal(answer)))
        }
        Some(Kind::Hang { ms, .. }) => {
            let _ = shared.run(effect).await;
            match hang(ms).await? {}
        }
        Some(Kind::DropBefore) => Err(Dropped),
        Some(Kind::DropAfter) => {
            let _ = shared.run(effect).await;
            Err(Dropped)
        }
        Some(Kind::LateEffect { ms }) => {
            shared.counts.late(1);
            let (shared, effect) = (Arc::clone(shared), Arc::clone(effect));
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                let _ = shared.run(&effect).await;
                shared.counts.late(-1);
            });
            Err(Dropped)
        }
        Some(Kind::DuplicateEffect) => {
            let _ = shared.run(effect).await;
            Ok(shared.run(effect).await)
        }
    }
}

fn refusal(answer: ErrorAnswer) -> S3Error {
    let message = match answer.code.as_str() {
        "SlowDown" => "Please reduce your request rate.",
        _ => "A fault rule asks for this answer.",
    };
    S3Error {
        retry_after_s: answer.retry_after_s,
        ..S3Error::new(answer.status, answer.code, message)
    }
}

async fn hang(ms: Option<u64>) -> Result<Infallible, Dropped> {
    match ms {
        Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        None => std::future::pending().await,
    }
    Err(Dropped)
}
