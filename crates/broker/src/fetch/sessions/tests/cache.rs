use std::time::Duration;

use esker_model::seams::{Instant, Rng, SeededRng};
use esker_protocol::ErrorCode::{FetchSessionIdNotFound, FetchSessionTopicIdError, InvalidFetchSessionEpoch};

use super::super::cache::*;
use super::*;

/// Draws these numbers, then the last one for ever.
struct Drawn(parking_lot::Mutex<Vec<u64>>);

impl Rng for Drawn {
    fn next_u64(&self) -> u64 {
        let mut left = self.0.lock();
        match left.len() {
            1 => left[0],
            _ => left.remove(0),
        }
    }
}

fn of(partitions: i32) -> Partitions {
    Partitions::new(&[topic(
        "t",
        &(0..partitions).map(|index| (index, 0)).collect::<Vec<_>>(),
    )])
}

fn at(seconds: u64) -> Instant {
    Instant(Duration::from_secs(seconds))
}

struct World {
    cache: Cache,
    rng: SeededRng,
}

impl World {
    fn new(sessions: usize, bytes: usize) -> Self {
        Self {
            cache: Cache::new(Room { sessions, bytes }),
            rng: SeededRng::new(3),
        }
    }

    fn insert(&mut self, partitions: i32, seconds: u64) -> Option<i32> {
        let has_room = self.cache.has_room(Size::of(&of(partitions)), at(seconds));
        let id = self.cache.insert(of(partitions), false, at(seconds), &self.rng);
        assert_eq!(id.is_some(), has_room);
        id
    }

    /// One request of a session.
    fn use_it(&mut self, id: i32, epoch: i32, seconds: u64) {
        let partitions = self.cache.take(id, epoch, false, at(seconds)).unwrap();
        self.cache.put_back(id, epoch, partitions);
    }

    fn is_there(&mut self, id: i32) -> bool {
        self.cache.take(id, -2, false, at(0)).err() == Some(InvalidFetchSessionEpoch)
    }
}

#[test]
fn epochs_go_up_by_one_and_around() {
    let mut world = World::new(10, 1 << 20);
    let id = world.insert(1, 0).unwrap();
    for epoch in 1..5 {
        for wrong in [epoch - 1, epoch + 1, -2, i32::MIN, i32::MAX] {
            let taken = world.cache.take(id, wrong, false, at(0));
            assert_eq!(taken.err(), Some(InvalidFetchSessionEpoch));
        }
        world.use_it(id, epoch, 0);
    }
    assert_eq!(
        world.cache.take(id ^ 1, 5, false, at(0)).err(),
        Some(FetchSessionIdNotFound)
    );
    world.cache.set_epoch(id, i32::MAX);
    world.use_it(id, i32::MAX, 0);
    world.use_it(id, 1, 0);
}

#[test]
fn by_name_stays_by_name_and_by_id_by_id() {
    let mut world = World::new(10, 1 << 20);
    for by_id in [false, true] {
        let id = world.cache.insert(of(1), by_id, at(0), &world.rng).unwrap();
        let taken = world.cache.take(id, 1, !by_id, at(0));
        assert_eq!(taken.err(), Some(FetchSessionTopicIdError));
        // The epoch is looked at first, and nothing has changed.
        let taken = world.cache.take(id, 2, !by_id, at(0));
        assert_eq!(taken.err(), Some(InvalidFetchSessionEpoch));
        assert_eq!(world.cache.take(id, 1, by_id, at(0)).unwrap().len(), 1);
    }
}

#[test]
fn one_request_at_a_time() {
    let mut world = World::new(10, 1 << 20);
    let id = world.insert(3, 0).unwrap();
    let partitions = world.cache.take(id, 1, false, at(0)).unwrap();
    for epoch in [1, 2] {
        let second = world.cache.take(id, epoch, false, at(0));
        assert_eq!(second.err(), Some(InvalidFetchSessionEpoch));
    }
    world.cache.put_back(id, 1, partitions);
    let partitions = world.cache.take(id, 2, false, at(0)).unwrap();
    assert_eq!(partitions.len(), 3);
    // Closed while it is used: it does not come back.
    world.cache.remove(id);
    world.cache.put_back(id, 2, partitions);
    assert_eq!(
        world.cache.take(id, 3, false, at(0)).err(),
        Some(FetchSessionIdNotFound)
    );
    assert_eq!((world.cache.len(), world.cache.total()), (0, Size::default()));
}

