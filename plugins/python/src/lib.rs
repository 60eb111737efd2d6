//! The detector of Python programs: scripts, modules, archives.
//!
//! In the order of the data: `command` (what was the interpreter told) → `program` (which file is that) → `loaded` (what does
//! the process itself list; with `elf` and `memory`), or else `layout` and `site` (where are its modules) → `graph` (what
//! imports what; with `sources`, `source`, `block` and `lex` for the text, `finder` and `archive` for the files). `detector` tells the
//! story through `say`, `version` and `launcher` know names.
//!
//! Nothing that is read here is executed, and nothing in it is believed further than the process it belongs to.

mod archive;
mod block;
mod closure;
mod command;
mod detector;
mod elf;
mod entry;
mod finder;
mod graph;
mod launcher;
mod layout;
mod lex;
mod loaded;
mod memory;
mod program;
mod remember;
mod say;
mod site;
mod source;
mod sources;
#[cfg(test)]
mod tests;
mod version;

pub use detector::Python;

unstale_plugin::export_detector!(Python, include_str!("../manifest.toml"));
