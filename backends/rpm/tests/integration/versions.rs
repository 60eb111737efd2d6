//! The order of versions against rpm's own.

use std::cmp::Ordering;
use std::process::Command;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use unstale_packages::PackageDb;

use crate::lab::{Lab, Spec, has_rpm, run, text};

/// rpm's order of many pairs, by one program in its own Lua.
fn rpm_order(pairs: &[(String, String)]) -> Vec<Ordering> {
    let mut lua = String::from("%{lua:");
    for (a, b) in pairs {
        lua.push_str(&format!("print(rpm.vercmp('{a}', '{b}') .. ' ')\n"));
    }
    lua.push('}');
    let printed = text(&run(Command::new("rpm").args(["--eval", &lua])));
    let order = |word: &str| word.parse::<i32>().unwrap().cmp(&0);
    printed.split_whitespace().map(order).collect()
}

fn version() -> impl Strategy<Value = String> {
    let part = "([0-9]{1,3}|0{1,2}[1-9]|[0-9]{20,22}|[a-c]{1,2}|[.+_~^]{1,2}){1,5}";
    let epoch = prop_oneof![3 => Just(String::new()), 1 => "[0-3]:"];
    let release = prop_oneof![1 => Just(String::new()), 4 => "-[0-9a-b.~^]{1,4}"];
    (epoch, part, release).prop_map(|(epoch, part, release)| epoch + &part + &release)
}

#[test]
fn versions_are_in_the_order_of_rpm() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    let (name, evr, files, content) = ("any", (0, "1", "1"), &["/any"], "");
    lab.install(
        "-i",
        &Spec {
            name,
            evr,
            files,
            content,
        },
    );
    let rpm = lab.open();
    let mut runner = TestRunner::default();
    let mut draw = || version().new_tree(&mut runner).unwrap().current();
    let mut pairs = Vec::new();
    for _ in 0..1_500 {
        let (a, b) = (draw(), draw());
        // Versions drawn alone seldom differ in one place only.
        pairs.push((a.clone(), format!("{a}.1")));
        pairs.push((a.clone(), a.clone()));
        pairs.push((a, b));
    }
    for pairs in pairs.chunks(500) {
        for ((a, b), order) in pairs.iter().zip(rpm_order(pairs)) {
            assert_eq!(rpm.compare_versions(a, b), order, "{a} {b}");
        }
    }
}
