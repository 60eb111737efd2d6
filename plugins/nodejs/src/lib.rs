//! Says which scripts and modules a Node.js program runs, from its command line and from what its sources ask for.

mod builtin;
mod closure;
mod detector;
mod lexer;
mod option;
mod package;
mod resolve;
mod source;
mod tree;

pub use detector::NodeJs;

unstale_plugin::export_detector!(NodeJs, include_str!("../manifest.toml"));
