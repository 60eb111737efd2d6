//! Which virtual machine a process runs or helps to run: from QEMU's arguments and libvirt's notes of what runs.

mod arguments;
mod detector;
mod status;

pub use detector::Qemu;

/// The manifest.
pub const MANIFEST: &str = include_str!("../manifest.toml");

unstale_plugin::export_detector!(Qemu, include_str!("../manifest.toml"));
