//! GRUB, with files of real grub-mkconfig.

use super::super::grub::{Beside, parse_grub_cfg, places};
use super::*;

const OLD: &str = "6.1.0-55-amd64";
const MIDDLE: &str = "6.1.0-56-amd64";
const NEW: &str = "6.12.41+deb12-amd64";
const G: LoaderKind = LoaderKind::Grub;

fn debian(cfg: &str) -> Scene {
    let images = [OLD, MIDDLE, NEW].map(|release| format!("/boot/vmlinuz-{release}"));
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let cfg = fixture(&format!("grub/{cfg}.cfg"));
    Scene::new()
        .images(&images)
        .file("/boot/grub/grub.cfg", cfg)
}

#[track_caller]
fn check_debian(scene: &Scene, release: &str) {
    scene.boots(G, &format!("/boot/vmlinuz-{release}"), release);
}

fn environment(pairs: &str) -> String {
    let text = format!("# GRUB Environment Block\n{pairs}");
    format!("{text:#<1024}")
}

#[test]
fn t9_08_debian_defaults() {
    check_debian(&debian("debian-plain"), NEW);
    // Index 2 of the submenu: the recovery modes count.
    check_debian(&debian("debian-number"), MIDDLE);
    check_debian(&debian("debian-id"), OLD);
    check_debian(&debian("debian-title"), MIDDLE);
    // Paths as GRUB sees them.
    check_debian(&debian("debian-separate-boot"), NEW);
    check_debian(&debian("debian-btrfs"), NEW);
    // Nothing is saved yet.
    check_debian(&debian("debian-saved"), NEW);
}

#[test]
fn t9_08_debian_entry_and_its_source() {
    let entry = debian("debian-id").read().default.unwrap();
    let id = format!("gnulinux-{OLD}-advanced-0b6e5b36-6fa3-4b2c-9d2d-4d7e61bb3c3f");
    assert_eq!(entry.id.as_slice(), id.as_bytes());
    let title = format!("Debian GNU/Linux, with Linux {OLD}");
    assert_eq!(entry.title.as_slice(), title.as_bytes());
    assert_eq!(entry.source.as_slice(), b"/boot/grub/grub.cfg");
}

#[test]
fn t9_08_debian_grubenv() {
    let saved = debian("debian-saved");
    let saved = saved.file("/boot/grub/grubenv", fixture("grub/saved-id.grubenv"));
    check_debian(&saved, OLD);
    // A kernel that is no longer there: GRUB takes the first of the submenu.
    let id = "gnulinux-advanced-0b6e5b36-6fa3-4b2c-9d2d-4d7e61bb3c3f>gnulinux-6.1.0-1-amd64";
    let env = environment(&format!("saved_entry={id}\n"));
    let gone = debian("debian-saved").file("/boot/grub/grubenv", env);
    gone.boots_with_note(
        G,
        &format!("/boot/vmlinuz-{NEW}"),
        NEW,
        "not among the entries",
    );
    // Saved means nothing where the default is a number.
    let plain = debian("debian-plain");
    check_debian(
        &plain.file("/boot/grub/grubenv", fixture("grub/saved-id.grubenv")),
        NEW,
    );
}

#[test]
fn t9_08_once() {
    // grub-reboot: index 4 of the submenu.
    for cfg in ["debian-plain", "debian-saved", "debian-id"] {
        let scene = debian(cfg).file("/boot/grub/grubenv", fixture("grub/next.grubenv"));
        let image = format!("/boot/vmlinuz-{OLD}");
        scene.boots_with_note(G, &image, OLD, "for the next boot alone");
    }
}

#[test]
fn t9_08_prev_saved_entry_is_for_the_boot_after() {
    let env = environment("saved_entry=1>4\nprev_saved_entry=0\n");
    check_debian(&debian("debian-saved").file("/boot/grub/grubenv", env), OLD);
}

