//! The order of versions, against `dpkg --compare-versions`.

use std::cmp::Ordering;
use std::process::Command;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use unstale_dpkg::version::compare;

use crate::store::no_dpkg;

/// What dpkg says of a pair. It warns of versions that policy forbids, and answers nevertheless.
fn dpkg(a: &str, b: &str) -> Ordering {
    let holds = |relation: &str| {
        let mut command = Command::new("/usr/bin/dpkg");
        let output = command
            .args(["--compare-versions", a, relation, b])
            .output()
            .unwrap();
        output.status.success()
    };
    match (holds("lt"), holds("eq")) {
        (true, _) => Ordering::Less,
        (_, true) => Ordering::Equal,
        _ => Ordering::Greater,
    }
}

/// Versions close to one another: few characters, many of them special.
fn version() -> impl Strategy<Value = String> {
    let part = "[0-9][0-9a-bZ.+~]{0,6}";
    let epoch = prop_oneof![3 => Just(String::new()), 1 => "0{0,2}[0-2]:"];
    let revision = prop_oneof![1 => Just(String::new()), 2 => "-[0-9a-b+~]{1,5}"];
    (epoch, part, revision).prop_map(|(epoch, part, revision)| epoch + &part + &revision)
}

/// Half of the pairs differ in one place only.
fn pair() -> impl Strategy<Value = (String, String)> {
    let near = (version(), any::<prop::sample::Index>(), "[0-9a~+.]{0,2}").prop_map(
        |(version, place, patch)| {
            // An epoch is digits, and a digit has to follow it: dpkg refuses others.
            let fixed = version.find(':').map_or(1, |colon| colon + 2);
            let place = fixed + place.index(version.len() - fixed + 1);
            let other = [&version[..place], &patch, &version[place..]].concat();
            (version, other)
        },
    );
    prop_oneof![(version(), version()), near]
}

#[test]
fn generated_pairs_have_dpkgs_order() {
    if no_dpkg() {
        return;
    }
    let mut runner = TestRunner::default();
    for _ in 0..500 {
        let (a, b) = pair().new_tree(&mut runner).unwrap().current();
        assert_eq!(compare(&a, &b), dpkg(&a, &b), "{a} against {b}");
        assert_eq!(
            compare(&b, &a),
            compare(&a, &b).reverse(),
            "{b} against {a}"
        );
    }
}

#[test]
fn hard_pairs_have_dpkgs_order() {
    if no_dpkg() {
        return;
    }
    let versions = [
        "1.0",
        "1.0-0",
        "1.0-1",
        "1.0-1+b1",
        "1.0-1~bpo1",
        "1.0~",
        "1.0~~",
        "1.0~rc1",
        "1.0+dfsg",
        "0:1.0",
        "1:0.1",
        "1.0a",
        "1.0.0",
        "1.99999999999999999999",
        "1.100000000000000000000",
        "1.00000000000000000001",
        "2.36-9+deb12u9",
        "2.36-9+deb12u10",
        "1.0-1-2",
    ];
    for a in versions {
        for b in versions {
            assert_eq!(compare(a, b), dpkg(a, b), "{a} against {b}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_has_a_place(a in ".*", b in ".*", c in ".*") {
        prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        if compare(&a, &b) != Ordering::Greater && compare(&b, &c) != Ordering::Greater {
            prop_assert_ne!(compare(&a, &c), Ordering::Greater);
        }
    }
}
