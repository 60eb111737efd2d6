//! systemd-boot, with entries of real kernel-install.

use super::*;

const OLD: &str = "6.1.0-55-amd64";
const MIDDLE: &str = "6.1.0-56-amd64";
const NEW: &str = "6.12.41+deb12-amd64";
const S: LoaderKind = LoaderKind::SystemdBoot;

/// An ESP with three kernels. The newest has counters: three tries are left.
fn machine(mounted: &str) -> Scene {
    let mut scene = Scene::new().file(&format!("{mounted}/loader/loader.conf"), "timeout 3\n");
    for (release, counters) in [(OLD, ""), (MIDDLE, ""), (NEW, "+3")] {
        let name = format!("{ID}-{release}{counters}.conf");
        let text = fixture(&format!("systemd-boot/{name}"));
        scene = scene
            .file(&format!("{mounted}/loader/entries/{name}"), text)
            .file(&format!("{mounted}/{ID}/{release}/linux"), "");
    }
    scene
}

fn image(release: &str) -> String {
    format!("/efi/{ID}/{release}/linux")
}

#[track_caller]
fn boots(scene: &Scene, release: &str) {
    scene.boots(S, &image(release), release);
}

#[test]
fn t9_08_systemd_boot_takes_the_newest() {
    boots(&machine("/efi"), NEW);
    machine("/boot").boots(S, &format!("/boot/{ID}/{NEW}/linux"), NEW);
    machine("/boot/efi").boots(S, &format!("/boot/efi/{ID}/{NEW}/linux"), NEW);
    let entry = machine("/efi").read().default.unwrap();
    assert_eq!(entry.id.as_slice(), format!("{ID}-{NEW}+3.conf").as_bytes());
    assert_eq!(entry.title.as_slice(), b"Debian GNU/Linux 12 (bookworm)");
    // One partition by two names.
    machine("/efi")
        .link("/boot", "efi")
        .boots(S, &image(NEW), NEW);
}

#[test]
fn t9_04_no_tries_left() {
    let entries = format!("/efi/loader/entries/{ID}-{NEW}");
    let text = fixture(&format!("systemd-boot/{ID}-{NEW}+3.conf"));
    let scene = machine("/efi").without(&format!("{entries}+3.conf"));
    let scene = scene.file(&format!("{entries}+0-3.conf"), text);
    boots(&scene, MIDDLE);
    // It is still there for who asks.
    let asked = scene.variable("LoaderEntryDefault", &format!("{ID}-{NEW}.conf"));
    boots(&asked, NEW);
}

#[test]
fn t9_08_loader_conf() {
    let with = |text: &str| machine("/efi").file("/efi/loader/loader.conf", text);
    boots(&with(&format!("default {ID}-{OLD}.conf\n")), OLD);
    boots(&with("default *-6.1.*\n"), MIDDLE);
    boots(&with("default *-6.1.0-5[5]-*\n"), OLD);
    boots(&with("default nothing*\n"), NEW);
    boots(&with("#default *-6.1.*\n"), NEW);
    with(&format!("default {ID}-{OLD}\n")).boots_unknown(S, "lacks its .conf");
    boots(&with(&format!("default {ID}-{NEW}\n")), NEW);
    let preferred = format!("preferred {ID}-{OLD}.conf\n");
    with(&preferred).boots_unknown(S, "preferred");
    boots(&with(&format!("{preferred}default {ID}-{OLD}.conf\n")), OLD);
    with("default auto-windows\n").boots_unknown(S, "auto-windows");
}

#[test]
fn t9_08_variables_of_the_firmware() {
    let default = |value: &str| machine("/efi").variable("LoaderEntryDefault", value);
    boots(&default(&format!("{ID}-{OLD}.conf")), OLD);
    boots(&default(&format!("{ID}-{}.conf", OLD.to_uppercase())), OLD);
    let conf = format!("default {ID}-{MIDDLE}.conf\n");
    boots(
        &default(&format!("{ID}-{OLD}.conf")).file("/efi/loader/loader.conf", &conf),
        OLD,
    );
    boots(
        &default("gone.conf").file("/efi/loader/loader.conf", &conf),
        MIDDLE,
    );
    let last = format!("{ID}-{OLD}.conf");
    boots(
        &default("@saved").variable("LoaderEntryLastBooted", &last),
        OLD,
    );
    let saved = machine("/efi").file("/efi/loader/loader.conf", "default @saved\n");
    boots(&saved.variable("LoaderEntryLastBooted", &last), OLD);
    let once = default(&format!("{ID}-{MIDDLE}.conf")).variable("LoaderEntryOneShot", &last);
    once.boots_with_note(S, &image(OLD), OLD, "for the next boot alone");
    let setup = machine("/efi").variable("LoaderEntryOneShot", "auto-reboot-to-firmware-setup");
    setup.boots_unknown(S, "auto-reboot-to-firmware-setup");
}

#[test]
fn t9_08_entries_that_are_not_shown() {
    let scene = machine("/efi").without(&format!("/efi/{ID}/{NEW}/linux"));
    boots(&scene, MIDDLE);
    let other = "linux /l\nsort-key a\narchitecture s390\n";
    let scene = machine("/efi")
        .file("/efi/loader/entries/z.conf", other)
        .file("/efi/l", "");
    boots(&scene, NEW);
}

