//! A job: one kind of work, done again and again by whoever has its lease.
//!
//! What holds: a round runs only while this incarnation lives, saw its cluster epoch lately and has the lease; it is
//! dropped where it stands when the incarnation ends, so every step of it has to be right by itself. A lease only keeps
//! agents from doing the same work. What a round did is counted, and told to the metastore for people; that all was done,
//! also for the next agent: a job that rests afterwards rests for as long whoever lives.

use std::time::Duration;

use async_trait::async_trait;
use esker_metastore::JobReport;
use parking_lot::Mutex;
use tracing::{debug, info, warn};

use super::Upkeep;
use super::trouble::Trouble;
use crate::metrics::JobLabels;

/// How long a job is left to the agent that took it.
const LEASE: Duration = Duration::from_secs(60);

/// One kind of work.
#[async_trait]
pub(super) trait Work: Send {
    /// Its name, as the lease has it.
    const NAME: &'static str;

    /// The time between two looks at whether there is something to do.
    fn every(&self) -> Duration;

    /// Nothing is done for so long after all was done, whichever agent did it.
    fn rests(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether the last round did all that there was to do; asked once for each. To be known by those that rest.
    fn is_done(&mut self) -> bool {
        false
    }

    /// Does what there is to do.
    async fn round(&mut self, lease: &Lease);

    /// Another agent does it at present.
    fn is_done_elsewhere(&mut self) {}

    /// What was done so far, by name.
    fn report(&self) -> JobReport;
}

/// The right to do a job.
pub(super) struct Lease {
    upkeep: Upkeep,
    name: &'static str,
    trouble: Mutex<Trouble>,
}

impl Lease {
    /// Whether this agent may go on; renews the lease. To be asked between the steps of a long round.
    pub(super) async fn renew(&self) -> bool {
        matches!(self.claim(Duration::ZERO).await, Claim::Ours)
    }

    /// Shows whether this agent does the job.
    fn held(&self, ours: bool) {
        let labels = JobLabels { work: self.name };
        let held = self.upkeep.metrics.held.get_or_create(&labels);
        held.set(i64::from(ours));
    }

    /// Takes the lease, unless all was done less than `rests` ago.
    async fn claim(&self, rests: Duration) -> Claim {
        let Upkeep {
            member,
            gate,
            metastore,
            ..
        } = &self.upkeep;
        if !member.is_current() || !gate.is_open() {
            self.held(false);
            return Claim::Unknown;
        }
        let lease_ms = LEASE.as_millis() as i64;
        let every_ms = i64::try_from(rests.as_millis()).unwrap_or(i64::MAX);
        match metastore
            .claim_job(self.name, member.incarnation(), lease_ms, every_ms)
            .await
        {
            Ok(ours) => {
                if self.trouble.lock().is_over() {
                    info!(job = self.name, "the job's lease can be asked for again");
                }
                self.held(ours);
                if ours { Claim::Ours } else { Claim::Elsewhere }
            }
            Err(err) => {
                self.held(false);
                let now = self.upkeep.seams.clock.now();
                if self.trouble.lock().meets(&err, now) {
                    warn!(job = self.name, %err, "cannot take the job's lease: this agent does not do it meanwhile");
                } else {
                    debug!(job = self.name, %err, "cannot take the lease");
                }
                Claim::Unknown
            }
        }
    }
}

impl Drop for Lease {
    /// The incarnation has ended.
    fn drop(&mut self) {
        self.held(false);
    }
}

enum Claim {
    Ours,
    Elsewhere,
    Unknown,
}

/// Does a job until the incarnation ends.
pub(super) async fn run<W: Work>(upkeep: Upkeep, mut work: W) {
    let lease = Lease {
        upkeep: upkeep.clone(),
        name: W::NAME,
        trouble: Mutex::default(),
    };
    lease.held(false);
    let mut told = JobReport::new();
    while upkeep.pause(work.every()).await {
        match lease.claim(work.rests()).await {
            Claim::Unknown => continue,
            Claim::Elsewhere => {
                work.is_done_elsewhere();
                continue;
            }
            Claim::Ours => {}
        }
        tokio::select! {
            biased;
            _ = upkeep.member.until_stopped() => return,
            () = work.round(&lease) => {}
        }
        let (report, done) = (work.report(), work.is_done());
        if report != told || done {
            let incarnation = upkeep.member.incarnation();
            let telling = upkeep.metastore.report_job(W::NAME, incarnation, &report, done);
            match telling.await {
                Ok(()) => told = report,
                Err(err) => debug!(job = W::NAME, %err, "cannot tell what was done"),
            }
        }
    }
}
