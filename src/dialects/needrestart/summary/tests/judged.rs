//! Kernels and microcode, judged.

use super::*;
use crate::model::KernelState as Judged;
use crate::model::{Kernel as Seen, Pattern};

const BUILD: &str = "#1 SMP PREEMPT_DYNAMIC Debian 6.12.48-1 (2025-09-20)";

fn banner(release: &str, version: &str) -> Banner {
    Banner {
        release: Bytes::from(release),
        version: Bytes::from(version),
    }
}

fn image(path: &str, release: &str, version: &str, size: u64) -> Image {
    let time = Timestamp { secs: 0, nanos: 0 };
    Image {
        path: Bytes::from(path),
        stat: FileStat {
            device: Device { major: 8, minor: 1 },
            inode: 1,
            kind: FileKind::Regular,
            size,
            links: 1,
            uid: 0,
            mode: 0o644,
            mtime: time,
            ctime: time,
            btime: None,
            mount: None,
        },
        form: ImageForm::Header,
        banner: Ok(banner(release, version)),
    }
}

fn of_boot(release: &str) -> Image {
    image(
        &format!("/boot/vmlinuz-{release}"),
        release,
        BUILD,
        1_200_000,
    )
}

/// A machine that runs [`RUNS`], has these images, and was judged so.
fn scene_of(images: Vec<Image>, verdict: KernelVerdict, next: Option<(&str, bool)>) -> Scene {
    let time = Timestamp { secs: 0, nanos: 0 };
    let mut scene = nothing();
    scene.kernel_release = Bytes::from(RUNS);
    scene.boot = Some(Boot {
        setting: Setting::Machine,
        started: time,
        earliest: time,
        out_of_sight: false,
        kernel: Some(Seen {
            running: banner(RUNS, BUILD),
            modular: true,
            images,
            modules: Vec::new(),
            modules_changed: None,
            loader: Loader {
                kind: LoaderKind::Unknown,
                default: None,
                notes: Vec::new(),
            },
        }),
        live_patches: Vec::new(),
        microcode: None,
        deployments: Vec::new(),
        flags: Vec::new(),
        listed: Vec::new(),
    });
    scene.reboot.kernel = Some(Judged {
        running: banner(RUNS, BUILD),
        verdict,
        next: next.map(|(release, by_loader)| NextKernel {
            path: Bytes::from(format!("/boot/vmlinuz-{release}").as_str()),
            banner: banner(release, BUILD),
            by_loader,
            other_flavour: false,
            since: time,
        }),
        modules_gone: false,
        live_patched_by: None,
        remarks: Vec::new(),
    });
    scene
}

#[track_caller]
fn check_verdict(
    verdict: KernelVerdict,
    next: Option<(&str, bool)>,
    expected: (Option<&str>, KernelState),
) {
    let scene = scene_of(Vec::new(), verdict.clone(), next);
    let kernel = kernel::judge(&scene, &Rules::default()).unwrap();
    assert_eq!(kernel.running, RUNS);
    let found = (kernel.expected.as_deref(), kernel.state);
    assert_eq!(found, expected, "{verdict:?} {next:?}");
}

const OLDER: &str = "6.12.43+deb13-amd64";

#[test]
fn by_what_would_boot() {
    use KernelState::{Abi, Current, Unknown, Version};
    check_verdict(
        KernelVerdict::Current,
        Some((RUNS, true)),
        (Some(RUNS), Current),
    );
    check_verdict(
        KernelVerdict::Rebuilt,
        Some((RUNS, false)),
        (Some(RUNS), Abi),
    );
    check_verdict(
        KernelVerdict::Newer,
        Some((LATER, false)),
        (Some(LATER), Version),
    );
    check_verdict(
        KernelVerdict::Removed,
        Some((LATER, false)),
        (Some(LATER), Version),
    );
    check_verdict(KernelVerdict::Removed, None, (None, Unknown));
    check_verdict(
        KernelVerdict::Custom,
        Some((OLDER, false)),
        (Some(RUNS), Current),
    );
    check_verdict(
        KernelVerdict::Custom,
        Some((OLDER, true)),
        (Some(OLDER), Version),
    );
    check_verdict(
        KernelVerdict::OlderDefault,
        Some((OLDER, true)),
        (Some(OLDER), Version),
    );
    let unknown = || KernelVerdict::Unknown("why".to_owned());
    check_verdict(unknown(), None, (None, Unknown));
    check_verdict(unknown(), Some((LATER, false)), (Some(LATER), Unknown));
}

#[test]
fn what_was_removed_is_expected_to_be_the_newest() {
    let scene = scene_of(
        vec![of_boot(OLDER), of_boot(LATER)],
        KernelVerdict::Removed,
        None,
    );
    let kernel = kernel::judge(&scene, &Rules::default()).unwrap();
    assert_eq!(kernel.expected.as_deref(), Some(LATER));
    assert_eq!(kernel.state, KernelState::Version);
}

