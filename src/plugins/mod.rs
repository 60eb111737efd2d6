//! The host side of the wall: finds plugins, starts a confined worker for each that is needed, and talks to it.
//!
//! What a worker says is hostile until it is checked. No plugin is ever loaded here.

pub mod wire;