#[test]
fn t9_08_image_is_gone() {
    let scene = debian("debian-id").without(&format!("/boot/vmlinuz-{OLD}"));
    scene.boots_unknown(G, "which is not there");
    let note = |scene: &Scene| scene.read().notes;
    let gone = format!("would boot /boot/vmlinuz-{OLD}, which is not there");
    let id = format!(
        "the default entry, gnulinux-{OLD}-advanced-0b6e5b36-6fa3-4b2c-9d2d-4d7e61bb3c3f, "
    );
    assert_eq!(note(&scene), [format!("{id}{gone}")]);
    // Another file does not make it another thing.
    let other = "menuentry a { linux /a }\n";
    let scene = scene.file("/boot/grub2/grub.cfg", other);
    assert_eq!(
        note(&scene),
        ["the default entry, a, would boot /boot/a, which is not there"]
    );
    // Nor is it said beside what boots no Linux.
    let windows = "menuentry w { chainloader /EFI/x.efi }\n";
    let scene = Scene::new().file("/boot/grub/grub.cfg", windows);
    let said = "cannot tell what /boot/grub/grub.cfg boots: the default entry boots no Linux, but: chainloader";
    assert_eq!(note(&scene), [said]);
    let scene = Scene::new()
        .file("/boot/grub2/grub.cfg", windows)
        .file("/boot/grub/grub.cfg", other);
    let said = said.replace("grub/", "grub2/");
    assert_eq!(note(&scene), [said]);
}

#[test]
fn t9_08_links_in_boot() {
    let cfg = "menuentry a { linux /boot/vmlinuz root=x\n}\n";
    let scene = Scene::new().file("/boot/grub/grub.cfg", cfg);
    let scene = scene
        .images(&["/boot/vmlinuz-6.1"])
        .link("/boot/vmlinuz", "vmlinuz-6.1");
    scene.boots(G, "/boot/vmlinuz-6.1", "6.1");
    // SUSE.
    let cfg = "menuentry a { linux /boot/vmlinuz-6.4.0-150600.21-default root=x\n}\n";
    let scene = Scene::new().file("/boot/grub2/grub.cfg", cfg);
    let image = "/usr/lib/modules/6.4.0-150600.21-default/vmlinuz";
    let scene = scene.images(&[image]).link(
        "/boot/vmlinuz-6.4.0-150600.21-default",
        &format!("..{image}"),
    );
    scene.boots(G, image, "6.4.0-150600.21-default");
}

const RH_OLD: &str = "5.14.0-70.13.1.el9_0.x86_64";
const RH_NEW: &str = "5.14.0-70.22.1.el9_0.x86_64";

fn red_hat(cfg: &str) -> Scene {
    let mut scene = Scene::new().file("/boot/grub2/grub.cfg", fixture(&format!("grub/{cfg}.cfg")));
    for release in [RH_OLD, RH_NEW, &format!("0-rescue-{ID}")] {
        let file = format!("/boot/loader/entries/{ID}-{release}.conf");
        let file = file.replace(&format!("0-rescue-{ID}"), "0-rescue");
        let text = fixture("grub/bls-entry.conf");
        let text = String::from_utf8(text).unwrap().replace("RELEASE", release);
        let image = format!("/boot/vmlinuz-{release}");
        scene = scene.file(&file, text).images(&[&image]);
    }
    scene
}

#[test]
fn t9_08_red_hat_newest_without_a_saved_entry() {
    for cfg in ["rhel-9", "fedora-44"] {
        red_hat(cfg).boots(G, &format!("/boot/vmlinuz-{RH_NEW}"), RH_NEW);
    }
}

