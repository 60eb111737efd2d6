//! Which container of containerd or CRI-O a process belongs to, and which pod: from the bundles that are handed to runc.

mod bundle;
mod detector;

pub use detector::Containerd;

/// The manifest.
pub const MANIFEST: &str = include_str!("../manifest.toml");

unstale_plugin::export_detector!(Containerd, include_str!("../manifest.toml"));
