//! The Ruby detector: the script of a process, the libraries and gems that its sources ask for, and the lock that pins
//! the gems.
//!
//! Nothing is executed and nothing evaluated. What only running the program could tell (computed names, loaders like
//! Zeitwerk) is not seen. Compiled extensions are mapped code, which the host judges itself.

mod bundle;
mod closure;
mod expression;
mod gems;
mod lexer;
mod options;
mod script;
mod search;
mod source;

#[cfg(test)]
mod tests;

pub use closure::Ruby;

unstale_plugin::export_detector!(Ruby, include_str!("../manifest.toml"));
