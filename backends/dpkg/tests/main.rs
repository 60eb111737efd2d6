//! The crate as its users see it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests; these lints know only functions marked as such"
)]

mod store;

mod changes;
mod damage;
mod machine;
mod matching;
mod no_side_effects;
mod owners;
mod real_dpkg;
mod unfinished;
mod versions;
