//! What clients saw, and whether that keeps Esker's promises.
//!
//! A [`History`] is the list of everything that clients asked and were told, in the order of one clock, with
//! the faults that were done to the system in between. It knows nothing of the inside: the simulator and real
//! clients on real servers write the same events, and the same rules judge them.

pub mod event;
mod history;

pub use event::{Event, What};
pub use history::{History, LifeInfo, TopicInfo};
