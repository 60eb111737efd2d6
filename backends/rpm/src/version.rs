//! The order of rpm's versions: epoch, then version, then release.

use std::cmp::Ordering;

/// The order of two versions in the form `[epoch:]version[-release]`.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, a_release) = split(a);
    let (b, b_release) = split(b);
    let release = || match (a_release, b_release) {
        (Some(a), Some(b)) => rpm_version::rpm_evr_compare(a, b),
        // To rpm any release is more than none, to the library `~` is less.
        (a, b) => a.is_some().cmp(&b.is_some()),
    };
    rpm_version::rpm_evr_compare(a, b).then_with(release)
}

/// Epoch and version, and the release behind the last hyphen.
fn split(version: &str) -> (&str, Option<&str>) {
    match version.rsplit_once('-') {
        Some((version, release)) => (version, Some(release)),
        None => (version, None),
    }
}
