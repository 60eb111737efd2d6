//! The order of versions, by the rules of the stores that are there.

use std::cmp::Ordering;

/// The order of two versions: rpm's where an rpm database rules the root, dpkg's otherwise.
#[must_use]
pub fn compare(stores: &[String], a: &str, b: &str) -> Ordering {
    let rules = |name: &str| stores.iter().any(|store| store == name);
    match rules("rpm") && !rules("dpkg") {
        true => unstale_rpm::compare_versions(a, b),
        false => unstale_dpkg::version::compare(a, b),
    }
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
        assert_eq!(compare(&rpm, first, later), Ordering::Less);
        assert_eq!(compare(&dpkg, first, later), Ordering::Greater);
        let (first, later) = ("6.12.9+deb13-amd64", "6.12.48+deb13-amd64");
        assert_eq!(compare(&dpkg, first, later), Ordering::Less);
        assert_eq!(compare(&[], first, later), Ordering::Less);
    }
}
