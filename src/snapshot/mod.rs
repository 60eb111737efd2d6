//! One pass over /proc: who runs, and what code is mapped from where.
//!
//! Everything is bytes. A process that vanished is passed over in silence, one that cannot be read is a
//! [`Problem`](crate::problem::Problem). Judges nothing, opens nothing but what the kernel's own links and names lead to,
//! and never follows a path outside the root of the process that it belongs to.
#![deny(unsafe_code)]

mod catalogue;
mod content;
mod deadline;
mod hashed;
mod host;
mod inside;
mod look;
pub mod maps;
pub mod mounts;
mod procmap;
mod root;
mod scan;
mod scanner;
pub mod stat;
mod view;

pub use root::ProcRoot;
pub use scan::MappingSource;
pub use scanner::{Options, Scanner};
