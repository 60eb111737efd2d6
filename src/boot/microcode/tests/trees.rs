//! Whole trees: processors, initrds and firmware of one machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::cpus::cpu;
use super::{archived, record, sample, update};
use crate::boot::files::Files;
use crate::boot::microcode::read_within;
use crate::model::{Bytes, Microcode, Patch, Processor};
use crate::problem::Problem;
use crate::view::ProcRoot;

/// A root with a `/proc` of its own.
pub(super) struct Tree(TempDir);

impl Tree {
    pub(super) fn new(cpuinfo: &str) -> Self {
        let tree = Self(TempDir::new().unwrap());
        tree.put("proc/cpuinfo", cpuinfo.as_bytes());
        tree.put("proc/cmdline", b"ro quiet\n");
        tree
    }

    /// One processor of the samples.
    pub(super) fn of_intel() -> Self {
        let more = "microcode\t: 0x2\nphysical id\t: 0\n";
        let tree = Self::new(&cpu(0, "GenuineIntel", (15, 4, 8), more));
        tree.put(&format!("{SYSFS}/cpu0/microcode/processor_flags"), b"0x2\n");
        tree
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub(super) fn put(&self, path: &str, content: &[u8]) {
        fs::write(self.path(path), content).unwrap();
    }

    pub(super) fn read(&self) -> (Option<Microcode>, Vec<Problem>) {
        self.read_within(Duration::from_secs(60))
    }

    pub(super) fn read_within(&self, time: Duration) -> (Option<Microcode>, Vec<Problem>) {
        // Files are reopened by the real one.
        let real = ProcRoot::open(Path::new("/proc")).unwrap();
        let files = Files::open(&real, Some(self.0.path())).unwrap();
        let proc = ProcRoot::open(&self.0.path().join("proc")).unwrap();
        let microcode = read_within(&proc, &files, time);
        (microcode, files.into_problems())
    }

    /// What is read where nothing is wrong.
    #[track_caller]
    pub(super) fn good(&self) -> Microcode {
        let (microcode, problems) = self.read();
        assert_eq!(problems, []);
        let microcode = microcode.unwrap();
        assert_eq!(microcode.unread, []);
        microcode
    }
}

const SYSFS: &str = "sys/devices/system/cpu";

fn patch(file: &str, early: bool, mask: impl Into<Option<u32>>, revision: u32) -> Patch {
    Patch {
        file: Bytes::from(file),
        early,
        signature: 0xf48,
        platforms: mask.into(),
        revision,
    }
}

fn initrd(content: &[u8]) -> Vec<u8> {
    let name = "kernel/x86/microcode/GenuineIntel.bin";
    let early = archived("070701", name, 0o100_644, content);
    [&*early, b"\x28\xb5\x2f\xfd"].concat()
}

#[test]
fn t9_22_initrds_and_firmware_are_read() {
    let tree = Tree::of_intel();
    tree.put("lib/firmware/intel-ucode/0f-04-08", &sample("0f-04-08"));
    // For another processor.
    tree.put("lib/firmware/intel-ucode/0f-04-0a", &sample("0f-04-0a"));
    tree.put(
        "boot/initrd.img-6.1.0-56-amd64",
        &sample("early-intel.cpio"),
    );
    tree.put(
        "boot/initrd.img-6.1.0-55-amd64",
        b"\x1f\x8b\x08 nothing early",
    );
    symlink("initrd.img-6.1.0-56-amd64", tree.path("boot/initrd.img")).unwrap();
    let records = [(0x01, 0xc), (0x02, 0xe), (0x5f, 0x7)];
    let of = |file, early| records.map(|(mask, revision)| patch(file, early, mask, revision));
    let expected = Microcode {
        processors: vec![Processor {
            vendor: Bytes::from("GenuineIntel"),
            signature: 0xf48,
            platform: Some(2),
            revision: 2,
            packages: vec![0],
        }],
        patches: [
            of("/boot/initrd.img-6.1.0-56-amd64", true),
            of("/lib/firmware/intel-ucode/0f-04-08", false),
        ]
        .concat(),
        unread: Vec::new(),
        disabled: None,
    };
    assert_eq!(tree.good(), expected);
    tree.put("proc/cmdline", b"ro dis_ucode_ldr\n");
    let disabled = Some("dis_ucode_ldr".to_owned());
    assert_eq!(tree.good().disabled, disabled);
}

#[test]
fn t9_22_initrds_are_where_loaders_look() {
    let id = "0123456789abcdef0123456789abcdef";
    let paths = [
        "boot/initramfs-6.1.img".to_owned(),
        "boot/intel-ucode.img".to_owned(),
        format!("boot/{id}/6.1/initrd"),
        format!("efi/{id}/6.2/initrd"),
        "boot/ostree/default-0123/initramfs-6.3.img".to_owned(),
        "boot/kernels/x3-initrd-linux-6.6.1-initrd".to_owned(),
        "boot/efi/EFI/Linux/arch.efi".to_owned(),
    ];
    let tree = Tree::of_intel();
    let content = initrd(&record(update(0xf48, 2, 9), &[]));
    for path in &paths {
        tree.put(path, &content);
    }
    let others = [
        format!("boot/{id}/6.1/linux"),
        "boot/grub/initrd".to_owned(),
    ];
    for path in &others {
        tree.put(path, &content);
    }
    let mut expected = paths.map(|path| patch(&format!("/{path}"), true, 2, 9));
    expected.sort();
    assert_eq!(tree.good().patches, expected);
}

#[test]
fn t9_20_debians_other_name_is_read() {
    let tree = Tree::of_intel();
    let name = "lib/firmware/intel-ucode/0f-04-08.initramfs";
    tree.put(name, &record(update(0xf48, 2, 9), &[]));
    let expected = [patch(&format!("/{name}"), false, 2, 9)];
    assert_eq!(tree.good().patches, expected);
}

#[test]
fn t9_21_packed_firmware_is_read() {
    let more = "microcode\t: 0x7000106\n";
    for ending in ["xz", "zst"] {
        let tree = Tree::new(&cpu(0, "AuthenticAMD", (0x16, 0, 1), more));
        let name = format!("microcode_amd_fam16h.bin.{ending}");
        let packed = sample(&name);
        let path = format!("lib/firmware/amd-ucode/{name}");
        tree.put(&path, &packed);
        let found = tree.good().patches;
        assert_eq!((found.len(), found[0].revision), (1, 0x0700_010f));
        assert_eq!(found[0].file, Bytes::from(&*format!("/{path}")));
        // Cut off, or something else: no patch, and a problem.
        for damaged in [&packed[..packed.len() / 2], &packed[..3], b"DMA\0", b""] {
            tree.put(&path, damaged);
            let (microcode, problems) = tree.read();
            let microcode = microcode.unwrap();
            assert_eq!((microcode.patches, microcode.unread.len()), (Vec::new(), 1));
            assert_eq!(problems.len(), 1);
        }
    }
}

#[test]
fn t9_21_amd_is_read() {
    let more = "microcode\t: 0x7000106\n";
    let tree = Tree::new(&cpu(0, "AuthenticAMD", (0x16, 0, 1), more));
    let file = "lib/firmware/amd-ucode/microcode_amd_fam16h.bin";
    tree.put(file, &sample("microcode_amd_fam16h.bin"));
    tree.put(
        "lib/firmware/amd-ucode/microcode_amd.bin",
        &sample("microcode_amd.bin"),
    );
    tree.put("boot/initrd.img-6.1.0-56-amd64", &sample("early-amd.cpio"));
    let of = |file: &str, early| Patch {
        signature: 0x70_0f01,
        ..patch(file, early, None, 0x0700_010f)
    };
    let expected = [
        of("/boot/initrd.img-6.1.0-56-amd64", true),
        of(&format!("/{file}"), false),
    ];
    let found = tree.good();
    assert_eq!(found.patches, expected);
    assert_eq!(found.processors[0].revision, 0x0700_0106);
}

#[test]
fn t9_21_old_amd_processors_share_a_file() {
    let tree = Tree::new(&cpu(
        0,
        "AuthenticAMD",
        (0x10, 2, 3),
        "microcode\t: 0x1000065\n",
    ));
    tree.put(
        "lib/firmware/amd-ucode/microcode_amd.bin",
        &sample("microcode_amd.bin"),
    );
    assert_eq!(tree.good().patches[0].revision, 0x0100_0083);
}

#[test]
fn t9_24_processors_that_differ_stand_apart() {
    let more =
        |revision, package| format!("microcode\t: {revision:#x}\nphysical id\t: {package}\n");
    let kind = (6, 0x8e, 0xa);
    let text: String = (0..8)
        .map(|number| cpu(number, "GenuineIntel", kind, &more(0xf4, number / 4)))
        .chain([cpu(8, "GenuineIntel", kind, &more(0xf6, 1))])
        .chain([cpu(9, "GenuineIntel", (6, 0x8e, 0xb), &more(0xf6, 2))])
        .collect();
    let tree = Tree::new(&text);
    tree.put(
        &format!("{SYSFS}/cpu0/microcode/processor_flags"),
        b"0x80\n",
    );
    tree.put(
        &format!("{SYSFS}/cpu4/microcode/processor_flags"),
        b"0x80\n",
    );
    // Sysfs knows better.
    tree.put(&format!("{SYSFS}/cpu9/microcode/version"), b"0xf8\n");
    let found = tree.good().processors.into_iter().map(|processor| {
        let Processor {
            signature,
            platform,
            revision,
            packages,
            ..
        } = processor;
        (signature, platform, revision, packages)
    });
    let expected = [
        (0x806ea, None, 0xf6, vec![1]),
        (0x806ea, Some(0x80), 0xf4, vec![0, 1]),
        (0x806eb, None, 0xf8, vec![2]),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn t9_23_guests_are_silent() {
    let text = cpu(0, "GenuineIntel", (15, 4, 8), "").replace("vme", "hypervisor");
    let tree = Tree::new(&text);
    // Nobody even looks at what is there.
    tree.put("boot/initrd.img-6.1.0-56-amd64", b"070701 damaged");
    assert_eq!(tree.read(), (None, Vec::new()));
    fs::remove_file(tree.path("proc/cpuinfo")).unwrap();
    assert_eq!(tree.read(), (None, Vec::new()));
}
