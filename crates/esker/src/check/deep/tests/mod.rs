//! Clusters that are right, and clusters that are not: what is found is what was damaged, and nothing else.

mod batches;
mod damage;
mod findings;
mod moves;
mod unreadable;
mod world;
mod written;
