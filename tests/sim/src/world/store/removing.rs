//! Deletes and listings, as one process sends them.
//!
//! A delete that was sent takes effect whatever becomes of its sender, perhaps late. Of the objects of one request some
//! may go and others stay.

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, Result};
use tokio::sync::oneshot;

use super::errors::{STORE, connection_lost, failed, slow_down};
use super::{LATE_MAX_MS, Line, never};
use crate::world::tally::Step;
use crate::world::weather::StoreWeather;

/// How one request fares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Done,
    LostRequest,
    LostReply,
    BrokenAfter,
    Late,
    SlowDown,
    Failed,
}

fn denied(path: &Path) -> Error {
    Error::PermissionDenied {
        path: path.to_string(),
        source: "<Code>AccessDenied</Code>".into(),
    }
}

impl Line {
    fn delete_fate(&self, weather: &StoreWeather) -> Fate {
        let chances = [
            (weather.lost_request, Fate::LostRequest),
            (weather.lost_reply, Fate::LostReply),
            (weather.broken_after, Fate::BrokenAfter),
            (weather.late, Fate::Late),
            (weather.slow_down, Fate::SlowDown),
            (weather.put_error, Fate::Failed),
        ];
        self.draw(&chances).unwrap_or(Fate::Done)
    }

    /// Deletes objects with one request; one answer for each, or one for all of them.
    pub(super) fn delete(
        self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let answers = async move {
            let step = Step::begin(&self.world, &self.process, "delete");
            let answers = match locations.try_collect::<Vec<_>>().await {
                Ok(paths) => self.delete_all(paths).await,
                Err(err) => vec![Err(err)],
            };
            step.end();
            answers
        };
        stream::once(answers).flat_map(stream::iter).boxed()
    }

    async fn delete_all(&self, paths: Vec<Path>) -> Vec<Result<Path>> {
        let Some(first) = paths.first() else {
            return Vec::new();
        };
        let weather = self.world.weather().store;
        if self.reach.now().store {
            return vec![never().await];
        }
        let fate = self.delete_fate(&weather);
        let (there, back) = (self.world.between(weather.put), self.world.between(weather.put));
        let several = u64::from(paths.len() > 1);
        self.world.tally.count("deletes", "of several objects", several);
        self.trace("delete", first, fate as u64 * 1_000 + paths.len() as u64);
        if weather.deletes_refused {
            self.world.tally.count("deletes", "refused", paths.len() as u64);
            tokio::time::sleep(there).await;
            // Some stores refuse the request, others each object of it.
            return match self.world.chance(500) {
                true => vec![Err(denied(first))],
                false => paths.iter().map(|path| Err(denied(path))).collect(),
            };
        }
        match fate {
            Fate::LostRequest => return vec![never().await],
            Fate::SlowDown | Fate::Failed => {
                tokio::time::sleep(there).await;
                let err = if fate == Fate::SlowDown {
                    slow_down()
                } else {
                    failed()
                };
                return vec![Err(err)];
            }
            Fate::Late => {
                let late = self.world.between_ms(500, LATE_MAX_MS);
                drop(self.send_delete(late, paths, 0));
                tokio::time::sleep(there).await;
                return vec![Err(connection_lost())];
            }
            Fate::Done | Fate::LostReply | Fate::BrokenAfter => {}
        }
        let done = self.send_delete(there, paths, weather.delete_error).await;
        match fate {
            Fate::LostReply => return vec![never().await],
            Fate::BrokenAfter => return vec![Err(connection_lost())],
            _ => {}
        }
        tokio::time::sleep(back).await;
        if self.reach.now().store {
            return vec![never().await];
        }
        done.unwrap_or_else(|_| vec![Err(connection_lost())])
    }

    /// Sends a request: it takes effect after `delay`. Each object stays with this chance.
    fn send_delete(
        &self,
        delay: std::time::Duration,
        paths: Vec<Path>,
        stays: u32,
    ) -> oneshot::Receiver<Vec<Result<Path>>> {
        let (reply, answer) = oneshot::channel();
        let line = self.clone();
        tokio::task::spawn(async move {
            tokio::time::sleep(delay).await;
            let mut answers = Vec::with_capacity(paths.len());
            for path in paths {
                if line.world.chance(stays) {
                    line.world.tally.count("deletes", "failed", 1);
                    answers.push(Err(failed()));
                    continue;
                }
                // One that is not there is deleted, as far as S3 is concerned.
                let _ = line.world.objects().delete(&path).await;
                line.world.deleted(path.as_ref()).await;
                answers.push(Ok(path));
            }
            let _ = reply.send(answers);
        });
        answer
    }

    /// Lists objects, one answer of the store after the other.
    pub(super) fn list(self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        let listing = async move {
            let step = Step::begin(&self.world, &self.process, "list");
            let listed = self.list_all(prefix.as_ref()).await;
            step.end();
            listed
        };
        stream::once(listing).flat_map(stream::iter).boxed()
    }

    async fn list_all(&self, prefix: Option<&Path>) -> Vec<Result<ObjectMeta>> {
        let weather = self.world.weather().store;
        let cut = |cut: super::Cut| cut.store || cut.reads;
        if cut(self.reach.now()) {
            return vec![never().await];
        }
        let chances = [
            (weather.lost_request, Fate::LostRequest),
            (weather.slow_down, Fate::SlowDown),
            (weather.get_error, Fate::Failed),
            (weather.cut_list, Fate::BrokenAfter),
        ];
        let fate = self.draw(&chances).unwrap_or(Fate::Done);
        let (there, back) = (self.world.between(weather.get), self.world.between(weather.get));
        self.trace("list", &prefix.cloned().unwrap_or_default(), fate as u64);
        if fate == Fate::LostRequest {
            return vec![never().await];
        }
        tokio::time::sleep(there).await;
        match fate {
            Fate::SlowDown => return vec![Err(slow_down())],
            Fate::Failed => return vec![Err(failed())],
            _ => {}
        }
        let mut listed: Vec<_> = self.world.objects().list(prefix).collect().await;
        tokio::time::sleep(back).await;
        if cut(self.reach.now()) {
            return vec![never().await];
        }
        if fate == Fate::BrokenAfter {
            self.world.tally.count("listings", "cut", 1);
            listed.truncate(listed.len() / 2);
            listed.push(Err(Error::Generic {
                store: STORE,
                source: "the listing ended early".into(),
            }));
        }
        listed
    }
}
