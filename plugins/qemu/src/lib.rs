//! Which virtual machine a process runs or helps to run: from its group and QEMU's arguments.
//!
//! libvirt's notes of what runs (`/run/libvirt/qemu`) lie in a directory that QEMU's own user may write, so they would add
//! nothing to the arguments.

mod arguments;
mod detector;

pub use detector::Qemu;

/// The manifest.
pub const MANIFEST: &str = include_str!("../manifest.toml");

unstale_plugin::export_detector!(Qemu, include_str!("../manifest.toml"));
