//! The detector from outside.
//!
//! `scenes`, `search`, `programs` (with `scene_rows`): trees that the tests make. `real`: against the interpreters of this machine. `memory`: lists of loaded modules,
//! live and recorded. `hostile`: what must not cost more than its own finding. `speed`: what is shared between processes.

#![cfg(test)]

mod capture;
mod support;

mod hostile;
mod memory;
mod programs;
mod real;
mod scene_rows;
mod scenes;
mod search;
mod speed;
