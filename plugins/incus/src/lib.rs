//! Which container or virtual machine of Incus or LXD a process belongs to: from their directories and the monitor's title.

mod backup;
mod detector;
mod product;

pub use detector::Incus;

/// The manifest.
pub const MANIFEST: &str = include_str!("../manifest.toml");

unstale_plugin::export_detector!(Incus, include_str!("../manifest.toml"));
