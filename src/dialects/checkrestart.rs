//! checkrestart of debian-goodies, in both generations that are about. They share only the name: [`bookworm`] is 0.88.1 (Debian
//! 12, and alike before it), [`trixie`] is 0.88.2 (since Debian 13).

mod bookworm;
mod expression;
mod options;
mod program;
mod service;
mod trixie;

use std::io;
use std::path::Path;

use super::{Call, Machine, Voice};

/// Generations.
pub(super) const VARIANTS: &[&str] = &["0.88.1", "0.88.2"];

/// Speaks it.
pub(super) fn speak(
    call: &Call,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    let variant = call.variant.as_deref();
    match variant.unwrap_or_else(|| variant_here(machine)) {
        "0.88.1" => bookworm::speak(call, machine, voice),
        _ => trixie::speak(call, machine, voice),
    }
}

/// The generation that a machine has, or would have.
fn variant_here(machine: &dyn Machine) -> &'static str {
    // The older one reads no settings.
    if machine.exists(Path::new("/etc/checkrestart/exclude.conf")) {
        return "0.88.2";
    }
    let version = machine.read(Path::new("/etc/debian_version"));
    match version.ok().and_then(|version| parse_release(&version)) {
        Some(..13) => "0.88.1",
        _ => "0.88.2",
    }
}

/// `12` of `12.4`; none for `trixie/sid`, and for what is derived from Debian and has names of its own.
fn parse_release(version: &[u8]) -> Option<u32> {
    let number = version.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
