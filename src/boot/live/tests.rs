use std::fs;

use super::*;
use crate::boot::tests::Made;

/// Name, source, whether it is in force; and how many problems.
#[track_caller]
fn check(made: &Made, wanted: &[(&str, &str, bool)], problems: usize) {
    let (patches, noted) = made.read(read);
    let said: Vec<_> = patches
        .iter()
        .map(|patch| {
            let name = String::from_utf8_lossy(patch.name.as_slice()).into_owned();
            (name, patch.source.clone(), patch.enabled)
        })
        .collect();
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(name, source, enabled)| ((*name).to_owned(), (*source).to_owned(), *enabled))
        .collect();
    assert_eq!(said, wanted);
    assert_eq!(noted.len(), problems, "{noted:?}");
}

fn loaded(made: &Made, name: &str, enabled: &str, transition: Option<&str>) {
    let directory = format!("{KERNEL}/{name}");
    made.file(&format!("{directory}/enabled"), enabled);
    if let Some(transition) = transition {
        made.file(&format!("{directory}/transition"), transition);
    }
    // The objects that it patches.
    made.file(&format!("{directory}/vmlinux/do_exit,1/x"), "");
}

#[test]
fn t9_14_nothing() {
    check(&Made::new(), &[], 0);
    let made = Made::new();
    fs::create_dir_all(made.path(KERNEL)).unwrap();
    fs::create_dir_all(made.path("/sys/module/ext4")).unwrap();
    check(&made, &[], 0);
}

#[test]
fn t9_14_of_the_kernel() {
    let made = Made::new();
    loaded(&made, "kpatch_5_14_0_70_1", "1\n", Some("0\n"));
    loaded(&made, "livepatch_12_13_0", "0\n", Some("0\n"));
    loaded(
        &made,
        "lkp_Ubuntu_5_4_0_42_46_generic_73",
        "1\n",
        Some("1\n"),
    );
    loaded(&made, "livepatch_old", "1\n", None);
    // Unloaded between the two looks.
    fs::create_dir_all(made.path(&format!("{KERNEL}/gone"))).unwrap();
    check(
        &made,
        &[
            ("kpatch_5_14_0_70_1", "kernel", true),
            ("livepatch_12_13_0", "kernel", false),
            ("livepatch_old", "kernel", true),
            ("lkp_Ubuntu_5_4_0_42_46_generic_73", "kernel", false),
        ],
        0,
    );
}

#[test]
fn t9_14_of_kpatch() {
    let made = Made::new();
    made.file("/sys/kernel/kpatch/patches/kpatch_a/enabled", "1\n");
    loaded(&made, "kpatch_b", "1\n", Some("0\n"));
    // Installed for the running kernel: one that is loaded, one that is not, and what is none.
    let directory = "/var/lib/kpatch/6.1.0-1-amd64";
    made.file(&format!("{directory}/kpatch-b.ko"), "");
    made.file(&format!("{directory}/kpatch-c.ko"), "");
    made.file(&format!("{directory}/README"), "");
    made.file("/var/lib/kpatch/6.1.0-2-amd64/kpatch-d.ko", "");
    made.file("/usr/lib/kpatch/6.1.0-1-amd64/kpatch-c.ko", "");
    check(
        &made,
        &[
            ("kpatch_b", "kernel", true),
            ("kpatch_a", "kpatch", true),
            ("kpatch_c", "kpatch", false),
        ],
        0,
    );
}

#[test]
fn t9_14_of_ksplice() {
    let made = Made::new();
    made.file("/sys/kernel/ksplice/8c7rec8h/stage", "applied\n");
    made.file(
        "/sys/module/ksplice_x1_vmlinux_new/ksplice/stage",
        "reversed\n",
    );
    made.file("/sys/module/ksplice_x2/refcnt", "0\n");
    check(
        &made,
        &[
            ("8c7rec8h", "ksplice", true),
            ("x1_vmlinux_new", "ksplice", false),
        ],
        0,
    );
}

#[test]
fn t9_14_of_kernelcare() {
    let made = Made::new();
    made.proc_file("kcare/effective_version", "4.18.0-553.el8.x86_64\n");
    check(&made, &[("kcare", "kernelcare", true)], 0);
    let patch = made.read(read).0.remove(0);
    let effective = Some(Bytes::from("4.18.0-553.el8.x86_64"));
    assert_eq!(patch.effective_release, effective);
    made.proc_file("kcare/effective_version", "\n");
    check(&made, &[], 0);
}

#[test]
fn t11_03_odd_files() {
    let made = Made::new();
    loaded(&made, "a", &"1".repeat(5000), None);
    fs::create_dir_all(made.path(&format!("{KERNEL}/b/enabled"))).unwrap();
    made.file(&format!("{KERNEL}/c"), "1\n");
    made.proc_file("kcare/effective_version/x", "");
    check(&made, &[], 3);
    let made = Made::new();
    made.file(KERNEL, "");
    check(&made, &[], 1);
}
