//! Who takes part in a run, and what each is given.

use std::sync::Arc;

use esker_model::seams::SeededRng;
use esker_protocol::batch::Codec;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clients::groups::{self, GroupPlan};
use crate::clients::{self, ClientContext, Phase};
use crate::net::Network;
use crate::setup::Setup;
use crate::world::{World, mix};

/// Who takes part, and what each is given.
pub(super) struct Cast<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) network: &'a Network,
    pub(super) hosts: Vec<String>,
    pub(super) phase: watch::Receiver<Phase>,
}

/// Clients at work.
pub(super) struct Crew {
    pub(super) producers: JoinSet<()>,
    pub(super) consumers: JoinSet<()>,
    pub(super) others: JoinSet<()>,
    /// Members of groups, and who watches them.
    pub(super) groups: JoinSet<()>,
}

impl Cast<'_> {
    pub(super) fn context(&self, what: &str) -> ClientContext {
        let me = self.world.record.client(what);
        let name = format!("client-{}", me.0);
        ClientContext {
            rng: Arc::new(SeededRng::new(mix(self.world.seed, &name))),
            me,
            name,
            network: self.network.clone(),
            bootstrap: self.hosts.clone(),
            record: self.world.record.clone(),
            phase: self.phase.clone(),
        }
    }

    pub(super) fn start(&self, setup: &Setup) -> Crew {
        let mut crew = Crew {
            producers: JoinSet::new(),
            consumers: JoinSet::new(),
            others: JoinSet::new(),
            groups: JoinSet::new(),
        };
        for plan in &setup.producers {
            let codec = if plan.codec == Codec::None {
                "plain".to_owned()
            } else {
                plan.codec.to_string()
            };
            let context = self.context(&format!("producer ({:?}, {codec})", plan.kind));
            crew.producers.spawn(clients::run_producer(context, plan.clone()));
        }
        for plan in &setup.consumers {
            let context = self.context(if plan.rewinds {
                "consumer that rewinds"
            } else {
                "consumer"
            });
            crew.consumers.spawn(clients::run_consumer(context, plan.clone()));
        }
        for plan in &setup.listers {
            let context = self.context("lister of offsets");
            crew.others.spawn(clients::run_lister(context, plan.clone()));
        }
        for plan in &setup.admins {
            let context = self.context("administrator");
            crew.others.spawn(clients::run_admin(context, plan.clone()));
        }
        for plan in &setup.deleters {
            let context = self.context("administrator who deletes records");
            crew.others.spawn(clients::run_deleter(context, plan.clone()));
        }
        for plan in &setup.alterers {
            let context = self.context("administrator who alters retention");
            crew.others.spawn(clients::run_alterer(context, plan.clone()));
        }
        for plan in &setup.groups {
            self.start_group(plan, &mut crew.groups);
        }
        crew
    }

    fn start_group(&self, plan: &GroupPlan, crew: &mut JoinSet<()>) {
        let (plan, board) = (Arc::new(plan.clone()), groups::board(plan));
        for number in 0..plan.members.len() {
            let context = self.context(&format!("member {number} of {} ({:?})", plan.name, plan.speech));
            crew.spawn(groups::run_member(context, Arc::clone(&plan), board.seat(number)));
        }
        let context = self.context(&format!("observer of {}", plan.name));
        crew.spawn(groups::observe(context, plan, board));
    }
}
