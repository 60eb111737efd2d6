//! Rows of cases 9.05 to 9.13.

use super::*;
use crate::model::{
    Device, FileKind, FileStat, ImageForm, Loader, LoaderKind, Modules, Setting, WhyNot,
};

const RUNNING: &str = "6.1.0-50-amd64";

/// A machine with kernels, by release and build; a build of `!` is an image that could not be read.
fn machine(running: (&str, &str), images: &[(&str, &str)], modules: &[&str]) -> Kernel {
    let image = |&(release, build): &(&str, &str)| Image {
        path: Bytes::from(format!("/boot/vmlinuz-{release}").as_str()),
        stat: stat(),
        form: ImageForm::Header,
        banner: match build {
            "!" => Err(WhyNot::Denied),
            build => Ok(banner(release, build)),
        },
    };
    let modules = modules.iter().map(|release| Modules {
        release: Bytes::from(*release),
        filled: true,
    });
    Kernel {
        running: banner(running.0, running.1),
        modules_changed: Some(Timestamp { secs: 9, nanos: 0 }),
        modular: true,
        images: images.iter().map(image).collect(),
        modules: modules.collect(),
        loader: Loader {
            kind: LoaderKind::Unknown,
            default: None,
            notes: Vec::new(),
        },
    }
}

fn banner(release: &str, build: &str) -> Banner {
    Banner {
        release: Bytes::from(release),
        version: Bytes::from(build),
    }
}

fn stat() -> FileStat {
    let time = Timestamp { secs: 1, nanos: 0 };
    FileStat {
        device: Device::default(),
        inode: 1,
        kind: FileKind::Regular,
        size: 1,
        links: 1,
        uid: 0,
        mode: 0o644,
        mtime: time,
        ctime: time,
        btime: None,
        mount: None,
    }
}

fn loader(kernel: &mut Kernel, release: &str) {
    kernel.loader.default = Some(Entry {
        id: Bytes::from("0"),
        title: Bytes::default(),
        image: Bytes::from(format!("/boot/vmlinuz-{release}").as_str()),
        release: Some(Bytes::from(release)),
        source: Bytes::from("/boot/grub/grub.cfg"),
    });
}

/// Numbers in text by value: enough for these rows.
fn order(a: &str, b: &str) -> Ordering {
    let key = |text: &str| -> Vec<(bool, u64, String)> {
        let text = text.replace('~', " ");
        let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != ' ');
        parts
            .map(|part| {
                (
                    !part.contains(' '),
                    part.parse().unwrap_or(0),
                    part.to_owned(),
                )
            })
            .collect()
    };
    key(a).cmp(&key(b))
}

/// Judged of a machine that was booted in second 5.
fn judged(kernel: &Kernel, live_patches: Vec<LivePatch>) -> KernelState {
    let booted = Timestamp { secs: 5, nanos: 0 };
    let boot = Boot {
        setting: Setting::Machine,
        started: booted,
        earliest: booted,
        out_of_sight: false,
        kernel: None,
        live_patches,
        microcode: None,
        deployments: Vec::new(),
        flags: Vec::new(),
        listed: Vec::new(),
    };
    judge(&boot, kernel, &order)
}

#[track_caller]
fn check(kernel: &Kernel, verdict: &str, next: Option<&str>) -> KernelState {
    let state = judged(kernel, Vec::new());
    let found = state.next.as_ref().map(|next| next.banner.release.clone());
    assert_eq!(
        (state.verdict.word(), found),
        (verdict, next.map(Bytes::from)),
        "{state:?}"
    );
    state
}

const OLD: (&str, &str) = (RUNNING, "#1 A");
const NEW: (&str, &str) = ("6.1.0-56-amd64", "#1 C");

