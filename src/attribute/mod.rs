//! Process → owner, and file → package. The control group's text decides; nobody is asked.

mod cgroup;

pub use cgroup::{Hints, Parent, display_unit, owner_of};
