//! What runs below the programs of a recording's machine, and what would boot: by the words that its scene has for it.

use super::recording::Recording;
use super::world::{BOOTED, REPLACED, at, stat};
use crate::model::{
    Banner, Before, Boot, Bytes, Claim, Core, CoreChange, Flag, Image, ImageForm, Kernel, Level,
    Listed, ListedBy, Loader, LoaderKind, Microcode, Modules, Patch, Processor, Setting, Ships,
};

/// CPUID leaf 1, EAX: family 25, model 1, stepping 1.
const AMD: u32 = 0x00a0_0f11;
/// A processor of Intel's that gets microcode 0xf8.
const INTEL: u32 = 0x0009_06ec;

/// `uname -r`.
pub(super) fn release(recording: &Recording) -> Bytes {
    running(recording).release
}

fn running(recording: &Recording) -> Banner {
    match recording.is_bookworm() {
        true => banner("6.1.0-39-amd64", "Debian 6.1.148-1 (2025-08-26)"),
        false => banner("6.12.48+deb13-amd64", "Debian 6.12.48-1 (2025-09-20)"),
    }
}

fn banner(release: &str, build: &str) -> Banner {
    Banner {
        release: Bytes::from(release),
        version: Bytes::from(format!("#1 SMP PREEMPT_DYNAMIC {build}").as_str()),
    }
}

/// The machine's boot.
pub(super) fn boot(recording: &Recording) -> Boot {
    let system = recording.said("system");
    let is_container = recording.is_booted() && !system.contains("detection switched off");
    Boot {
        setting: match is_container {
            true => Setting::Container("systemd-nspawn".to_owned()),
            false => Setting::Machine,
        },
        started: at(BOOTED),
        earliest: at(BOOTED),
        out_of_sight: false,
        kernel: (!is_container).then(|| kernel(recording)),
        live_patches: Vec::new(),
        microcode: if is_container {
            None
        } else {
            microcode(recording)
        },
        deployments: Vec::new(),
        flags: flags(recording),
        listed: listed(recording),
    }
}

fn kernel(recording: &Recording) -> Kernel {
    let images: Vec<Image> = images(recording).into_iter().map(image).collect();
    let of_image = |image: &Image| Modules {
        release: image.banner.as_ref().unwrap().release.clone(),
        filled: true,
    };
    Kernel {
        running: running(recording),
        modular: true,
        modules: images.iter().map(of_image).collect(),
        images,
        // What runs was removed: its modules went with it.
        modules_changed: (recording.scene() == "kernel-older-only").then_some(at(REPLACED)),
        loader: Loader {
            kind: LoaderKind::Unknown,
            default: None,
            notes: Vec::new(),
        },
    }
}

/// Images in `/boot`: the scene has its words in `system:` or in `replaced:`.
fn images(recording: &Recording) -> Vec<Banner> {
    let (current, newer) = (running(recording), newer(recording));
    let text = recording.said("system").to_owned() + " " + recording.said("replaced");
    let has = |banner: &Banner| {
        let release = String::from_utf8(banner.release.0.clone()).unwrap();
        text.contains(&format!("vmlinuz-{release}"))
    };
    let rebuilt = match recording.is_bookworm() {
        true => banner("6.1.0-39-amd64", "Debian 6.1.150-1 (2025-09-20)"),
        false => banner("6.12.48+deb13-amd64", "Debian 6.12.48-2 (2025-10-01)"),
    };
    let older = match recording.is_bookworm() {
        true => banner("6.1.0-37-amd64", "Debian 6.1.140-1 (2025-05-22)"),
        false => banner("6.12.43+deb13-amd64", "Debian 6.12.43-1 (2025-08-27)"),
    };
    match recording.scene() {
        "kernel-abi" => vec![rebuilt],
        "kernel-older-only" => vec![older],
        _ => [current, newer].into_iter().filter(has).collect(),
    }
}

fn newer(recording: &Recording) -> Banner {
    match recording.is_bookworm() {
        true => banner("6.1.0-40-amd64", "Debian 6.1.153-1 (2025-09-20)"),
        false => banner("6.12.57+deb13-amd64", "Debian 6.12.57-1 (2025-11-05)"),
    }
}

fn image(banner: Banner) -> Image {
    let release = banner.release.as_slice();
    Image {
        path: Bytes([b"/boot/vmlinuz-", release].concat()),
        stat: stat(200_000, REPLACED),
        form: ImageForm::Header,
        banner: Ok(banner),
    }
}

