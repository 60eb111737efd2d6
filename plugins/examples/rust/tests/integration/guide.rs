//! The code in docs/plugins.md.
