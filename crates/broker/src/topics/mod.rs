//! Topics: the catalog that every agent keeps, what their configs mean, and the requests about them.

mod catalog;
pub mod configs;

pub use catalog::{Catalog, TopicState};
