//! All members of a process: when each has something to say, and what came of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use esker_protocol::StrBytes;
use tokio::sync::Notify;

use super::pace::Pace;
use super::rest::{Rest, Standing};
use super::{Beat, MembersSpec, Protocol, Work, classic, consumer, group_id};
use crate::client::connection::Connection;
use crate::client::{Latency, Outcome};
use crate::clock::{monotonic_ns, seconds};

/// Latencies that are kept.
const LATENCIES_MAX: usize = 20_000_000;

/// What members share. They live on one thread.
pub(super) struct Members {
    spec: MembersSpec,
    rest: RefCell<Rest>,
    /// By member, group after group.
    paces: RefCell<Vec<Pace>>,
    tally: RefCell<Tally>,
    began: Cell<bool>,
    measuring: Cell<bool>,
    over: Cell<bool>,
    /// When all groups rested for the first time.
    settled_ns: Cell<Option<u64>>,
    failed: RefCell<Option<String>>,
    /// All rest, or something failed.
    news: Notify,
    /// Those that wait until something is due look again.
    wake: Notify,
}

#[derive(Default)]
struct Tally {
    answers: u64,
    latencies: Vec<u32>,
    errors: u64,
    first_error: Option<String>,
}

impl Tally {
    fn take(&mut self, latency_us: u32) {
        if self.latencies.len() < LATENCIES_MAX {
            self.latencies.push(latency_us);
        }
    }
}

enum Member {
    Classic(classic::Member),
    Consumer(consumer::Member),
}

impl Member {
    /// Between two of its heartbeats, until it is ready.
    fn interval(&self, spec: &MembersSpec) -> Duration {
        match self {
            Self::Classic(_) => interval(spec),
            Self::Consumer(member) => member.interval(),
        }
    }
}

impl Members {
    pub(super) fn new(spec: &MembersSpec) -> Self {
        let partitions = usize::try_from(spec.partitions).unwrap_or(0);
        let pace = Pace::from(monotonic_ns(), interval(spec));
        Self {
            rest: RefCell::new(Rest::new(spec.groups, spec.members, partitions)),
            paces: RefCell::new(vec![pace; spec.groups * spec.members]),
            spec: spec.clone(),
            tally: RefCell::default(),
            began: Cell::new(false),
            measuring: Cell::new(false),
            over: Cell::new(false),
            settled_ns: Cell::new(None),
            failed: RefCell::default(),
            news: Notify::new(),
            wake: Notify::new(),
        }
    }

    /// Waits until all groups rest; when that was.
    pub(super) async fn until_settled(&self) -> Result<u64, String> {
        loop {
            self.check()?;
            if let Some(settled) = self.settled_ns.get() {
                return Ok(settled);
            }
            self.news.notified().await;
        }
    }

    /// How it stands with groups that do not come to rest.
    pub(super) fn unsettled(&self) -> String {
        let settled = self.rest.borrow().settled();
        format!(
            "only {settled} of {} groups came to rest in time",
            self.spec.groups
        )
    }

    /// An error if a member failed.
    pub(super) fn check(&self) -> Result<(), String> {
        match &*self.failed.borrow() {
            Some(why) => Err(why.clone()),
            None => Ok(()),
        }
    }

    /// From now on members share the interval evenly.
    pub(super) fn begin(&self, now_ns: u64) {
        let of = self.paces.borrow().len();
        for (at, pace) in self.paces.borrow_mut().iter_mut().enumerate() {
            *pace = Pace::spread(now_ns, interval(&self.spec), at, of);
        }
        self.began.set(true);
        self.wake.notify_waiters();
    }

    /// From now on it counts.
    pub(super) fn measure(&self) {
        self.measuring.set(true);
    }

    /// What came of it from then until now; what is due by now and not answered counts with its age.
    pub(super) fn outcome(&self, from_ns: u64, now_ns: u64) -> Outcome {
        self.measuring.set(false);
        let mut tally = self.tally.take();
        for pace in self.paces.borrow().iter() {
            pace.overdue(now_ns).for_each(|age| tally.take(age));
        }
        Outcome {
            seconds: seconds(from_ns, now_ns),
            records: tally.answers,
            latency: Latency::of(tally.latencies),
            errors: tally.errors,
            first_error: tally.first_error,
            ..Outcome::default()
        }
    }

    /// Members end, as soon as they have nothing in flight.
    pub(super) fn end(&self) {
        self.over.set(true);
        self.wake.notify_waiters();
    }

