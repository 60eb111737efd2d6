//! Says which script a shell runs: the one that it holds open, and reads on from.

mod detector;
mod option;
mod source;

pub use detector::Shell;

unstale_plugin::export_detector!(Shell, include_str!("../manifest.toml"));