#[test]
fn t9_05_same_release_other_build() {
    check(&machine(OLD, &[OLD], &[RUNNING]), "current", Some(RUNNING));
    let rebuilt = [(RUNNING, "#1 B")];
    check(
        &machine(OLD, &rebuilt, &[RUNNING]),
        "rebuilt",
        Some(RUNNING),
    );
    // A unified image may tell its release alone.
    let bare = [(RUNNING, "")];
    check(&machine(OLD, &bare, &[RUNNING]), "current", Some(RUNNING));
}

#[test]
fn newer_and_removed() {
    check(&machine(OLD, &[OLD, NEW], &[RUNNING]), "newer", Some(NEW.0));
    let state = check(&machine(OLD, &[NEW], &[NEW.0]), "removed", Some(NEW.0));
    assert!(state.modules_gone);
    // Whether it had any loaded or not: there are none to load.
    let mut bare = machine(OLD, &[NEW], &[NEW.0]);
    bare.modular = false;
    assert!(check(&bare, "removed", Some(NEW.0)).modules_gone);
    // Booted from outside: nothing went since.
    bare.modules_changed = Some(Timestamp { secs: 4, nanos: 0 });
    check(&bare, "newer", Some(NEW.0));
    let older = ("6.1.0-47-amd64", "#1 Z");
    check(
        &machine(OLD, &[older], &[older.0]),
        "removed",
        Some(older.0),
    );
    // The image is gone, its modules are not: somebody cleaned up /boot.
    check(
        &machine(OLD, &[NEW], &[RUNNING, NEW.0]),
        "newer",
        Some(NEW.0),
    );
}

#[test]
fn t9_07_flavours_side_by_side() {
    let others = [
        OLD,
        ("6.12.1-1-rt-amd64", "#1 R"),
        ("6.12.1-cloud-amd64", "#1 X"),
    ];
    check(&machine(OLD, &others, &[RUNNING]), "current", Some(RUNNING));
    let backport = ("6.12.48+deb13-amd64", "#1 D");
    check(
        &machine(OLD, &[OLD, backport], &[RUNNING]),
        "newer",
        Some(backport.0),
    );
}

#[test]
fn t9_08_the_loader_decides() {
    let mut kernel = machine(OLD, &[OLD, NEW], &[RUNNING]);
    loader(&mut kernel, RUNNING);
    let state = check(&kernel, "current", Some(RUNNING));
    assert!(state.remarks[0].contains(NEW.0), "{state:?}");
    let mut kernel = machine(NEW, &[OLD, NEW], &[NEW.0]);
    loader(&mut kernel, RUNNING);
    check(&kernel, "older-default", Some(RUNNING));
    // The loader's word counts, whatever the flavour.
    let mut kernel = machine(OLD, &[OLD, ("6.12.1-rt-amd64", "#1")], &[RUNNING]);
    loader(&mut kernel, "6.12.1-rt-amd64");
    let state = check(&kernel, "newer", Some("6.12.1-rt-amd64"));
    assert!(
        state
            .next
            .is_some_and(|next| next.other_flavour && next.by_loader)
    );
}

#[test]
fn an_entry_is_known_by_its_image_or_its_release() {
    let entry = |image: &str, release: Option<&str>| {
        let mut kernel = machine(OLD, &[OLD, NEW], &[RUNNING]);
        loader(&mut kernel, RUNNING);
        let entry = kernel.loader.default.as_mut().expect("set above");
        entry.image = Bytes::from(image);
        entry.release = release.map(Bytes::from);
        kernel
    };
    check(
        &entry("/boot/vmlinuz-6.1.0-50-amd64", None),
        "current",
        Some(RUNNING),
    );
    check(
        &entry("/efi/x/linux", Some(RUNNING)),
        "current",
        Some(RUNNING),
    );
    let state = check(&entry("/efi/x/linux", None), "newer", Some(NEW.0));
    assert!(
        state.remarks[0].contains("says nothing of itself"),
        "{state:?}"
    );
}

