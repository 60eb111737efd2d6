//! Which LXC container a process belongs to: from the directory of containers and the monitor's title.

mod config;
mod detector;

pub use detector::Lxc;

/// The manifest.
pub const MANIFEST: &str = include_str!("../manifest.toml");

unstale_plugin::export_detector!(Lxc, include_str!("../manifest.toml"));
