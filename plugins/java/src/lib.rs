//! Says which archives a Java virtual machine runs: those that it holds, and those that its command line names.

mod argfile;
mod class_path;
mod detector;
mod jar;
mod launcher;
mod option;

pub use detector::Java;

unstale_plugin::export_detector!(Java, include_str!("../manifest.toml"));
