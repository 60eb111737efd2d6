//! Says which scripts a PHP worker runs, and which ones a PHP server has loaded for good.

mod closure;
mod detector;
mod ini;
mod lexer;
mod option;
mod place;
mod source;

pub use detector::Php;

unstale_plugin::export_detector!(Php, include_str!("../manifest.toml"));