#[test]
fn ids_are_positive_and_unique() {
    let mut world = World::new(10, 1 << 20);
    let rng = Drawn(parking_lot::Mutex::new(vec![0, 0, u64::MAX, 0]));
    let mut insert = || world.cache.insert(of(1), false, at(0), &rng);
    assert_eq!((insert(), insert()), (Some(1), Some(i32::MAX)));
    assert_eq!(insert(), None, "nothing but ids that are taken");
    assert_eq!(world.cache.len(), 2);
}

#[test]
fn who_is_not_used_makes_room_least_recent_first() {
    let mut world = World::new(3, 1 << 20);
    let ids = [9, 8, 7].map(|partitions| world.insert(partitions, 0).unwrap());
    world.use_it(ids[0], 1, 50);
    // Nobody is old enough: not used for 120 seconds, and all of that.
    assert_eq!(world.insert(1, 120), None);
    assert_eq!(world.cache.evicted(), 0);
    assert!(ids.iter().all(|id| world.is_there(*id)));
    world.use_it(ids[1], 1, 60);
    let new = world.insert(1, 121).unwrap();
    assert_eq!(ids.map(|id| world.is_there(id)), [true, true, false]);
    assert_eq!(world.insert(1, 170), None);
    let newer = world.insert(1, 171).unwrap();
    assert_eq!(ids.map(|id| world.is_there(id)), [false, true, false]);
    assert!(world.is_there(new) && world.is_there(newer));
    assert_eq!((world.cache.len(), world.cache.evicted()), (3, 2));
}

#[test]
fn a_larger_one_pushes_out_a_smaller_one_that_is_not_new() {
    let mut world = World::new(3, 1 << 20);
    let ids = [9, 4, 6].map(|partitions| world.insert(partitions, 0).unwrap());
    // They are in use all the time, and not 120 seconds old yet.
    ids.iter().for_each(|id| world.use_it(*id, 1, 120));
    assert_eq!(world.insert(100, 120), None);
    ids.iter().for_each(|id| world.use_it(*id, 2, 121));
    // The smallest is not smaller.
    assert_eq!((world.insert(3, 121), world.insert(4, 121)), (None, None));
    let new = world.insert(5, 121).unwrap();
    assert_eq!(ids.map(|id| world.is_there(id)), [true, false, true]);
    // The newcomer is safe for a while, however small it is.
    let newer = world.insert(7, 122).unwrap();
    assert_eq!(ids.map(|id| world.is_there(id)), [true, false, false]);
    assert!(world.is_there(new) && world.is_there(newer));
}

#[test]
fn bytes_are_room_as_well() {
    let bytes = Size::of(&of(100)).bytes;
    let mut world = World::new(100, bytes * 2 + bytes / 2);
    let ids = [100, 100].map(|partitions| world.insert(partitions, 0).unwrap());
    assert_eq!((world.insert(100, 1), world.insert(300, 1)), (None, None));
    let small = world.insert(10, 1).unwrap();
    // Larger than all the room: nobody goes in vain, however old they are.
    assert_eq!(world.insert(1000, 1000), None);
    assert_eq!(world.cache.len(), 3);
    ids.iter()
        .chain([&small])
        .for_each(|id| world.use_it(*id, 1, 200));
    // The small one alone does not make room for as many as those it is larger than.
    assert_eq!(world.insert(99, 200), None);
    assert_eq!(world.cache.evicted(), 0);
    world.insert(200, 200).unwrap();
    assert_eq!(world.cache.total().partitions, 200 + world.cache.left(&ids));
    assert!(world.cache.total().bytes <= bytes * 2 + bytes / 2);
}

#[test]
fn a_session_that_grows_needs_room() {
    let bytes = Size::of(&of(100)).bytes;
    let mut world = World::new(100, bytes * 2);
    let ids = [10, 100].map(|partitions| world.insert(partitions, 0).unwrap());
    let size = |partitions| Size::of(&of(partitions));
    assert!(world.cache.resize(ids[0], size(50), at(0)));
    assert!(world.cache.resize(ids[0], size(20), at(0)));
    assert_eq!(world.cache.total().partitions, 120);
    // The other one is as new; it goes when nobody used it, and nobody makes room for itself.
    assert!(!world.cache.resize(ids[0], size(200), at(120)));
    assert_eq!(world.cache.total().partitions, 120);
    assert!(world.cache.resize(ids[0], size(150), at(121)));
    assert_eq!((world.cache.total().partitions, world.cache.evicted()), (150, 1));
    assert_eq!(ids.map(|id| world.is_there(id)), [true, false]);
    assert!(!world.cache.resize(ids[1], size(1), at(121)), "it is gone");
    assert!(!world.cache.resize(ids[0], size(1000), at(1000)));
}
