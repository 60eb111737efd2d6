//! Which Docker container a process belongs to: from the files in which dockerd keeps its containers.

mod detector;
mod metadata;

pub use detector::Docker;

/// The manifest.
pub const MANIFEST: &str = include_str!("../manifest.toml");

unstale_plugin::export_detector!(Docker, include_str!("../manifest.toml"));