#[track_caller]
fn check_original(images: Vec<Image>, expected: (Option<&str>, KernelState)) {
    // Our own judge thinks otherwise.
    let scene = scene_of(images, KernelVerdict::Current, Some((RUNS, true)));
    let rules = Rules {
        original: true,
        filter: None,
    };
    let kernel = kernel::judge(&scene, &rules).unwrap();
    assert_eq!((kernel.expected.as_deref(), kernel.state), expected);
}

#[test]
fn by_the_original_s_rules() {
    use KernelState::{Abi, Current, Unknown, Version};
    check_original(Vec::new(), (None, Unknown));
    check_original(vec![of_boot(RUNS)], (Some(RUNS), Current));
    check_original(vec![of_boot(OLDER)], (Some(OLDER), Version));
    check_original(vec![of_boot(LATER), of_boot(RUNS)], (Some(LATER), Version));
    let rebuilt = || image(&format!("/boot/vmlinuz-{RUNS}"), RUNS, "#2 SMP", 1_200_000);
    check_original(vec![rebuilt()], (Some(RUNS), Abi));
    // A name alone does not tell of builds.
    let path = format!("/boot/vmlinuz-{RUNS}");
    check_original(
        vec![image(&path, RUNS, "", 1_200_000)],
        (Some(RUNS), Current),
    );
    // Not a kernel to it: too small, an initrd, elsewhere.
    let path = format!("/boot/vmlinuz-{LATER}");
    check_original(vec![image(&path, LATER, BUILD, 999_999)], (None, Unknown));
    let large = |path: &str| vec![image(path, LATER, BUILD, 1_000_000)];
    check_original(large(&path), (Some(LATER), Version));
    check_original(large("/boot/initrd.img"), (None, Unknown));
    check_original(large("/boot/efi/vmlinuz"), (None, Unknown));
    check_original(large("/usr/lib/modules/x/vmlinuz"), (None, Unknown));
    check_original(large("/boot/x.img"), (Some(LATER), Version));
    check_original(large("/boot/kernel8"), (Some(LATER), Version));
    // A candidate comes before its release, a longer number after a shorter.
    let rc = "6.12.57-rc1";
    check_original(
        vec![of_boot("6.12.57"), of_boot(rc)],
        (Some("6.12.57"), Version),
    );
    check_original(
        vec![of_boot("6.9.1"), of_boot("6.12.1")],
        (Some("6.12.1"), Version),
    );
}

#[test]
fn a_filter_leaves_images_out() {
    let images = vec![of_boot(RUNS), of_boot(LATER), of_boot(OLDER)];
    let scene = scene_of(images, KernelVerdict::Newer, Some((LATER, false)));
    let judged = |filter: &str, original| {
        let filter = Pattern::parse(&format!("re:{filter}")).unwrap();
        let rules = Rules {
            original,
            filter: Some(&filter),
        };
        let kernel = kernel::judge(&scene, &rules).unwrap();
        (kernel.expected, kernel.state)
    };
    let is = |release: &str, state| (Some(release.to_owned()), state);
    for original in [false, true] {
        assert_eq!(judged(".", original), is(LATER, KernelState::Version));
        assert_eq!(judged("48", original), is(RUNS, KernelState::Current));
        assert_eq!(judged("^x", original), (None, KernelState::Unknown));
    }
    assert_eq!(judged("43", true), is(OLDER, KernelState::Version));
    assert_eq!(judged("43", false), is(RUNS, KernelState::Current));
}

/// A machine that runs what would boot.
pub(super) fn current() -> Scene {
    let images = vec![of_boot(RUNS)];
    scene_of(images, KernelVerdict::Current, Some((RUNS, true)))
}

#[test]
fn a_container_has_no_kernel_of_its_own() {
    let mut scene = scene_of(
        vec![of_boot(LATER)],
        KernelVerdict::Newer,
        Some((LATER, false)),
    );
    if let Some(boot) = &mut scene.boot {
        boot.setting = Setting::Container("lxc".to_owned());
    }
    for original in [false, true] {
        let rules = Rules {
            original,
            filter: None,
        };
        assert_eq!(kernel::judge(&scene, &rules), None);
    }
    assert_eq!(ucode::judge(&scene, Version::V3_11), None);
}

#[test]
fn what_a_name_tells_is_said() {
    let mut scene = scene_of(Vec::new(), KernelVerdict::Current, Some((RUNS, false)));
    if let Some(state) = &mut scene.reboot.kernel
        && let Some(next) = &mut state.next
    {
        next.banner.version = Bytes::from("");
    }
    let all = Summary {
        kernel: kernel::judge(&scene, &Rules::default()),
        ..summary(Version::V3_11, None)
    };
    let expected = "\nRunning kernel seems to be up-to-date (ABI upgrades are not detected).\n";
    assert_eq!(list(&all, LIST), expected);
}

#[test]
fn firmware_that_is_not_there_is_unavailable_to_debian_alone() {
    let mut scene = nothing();
    scene.microcode = Some(revisions(false, 0xf4, None, false));
    let expected = |scene: &Scene| ucode::judge(scene, Version::V3_11).unwrap().expected;
    assert_eq!(expected(&scene).as_deref(), Some("unavailable"));
    scene.stores = vec!["rpm".to_owned()];
    assert_eq!(expected(&scene), None);
}
