//! Which Podman container a process belongs to: from the lists that its storage keeps beside the layers.
//!
//! Podman's own database is not read: it would add the names of pods only.

mod detector;
mod group;
mod storage;

pub use detector::Podman;

/// The manifest.
pub const MANIFEST: &str = include_str!("../manifest.toml");

unstale_plugin::export_detector!(Podman, include_str!("../manifest.toml"));