#[test]
fn t9_08_sort_keys() {
    let add = |name: &str, text: &str| {
        let path = format!("/efi/loader/entries/{name}.conf");
        machine("/efi").file(&path, text).file("/efi/l-7", "")
    };
    // Who has a key comes before who has none.
    boots(&add("z-99", "linux /l-7\nversion 99\n"), NEW);
    let found = add("a", "linux /l-7\nsort-key arch\nversion 1\n").read();
    assert_eq!(found.default.unwrap().image.as_slice(), b"/efi/l-7");
    boots(&add("a", "linux /l-7\nsort-key ubuntu\nversion 99\n"), NEW);
}

/// A PE file with one section.
fn unified(os_release: &str) -> Vec<u8> {
    let mut file = vec![0; 0x200];
    file[..2].copy_from_slice(b"MZ");
    file[0x3c] = 0x40;
    file[0x40..0x44].copy_from_slice(b"PE\0\0");
    file[0x46] = 1;
    let section = &mut file[0x58..0x80];
    section[..7].copy_from_slice(b".osrel\0");
    let size = u32::try_from(os_release.len()).unwrap().to_le_bytes();
    section[8..12].copy_from_slice(&size);
    section[16..20].copy_from_slice(&size);
    section[20..24].copy_from_slice(&0x200_u32.to_le_bytes());
    file.extend_from_slice(os_release.as_bytes());
    file
}

#[test]
fn t9_04_unified_images() {
    let system = "ID=debian\nVERSION_ID=\"13\"\nPRETTY_NAME=\"Debian 13\"\n";
    let scene = Scene::new()
        .file("/efi/EFI/systemd/systemd-bootx64.efi", "")
        .file("/efi/EFI/Linux/debian-6.12.38.efi", unified(system))
        .file("/efi/EFI/Linux/debian-6.12.41+2-1.efi", unified(system))
        .file("/efi/EFI/Linux/debian-6.12.43+0-3.efi", unified(system))
        .file("/efi/EFI/Linux/not-an-image-9.efi", "");
    let loader = scene.read();
    check(&loader, S, "/efi/EFI/Linux/debian-6.12.41+2-1.efi", "");
    let entry = loader.default.unwrap();
    assert_eq!(entry.id.as_slice(), b"debian-6.12.41+2-1.efi");
    assert_eq!(entry.title.as_slice(), b"Debian 13");
    let scene = scene.variable("LoaderEntryDefault", "debian-6.12.38.efi@1");
    check(&scene.read(), S, "/efi/EFI/Linux/debian-6.12.38.efi", "");
    let scene = scene.variable("LoaderEntryDefault", "debian-6.12.43.efi");
    check(
        &scene.read(),
        S,
        "/efi/EFI/Linux/debian-6.12.43+0-3.efi",
        "",
    );
}

#[test]
fn t9_08_which_loader() {
    // Neither says that it was the one.
    let grub = "menuentry a { linux /boot/vmlinuz-6.1 }\n";
    let both = |scene: Scene| {
        scene
            .file("/boot/grub/grub.cfg", grub)
            .images(&["/boot/vmlinuz-6.1"])
    };
    both(machine("/efi")).boots_unknown(LoaderKind::Grub, "files of systemd-boot as well");
    let said = both(machine("/efi")).variable("LoaderInfo", "systemd-boot 257.7-1");
    boots(&said, NEW);
    let said = both(machine("/efi")).variable("LoaderInfo", "GRUB 2.12");
    said.boots(LoaderKind::Grub, "/boot/vmlinuz-6.1", "6.1");
    let said = both(machine("/efi")).variable("LoaderInfo", "rEFInd 0.14.2");
    said.boots_unknown(
        LoaderKind::Unknown,
        "the boot loader is not known: rEFInd 0.14.2",
    );
    // The same kernel either way.
    let entry = "linux /vmlinuz-6.1\nversion 6.1\n";
    let scene = both(Scene::new()).file("/boot/loader/entries/a.conf", entry);
    let scene = scene.file("/boot/loader/loader.conf", "");
    scene.boots(LoaderKind::Grub, "/boot/vmlinuz-6.1", "6.1");
    // Entries alone are GRUB's as well as systemd-boot's.
    let scene = Scene::new().file("/boot/loader/entries/a.conf", entry);
    scene
        .images(&["/boot/vmlinuz-6.1"])
        .boots_unknown(LoaderKind::Unknown, "");
}

/// A pattern that would take long, with each of a thousand names.
#[test]
fn t9_08_long_patterns() {
    let entry = "linux /vmlinuz-6.1\n";
    let scene = (0..200).fold(Scene::new().images(&["/efi/vmlinuz-6.1"]), |scene, at| {
        let name = format!("{at}{}", "a".repeat(240));
        scene.file(&format!("/efi/loader/entries/{name}.conf"), entry)
    });
    let pattern = format!("*[{}]*[x]", "b".repeat(60_000));
    let scene = scene.file("/efi/loader/loader.conf", format!("default {pattern}\n"));
    let started = std::time::Instant::now();
    scene.boots_unknown(S, "a pattern that is too long");
    assert!(started.elapsed() < std::time::Duration::from_secs(1));
}
