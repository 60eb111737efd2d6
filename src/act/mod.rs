//! What is changed on the machine, because a person or a policy said so. Nothing here decides.
#![deny(unsafe_code)]

pub mod at_work;
pub mod carry_out;
pub mod flags;
pub mod hand_over;
pub mod journal;
pub mod notify;
pub mod overrides;
pub(crate) mod place;
pub mod rules;
mod runtime_dir;
pub mod services;
pub mod spawn;
pub mod stamps;
pub mod starts;
pub mod state;
