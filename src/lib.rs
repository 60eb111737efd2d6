//! Finds running programs that still use code from before an upgrade.
//!
//! The rooms are the way of the data, in reading order; none imports another, all share [`model`].
pub mod attribute;
pub mod model;
pub mod problem;
