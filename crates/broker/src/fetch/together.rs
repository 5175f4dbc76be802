//! Keeping those together who read the same history.
//!
//! Many consumers that begin at the same place drift apart, because each is as fast as its own machine. What the first
//! of them fetches is wanted by all others; once they are further apart than the cache of archived records has room for,
//! each would fetch everything for itself. So the first ones are held until the others have come closer.
//!
//! What holds: nobody is held while there is room for what all of them want, for what is in memory already, or because of
//! somebody who is far behind or does not come any more; for each chunk no longer than the one before took, within bounds,
//! and no longer than the client would wait for records. A request whose other partitions have something is answered with
//! that at once.

use std::collections::BTreeSet;
use std::time::Duration;

use esker_protocol::ErrorCode;

use super::asked::Asked;
use super::plan::{self, Found, Wanted};
use super::readers::{HELD_MAX, Reads};
use crate::Broker;

/// Between two looks at whether others have come closer.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Waits, or takes from the request what is not read this time.
pub(super) async fn stay(
    broker: &Broker,
    asked: &Asked,
    wanted: &[Wanted],
    found: &mut [Result<Found, ErrorCode>],
) {
    let until = broker.seams.clock.now().plus(HELD_MAX.min(asked.max_wait));
    loop {
        let held = held(broker, wanted, found);
        if held.is_empty() || broker.seams.clock.now() >= until {
            return;
        }
        let has_answer = |(at, found): (usize, &Result<Found, ErrorCode>)| match found {
            Ok(found) => !found.extents.is_empty() && !held.contains(&at),
            Err(_) => true,
        };
        if found.iter().enumerate().any(has_answer) {
            plan::leave_out(found, held);
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Whose next chunk would push out what others have not read yet.
fn held(broker: &Broker, wanted: &[Wanted], found: &[Result<Found, ErrorCode>]) -> BTreeSet<usize> {
    let now = broker.seams.clock.now();
    let is_held = |(wanted, found): (&Wanted, &Result<Found, ErrorCode>)| {
        let first = found.as_ref().ok()?.extents.first()?;
        let reads = Reads::of(wanted, first)?;
        let held = broker.readers.lock().is_held(&reads, now);
        Some(held && broker.cache.peek(&reads.chunk).is_none())
    };
    let all = wanted.iter().zip(found).map(is_held);
    let held = all.enumerate().filter(|(_, held)| *held == Some(true));
    held.map(|(at, _)| at).collect()
}
