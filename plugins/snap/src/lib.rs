//! Which snap, and which revision of it, a process runs: from the paths of its program and code.

mod detector;
mod name;

pub use detector::Snap;

/// The manifest.
pub const MANIFEST: &str = include_str!("../manifest.toml");

unstale_plugin::export_detector!(Snap, include_str!("../manifest.toml"));
