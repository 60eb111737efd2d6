//! How files are reached: a /proc, the mounts of a namespace, and a path below somebody's root.
//!
//! No path is followed outside its root, no step is taken into a file system that may never answer, and nothing but a
//! regular file is opened for reading. Judges nothing, and knows no process but as the owner of a root.
#![forbid(unsafe_code)]

mod base;
pub mod mounts;
mod root;
mod said;
pub mod stat;
mod walk;

pub(crate) use base::Base;
pub use root::ProcRoot;
pub(crate) use root::{ProcDir, stat_fields};
pub(crate) use said::{device_of, file_stat, is_vanished, why, why_lost};
pub(crate) use walk::{
    Found, Lost, Trail, directory_of, follow, follow_as, open, open_plain, path_in_root, reopen,
    sibling, stat_of, without_suffix,
};
