//! The examples, loaded and started as the host does it, on recorded processes; and the code in the guide for authors.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
#![expect(clippy::print_stderr, reason = "what is skipped must be said loudly")]

mod awk; // the three examples, held together
mod build; // plugins from their sources
mod guide; // docs/plugins.md
mod host; // the host's side of the C ABI
mod wire; // the host's side of the pipe to an executable
