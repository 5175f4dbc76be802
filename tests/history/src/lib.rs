//! What clients saw, and whether that keeps Esker's promises.
//!
//! A [`History`] is the list of everything that clients asked and were told, in the order of one clock, with
//! the faults that were done to the system in between. It knows nothing of the inside: the simulator and real
//! clients on real servers write the same events, and the same rules judge them.
//!
//! [`fn@check`] applies the rules; each stands in a module of its own that says why it raises no false alarm.
//! [`report::tell`] shows what went wrong with the events that explain it.

pub mod check;
pub mod event;
pub mod group;
pub mod lines;
pub mod report;
pub mod violation;

mod history;
mod names;
mod terms;

pub use check::check;
pub use event::{Event, What};
pub use group::InGroup;
pub use history::{History, LifeInfo, TopicInfo};
pub use terms::Terms;
pub use violation::{About, Promise, Violation};
