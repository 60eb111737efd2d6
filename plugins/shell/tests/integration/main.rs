//! The detector on trees that are made here, and against running shells.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
#![expect(clippy::print_stderr, reason = "what is skipped must be said loudly")]
#![forbid(unsafe_code)]

mod real; // running shells
mod scenes; // rows
