//! NixOS: `/run/booted-system` is what was booted, the system profile is what the boot loader was made for last
//! (nixos-rebuild(8): `switch` and `boot` set it, `test` does not).

use crate::boot::files::{Files, Found};
use crate::model::Deployment;

const BOOTED: &str = "/run/booted-system";
const PROFILE: &str = "/nix/var/nix/profiles/system";
/// What is in force from boot on only; systemd is started anew by a switch.
const OF_BOOT: [&str; 4] = ["/kernel", "/initrd", "/kernel-modules", "/firmware"];

pub(super) fn read(files: &Files<'_>) -> Option<Deployment> {
    let booted = find(files, BOOTED)?;
    let next = find(files, PROFILE)?;
    if booted.path == next.path {
        return None;
    }
    let differs: Vec<Option<bool>> = OF_BOOT
        .iter()
        .map(|part| {
            let [one, other] = [&booted, &next].map(|system| {
                let path = [system.path.as_slice(), part.as_bytes()].concat();
                files
                    .find(path)
                    .ok()
                    .map(|found| found.map(|found| found.path))
            });
            Some(one? != other?)
        })
        .collect();
    let other_kernel = match differs.contains(&Some(true)) {
        true => Some(true),
        false => differs.iter().all(Option::is_some).then_some(false),
    };
    Some(Deployment {
        kind: "nixos".to_owned(),
        since: next.linked,
        booted: booted.path,
        next: next.path,
        other_kernel,
    })
}

fn find(files: &Files<'_>, path: &str) -> Option<Found> {
    files.find(path).unwrap_or_else(|why| {
        files.note("look at", path, why);
        None
    })
}
