//! What comes back to a producer: noted in the history, and judged by its policy.

use std::time::Duration;

use esker_history::What;
use esker_history::event::Life;
use esker_model::seams::Rng;

use super::engine::{Engine, Event};
use super::lane::Outgoing;
use super::metadata;
use super::policy::{Answer, Fate, Wishes};
use super::wire::{Answers, Part};
use crate::clients::connection::{Lost, protest};
use crate::clients::metadata::RETRY_BACKOFF;

/// The longest wait before a retry.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

impl Engine {
    /// Takes in something that was waited for.
    pub(super) fn take(&mut self, event: Event) {
        let now_us = self.ctx.record.now_us();
        match event {
            Event::Connected { host, well } => {
                let state = self.hosts.entry(host).or_default();
                state.connecting = false;
                if well {
                    state.failures = 0;
                    state.connected_us = Some(now_us);
                } else {
                    state.failures += 1;
                    let wait = backoff(state.failures);
                    state.ready_us = now_us + self.ctx.rng.jitter(wait).as_micros() as u64;
                    self.refresh.want();
                }
            }
            Event::Identified(id, epoch) => {
                self.identifying = false;
                self.policy.set_id(id, epoch);
            }
            Event::Found(view) => {
                self.view.update(view);
                for at in 0..self.lanes.len() {
                    let by_id = self.plan.by_id;
                    let dropped = metadata::apply(&self.view, &mut self.lanes, at, by_id, &mut *self.policy);
                    self.give_up(dropped);
                }
                self.refresh.ended(&self.lanes, now_us);
            }
            Event::Answered {
                host,
                life,
                parts,
                result,
            } => {
                let state = self.hosts.entry(host).or_default();
                state.requests = state.requests.saturating_sub(1);
                match result {
                    Ok(response) => {
                        // A client that is told to wait does not send meanwhile (KIP-219).
                        let throttle_us = u64::try_from(response.throttle_time_ms).unwrap_or(0) * 1000;
                        state.ready_us = state.ready_us.max(now_us + throttle_us);
                        self.answered(life, parts, Answers::new(response, self.plan.by_id), now_us);
                    }
                    Err(Lost) => self.lost(parts, now_us),
                }
            }
        }
    }

    fn lost(&mut self, parts: Vec<Part>, now_us: u64) {
        for part in parts {
            let Some(batch) = self.off_wire(&part) else {
                continue;
            };
            let what = What::Unanswered { batch: batch.name };
            self.ctx.record.tell(self.ctx.me, what);
            self.judge(part.at, batch, Answer::Lost, now_us);
        }
    }

    fn answered(&mut self, life: Life, parts: Vec<Part>, mut answers: Answers, now_us: u64) {
        for part in parts {
            let Some(batch) = self.off_wire(&part) else {
                continue;
            };
            let Some(answer) = answers.take(self.plan.by_id, &part) else {
                let (topic, index) = (&part.topic, part.index);
                protest(&self.ctx, format!("no answer for partition {index} of {topic}"));
                let what = What::Unanswered { batch: batch.name };
                self.ctx.record.tell(self.ctx.me, what);
                self.judge(part.at, batch, Answer::Lost, now_us);
                continue;
            };
            let by = Some(life);
            let (error, base_offset) = (answer.error_code, answer.base_offset);
            let what = if error == 0 {
                What::Acked {
                    batch: batch.name,
                    base_offset,
                    log_start: answer.log_start_offset,
                    by,
                }
            } else {
                let log_start = answer.log_start_offset;
                if log_start != -1 {
                    let why = format!("a batch was refused with error {error} and the log start {log_start}");
                    protest(&self.ctx, why);
                }
                What::Refused {
                    batch: batch.name,
                    error,
                    base_offset,
                    by,
                }
            };
            self.ctx.record.tell(self.ctx.me, what);
            let answer = if error == 0 {
                Answer::Acked
            } else {
                Answer::Refused(error)
            };
            self.judge(part.at, batch, answer, now_us);
        }
        if !answers.is_empty() {
            protest(
                &self.ctx,
                "an answer for a partition that was not asked for".into(),
            );
        }
    }

    fn off_wire(&mut self, part: &Part) -> Option<Outgoing> {
        self.lanes.get_mut(part.at)?.take_from_wire(part.number)
    }

    /// Lets the policy decide what becomes of a batch.
    fn judge(&mut self, at: usize, mut batch: Outgoing, answer: Answer, now_us: u64) {
        let mut wishes = Wishes::default();
        let fate = if batch.abandoned || self.broken {
            if answer == Answer::Acked {
                self.policy.acked_late(at, &batch);
                Fate::Done
            } else {
                Fate::GivenUp
            }
        } else {
            let lanes = &mut self.lanes;
            self.policy
                .answered(lanes, at, &mut batch, answer, now_us, &mut wishes)
        };
        match fate {
            Fate::Done => {}
            Fate::GivenUp => self.give_up(vec![batch]),
            Fate::Again => {
                batch.retried = true;
                let wait = self.ctx.rng.jitter(backoff(batch.attempts));
                batch.ready_us = now_us + wait.as_micros() as u64;
                if let Some(lane) = self.lanes.get_mut(at) {
                    lane.requeue(batch);
                }
            }
        }
        self.grant(wishes);
    }

    /// Does what a policy wants done.
    pub(super) fn grant(&mut self, wishes: Wishes) {
        if wishes.refresh {
            self.refresh.want();
        }
        self.give_up(wishes.given_up);
        if let Some((error, why)) = wishes.fatal
            && !self.broken
        {
            self.broken = true;
            self.ctx.record.tell(self.ctx.me, What::Fatal { error, why });
            for at in 0..self.lanes.len() {
                let queue = self.lanes.get_mut(at).map(|lane| std::mem::take(&mut lane.queue));
                self.give_up(queue.unwrap_or_default());
            }
        }
    }

    /// Notes the end of its process: nobody hears an answer any more, and nothing is sent again.
    pub(super) fn die(mut self) {
        for mut lane in std::mem::take(&mut self.lanes) {
            for batch in &lane.wire {
                let what = What::Unanswered { batch: batch.name };
                self.ctx.record.tell(self.ctx.me, what);
            }
            lane.wire.retain(|batch| !batch.abandoned);
            self.give_up(lane.wire);
            self.give_up(lane.queue);
        }
    }

    /// Notes that batches are not sent again. What was never sent has no fate.
    fn give_up(&self, batches: impl IntoIterator<Item = Outgoing>) {
        for batch in batches {
            if batch.attempts > 0 {
                let what = What::GivenUp { batch: batch.name };
                self.ctx.record.tell(self.ctx.me, what);
            }
        }
    }
}

/// The wait before attempt `attempts` + 1.
fn backoff(attempts: u32) -> Duration {
    (RETRY_BACKOFF * (1 << attempts.saturating_sub(1).min(5))).min(BACKOFF_MAX)
}