#[test]
fn t9_08_red_hat_saved_entry() {
    let image = format!("/boot/vmlinuz-{RH_OLD}");
    for cfg in ["rhel-9", "fedora-44"] {
        let scene = red_hat(cfg);
        let scene = scene.file("/boot/grub2/grubenv", fixture("grub/rhel.grubenv"));
        scene.boots(G, &image, RH_OLD);
        let entry = scene.read().default.unwrap();
        let source = format!("/boot/loader/entries/{ID}-{RH_OLD}.conf");
        assert_eq!(entry.source.as_slice(), source.as_bytes());
        // By title, by number.
        let title = format!("saved_entry=Red Hat Enterprise Linux ({RH_OLD}) 9.0 (Plow)\n");
        for pairs in [title.as_str(), "saved_entry=1\n"] {
            let scene = red_hat(cfg).file("/boot/grub2/grubenv", environment(pairs));
            scene.boots(G, &image, RH_OLD);
        }
        let env = environment(&format!("saved_entry={ID}-5.14.0-1\n"));
        let gone = red_hat(cfg).file("/boot/grub2/grubenv", env);
        let image = format!("/boot/vmlinuz-{RH_NEW}");
        gone.boots_with_note(G, &image, RH_NEW, "not among the entries");
    }
}

#[test]
fn t9_08_red_hat_grubenv_on_the_esp() {
    // RHEL 8: a link.
    let scene = red_hat("rhel-9").link("/boot/grub2/grubenv", "../efi/EFI/redhat/grubenv");
    let scene = scene.file("/boot/efi/EFI/redhat/grubenv", fixture("grub/rhel.grubenv"));
    scene.boots(G, &format!("/boot/vmlinuz-{RH_OLD}"), RH_OLD);
    // RHEL 9: a few lines there that lead to /boot.
    let stub = "search --no-floppy --root-dev-only --fs-uuid --set=dev 7a51\nset prefix=($dev)/grub2\n\
                export $prefix\nconfigfile $prefix/grub.cfg\n";
    let scene = red_hat("rhel-9").variable("LoaderInfo", "GRUB 2.06");
    let scene = scene.file("/boot/efi/EFI/redhat/grub.cfg", stub);
    scene.boots(G, &format!("/boot/vmlinuz-{RH_NEW}"), RH_NEW);
    // One of both is left over.
    let scene = red_hat("rhel-9").variable("LoaderInfo", "GRUB 2.06");
    let real = format!("menuentry x {{\nlinux /vmlinuz-{RH_OLD}\n}}\n");
    let scene = scene.file("/boot/efi/EFI/redhat/grub.cfg", real);
    scene.boots_unknown(G, "name different kernels");
}

#[test]
fn t9_08_boot_counter() {
    let image = format!("/boot/vmlinuz-{RH_OLD}");
    let counted = red_hat("rhel-9").file("/boot/grub2/grubenv", fixture("grub/counted.grubenv"));
    // Out of tries: the second entry.
    counted.boots(G, &image, RH_OLD);
    let image = format!("/boot/vmlinuz-{RH_NEW}");
    for pairs in [
        "boot_counter=0\nboot_success=1\n",
        "boot_counter=1\nboot_success=0\n",
    ] {
        let scene = red_hat("rhel-9").file("/boot/grub2/grubenv", environment(pairs));
        scene.boots(G, &image, RH_NEW);
    }
}

#[test]
fn t9_08_red_hat_without_snippets() {
    let scene = red_hat("rhel-9-no-bls");
    scene.boots(G, &format!("/boot/vmlinuz-{RH_NEW}"), RH_NEW);
}

#[test]
fn t9_08_order_that_versions_of_grub_differ_in() {
    let scene = red_hat("fedora-44");
    // For rpm a number is newer than a word, for others a dot comes before it.
    let entry = format!("linux /vmlinuz-{RH_NEW}\n");
    let scene = scene
        .file("/boot/loader/entries/a-1-2a.conf", &entry)
        .file("/boot/loader/entries/a-1-2.1.conf", &entry);
    scene.boots_unknown(G, "sort the entries differently");
    let env = fixture("grub/rhel.grubenv");
    let scene = scene.file("/boot/grub2/grubenv", env);
    scene.boots(G, &format!("/boot/vmlinuz-{RH_OLD}"), RH_OLD);
}

/// A script by itself: the image of its default, or why there is none.
#[track_caller]
fn says(script: &str, grubenv: &str, expected: Result<&str, &str>) {
    let beside = Beside::of(Some(environment(grubenv).as_bytes()), None, &[]);
    let found = parse_grub_cfg(script.as_bytes(), &beside);
    let found = found.map(|default| String::from_utf8(default.unwrap().image).unwrap());
    match (found, expected) {
        (Err(what), Err(part)) => assert!(what.contains(part), "{what}"),
        (found, expected) => {
            let found = found.as_deref().map_err(String::as_str);
            assert_eq!(found, expected, "{script}");
        }
    }
}

