//! A connection of a whole broker: bytes in, replies out.
//!
//! The first byte says in which pieces the bytes arrive, the second what is put right in them; then come blocks
//! of two bytes of length and a request each, or, if the second byte says so, bare bytes with size prefixes of
//! their own.

mod expect;
mod replies;
mod start;
mod stream;
mod tasks;
mod world;

use std::cell::RefCell;

use crate::input::Input;
use stream::Stream;
use world::World;

pub(crate) use stream::flag;

/// Inputs that one broker is fed before another takes its place. What one input leaves behind (topics, records,
/// configs) may matter to the next, so an input that fails may not fail alone: the fewer the better.
const INPUTS_PER_BROKER: u32 = 32;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// A client sends any bytes. The broker does not panic, answers each request that can be read with a reply that
/// the client's side can decode, gives all memory back, and goes on serving others.
pub fn request_stream(data: &[u8]) {
    let stream = Stream::read(Input::new(data));
    WORLD.with_borrow_mut(|slot| {
        let world = slot.get_or_insert_with(World::start);
        world.feed(&stream);
        if world.inputs() >= INPUTS_PER_BROKER
            && let Some(world) = slot.take()
        {
            world.end();
        }
    });
}