#[test]
fn an_image_came_when_it_was_born_here() {
    let mut kernel = machine(OLD, &[OLD, NEW], &[RUNNING]);
    let since = |kernel: &Kernel| judged(kernel, Vec::new()).next.map(|next| next.since.secs);
    assert_eq!(since(&kernel), Some(1), "its ctime");
    let born = Timestamp { secs: 5, nanos: 0 };
    kernel.images[1].stat.btime = Some(born);
    assert_eq!(since(&kernel), Some(5));
}

#[test]
fn t9_09_a_kernel_from_elsewhere_is_not_pending() {
    let provided = ("6.18.44-provider", "#1 P");
    let mut kernel = machine(provided, &[OLD, NEW], &[]);
    kernel.modular = false;
    let state = check(&kernel, "custom", None);
    assert!(!state.modules_gone);
    loader(&mut kernel, NEW.0);
    check(&kernel, "custom", Some(NEW.0));
    let tested = ("6.1.0-99-amd64", "#1 T");
    check(
        &machine(tested, &[OLD], &[tested.0]),
        "custom",
        Some(RUNNING),
    );
}

#[test]
fn t9_10_modules_of_the_running_kernel() {
    let gone = |kernel: &Kernel| judged(kernel, Vec::new()).modules_gone;
    assert!(!gone(&machine(OLD, &[OLD], &[RUNNING])));
    // Also where its image is still the one that would boot.
    assert!(gone(&machine(OLD, &[OLD], &[])));
    let mut without = machine(OLD, &[OLD], &[]);
    without.modular = false;
    assert!(!gone(&without), "it was built without");
    without.modules = vec![Modules {
        release: Bytes::from(RUNNING),
        filled: false,
    }];
    assert!(gone(&without), "a directory is left");
    let mut provided = machine(OLD, &[NEW], &[NEW.0]);
    provided.modules_changed = Some(Timestamp { secs: 4, nanos: 0 });
    assert!(!gone(&provided), "nothing went since it was booted");
    // No kernel of its flavour is left: it was removed all the same.
    let other = ("6.14.8-2-pve", "#1");
    let state = check(&machine(OLD, &[other], &[other.0]), "removed", None);
    assert!(state.modules_gone);
}

#[test]
fn t9_06_modules_without_their_image() {
    check(&machine(OLD, &[], &[RUNNING, NEW.0]), "unknown", None);
    check(
        &machine(OLD, &[OLD], &[RUNNING, NEW.0]),
        "unknown",
        Some(RUNNING),
    );
    check(
        &machine(OLD, &[OLD], &[RUNNING, "6.1.0-47-amd64"]),
        "current",
        Some(RUNNING),
    );
    let mut kernel = machine(OLD, &[OLD], &[RUNNING, NEW.0]);
    loader(&mut kernel, RUNNING);
    check(&kernel, "current", Some(RUNNING));
}

#[test]
fn t9_11_no_image_at_all() {
    check(&machine(OLD, &[], &[]), "unknown", None);
}

#[test]
fn copies_of_one_release() {
    let at = |kernel: &mut Kernel, path: &str, build: &str| {
        let mut image = kernel.images[0].clone();
        image.path = Bytes::from(path);
        image.banner = Ok(banner(RUNNING, build));
        kernel.images.push(image);
        kernel.images.sort_by(|a, b| a.path.cmp(&b.path));
    };
    let mut kernel = machine(OLD, &[OLD], &[RUNNING]);
    at(&mut kernel, "/boot/vmlinuz-6.1.0-50-amd64.old", "#1 before");
    at(
        &mut kernel,
        "/usr/lib/modules/6.1.0-50-amd64/vmlinuz",
        "#1 other",
    );
    check(&kernel, "current", Some(RUNNING));
}

