//! Process → owner, and file → package. The control group's text decides; nobody is asked.

mod cgroup;
mod package;

pub use cgroup::{Hints, Parent, owner_of};
pub use package::package_of;