    /// Waits until a member has something to say; false: it is over.
    async fn until_due(&self, at: usize) -> bool {
        while !self.over.get() {
            let pace = self.paces.borrow().get(at).copied();
            let Some(wait) = pace.and_then(|pace| pace.wait(monotonic_ns())) else {
                return true;
            };
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        false
    }

    /// What was due was answered, or something was said that had been due later. `interval`: see [`Member::interval`].
    fn answered(&self, at: usize, interval: Duration) {
        let now = monotonic_ns();
        if let Some(pace) = self.paces.borrow_mut().get_mut(at) {
            if !self.began.get() {
                *pace = Pace::from(now, interval);
                return;
            }
            let latency_us = pace.answered(now);
            if self.measuring.get() {
                let mut tally = self.tally.borrow_mut();
                tally.answers += 1;
                tally.take(latency_us);
            }
        }
    }

    /// A member has joined: what it says next is due an interval later.
    fn joined(&self, at: usize, standing: Standing, interval: Duration) {
        if let Some(pace) = self.paces.borrow_mut().get_mut(at) {
            *pace = Pace::from(monotonic_ns(), interval);
        }
        self.stands(at, standing);
    }

    fn stands(&self, at: usize, standing: Standing) {
        let per_group = self.spec.members.max(1);
        let rests = self
            .rest
            .borrow_mut()
            .stands(at / per_group, at % per_group, standing);
        if rests && self.settled_ns.get().is_none() {
            self.settled_ns.set(Some(monotonic_ns()));
            self.news.notify_one();
        }
    }

    fn complain(&self, why: String) {
        if self.measuring.get() {
            let mut tally = self.tally.borrow_mut();
            tally.errors += 1;
            tally.first_error.get_or_insert(why);
        }
    }

    fn new_member(&self, at: usize) -> Member {
        let number = at / self.spec.members.max(1);
        let group = group_id(&self.spec, number);
        let topic = StrBytes::from_string(self.spec.topic.clone());
        let partitions = self.spec.partitions.max(1);
        match self.spec.protocol {
            Protocol::Consumer => {
                let id = StrBytes::from_string(format!("{}-member-{at}", self.spec.name));
                Member::Consumer(consumer::Member::new(group, topic, id))
            }
            Protocol::Classic => {
                let one = i32::try_from(number).unwrap_or(0) % partitions;
                let commits = (self.spec.work == Work::Commit).then_some(one);
                Member::Classic(classic::Member::new(group, topic, partitions, commits))
            }
        }
    }
}

/// The life of a member. An error ends them all.
pub(super) async fn live(members: Rc<Members>, at: usize, connection: Connection) {
    if let Err(why) = member(&members, at, connection).await
        && !members.over.get()
    {
        members.failed.borrow_mut().get_or_insert(why);
        members.news.notify_one();
    }
}

async fn member(members: &Members, at: usize, mut connection: Connection) -> Result<(), String> {
    let mut member = members.new_member(at);
    loop {
        let standing = match &mut member {
            Member::Classic(member) => member.join(&mut connection).await?,
            Member::Consumer(member) => member.join(&mut connection).await?,
        };
        members.joined(at, standing, member.interval(&members.spec));
        loop {
            let in_haste = matches!(&member, Member::Consumer(member) if member.is_in_haste());
            if members.over.get() || (!in_haste && !members.until_due(at).await) {
                if members.spec.leave {
                    match &mut member {
                        Member::Classic(member) => member.leave(&mut connection).await,
                        Member::Consumer(member) => member.leave(&mut connection).await,
                    }
                }
                return Ok(());
            }
            let beat = match &mut member {
                Member::Classic(member) if members.spec.work == Work::Commit => {
                    member.commit(&mut connection).await?
                }
                Member::Classic(member) => member.beat(&mut connection).await?,
                Member::Consumer(member) => member.beat(&mut connection).await?,
            };
            match beat {
                Beat::Heard => {}
                Beat::Moved(standing) => members.stands(at, standing),
                Beat::Refused(why) => members.complain(why),
                Beat::MustJoin => {
                    members.complain("a member had to join again".to_owned());
                    break;
                }
            }
            if !in_haste || !members.began.get() {
                members.answered(at, member.interval(&members.spec));
            }
        }
    }
}

fn interval(spec: &MembersSpec) -> Duration {
    Duration::from_millis(spec.interval_ms)
}
