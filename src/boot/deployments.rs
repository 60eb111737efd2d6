//! Systems that are installed side by side: which runs, and which would run after a reboot. Told only where the two differ.
//!
//! - OSTree, and with it rpm-ostree and bootc: what is staged, or first among the boot entries.
//! - bootc on composefs: what is staged.
//! - NixOS: the system profile.
//!
//! Not here, because no file tells what would be booted:
//! - transactional-update: the default subvolume of btrfs takes an ioctl that needs root. It writes what it needs into
//!   `/run/reboot-needed` itself, which is read with the other flags; a newer snapshot alone may have been given up.
//! - A/B slots (RAUC, Mender, systemd-sysupdate, Ubuntu Core): kept in the environment of a boot loader or in names of
//!   partitions, or in files that only their own tools document.

mod composefs;
mod nixos;
mod ostree;

use rustix::io::Errno;

use super::files::Files;
use crate::model::Deployment;
use crate::view::ProcRoot;

const COMMAND_LINE_CAP: usize = 64 * 1024;

pub(super) fn read(proc: &ProcRoot, files: &Files<'_>) -> Vec<Deployment> {
    let command_line = match proc.read(c"cmdline", COMMAND_LINE_CAP) {
        Ok(text) => text,
        Err(Errno::NOENT) => Vec::new(),
        Err(error) => {
            files.note("read", "cmdline", crate::view::why(error));
            Vec::new()
        }
    };
    let all = [
        ostree::read(proc, files, &command_line),
        composefs::read(files, &command_line),
        nixos::read(files),
    ];
    all.into_iter().flatten().collect()
}

/// The value of the last word `key=value`: that is the one that counts.
fn argument<'a>(command_line: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut words = command_line.rsplit(u8::is_ascii_whitespace);
    words.find_map(|word| word.strip_prefix(key)?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests;
