//! One pass over /proc: who runs, and what code is mapped from where.
//!
//! Everything is bytes. A process that vanished is passed over in silence, one that cannot be read is a
//! [`Problem`](crate::problem::Problem). Judges nothing, opens nothing but what the kernel's own links and names lead to,
//! and never follows a path outside the root of the process that it belongs to.
#![deny(unsafe_code)]

mod beside;
mod catalogue;
mod closely;
mod content;
mod deadline;
mod files;
mod hashed;
mod host;
mod inside;
mod look;
pub mod maps;
mod procmap;
mod rights;
mod roots;
mod scan;
mod scanner;
mod sources;
mod visits;

pub use closely::Wants;
pub use files::ProcessFiles;
pub use roots::{Roots, Seat};
pub use scan::MappingSource;
pub use scanner::{Options, Scanner};
pub use visits::{NewSource, SourceAt, Visit};
