//! An example of a detector: says which program files an awk runs.
//!
//! The same in C and as an executable in Python: `plugins/examples`. They are held together by the same tests.

mod awk;
mod options;

pub use awk::Awk;

unstale_plugin::export_detector!(Awk, include_str!("../manifest.toml"));
