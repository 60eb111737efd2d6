//! extlinux, Raspberry Pi, zipl, none.

use super::*;

#[test]
fn t9_08_nothing_there() {
    let loader = Scene::new().read();
    assert_eq!((loader.kind, loader.default), (LoaderKind::Unknown, None));
    assert_eq!(loader.notes, [""; 0]);
}

#[test]
fn t9_08_extlinux() {
    let images = [
        "/boot/vmlinuz-6.1.0-56-amd64",
        "/boot/vmlinuz-6.12.41+deb12-amd64",
    ];
    let real = String::from_utf8(fixture("extlinux.conf")).unwrap();
    let with = |text: &str| {
        Scene::new()
            .file("/boot/extlinux/extlinux.conf", text)
            .images(&images)
    };
    with(&real).boots(LoaderKind::Extlinux, images[1], "6.12.41+deb12-amd64");
    let entry = with(&real).read().default.unwrap();
    assert_eq!(entry.id.as_slice(), b"l0");
    let title = b"Debian GNU/Linux 12 (bookworm) 6.12.41+deb12-amd64";
    assert_eq!(entry.title.as_slice(), title);
    let older = real.replace("default l0", "default l1");
    with(&older).boots(LoaderKind::Extlinux, images[0], "6.1.0-56-amd64");
    // Beside the file.
    let relative = "label a\nkernel ../vmlinuz-6.1.0-56-amd64\n";
    with(relative).boots(LoaderKind::Extlinux, images[0], "6.1.0-56-amd64");
    with("label a\nkernel /vmlinuz-6.1.0-56-amd64\n").boots(
        LoaderKind::Extlinux,
        images[0],
        "6.1.0-56-amd64",
    );
    with("default a\n").boots_unknown(LoaderKind::Extlinux, "none of its labels");
    let syslinux = Scene::new().file("/boot/syslinux/syslinux.cfg", relative);
    syslinux.boots_unknown(LoaderKind::Extlinux, "names no default");
}

fn raspberry(model: &str, config: &str, images: &[&str]) -> Scene {
    let model = format!("Raspberry Pi {model}\0");
    Scene::new()
        .file("/sys/firmware/devicetree/base/model", model)
        .file("/boot/firmware/config.txt", config)
        .images(images)
}

#[test]
fn t9_12_raspberry_pi() {
    let all = [
        "/boot/firmware/kernel8.img",
        "/boot/firmware/kernel_2712.img",
        "/boot/firmware/kernel7l.img",
    ];
    let p = LoaderKind::RaspberryPi;
    raspberry("5 Model B Rev 1.0", "arm_64bit=1\n", &all).boots(p, all[1], "");
    raspberry("5 Model B Rev 1.0", "", &all[..1]).boots(p, all[0], "");
    raspberry("4 Model B Rev 1.4", "[pi5]\nkernel=x\n[all]\n", &all).boots(p, all[0], "");
    raspberry("4 Model B Rev 1.4", "arm_64bit=0\n", &all).boots(p, all[2], "");
    let debian = "kernel=vmlinuz-6.12.41+deb13-arm64\ninitramfs initrd.img\n";
    let image = "/boot/firmware/vmlinuz-6.12.41+deb13-arm64";
    raspberry("3 Model B", debian, &[image]).boots(p, image, "6.12.41+deb13-arm64");
    let ubuntu = "[all]\nkernel=vmlinuz\nos_prefix=current/\n[tryboot]\nos_prefix=new/\n";
    let images = [
        "/boot/firmware/current/vmlinuz",
        "/boot/firmware/new/vmlinuz",
    ];
    raspberry("4 Model B", ubuntu, &images).boots(p, images[0], "");
    raspberry("7 Model B", "", &all).boots_unknown(p, "the model is not known");
    raspberry("3 Model B", "", &all).boots_unknown(p, "which is not there");
    // U-Boot takes over.
    let config = "[pi4]\nkernel=uboot_rpi_4.bin\n";
    let scene = raspberry("4 Model B", config, &["/boot/vmlinuz-6.1"]);
    let scene = scene.file(
        "/boot/extlinux/extlinux.conf",
        "label a\nlinux /vmlinuz-6.1\n",
    );
    scene.boots(LoaderKind::Extlinux, "/boot/vmlinuz-6.1", "6.1");
    // Another board.
    let scene = raspberry("4 Model B", "", &all);
    let scene = scene.file("/sys/firmware/devicetree/base/model", "Pine64 RockPro64\0");
    scene.boots_unknown(LoaderKind::Unknown, "");
}

#[test]
fn t9_08_zipl() {
    let entry = |release: &str| {
        format!("title Linux ({release})\nversion {release}\nlinux /boot/vmlinuz-{release}\n")
    };
    let with = |conf: &str| {
        Scene::new()
            .file("/etc/zipl.conf", conf)
            .file("/boot/loader/entries/a.conf", entry("5.14.0-70"))
            .file("/boot/loader/entries/b.conf", entry("5.14.0-162"))
            .images(&["/boot/vmlinuz-5.14.0-70", "/boot/vmlinuz-5.14.0-162"])
    };
    let z = LoaderKind::Zipl;
    with("[defaultboot]\ndefaultauto\n").boots_unknown(z, "the boot map");
    let named = with("[defaultboot]\ndefaultauto\ndefault=\"Linux (5.14.0-70)\"\n");
    named.boots_with_note(
        z,
        "/boot/vmlinuz-5.14.0-70",
        "5.14.0-70",
        "zipl boots what it was last",
    );
    with("[defaultboot]\ndefault=x\n").boots_unknown(z, "the boot map");
}
