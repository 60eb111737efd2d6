//! The matrix of live cases: each situation is made on this machine, in namespaces of its own, and judged.
//!
//! `t3_03_…` is row 3.03 of the catalogue of cases. Rows that this machine cannot be brought into are named in
//! [`NOT_LIVE`], each with the reason; a test sees to it that no row is forgotten.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
#![expect(clippy::print_stderr, reason = "what is skipped must be said loudly")]

mod group1;
mod group2;
mod group3;
mod group4;
mod group5;
mod hostile;
mod hostile_scripts;
mod interpreters;
mod interpreters_java;
mod interpreters_php;
#[path = "../plugins.rs"]
mod plugins;
mod roots;
mod support;

/// Rows that no test here makes.
const NOT_LIVE: &[(&str, &str)] = &[
    (
        "1.06",
        "kernel objects of graphics drivers and huge pages: recorded trees",
    ),
    (
        "1.19",
        "NOT JUDGED YET: PROG of `ld.so PROG` is judged, but as a library, and named after the loader",
    ),
    (
        "1.17",
        "needs a foreign-code runner (qemu-user, wine): recorded trees",
    ),
    ("2.06", "text of a cgroup line: rows of the parser"),
    ("2.10", "kernels that are no more: rows of the parser"),
    ("2.13", "needs an NFS server: recorded trees"),
    ("4.03", "overlay before Linux 6.8: recorded trees"),
    ("4.13", "needs a booted systemd: the lab"),
    ("4.22", "needs the flatpak detector"),
    ("4.26", "image-based systems: recorded trees"),
    ("5.06", "nothing acts on processes yet"),
    (
        "5.12",
        "setting the clock would hit the whole machine: recorded trees",
    ),
    (
        "5.09",
        "NOT JUDGED YET: a vfork child is listed beside its parent for as long as the vfork lasts",
    ),
    ("5.20", "needs a booted systemd: the lab"),
    ("5.21", "needs a booted systemd: the lab"),
    ("5.22", "needs CRIU: recorded trees"),
];

/// The last row of each group.
const GROUPS: [(u32, u32); 5] = [(1, 22), (2, 17), (3, 22), (4, 28), (5, 24)];

#[test]
fn every_row_is_tested_or_named() {
    let tests = [
        include_str!("group1.rs"),
        include_str!("group2.rs"),
        include_str!("group3.rs"),
        include_str!("group4.rs"),
        include_str!("group5.rs"),
    ]
    .concat();
    for (group, last) in GROUPS {
        for row in 1..=last {
            let tested = tests.contains(&format!("#[test]\nfn t{group}_{row:02}_"));
            let id = format!("{group}.{row:02}");
            let named = NOT_LIVE.iter().any(|(not_live, _)| *not_live == id);
            assert!(
                tested != named,
                "{id}: tested: {tested}, named as not live: {named}"
            );
        }
    }
}
