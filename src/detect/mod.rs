//! What is stale. Pure: facts in, verdicts out.
#![forbid(unsafe_code)]

pub mod kernel;
mod lineage;
pub mod microcode;
mod replaced;
#[cfg(test)]
mod rows;
mod sources;

pub use replaced::{Judge, Judged, WRITING_NS, judge_object};
