//! The program as a whole, from outside.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
#![expect(clippy::print_stderr, reason = "what is skipped must be said loudly")]
#![forbid(unsafe_code)]

mod bad_input; // bundles and recorded trees that are not what they should be
mod cli; // options, exit statuses, streams, colour
mod confine; // what the scanner can do and cannot, and how its end is waited for
mod dialects; // the peers' voices: what those who made a format say of it, help, wrong calls
mod hooks; // what package managers call, and what status says
mod man; // the manual page, against the definitions of the options
#[path = "../metrics.rs"]
mod metrics; // metrics, given to the parsers of those who made the formats
#[path = "../nagios.rs"]
mod nagios; // a plugin's output as monitoring systems read it
mod names; // names that would steer a terminal or forge a line
mod plugins_check;
mod plugins_find; // which plugins there are, and how one does when it is tried
mod plugins_wall; // what a plugin can do behind its wall, and what it costs when it is bad
mod properties; // the pure parts, on anything
mod reboot; // whether a reboot is needed, from the verdict to the exit status
mod reboot_lists; // packages after which somebody wants a reboot, on databases of rpm and dpkg
mod scenarios; // recorded machines and what is said of them
mod schema; // what --json prints, against the schema that we ship
mod support;
mod tidy; // the rules of this house