/// The processor and what is on disk for it. Where the scene says nothing of it, the processor did not tell what runs.
fn microcode(recording: &Recording) -> Option<Microcode> {
    let text = recording.said("system").to_owned() + " " + recording.said("replaced");
    let (vendor, signature, revision, available) = match () {
        () if text.contains("Intel CPU with microcode 0xf4") => {
            ("GenuineIntel", INTEL, 0xf4, Some(0xf8))
        }
        () if text.contains("revision 0xf4; available") => {
            ("GenuineIntel", INTEL, 0xf4, Some(0xf8))
        }
        () if text.contains("revision 0xf4; no microcode") => ("GenuineIntel", INTEL, 0xf4, None),
        () if text.contains("revision 0xf8; available") => {
            ("GenuineIntel", INTEL, 0xf8, Some(0xf8))
        }
        () if text.contains("running 0xa0011ce; no file") => {
            ("AuthenticAMD", AMD, 0x0a00_11ce, None)
        }
        () if text.contains("running 0xa0011ce") => {
            ("AuthenticAMD", AMD, 0x0a00_11ce, Some(0x0a00_11d5))
        }
        () if text.contains("running 0xa0011d5") => {
            ("AuthenticAMD", AMD, 0x0a00_11d5, Some(0x0a00_11d5))
        }
        () if recording.scene() == "ucode-unknown" => return None,
        () if recording.is_bookworm() => ("GenuineIntel", INTEL, 1, None),
        () => ("GenuineIntel", INTEL, 0, None),
    };
    let patch = |revision: u32| Patch {
        file: Bytes::from("/boot/initrd.img"),
        early: true,
        signature,
        platforms: None,
        revision,
    };
    Some(Microcode {
        processors: vec![Processor {
            vendor: Bytes::from(vendor),
            signature,
            platform: None,
            revision,
            packages: vec![0],
        }],
        patches: available.map(patch).into_iter().collect(),
        unread: Vec::new(),
        disabled: None,
    })
}

fn flags(recording: &Recording) -> Vec<Flag> {
    let system = recording.said("system");
    let flag = |path: &str, packages: &[&str]| Flag {
        path: Bytes::from(path),
        level: Level::Reboot,
        packages: packages.iter().map(|&name| Bytes::from(name)).collect(),
        since: at(REPLACED),
        own: false,
    };
    if system.contains(".pkgs exist (") {
        vec![flag(
            "/run/reboot-required",
            &["linux-image-6.12.57+deb13-amd64", "dbus"],
        )]
    } else if system.contains("/run/reboot-required exists") {
        vec![flag("/run/reboot-required", &[])]
    } else if system.contains("/run/reboot-needed exists") {
        vec![flag("/run/reboot-needed", &[])]
    } else {
        Vec::new()
    }
}

/// What the lists of dnf name, as far as it is installed here; and what the administrator's do.
fn listed(recording: &Recording) -> Vec<Listed> {
    let own = |name: &str, line: u32| Listed {
        name: name.to_owned(),
        by: ListedBy::NameOrProvides,
        level: Level::Reboot,
        source: Bytes::from("/etc/dnf/plugins/needs-restarting.d/t.conf"),
        line: Some(line),
        installs_count: true,
        ..Listed::default()
    };
    if !recording.is_rpm() {
        return Vec::new();
    }
    let mut listed = vec![Listed {
        name: "glibc".to_owned(),
        by: ListedBy::NameOrProvides,
        level: Level::Reboot,
        source: Bytes::from("built in"),
        store: Some("rpm".to_owned()),
        ..Listed::default()
    }];
    if has_own_list(recording) {
        listed.extend([own("svcfoo", 1), own("nosuch", 2)]);
    }
    listed
}

fn has_own_list(recording: &Recording) -> bool {
    recording
        .said("system")
        .contains("needs-restarting.d holds t.conf")
}

/// What became of them.
pub(super) fn core(recording: &Recording) -> Core {
    let change = |listed: u32, name: &str, version: &str| CoreChange {
        listed,
        package: Claim {
            backend: "rpm".to_owned(),
            name: name.to_owned(),
            arch: "x86_64".to_owned(),
            version: version.to_owned(),
            intact: None,
        },
        at: Some(at(REPLACED)),
        before: Before::Version("1.0-1".to_owned()),
        hint: None,
        ships: Ships::Data,
    };
    if !recording.is_rpm() {
        return Core {
            stores: vec!["dpkg".to_owned()],
            ..Core::default()
        };
    }
    let mut core = Core {
        stores: vec!["rpm".to_owned()],
        ..Core::default()
    };
    if recording.scene() == "rpm-stale" {
        core.changed.push(change(0, "glibc", "2.32.0-1"));
    }
    if has_own_list(recording) {
        core.changed.push(change(1, "svcfoo", "2.0-1"));
        core.missing.push(2);
    }
    core
}
