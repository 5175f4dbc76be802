//! Everything at once: agents commit, retry, settle, fence and replace each other, plan, forget, create, delete,
//! archive, merge, move and drop, with random pauses between the statements. Afterwards the checker looks at all of it.
//!
//! Which transactions meet is up to chance; the seed, which is printed, only fixes what each agent does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use esker_metastore::{
    Agents, Archives, Commits, ManifestRef, MergeDue, Merges, MetastoreError, NewPartitions, PlanRequest,
    Producers, Reads, Retention, RunCommit, Topics,
};
use esker_model::seams::{Rng, SeededRng};
use esker_model::sequence::Outcome;
use esker_model::{IncarnationId, PartitionKey};
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::archive_checker::{check_merged, gaps, gaps_in_archive, manifests_of};
use crate::archiving::request_of;
use crate::checker::{Stored, check_archived, extents_of};
use crate::merging::{self, merged};
use crate::operations::{Offered, request, run};
use crate::world::{Agent, World, end, registration, start};

const AGENTS: u64 = 6;
const ROUNDS: u64 = 60;
const PARTITIONS: i32 = 4;
const PRODUCERS: u64 = 3;

/// What the agents share: the clients behind them, and the record.
struct Sea {
    world: World,
    /// Next sequence that each client believes in, by partition and producer.
    clients: Vec<AtomicU64>,
    record: Mutex<Vec<Offered>>,
    wrong: Mutex<Vec<String>>,
    /// Incarnations that were fenced, and how many extents and manifests they had then.
    fenced: Mutex<Vec<(IncarnationId, i64, i64)>>,
    lives: Mutex<Vec<IncarnationId>>,
    over: AtomicBool,
    /// What was archived: buckets are emptied of it.
    archived: Mutex<Vec<Stored>>,
    /// Merges that took place: the partition, the version that was replaced, and the new manifest.
    merged: Mutex<Vec<(PartitionKey, u64, ManifestRef)>>,
    /// Ranges of extents that moved.
    moved: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once() {
    storm(false, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_while_records_are_archived() {
    storm(false, true).await;
}

/// A producer that was forgotten may append what it had appended before: the model allows more here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_while_producers_are_forgotten() {
    storm(true, false).await;
}

async fn storm(forgetful: bool, archived: bool) {
    let seed = std::env::var("ESKER_TEST_SEED").map_or(7, |text| text.parse().unwrap());
    eprintln!("ESKER_TEST_SEED={seed}");
    let Some(world) = World::new(4, None).await else {
        return;
    };
    let setup = world.store().await;
    let topic = world.topic(&setup, PARTITIONS).await.key;
    let sea = Arc::new(Sea {
        world,
        clients: (0..PARTITIONS as u64 * PRODUCERS)
            .map(|_| AtomicU64::new(0))
            .collect(),
        record: Mutex::default(),
        wrong: Mutex::default(),
        fenced: Mutex::default(),
        lives: Mutex::default(),
        over: AtomicBool::new(false),
        archived: Mutex::default(),
        merged: Mutex::default(),
        moved: AtomicU64::new(0),
    });
    let mut agents = Vec::new();
    for number in 0..AGENTS {
        let (sea, rng) = (sea.clone(), SeededRng::new(seed * 100 + number));
        agents.push(start(async move { sail(&sea, number, &rng, topic).await }));
    }
    let others = [
        start(topics_come_and_go(sea.clone())),
        start(producers_are_forgotten(sea.clone(), forgetful)),
        start(plans_are_made(sea.clone(), topic)),
        start(records_are_archived(sea.clone(), archived, 1)),
        start(records_are_archived(sea.clone(), archived, 2)),
        start(extents_are_merged(sea.clone(), archived, 1, seed)),
        start(extents_are_merged(sea.clone(), archived, 2, seed)),
        start(extents_move(sea.clone(), archived)),
        start(records_go(sea.clone(), archived, topic, seed)),
    ];
    for agent in agents {
        agent.await.unwrap();
    }
    sea.over.store(true, Ordering::Relaxed);
    for other in others {
        end(other).await;
    }

    let Ok(sea) = Arc::try_unwrap(sea) else {
        panic!("somebody still sails");
    };
    let mut world = sea.world;
    let mut wrong = sea.wrong.into_inner();
    let record = sea.record.into_inner();
    for (incarnation, then, manifests) in sea.fenced.into_inner() {
        // Those of topics that were deleted since are gone.
        let later = manifests_of(world.connection(), incarnation).await;
        if later > manifests {
            wrong.push(format!(
                "{incarnation} had {manifests} manifests when it was fenced, and {later} now"
            ));
        }
        let now = extents_of(world.connection(), incarnation).await;
        // What was archived goes from where it is counted.
        if now > then || (now < then && !archived) {
            wrong.push(format!(
                "{incarnation} had {then} extents when it was fenced, and {now} now"
            ));
        }
    }
    let moved = sea.archived.into_inner();
    assert!(!archived || moved.len() > 20, "hardly anything was archived");
    wrong.extend(check_archived(world.connection(), &record, forgetful, &moved).await);
    let merged = sea.merged.into_inner();
    wrong.extend(check_merged(world.connection(), &merged).await);
    if archived {
        let moves = sea.moved.into_inner();
        eprintln!("{} merges, {moves} moves", merged.len());
        assert!(merged.len() > 10, "hardly anything was merged");
        assert!(moves > 5, "hardly anything moved");
    }
    let committed = record.iter().filter(|offered| offered.reply().is_some()).count();
    eprintln!("{} segments offered, {committed} committed", record.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(committed > 20, "hardly anything was committed");
}

/// One node: lives after lives, each until somebody ends it.
async fn sail(sea: &Sea, number: u64, rng: &SeededRng, topic: esker_model::TopicKey) {
    let name = format!("node-{number}");
    let mut agent = sea.world.agent(&name).await;
    sea.lives.lock().await.push(agent.incarnation);
    for seq in 1..=ROUNDS {
        let runs = some_runs(sea, rng, topic);
        let offer = request(agent.incarnation, seq, runs);
        // Now and then the segment is settled while its commit is under way, as after a lost reply.
        let impatient = rng.below(4) == 0;
        let (store, incarnation) = (agent.store.clone(), agent.incarnation);
        let delay = Duration::from_millis(rng.below(6));
        let settle = async {
            if !impatient {
                return None;
            }
            sleep(delay).await;
            Some(store.settle(incarnation, &[seq]).await)
        };
        let (reply, settled) = tokio::join!(agent.store.commit(offer.clone()), settle);
        let mut offered = Offered::new(&offer, reply.as_ref().ok());
        let mut ended = false;
        match &reply {
            Ok(_) => advance(sea, &offered),
            Err(MetastoreError::Fenced) => ended = true,
            Err(MetastoreError::AlreadySettled) if impatient => {}
            Err(error) => sea.wrong.lock().await.push(format!("commit: {error}")),
        }
        match settled {
            Some(Ok(settled)) => offered.settled = settled,
            Some(Err(MetastoreError::Fenced)) => ended = true,
            Some(Err(error)) => sea.wrong.lock().await.push(format!("settle: {error}")),
            None => {}
        }
        sea.record.lock().await.push(offered);
        if ended || rng.below(10) == 0 {
            agent = new_life(sea, &agent, &name).await;
        }
        if rng.below(12) == 0 {
            fence_somebody(sea, &agent, rng).await;
        }
        match agent.store.heartbeat(agent.incarnation, 60_000).await {
            Ok(_) | Err(MetastoreError::Fenced) => {}
            Err(error) => sea.wrong.lock().await.push(format!("heartbeat: {error}")),
        }
    }
}

/// One to three runs; most go on where the client believes to be, some are sent again, some too early.
fn some_runs(sea: &Sea, rng: &SeededRng, topic: esker_model::TopicKey) -> Vec<RunCommit> {
    let mut runs = Vec::new();
    for _ in 0..1 + rng.below(3) {
        let partition = PartitionKey {
            topic,
            partition: rng.below(PARTITIONS as u64) as i32,
        };
        let producer = rng.below(PRODUCERS);
        let client = &sea.clients[partition.partition as usize * PRODUCERS as usize + producer as usize];
        let next = client.load(Ordering::Relaxed);
        let first = match rng.below(8) {
            0 => next.saturating_sub(2),
            1 => next + 2,
            _ => next,
        };
        let batches = [2, 1 + rng.below(3) as i32];
        let records = &batches[..1 + rng.below(2) as usize];
        let producer = (rng.below(5) > 0).then_some((producer as i64, first as i32));
        runs.push(run(partition, producer, records));
    }
    runs
}

/// The clients go on after what they were acknowledged.
fn advance(sea: &Sea, offered: &Offered) {
    let Some(reply) = &offered.committed else { return };
    for (run, pieces) in offered.segment.runs.iter().zip(&reply.runs) {
        let Some(producer) = run.producer else { continue };
        let index = run.partition.partition as usize * PRODUCERS as usize + producer.id.0 as usize;
        let records: i32 = run.batches.iter().map(|batch| batch.records).sum();
        let refused = pieces
            .iter()
            .any(|piece| matches!(piece.outcome, Outcome::Refused(_)));
        let next = (producer.first_sequence + records) as u64;
        // A client believes in nothing that was never acknowledged.
        if !refused {
            sea.clients[index].fetch_max(next, Ordering::Relaxed);
        }
    }
}

async fn new_life(sea: &Sea, agent: &Agent, name: &str) -> Agent {
    let incarnation = IncarnationId(sea.world.id());
    let registered = agent.store.register(&registration(name, incarnation)).await;
    match registered {
        Ok(registered) => note_fenced(sea, &registered.fenced).await,
        Err(error) => sea.wrong.lock().await.push(format!("register: {error}")),
    }
    sea.lives.lock().await.push(incarnation);
    Agent {
        store: agent.store.clone(),
        incarnation,
    }
}

async fn fence_somebody(sea: &Sea, agent: &Agent, rng: &SeededRng) {
    let somebody = {
        let lives = sea.lives.lock().await;
        [0, 1].map(|_| lives[rng.below(lives.len() as u64) as usize])
    };
    // A negative age: whoever it is counts as silent.
    match agent.store.fence_expired(&somebody, -60_000).await {
        Ok(fenced) => note_fenced(sea, &fenced).await,
        Err(error) => sea.wrong.lock().await.push(format!("fence: {error}")),
    }
}

/// Counts what they have, at a moment when they can have no more.
async fn note_fenced(sea: &Sea, fenced: &[IncarnationId]) {
    for incarnation in fenced {
        let mut connection = sea.world.connect().await;
        let extents = extents_of(&mut connection, *incarnation).await;
        let manifests = manifests_of(&mut connection, *incarnation).await;
        sea.fenced.lock().await.push((*incarnation, extents, manifests));
    }
}

async fn topics_come_and_go(sea: Arc<Sea>) {
    let agent = sea.world.agent("topics").await;
    let mut seq = 0;
    while !sea.over.load(Ordering::Relaxed) {
        let topic = sea.world.topic(&agent.store, 2).await;
        let more = [NewPartitions {
            topic: topic.uuid,
            partitions: 3,
        }];
        let on = |partition| PartitionKey {
            topic: topic.key,
            partition,
        };
        seq += 1;
        let runs = (0..3).map(|partition| run(on(partition), None, &[2])).collect();
        let offer = request(agent.incarnation, seq, runs);
        let (raised, reply) = tokio::join!(
            agent.store.create_partitions(&more),
            agent.store.commit(offer.clone())
        );
        let offered = Offered::new(&offer, reply.as_ref().ok());
        if let Err(error) = &reply
            && *error != MetastoreError::Fenced
        {
            sea.wrong
                .lock()
                .await
                .push(format!("commit to a new topic: {error}"));
        }
        sea.record.lock().await.push(offered);
        if raised.is_err() || agent.store.delete_topics(&[topic.uuid]).await != Ok(vec![true]) {
            sea.wrong
                .lock()
                .await
                .push("a topic could not be changed".to_owned());
        }
        sleep(Duration::from_millis(10)).await;
    }
}

async fn producers_are_forgotten(sea: Arc<Sea>, forgetful: bool) {
    let idle_ms = if forgetful { 300 } else { 3_600_000 };
    let store = sea.world.store().await;
    while !sea.over.load(Ordering::Relaxed) {
        if let Err(error) = store.forget_idle_producers(idle_ms, 2).await {
            sea.wrong.lock().await.push(format!("forget: {error}"));
        }
        sleep(Duration::from_millis(30)).await;
    }
}

async fn plans_are_made(sea: Arc<Sea>, topic: esker_model::TopicKey) {
    let store = sea.world.store().await;
    let asks: Vec<_> = (0..PARTITIONS)
        .map(|partition| PlanRequest {
            partition: PartitionKey { topic, partition },
            from: 0,
            bytes_max: u64::MAX,
            extents_max: 100_000,
        })
        .collect();
    while !sea.over.load(Ordering::Relaxed) {
        // A bucket that is emptied meanwhile may leave a gap, once: readers plan again.
        let mut wrong = Vec::new();
        for _ in 0..3 {
            let plans = store.plan(&asks).await.unwrap();
            // What is archived is part of the snapshot, at once.
            sea.wrong
                .lock()
                .await
                .extend(plans.iter().flat_map(gaps_in_archive));
            wrong = plans.iter().flat_map(gaps).collect();
            if wrong.is_empty() {
                break;
            }
        }
        sea.wrong.lock().await.extend(wrong);
        sleep(Duration::from_millis(20)).await;
    }
}

/// An archiver that is fenced now and then, while another does the same work.
async fn records_are_archived(sea: Arc<Sea>, archived: bool, number: u64) {
    let mut seq = 0;
    let mut agent = sea.world.agent(&format!("archiver-{number}")).await;
    while archived && !sea.over.load(Ordering::Relaxed) {
        seq += 1;
        let waiting = agent.store.waiting_segments(0, u64::MAX, 50).await.unwrap();
        let ids: Vec<_> = waiting.iter().map(|segment| segment.id).collect();
        let found = agent.store.unarchived(&ids).await.unwrap();
        let request = request_of(&found, &agent, seq);
        match agent.store.archive(&request).await {
            Ok(accepted) => {
                let moved = request
                    .partitions
                    .iter()
                    .zip(accepted)
                    .filter(|(_, accepted)| *accepted);
                let moved: Vec<_> = moved.map(|(moved, _)| moved.partition).collect();
                let moved = found
                    .iter()
                    .filter(|(partition, _)| moved.contains(partition))
                    .map(|(partition, extent)| Stored::of(*partition, extent));
                sea.archived.lock().await.extend(moved);
            }
            Err(MetastoreError::Fenced) => {}
            Err(error) => sea.wrong.lock().await.push(format!("archive: {error}")),
        }
        let mut done = agent.store.release(&ids).await.map(drop);
        // Not both: each would wait for what the other has looked at. Elsewhere they give up first.
        if number == 1 {
            done = done.and(agent.store.empty_buckets().await.map(drop));
        }
        if let Err(error) = done {
            sea.wrong.lock().await.push(format!("after archiving: {error}"));
        }
        if seq.is_multiple_of(9) {
            agent = new_life(&sea, &agent, &format!("archiver-{number}")).await;
        }
        sleep(Duration::from_millis(15)).await;
    }
}

/// A merger that is fenced now and then, also while it merges, while another does the same work.
async fn extents_are_merged(sea: Arc<Sea>, archived: bool, number: u64, seed: u64) {
    let rng = SeededRng::new(seed * 100 + 50 + number);
    let name = format!("merger-{number}");
    let mut agent = sea.world.agent(&name).await;
    let due = MergeDue {
        bytes: u64::MAX,
        extents: 2,
        age_ms: i64::MAX,
    };
    let mut seq = 0;
    while archived && !sea.over.load(Ordering::Relaxed) {
        let candidates = agent.store.merge_candidates(&due, None, 10).await.unwrap();
        let mut keys: Vec<_> = candidates.iter().map(|candidate| candidate.partition).collect();
        keys.sort();
        let most = 1 + rng.below(20) as usize;
        let found = agent.store.to_merge(&keys, most).await.unwrap();
        // The other one may have taken all of them.
        let found = found.iter().flatten().filter(|found| !found.extents.is_empty());
        let partitions = found.map(|found| {
            seq += 1;
            merged(found, &agent, seq)
        });
        let request = merging::request_of(&agent, partitions.collect());
        let impatient = rng.below(5) == 0;
        let delay = Duration::from_millis(rng.below(10));
        let fence = async {
            if !impatient {
                return;
            }
            sleep(delay).await;
            match agent.store.fence_expired(&[agent.incarnation], -60_000).await {
                Ok(fenced) => note_fenced(&sea, &fenced).await,
                Err(error) => sea.wrong.lock().await.push(format!("fence: {error}")),
            }
        };
        let (reply, ()) = tokio::join!(agent.store.merge(&request), fence);
        match reply {
            Ok(accepted) => {
                let accepted = request.partitions.iter().zip(accepted).filter(|(_, yes)| *yes);
                let accepted = accepted.map(|(one, _)| (one.partition, one.replaces, one.manifest));
                sea.merged.lock().await.extend(accepted);
            }
            Err(MetastoreError::Fenced) => {}
            Err(error) => sea.wrong.lock().await.push(format!("merge: {error}")),
        }
        if impatient || rng.below(10) == 0 {
            agent = new_life(&sea, &agent, &name).await;
        }
        sleep(Duration::from_millis(15)).await;
    }
}

/// What lies in archive segments that are mostly dead moves into another one.
async fn extents_move(sea: Arc<Sea>, archived: bool) {
    let agent = sea.world.agent("mover").await;
    let mut seq = 0;
    while archived && !sea.over.load(Ordering::Relaxed) {
        seq += 1;
        let dead = agent.store.mostly_dead(0, 3).await.unwrap();
        let found = agent.store.archived_in(&dead).await.unwrap();
        match agent.store.move_archived(&request_of(&found, &agent, seq)).await {
            Ok(accepted) => {
                let accepted = accepted.iter().filter(|accepted| **accepted).count();
                sea.moved.fetch_add(accepted as u64, Ordering::Relaxed);
            }
            Err(error) => sea.wrong.lock().await.push(format!("move: {error}")),
        }
        sleep(Duration::from_millis(40)).await;
    }
}

/// Log starts move, to anywhere in what is archived, and what lies below them is forgotten.
async fn records_go(sea: Arc<Sea>, archived: bool, topic: esker_model::TopicKey, seed: u64) {
    let rng = SeededRng::new(seed * 100 + 60);
    let store = sea.world.store().await;
    while archived && !sea.over.load(Ordering::Relaxed) {
        let partition = PartitionKey {
            topic,
            partition: rng.below(PARTITIONS as u64) as i32,
        };
        let head = store.heads(&[partition]).await.unwrap()[0].unwrap();
        let more = rng.below((head.archived_to - head.log_start) as u64 + 1) as i64;
        let start = head.log_start + more / 2;
        for done in [
            store.advance_log_start(&[(partition, start)]).await.map(drop),
            store.drop_archived(5).await.map(drop),
        ] {
            if let Err(error) = done {
                sea.wrong.lock().await.push(format!("records go: {error}"));
            }
        }
        sleep(Duration::from_millis(30)).await;
    }
}
