//! The order of versions, by the rules of the stores that are there.

use std::cmp::Ordering;

/// The order of two releases of a kernel, by the rules of the distribution that made them: rpm's, if both end in an
/// architecture as rpm writes them (`.x86_64`), whatever stores there are; otherwise rpm's where only an rpm database
/// rules the root, and dpkg's everywhere else.
#[must_use]
pub fn compare_releases(stores: &[String], a: &str, b: &str) -> Ordering {
    let rules = |name: &str| stores.iter().any(|store| store == name);
    let of_rpm = is_of_rpm(a) && is_of_rpm(b) || rules("rpm") && !rules("dpkg");
    match of_rpm {
        true => unstale_rpm::compare_versions(a, b),
        false => unstale_dpkg::version::compare(a, b),
    }
}

fn is_of_rpm(release: &str) -> bool {
    const ARCHITECTURES: [&str; 8] = [
        "x86_64",
        "aarch64",
        "ppc64le",
        "s390x",
        "i686",
        "armv7hl",
        "riscv64",
        "loongarch64",
    ];
    // A flavour may follow: `.x86_64+rt`.
    let parts = release.split(['.', '+']).skip(1);
    parts.into_iter().any(|part| ARCHITECTURES.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t9_13_each_distribution_by_its_own_rules() {
        let rpm = ["rpm".to_owned()];
        let dpkg = ["dpkg".to_owned()];
        // A point release of an enterprise kernel: in dpkg's order it would be older.
        let (first, later) = ("5.14.0-427.el9.x86_64", "5.14.0-427.13.1.el9_4.x86_64");
        for stores in [&rpm[..], &dpkg, &[]] {
            assert_eq!(compare_releases(stores, first, later), Ordering::Less);
        }
        let (first, later) = ("5.14.0-427.el9", "5.14.0-427.13.1.el9_4");
        assert_eq!(compare_releases(&rpm, first, later), Ordering::Less);
        let (first, later) = ("6.12.9+deb13-amd64", "6.12.48+deb13-amd64");
        assert_eq!(compare_releases(&dpkg, first, later), Ordering::Less);
        assert_eq!(compare_releases(&[], first, later), Ordering::Less);
    }
}
