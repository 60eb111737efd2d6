//! The host side of the wall: finds plugins, starts a confined worker for each that is needed, and talks to it.
//!
//! What a worker says is hostile until it is checked. [`loader`] and [`worker`] are the other side: they run in a worker,
//! behind the wall, and nowhere else.

pub mod broker;
mod checked;
pub mod find;
pub mod glob;
pub mod interest;
pub mod loader;
pub mod manifest;
pub mod note;
pub mod said;
pub mod start;
mod talk;
mod template;
pub mod wire;
pub mod worker;
