//! The Perl detector: the script of a process and the modules that its sources ask for.
//!
//! Nothing is executed and nothing evaluated. What only running the program could tell (computed names, `AUTOLOAD`,
//! hooks in `@INC`) is not seen. Compiled parts of modules are mapped code, which the host judges itself.

mod closure;
mod lexer;
mod options;
mod script;
mod search;
mod source;
mod words;

#[cfg(test)]
mod tests;

pub use closure::Perl;

unstale_plugin::export_detector!(Perl, include_str!("../manifest.toml"));
