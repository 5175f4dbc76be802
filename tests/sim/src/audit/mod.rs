//! Bucket and metastore, looked at from outside while nothing is done to them.
//!
//! `bucket + contents of the metastore → lists → what is missing, left over, counted wrong, kept too long`
//!
//! What holds: one look is one moment, because nothing else runs meanwhile. Nothing of it asks the product's own statements
//! what is needed: the tables and the manifests are followed as they are. What may still be under way, and how long that
//! takes, follows from the settings of the run ([`crate::setup::upkeep`]).

mod bucket;
mod leftovers;
mod lists;
mod rows;

use std::collections::BTreeSet;

use esker_history::What;
use esker_history::event::Flaw;
use esker_metastore::auditing::Contents;
use esker_model::{IncarnationId, ObjectId, SegmentId, SegmentKind};
use esker_storage::keys::key_of;

pub use bucket::{Bucket, Held};
pub use lists::Lists;

use crate::setup::upkeep::UpkeepPlan;
use crate::world::World;

/// Something that must not be, in words.
pub type Found = (Flaw, String);

/// How long nothing has been done to the system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quiet {
    /// Not long: only what is always true can be asked for.
    None,
    /// Long enough for everything that was under way to end, each incarnation having lived on.
    Settled,
    /// Long enough for a sweep since all incarnations began anew.
    Swept,
}

/// Looks at everything twice, as far apart as removing takes, and notes what is wrong in the history.
pub async fn audit(world: &World, plan: Option<&UpkeepPlan>, quiet: Quiet) -> Result<(), String> {
    let before = leftovers::removable(&contents(world).await?);
    if let Some(plan) = plan {
        tokio::time::sleep(plan.removed_within()).await;
    }
    let contents = contents(world).await?;
    let bucket = Bucket::read(world).await?;
    let lists = Lists::follow(&contents, &bucket, &world.lost_objects());
    let mut found = lists.found.clone();
    if let (Some(plan), true) = (plan, quiet != Quiet::None) {
        let look = Look {
            world,
            plan,
            quiet,
            before: &before,
            now_us: world.record.now_us(),
        };
        found.extend(leftovers::judge(&look, &contents, &bucket, &lists));
        found.extend(rows::judge(&look, &contents));
    }
    for (flaw, what) in found {
        world.record.note(What::Audited { flaw, what });
    }
    Ok(())
}

/// Looks for ingest segments of living incarnations, which have nothing under way, that are neither committed nor
/// tombstoned.
pub async fn unsettled(world: &World, living: &[IncarnationId]) -> Result<(), String> {
    let contents = contents(world).await?;
    let known: BTreeSet<_> = contents.segments.iter().map(|segment| segment.id).collect();
    for (id, _) in Bucket::read(world).await?.objects() {
        let ObjectId::Segment(segment) = id else { continue };
        let key = key_of(id);
        // What was deleted had been settled before; a late put is for the sweep.
        if segment.kind == SegmentKind::Ingest
            && living.contains(&segment.incarnation)
            && !known.contains(segment)
            && !world.was_deleted(&key)
        {
            world.record.note(What::Unsettled { key });
        }
    }
    Ok(())
}

/// The circumstances of one look.
struct Look<'a> {
    world: &'a World,
    plan: &'a UpkeepPlan,
    quiet: Quiet,
    /// What could be removed in the first of two looks.
    before: &'a BTreeSet<SegmentId>,
    now_us: u64,
}

async fn contents(world: &World) -> Result<Contents, String> {
    let contents = world.database().contents().await;
    contents.map_err(|err| format!("cannot read the metastore: {err}"))
}

/// What something refers to now.
pub async fn referred(world: &World, bucket: &Bucket) -> Result<BTreeSet<ObjectId>, String> {
    let contents = contents(world).await?;
    Ok(Lists::follow(&contents, bucket, &BTreeSet::new()).referred)
}