#[test]
fn t9_06_what_could_not_be_read_is_not_current() {
    let unreadable = ("6.1.0-56-amd64", "!");
    let kernel = machine(OLD, &[OLD, unreadable], &[RUNNING]);
    check(&kernel, "unknown", Some(RUNNING));
    let kernel = machine(OLD, &[OLD, NEW, ("x", "!")], &[RUNNING]);
    check(&kernel, "newer", Some(NEW.0));
    let kernel = machine(
        ("6.18.44-provider", "#1 P"),
        &[OLD, unreadable],
        &["6.18.44-provider"],
    );
    check(&kernel, "unknown", None);
    let mut kernel = machine(OLD, &[OLD, unreadable], &[RUNNING]);
    loader(&mut kernel, RUNNING);
    check(&kernel, "current", Some(RUNNING));
}

#[test]
fn t9_14_a_vendor_vouches_for_a_release() {
    #[track_caller]
    fn check(effective: Option<&str>, enabled: bool, by: Option<&str>) {
        let patch = LivePatch {
            name: Bytes::from("kcare"),
            source: "kernelcare".to_owned(),
            enabled,
            effective_release: effective.map(Bytes::from),
        };
        let kernel = machine(OLD, &[OLD, NEW], &[RUNNING]);
        let state = judged(&kernel, vec![patch]);
        assert_eq!(state.live_patched_by.as_deref(), by, "{effective:?}");
        assert_eq!(state.verdict, KernelVerdict::Newer);
    }
    check(Some(NEW.0), true, Some("kernelcare"));
    check(Some("6.1.0-57-amd64"), true, Some("kernelcare"));
    check(Some(NEW.0), false, None);
    check(Some(RUNNING), true, None);
    check(None, true, None);
}

#[test]
fn t9_13_release_candidates_come_before() {
    let candidate = ("6.13-rc5-amd64", "#1");
    let release = ("6.13-amd64", "#1");
    let kernel = machine(release, &[release, candidate], &[release.0]);
    check(&kernel, "current", Some(release.0));
}

#[test]
fn flavours_of_releases() {
    #[track_caller]
    fn check(release: &str, flavour: &str) {
        assert_eq!(Flavour::of(&Bytes::from(release)).0.join(" "), flavour);
    }
    check("6.1.0-56-amd64", "amd64");
    check("6.12.48+deb13-cloud-amd64", "amd64 cloud");
    check("6.5.0-0.deb12.4-amd64", "amd64");
    check("6.1.0-13-686-pae", "pae");
    check("6.1.0-13-686", "686");
    check("5.15.0-91-generic", "generic");
    check("5.14.0-427.13.1.el9_4.x86_64", "x86_64");
    check("5.14.0-427.13.1.el9_4.x86_64+rt", "rt x86_64");
    check("5.14.0-284.11.1.rt14.296.el9_2.x86_64", "rt x86_64");
    check(
        "6.13.0-0.rc1.20241202gite70140ba0d2b.14.fc42.x86_64",
        "x86_64",
    );
    check("5.10.0-153.0.0.77.oe2203sp2.x86_64", "x86_64");
    check("6.16.8+kali-amd64", "amd64");
    check("5.14.0-427.el9.aarch64+64k", "64k aarch64");
    check("5.15.0-104.119.4.2.el9uek.x86_64", "uek x86_64");
    check("6.7.1-1.el9.elrepo.x86_64", "elrepo x86_64");
    check("6.5.6-300.fc39.x86_64", "x86_64");
    check("5.14.21-150500.55.39-default", "default");
    check("6.6.31+rpt-rpi-v8", "rpi v8");
    check("6.6.31+rpt-rpi-2712", "2712 rpi");
    check("6.6.7-arch1-1", "arch");
    check("6.6.7-1-lts", "lts");
    check("6.1.61-85.141.amzn2023.x86_64", "x86_64");
    check("6.18.44", "");
    check("6.6.58-gentoo-r1", "gentoo");
    check("6.1.21-v7l+", "v7l");
    check("6.9.0-12345-g1a2b3c4d5e6f", "");
}