const TWO: &str = "menuentry 'A' --id a { linux /a }\nmenuentry 'B' --id b { linux /b }\n";

#[test]
fn t9_08_what_a_default_means() {
    let with =
        |default: &str, expected| says(&format!("set default=\"{default}\"\n{TWO}"), "", expected);
    with("", Ok("/a"));
    with("0", Ok("/a"));
    with("1", Ok("/b"));
    with("b", Ok("/b"));
    with("B", Ok("/b"));
    with("2", Ok("/a"));
    with("c", Ok("/a"));
    with("01", Err("odd number"));
    with("1x", Err("begins with a digit"));
    with("${grub_platform}", Err("depends on what no file tells"));
    says(&format!("default=1\n{TWO}"), "", Ok("/b"));
    says(&format!("{TWO}set default=b\n"), "", Ok("/b"));
    let odd = "menuentry '1' { linux /a }\nmenuentry B { linux /b }\nset default=1\n";
    says(odd, "", Err("a number and a name"));
    let odd = "menuentry x --id a { linux /a }\nmenuentry a --id b { linux /b }\nset default=a\n";
    says(odd, "", Err("names two entries"));
    says("set default=0\n", "", Err("no entries"));
}

#[test]
fn t9_08_submenus() {
    let menu = "submenu 'S>1' --id s { menuentry C { linux /c }\nsubmenu T { menuentry D { linux /d } } }\n";
    let with = |default: &str, expected| {
        says(
            &format!("{TWO}{menu}set default='{default}'\n"),
            "",
            expected,
        )
    };
    with("2>0", Ok("/c"));
    with("s>C", Ok("/c"));
    with("s>1>0", Ok("/d"));
    with("S>>1>T>D", Ok("/d"));
    with("s", Ok("/c"));
    with("s>", Ok("/c"));
    with("s>1", Ok("/d"));
}

#[test]
fn t9_08_conditions() {
    let with = |condition: &str, expected| {
        says(
            &format!("x=1\nif {condition}; then default=b; else default=a; fi\n{TWO}"),
            "v=7\n",
            expected,
        );
    };
    with("true", Ok("/b"));
    with("false", Ok("/a"));
    with("! false", Ok("/b"));
    with("[ x$feature_menuentry_id = xy ]", Ok("/b"));
    with("[ \"${x}\" ]", Ok("/b"));
    with("[ \"${y}\" ]", Ok("/a"));
    with("[ -n \"${x}\" -a \"${x}\" = \"1\" ]", Ok("/b"));
    with("[ -z \"${x}\" -o \"${x}\" != 1 ]", Ok("/a"));
    with("[ ! -z \"${x}\" ]", Ok("/b"));
    with("test $x -lt 2", Ok("/b"));
    with("[ -s $prefix/grubenv ]", Ok("/b"));
    with("[ -f ${config_directory}/custom.cfg ]", Ok("/a"));
    with("load_env; [ $v = 7 ]", Ok("/b"));
    with("load_env w; [ \"$v\" = 7 ]", Ok("/a"));
    const UNKNOWN: Result<&str, &str> = Err("depends on what no file tells");
    with("[ $grub_platform = efi ]", UNKNOWN);
    with("[ -f /boot/x ]", UNKNOWN);
    with("[ -d $prefix/locale ]", UNKNOWN);
    with("keystatus --shift", UNKNOWN);
    with("[ ( a ) ]", UNKNOWN);
    with("[ x", UNKNOWN);
    with("[", UNKNOWN);
    // Neither side makes a difference.
    with("[ false -a $grub_platform = efi -a \"\" ]", Ok("/a"));
    says(
        &format!("default=b\nif [ $grub_cpu = x ]; then default=b; fi\n{TWO}"),
        "",
        Ok("/b"),
    );
}

