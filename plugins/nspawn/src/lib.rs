//! Which machine of systemd-machined a process belongs to: from the notes that machined keeps in /run.

mod detector;
mod group;
mod machine;

pub use detector::Nspawn;

/// The manifest.
pub const MANIFEST: &str = include_str!("../manifest.toml");

unstale_plugin::export_detector!(Nspawn, include_str!("../manifest.toml"));
