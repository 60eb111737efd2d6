//! Which app of Flatpak, and which commits of it and of its runtime, a process runs: from what Flatpak puts into the sandbox.

mod detector;
mod info;

pub use detector::Flatpak;

/// The manifest.
pub const MANIFEST: &str = include_str!("../manifest.toml");

unstale_plugin::export_detector!(Flatpak, include_str!("../manifest.toml"));