#[test]
fn t9_08_entries_that_may_not_be_there() {
    let maybe = "if [ $grub_platform = efi ]; then menuentry U --id u { fwsetup }\nfi\n";
    says(&format!("{TWO}{maybe}default=1\n"), "", Ok("/b"));
    says(&format!("{maybe}{TWO}default=b\n"), "", Ok("/b"));
    says(
        &format!("{maybe}{TWO}default=1\n"),
        "",
        Err("which entries there are"),
    );
    says(&format!("{maybe}{TWO}"), "", Err("which entries there are"));
    says(
        &format!("{TWO}{maybe}default=u\n"),
        "",
        Err("whether the default entry is there"),
    );
    says("menuentry U { fwsetup }\n", "", Err("boots no Linux"));
    says(
        "menuentry W { chainloader /EFI/x.efi }\n",
        "",
        Err("boots no Linux"),
    );
    says("menuentry W { insmod x }\n", "", Err("loads no kernel"));
    says(
        "menuentry O --id osprober-gnulinux-x { linux /a }\n",
        "",
        Err("another system"),
    );
}

#[test]
fn t9_08_what_an_entry_loads() {
    let loads = |body: &str, expected| says(&format!("menuentry A {{\n{body}\n}}\n"), "", expected);
    // The device is not known, and does not matter.
    loads("linux ($root)/a root=x", Ok("/a"));
    loads("linux16 /a\ninitrd16 /b", Ok("/a"));
    loads("linuxefi \"/a\" root=x $tuned_params", Ok("/a"));
    loads("x=/a; linux $x", Ok("/a"));
    loads(
        "multiboot2 /xen.gz placeholder ${xen_rm_opts}\nmodule2 /a placeholder\nmodule2 --nounzip /i",
        Ok("/a"),
    );
    loads(
        "if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi\nlinux /a",
        Ok("/a"),
    );
    loads(
        "if [ \"$grub_platform\" = efi ]; then linux /a; else linux /a x; fi",
        Ok("/a"),
    );
    loads(
        "if [ \"$grub_platform\" = efi ]; then linux /a; else linux /b; fi",
        Err("which kernel"),
    );
    loads("linux $grub_cpu", Err("which kernel"));
    // Ubuntu.
    loads(
        "if [ \"${initrdfail}\" = 1 ]; then\nlinux /a panic=-1\nelse\nlinux /a ro quiet $vt_handoff\ninitrd /i\nfi\ninitrdfail",
        Err("`initrdfail`"),
    );
}

#[test]
fn t9_08_functions_and_files() {
    let ubuntu = "function gfxmode { set gfxpayload=\"${1}\"\nif [ \"${1}\" = \"keep\" ]; then\nset vt_handoff=vt.handoff=7\n\
        else set vt_handoff= ; fi }\nfunction recordfail { set recordfail=1; if [ -n \"${have_grubenv}\" ]; then \
        if [ -z \"${boot_once}\" ]; then save_env recordfail; fi; fi }\nif [ \"${recordfail}\" != 1 ]; then\n\
        if [ -e ${prefix}/gfxblacklist.txt ]; then\nif [ ${grub_platform} != pc ]; then set linux_gfx_mode=keep\n\
        elif hwmatch ${prefix}/gfxblacklist.txt 3; then if [ ${match} = 0 ]; then set linux_gfx_mode=keep; else \
        set linux_gfx_mode=text; fi; fi\nfi\nfi\nexport linux_gfx_mode\n\
        menuentry 'Ubuntu' { recordfail\nload_video\ngfxmode $linux_gfx_mode\nlinux /a ro $vt_handoff\n}\n\
        function load_video { insmod all_video; }\n";
    says(ubuntu, "", Ok("/a"));
    says("function f { f; }\nf\n", "", Err("too deep"));
    says("source /x\n", "", Err("another file"));
    says("nonsense a\n", "", Err("`nonsense`"));
    says("eval \"set default=1\"\n", "", Err("`eval`"));
    says("for x in a b; do true; done\n", "", Err("loop"));
    says("normal\n", "", Err("`normal`"));
    says("exit\n", "", Err("`exit`"));
    // Somebody put it into grubenv.
    let suse = "load_env\nif [ \"${env_block}\" ]; then set env_block=\"(${root})${env_block}\"; load_env -f \"${env_block}\"; fi\n";
    says(
        &format!("{suse}{TWO}"),
        "env_block=512+1\n",
        Err("environment block in another place"),
    );
    says(&format!("{suse}{TWO}"), "", Ok("/a"));
    let custom = "if [ -f  ${config_directory}/custom.cfg ]; then\n  source ${config_directory}/custom.cfg\n\
        elif [ -z \"${config_directory}\" -a -f  $prefix/custom.cfg ]; then\n  source $prefix/custom.cfg\nfi\n";
    says(&format!("{TWO}{custom}"), "", Ok("/a"));
    let beside = Beside::of(
        None,
        Some(b"set default=c\nmenuentry c { linux /c }\n"),
        &[],
    );
    let found = parse_grub_cfg(format!("{TWO}{custom}").as_bytes(), &beside).unwrap();
    assert_eq!(found.unwrap().image, b"/c");
    let stub = "search.fs_uuid 7a51 root hd0,gpt2\nset prefix=($root)'/grub'\nconfigfile $prefix/grub.cfg\n";
    assert_eq!(parse_grub_cfg(stub.as_bytes(), &beside), Ok(None));
}

