//! Which files are images, and what is said of each: below a root of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, Mode};

use super::*;
use crate::model::FileKind;
use crate::problem::Problem;
use crate::view::ProcRoot;

/// Booted before any image came.
const LONG_AGO: Timestamp = Timestamp { secs: 0, nanos: 0 };

struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.0.path().join(path.strip_prefix('/').unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// A kernel of this release.
    fn kernel(&self, path: &str, release: &str) {
        let text = format!("{release} (a@b) #1 X\0");
        fs::write(self.path(path), x86(text.as_bytes(), 0x100)).unwrap();
    }

    fn with<T>(&self, read: impl FnOnce(&Files<'_>) -> T) -> (T, Vec<Problem>) {
        let proc = ProcRoot::open(Path::new("/proc")).unwrap();
        let files = Files::open(&proc, Some(self.0.path())).unwrap();
        let read = read(&files);
        (read, files.into_problems())
    }

    #[track_caller]
    fn images(&self, machine: &str) -> Vec<Image> {
        let (images, problems) = self.with(|files| read(files, machine.as_bytes(), LONG_AGO));
        assert_eq!(problems, []);
        images
    }

    /// What is found: paths, and releases where they are known.
    #[track_caller]
    fn check(&self, machine: &str, expected: &[(&str, &str)]) {
        let images = self.images(machine);
        let found = images.iter().map(|image| {
            let release = image.banner.as_ref().map(|banner| banner.release.clone());
            (image.path.clone(), release.unwrap_or(Bytes::from("")))
        });
        let expected = expected
            .iter()
            .map(|(a, b)| (Bytes::from(*a), Bytes::from(*b)));
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}

#[test]
fn t9_06_names() {
    let root = Root::new();
    for name in [
        "vmlinuz-6.1",
        "vmlinuz-6.1.old",
        "vmlinuz-linux",
        "vmlinuz",
        "Image-6.1",
        "Image.gz",
        // SUSE's, on s390x.
        "image-6.4.0-default",
        "bzImage",
        "zImage-6",
        "uImage",
        "kernel-6.1-gentoo",
        "kernel8.img",
        "kernel_2712.img",
        "kernel.img",
    ] {
        root.kernel(&format!("/boot/{name}"), name);
    }
    for name in [
        "initrd.img-6.1",
        "initramfs-6.1.img",
        "System.map-6.1",
        "config-6.1",
        "kernel-config-6.1",
        "memtest86+x64.bin",
        "vmlinuz-0-rescue-0123",
        "vmlinuz-6.1.sig",
        ".vmlinuz-6.1.hmac",
        "vmlinuz-6.1.hmac",
        "vmlinuz-6.1.sha512hmac",
        "vmlinuz-6.1.dpkg-new",
        "vmlinuz-6.1;5f3a",
        "vmlinuz-6.1.rpmsave",
        "vmlinux-6.1",
        "grub/vmlinuz",
        "dtbs/6.1/linux",
    ] {
        root.kernel(&format!("/boot/{name}"), "wrong");
    }
    fs::create_dir(root.path("/boot/vmlinuz-directory")).unwrap();
    symlink("nowhere", root.path("/boot/vmlinuz-dangles")).unwrap();
    let images = root.images("x86_64");
    assert_eq!(images.len(), 14, "{images:#?}");
    assert!(images.iter().all(|image| {
        let release = &image.banner.as_ref().unwrap().release;
        image.path.as_slice().ends_with(release.as_slice()) && image.form == ImageForm::Header
    }));
    assert_eq!(root.images("ppc64le").len(), 15);
    assert_eq!(root.images("i686").len(), 14);
}

#[test]
fn t9_06_places() {
    let root = Root::new();
    let token = "0123456789abcdef0123456789abcdef";
    let bls = format!("/boot/{token}/6.3/linux");
    let ostree = "/boot/ostree/fedora-0a/vmlinuz-6.4";
    let places = [
        (bls.as_str(), "6.3"),
        ("/boot/EFI/Linux/a+3-1.efi", "6.6"),
        ("/boot/efi/EFI/Linux/b.EFI", "6.7"),
        ("/boot/efi/debian/6.8/vmlinuz", "6.8"),
        ("/boot/firmware/kernel8.img", "6.9"),
        ("/boot/firmware/vmlinuz", "6.10"),
        (ostree, "6.4"),
        ("/boot/vmlinuz-6.1", "6.1"),
        ("/efi/EFI/Linux/c.efi", "6.5"),
        ("/lib/modules/6.12/vmlinuz", "6.12"),
        ("/usr/lib/modules/6.11/Image", "6.11"),
        ("/usr/lib/modules/6.2/vmlinuz", "6.2"),
        ("/usr/lib/modules/6.2/vmlinuz.efi", "6.2"),
    ];
    for (path, release) in places {
        root.kernel(path, release);
    }
    root.kernel(&format!("/boot/{token}/0-rescue/linux"), "wrong");
    root.kernel("/boot/firmware/bcm2711-rpi-4-b.dtb", "wrong");
    root.kernel("/efi/EFI/Linux/c.efi.extra.d/x.efi", "wrong");
    root.kernel("/usr/lib/modules/6.2/vmlinux", "wrong");
    fs::write(root.path("/boot/grub/grub.cfg"), "").unwrap();
    root.check("x86_64", &places);
}

#[test]
fn t9_06_links_and_names_of_one_file() {
    let root = Root::new();
    root.kernel("/usr/lib/modules/6.2/vmlinuz", "6.2");
    root.kernel("/boot/vmlinuz-6.1", "6.1");
    symlink("usr/lib", root.path("/lib")).unwrap();
    symlink("vmlinuz-6.1", root.path("/boot/vmlinuz")).unwrap();
    symlink("/boot/vmlinuz-6.1", root.path("/vmlinuz")).unwrap();
    symlink("boot/vmlinuz-6.0", root.path("/vmlinuz.old")).unwrap();
    let installed = "../usr/lib/modules/6.2/vmlinuz";
    symlink(installed, root.path("/boot/vmlinuz-6.2")).unwrap();
    fs::hard_link(
        root.path("/boot/vmlinuz-6.1"),
        root.path("/boot/vmlinuz-copy"),
    )
    .unwrap();
    root.check(
        "x86_64",
        &[
            ("/boot/vmlinuz-6.1", "6.1"),
            ("/usr/lib/modules/6.2/vmlinuz", "6.2"),
        ],
    );
}

#[test]
fn t9_06_nothing_is_installed() {
    let root = Root::new();
    root.check("x86_64", &[]);
    fs::write(root.path("/boot"), "").unwrap();
    let (images, problems) = root.with(|files| read(files, b"x86_64", LONG_AGO));
    assert_eq!((images, problems.len()), (vec![], 1));
}

#[test]
fn t9_06_what_cannot_be_read_is_told() {
    let root = Root::new();
    fs::write(root.path("/boot/vmlinuz-empty"), "").unwrap();
    rustix::fs::mkfifoat(
        CWD,
        root.path("/boot/vmlinuz-fifo"),
        Mode::from_raw_mode(0o600),
    )
    .unwrap();
    fs::write(root.path("/boot/vmlinuz-text"), "no kernel").unwrap();
    let images = root.images("x86_64");
    let why = |at: usize| match &images[at].banner {
        Err(WhyNot::Failed(why)) => why.as_str(),
        other => panic!("{other:?}"),
    };
    assert_eq!(images.len(), 3);
    assert_eq!(why(0), "it is empty");
    assert_eq!(why(1), "it is no regular file");
    assert_eq!(images[1].stat.kind, FileKind::Other);
    assert!(why(2).contains("no form that is known"));
}

/// Sparse files cost what is searched of them, not what they seem to be.
#[test]
fn t9_06_sparse_file_of_4_gib() {
    let root = Root::new();
    let file = fs::File::create(root.path("/boot/vmlinuz-sparse")).unwrap();
    file.set_len(4 << 30).unwrap();
    let images = root.images("x86_64");
    let Err(WhyNot::Failed(why)) = &images[0].banner else {
        panic!("{images:?}");
    };
    assert_eq!(
        why,
        "no kernel's banner is in its first 128 MiB, and no more was searched"
    );
}

#[test]
fn t9_06_more_than_anybody_installs() {
    let root = Root::new();
    for number in 0..600 {
        fs::write(root.path(&format!("/boot/vmlinuz-{number}")), "").unwrap();
    }
    let (images, problems) = root.with(|files| read(files, b"x86_64", LONG_AGO));
    assert_eq!((images.len(), problems.len()), (512, 1));
}

#[test]
fn releases_of_single_images() {
    let root = Root::new();
    root.kernel("/boot/vmlinuz-6.1", "6.1-x");
    symlink("boot/vmlinuz-6.1", root.path("/link")).unwrap();
    fs::write(root.path("/boot/empty"), "").unwrap();
    let release = |path: &str| root.with(|files| release_of(files, path.as_bytes())).0;
    assert_eq!(release("/boot/vmlinuz-6.1"), Ok(Some(Bytes::from("6.1-x"))));
    assert_eq!(release("/link"), Ok(Some(Bytes::from("6.1-x"))));
    assert_eq!(release("/boot/none"), Ok(None));
    assert!(release("/boot/empty").is_err());
    assert!(release("/boot").is_err());
}

#[test]
fn sections_of_single_images() {
    let root = Root::new();
    let image = pe(&[(b".osrel", b"ID=x"), (b".linux", b"y")]);
    fs::write(root.path("/boot/a.efi"), image).unwrap();
    let section = |path: &str, name, cap| {
        root.with(|files| section_of(files, path.as_bytes(), name, cap))
            .0
    };
    let bytes = |bytes: &[u8]| Ok(Some(bytes.to_vec()));
    assert_eq!(section("/boot/a.efi", b".osrel\0\0", 10), bytes(b"ID=x"));
    assert_eq!(section("/boot/a.efi", b".osrel\0\0", 3), bytes(b"ID="));
    assert_eq!(section("/boot/a.efi", b".uname\0\0", 3), Ok(None));
    assert_eq!(section("/boot/b.efi", b".osrel\0\0", 3), Ok(None));
}

/// One time for all that reads images; what a header says is not refused.
#[test]
fn t11_17_images_share_their_time() {
    let root = Root::new();
    root.kernel("/boot/vmlinuz-6.1", "6.1");
    fs::write(root.path("/boot/vmlinuz-6.2"), fixture("arm64.gz")).unwrap();
    root.with(|files| {
        let all = files.time_for_images.get();
        assert!(read(files, b"aarch64", LONG_AGO)[1].banner.is_ok());
        let left = files.time_for_images.get();
        assert!(left < all);
        release_of(files, b"/boot/vmlinuz-6.2").unwrap();
        assert!(files.time_for_images.get() < left);
        files.time_for_images.set(std::time::Duration::ZERO);
        let images = read(files, b"aarch64", LONG_AGO);
        assert!(images[0].banner.is_ok());
        let late = "it was not read in time: kernel images took too long altogether";
        let late = WhyNot::Failed(late.to_owned());
        assert_eq!(images[1].banner, Err(late.clone()));
        assert_eq!(release_of(files, b"/boot/vmlinuz-6.2"), Err(late.clone()));
        let again = at(files, b"/boot/vmlinuz-6.2").unwrap();
        assert_eq!(again.banner, Err(late));
    });
}

#[test]
fn what_has_not_changed_since_the_boot_is_known_by_its_name() {
    let root = Root::new();
    // Nobody could read these two: nothing is in them.
    let noise = vec![7; 100_000];
    fs::write(root.path("/boot/vmlinuz-6.1.0-56-arm64"), &noise).unwrap();
    fs::write(root.path("/usr/lib/modules/6.1.0-57-arm64/vmlinuz"), &noise).unwrap();
    fs::write(root.path("/boot/vmlinuz-6.1.0-58-arm64"), b"").unwrap();
    fs::write(root.path("/boot/vmlinuz-linux"), &noise).unwrap();
    root.kernel("/boot/vmlinuz-6.1.0-59-arm64", "6.1.0-60-amd64");
    let later = Timestamp {
        secs: i64::MAX,
        nanos: 0,
    };
    let (images, _) = root.with(|files| read(files, b"aarch64", later));
    let found: Vec<_> = images
        .iter()
        .map(|image| {
            (
                image.form,
                image
                    .banner
                    .as_ref()
                    .ok()
                    .map(|banner| banner.release.clone()),
            )
        })
        .collect();
    let expected = [
        (ImageForm::Named, Some(Bytes::from("6.1.0-56-arm64"))),
        (ImageForm::Unknown, None), // empty: damage is damage
        (ImageForm::Header, Some(Bytes::from("6.1.0-60-amd64"))), // a header knows better than a name
        (ImageForm::Unknown, None),
        (ImageForm::Named, Some(Bytes::from("6.1.0-57-arm64"))),
    ];
    assert_eq!(found, expected, "{images:#?}");
    // All of them are read where they have come since.
    let (images, _) = root.with(|files| read(files, b"aarch64", LONG_AGO));
    assert!(images.iter().all(|image| image.form != ImageForm::Named));
}
