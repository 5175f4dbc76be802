//! The stages of the data path one by one, for the micro-benchmarks of `tests/micro`.
//!
//! Only with the feature `benching`. What holds: each function makes the stage's own input out of plain values, and
//! calls what the product calls; what has to be made beforehand has a function of its own, so that it need not be
//! measured with the stage.

pub use crate::connection::benching::Frames;
pub use crate::fetch::benching::{Gathering, Plans, Question, assemble, hot_index, plan, read, recent};
pub use crate::produce::benching::{
    SealedBatches, Taken, Validated, commit_sealed, seal, take, topic_state, validate,
};