#[test]
fn t9_08_words() {
    let with = |word: &str, expected| {
        says(
            &format!("a='x y'; e=\nmenuentry A {{\nlinux {word}\n}}\n"),
            "",
            expected,
        )
    };
    with("'/a b'", Ok("/a b"));
    with("/a\\ b", Ok("/a b"));
    with("\"/a $a\"", Ok("/a x y"));
    with("/$a", Ok("/x"));
    with("$e /b", Ok("/b"));
    with("\"/a\\\"b\"", Ok("/a\"b"));
    with("/a'b'\"c\"d", Ok("/abcd"));
    with("\\\n/a", Ok("/a"));
    with("/a # x", Ok("/a"));
    with("/a#x", Ok("/a#x"));
    with("/a; true", Ok("/a"));
    with("/a | x", Err("pipe"));
    with("'/a", Err("without end"));
    with("${a", Err("odd name"));
    says(
        "menuentry 'it'\\''s' { linux /a }\nset default=\"it's\"\n",
        "",
        Ok("/a"),
    );
}

#[test]
fn t9_08_places() {
    let first = |path: &str| {
        let all = places(path.as_bytes());
        let text = |path: &Vec<u8>| String::from_utf8(path.clone()).unwrap();
        all.iter().map(text).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(first("/boot/v"), "/boot/v /boot/boot/v /boot/v");
    assert_eq!(first("/v"), "/boot/v /v");
    assert_eq!(first("(hd0,gpt2)/v"), "/boot/v /v");
    assert_eq!(
        first("/@/boot/v"),
        "/boot/v /boot/boot/v /boot/v /boot/@/boot/v /@/boot/v"
    );
    assert_eq!(
        first("/BOOT/debian@/v"),
        "/boot/v /v /boot/BOOT/debian@/v /BOOT/debian@/v"
    );
    assert_eq!(first("v"), "");
    assert_eq!(first("(hd0"), "");
}

#[test]
fn t9_08_environment_blocks() {
    use super::super::grubenv::parse_grubenv;
    let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let odd = parse_grubenv(&fixture("grub/odd.grubenv")).unwrap();
    assert_eq!(odd, [pair("saved_entry", "back\\slash")]);
    let found = parse_grubenv(&fixture("grub/next.grubenv")).unwrap();
    assert_eq!(found, [pair("saved_entry", "0"), pair("next_entry", "1>4")]);
    assert_eq!(parse_grubenv(b"saved_entry=0\n"), None);
    assert_eq!(parse_grubenv(b"# GRUB Environment Block\nnonsense\n"), None);
    assert_eq!(parse_grubenv(b"# GRUB Environment Block\n"), Some(vec![]));
}
