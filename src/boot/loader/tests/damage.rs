//! Hostile and damaged files.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::grub::{Beside, parse_grub_cfg};
use super::*;

#[test]
fn t9_08_files_that_are_none() {
    let scene = Scene::new().file("/boot/grub/x", "");
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        scene.path("/boot/grub/grub.cfg"),
        rustix::fs::Mode::from_raw_mode(0o600),
    )
    .unwrap();
    scene.boots_unknown(
        LoaderKind::Grub,
        "/boot/grub/grub.cfg: it is no regular file",
    );
    let scene = Scene::new().link("/boot/grub/grub.cfg", "grub.cfg");
    scene.boots_unknown(LoaderKind::Grub, "too many symbolic links");
    let scene = Scene::new().file("/boot/grub/grub.cfg", "menuentry a { linux /boot }\n");
    scene.boots_unknown(LoaderKind::Grub, "which is not there");
}

/// As with a partition that is mounted on demand, and is not.
#[test]
fn t9_08_partitions_that_cannot_be_reached() {
    let scene = Scene::new().link("/efi", "efi");
    scene.boots_unknown(LoaderKind::Unknown, "cannot read /efi: ");
    let scene = Scene::new().link("/boot", "boot");
    scene.boots_unknown(LoaderKind::Unknown, "cannot read /boot: ");
    let scene = Scene::new()
        .link("/efi", "efi")
        .variable("LoaderInfo", "systemd-boot 257");
    scene.boots_unknown(LoaderKind::SystemdBoot, "cannot read /efi: ");
    let scene = Scene::new().variable("LoaderInfo", "GRUB 2.12");
    scene.boots_unknown(LoaderKind::Grub, "no files of GRUB");
    let cfg = "menuentry a { linux /vmlinuz-6.1 }\n";
    let scene = Scene::new()
        .link("/efi", "efi")
        .file("/boot/grub/grub.cfg", cfg)
        .images(&["/boot/vmlinuz-6.1"]);
    scene.boots(LoaderKind::Grub, "/boot/vmlinuz-6.1", "6.1");
}

#[test]
fn t9_08_large_files() {
    let scene = Scene::new().file("/boot/grub/grub.cfg", "");
    let file = fs::File::options()
        .write(true)
        .open(scene.path("/boot/grub/grub.cfg"))
        .unwrap();
    file.set_len(4 << 30).unwrap();
    let started = Instant::now();
    scene.boots_unknown(LoaderKind::Grub, "cannot read /boot/grub/grub.cfg");
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[test]
fn t9_08_a_directory_that_may_not_be_read() {
    let scene = Scene::new().file("/boot/loader/loader.conf", "");
    let entries = scene
        .path("/boot/loader/entries/x")
        .parent()
        .unwrap()
        .to_owned();
    fs::set_permissions(&entries, fs::Permissions::from_mode(0o0)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let note = if is_root {
        "no entries"
    } else {
        "/boot/loader/entries"
    };
    scene.boots_unknown(LoaderKind::SystemdBoot, note);
}

/// A command that is carried out a hundred thousand times.
fn often(command: &str) -> String {
    let mut script = format!("function f0 {{ {command}\n}}\n");
    for at in 1..=5 {
        let inner = format!("f{}; ", at - 1).repeat(10);
        script += &format!("function f{at} {{ {inner} }}\n");
    }
    script + "f5\n"
}

/// A script that would take for ever, or all memory, is given up.
#[test]
fn t9_08_scripts_without_end() {
    let many = "function a { true; true; true; true; true; true; true; true; true; true; }\n"
        .to_owned()
        + &["b a", "c b", "d c", "e d", "f e", "g f"]
            .map(|pair| {
                let (name, inner) = pair.split_once(' ').unwrap();
                format!(
                    "function {name} {{ {} }}\n",
                    format!("{inner}; ").repeat(10)
                )
            })
            .concat();
    let growing = "a=xxxxxxxxxxxxxxxx\n".to_owned() + &"a=$a$a$a$a\n".repeat(100);
    let nested = "if true; then\n".repeat(100_000);
    let blocks = "submenu a {\n".repeat(100_000);
    let entries = "menuentry a { linux /a }\n".repeat(20_000);
    let words = "a=1 ".to_owned() + &"$a ".repeat(2000);
    let tokens = "a ;".repeat(200_000);
    let variables: String = (0..20_000).map(|at| format!("v{at}=1\n")).collect();
    let not = "! ".repeat(100_000) + "true\n";
    let fields = format!("set a=\"{}\"\n", "b ".repeat(500));
    let titles = format!("{fields}menuentry {} {{ linux /a }}\n", "$a ".repeat(900)).repeat(100);
    let glued = format!("{fields}menuentry {} {{ linux /a }}\n", "$a".repeat(60_000));
    let tests = format!("{fields}[ {} ]\n", "$a ".repeat(900)).repeat(200);
    let conditions = "if true; then ".repeat(20) + &"a".repeat(10) + &"; fi".repeat(20);
    let arms = "if false; then true\n".to_owned() + &"elif false; then true\n".repeat(100_000);
    let plain = "a ".repeat(524_288);
    let quotes = "''".repeat(500_000) + "\n";
    let pieces = "'a'\"b\"".repeat(170_000) + "\n";
    let all = [
        many + "g\n",
        growing,
        nested,
        blocks,
        entries,
        words,
        tokens,
        variables,
        not,
        titles,
        glued,
        tests,
        conditions,
        arms,
        plain,
        quotes,
        pieces,
        often(&format!("[ -n \"{}\" ]", "A".repeat(900_000))),
        often(&format!("linux \"{}\"", "A".repeat(900_000))),
        often(&format!("[ -f $prefix/{} ]", "A".repeat(900_000))),
        often(&format!("v{}=1", "A".repeat(900_000))),
        often("load_env"),
        often("source $prefix/custom.cfg"),
        often("blscfg"),
    ];
    let environment = "# GRUB Environment Block\n".to_owned() + &"#\n".repeat(32_000);
    let custom = "# comment\n".repeat(100_000);
    let text = format!("title {}\n", "t".repeat(16_000));
    let names: Vec<String> = (0..1000).map(|at| format!("{at}.conf")).collect();
    let entries: Vec<(&[u8], &[u8])> = names
        .iter()
        .map(|name| (name.as_bytes(), text.as_bytes()))
        .collect();
    let beside = Beside::of(
        Some(environment.as_bytes()),
        Some(custom.as_bytes()),
        &entries,
    );
    for script in all {
        let started = Instant::now();
        assert!(parse_grub_cfg(script.as_bytes(), &beside).is_err());
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "{}",
            &script[..40]
        );
    }
}

/// As many kernels as nobody has.
#[test]
fn t9_08_two_hundred_kernels() {
    let entry = String::from_utf8(fixture("grub/debian-plain.cfg")).unwrap();
    let at = entry.find("menuentry 'Debian").unwrap();
    let end = entry.find("submenu ").unwrap();
    let script = entry[..at].to_owned() + &entry[at..end].repeat(200) + "set default=199\n";
    let started = Instant::now();
    let found = parse_grub_cfg(script.as_bytes(), &Beside::of(None, None, &[])).unwrap();
    assert_eq!(found.unwrap().image, b"/boot/vmlinuz-6.12.41+deb12-amd64");
    assert!(started.elapsed() < Duration::from_millis(500));
}

#[test]
fn t9_08_cut_and_turned_scripts() {
    for name in ["debian-saved", "rhel-9", "rhel-9-no-bls"] {
        let text = fixture(&format!("grub/{name}.cfg"));
        let beside = Beside::of(Some(&fixture("grub/next.grubenv")), None, &[]);
        for end in (0..text.len()).step_by(13) {
            let _ = parse_grub_cfg(&text[..end], &beside);
            let mut turned = text.clone();
            turned[end] ^= 0x15;
            let _ = parse_grub_cfg(&turned, &beside);
        }
    }
}

/// Pieces of scripts, so that what comes out is one now and then.
fn pieces() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "menuentry",
        "submenu",
        "'A'",
        "--id",
        "a",
        "b",
        "{",
        "}",
        "\n",
        ";",
        "linux",
        "/a",
        "/b",
        "$x",
        "${y}",
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "[",
        "]",
        "=",
        "-f",
        "$prefix/grubenv",
        "load_env",
        "set",
        "default=1",
        "default=a",
        "x=/a",
        "x=b",
        "function",
        "f",
        "source",
        "${config_directory}/custom.cfg",
        "blscfg",
        "!",
        "\"",
        "'",
        "\\",
        "$",
        "#",
        "grub_platform",
        "$grub_platform",
        "true",
        "increment",
        ">",
        "default=1>0",
    ]);
    let whole = prop::sample::select(vec![
        "menuentry A --id a {\nlinux /a\n}\n",
        "menuentry B { linux /b }\n",
        "submenu S --id s {\nmenuentry A --id a { linux /c }\n}\n",
        "if [ $grub_cpu = x ]; then\n",
        "fi\n",
        "set default=s>a\n",
    ]);
    let piece = prop_oneof![2 => words.prop_map(|word| format!("{word} ")), 1 => whole.prop_map(str::to_owned)];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len().max(1)).any(|window| window == word)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What is claimed stands in the text.
    #[test]
    fn scripts_claim_what_they_hold(script in pieces(), env in "(saved_entry=[ab01>]{0,3}\n)?(next_entry=[as0>]{0,3}\n)?") {
        let env = format!("# GRUB Environment Block\n{env}");
        let beside = Beside::of(Some(env.as_bytes()), Some(b"menuentry X { linux /x }\n"), &[(b"e.conf", b"linux /e\n")]);
        if let Ok(Some(found)) = parse_grub_cfg(script.as_bytes(), &beside) {
            let known = [b"/x".as_slice(), b"/e"].contains(&found.image.as_slice());
            prop_assert!(known || holds(script.as_bytes(), &found.image), "{:?}", found);
        }
    }

    #[test]
    fn any_bytes(script in prop::collection::vec(any::<u8>(), 0..200), env in prop::collection::vec(any::<u8>(), 0..50)) {
        let beside = Beside::of(Some(&env), Some(&script), &[(&env, &script)]);
        let _ = parse_grub_cfg(&script, &beside);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No file makes any reader panic, and what is claimed is a file that is there.
    #[test]
    fn files_of_any_content(content in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\n =ab/[]*default linuxmenu".to_vec())], 0..200)) {
        let paths = [
            "/boot/grub/grub.cfg",
            "/boot/grub/grubenv",
            "/boot/loader/loader.conf",
            "/boot/loader/entries/a+1.conf",
            "/boot/EFI/Linux/a.efi",
            "/boot/extlinux/extlinux.conf",
            "/boot/config.txt",
            "/etc/zipl.conf",
            "/sys/firmware/efi/efivars/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
        ];
        for path in paths {
            let scene = Scene::new()
                .file("/sys/firmware/devicetree/base/model", "Raspberry Pi 4 Model B\0")
                .file(path, &content);
            if let Some(entry) = scene.read().default {
                let path = String::from_utf8(entry.image.0).unwrap();
                prop_assert!(scene.path(&path).is_file(), "{}", path);
            }
        }
    }
}

/// As deep as is gone: functions within functions, and in each conditions within conditions.
#[test]
fn t9_08_deepest_script() {
    let mut script = "menuentry a { linux /a }\nfunction f0 { true; }\n".to_owned();
    for at in 1..=7 {
        let (open, close) = ("if true; then ".repeat(30), "; fi".repeat(30));
        let inner = at - 1;
        script += &format!("function f{at} {{ {open} f{inner} {close}\n}}\n");
    }
    let script = script + "f7\n";
    // The least stack that a thread gets.
    let run = move || {
        let beside = Beside::of(None, None, &[]);
        parse_grub_cfg(script.as_bytes(), &beside).map(|found| found.unwrap().image)
    };
    let thread = std::thread::Builder::new().stack_size(1024 * 1024);
    let found = thread.spawn(run).unwrap().join().unwrap();
    assert_eq!(found, Ok(b"/a".to_vec()));
}

/// Negations without end are no depth.
#[test]
fn t9_08_negations() {
    let boots = |count: usize| {
        let not = "! ".repeat(count);
        let script = format!(
            "if {not}true; then default=0; else default=1; fi\n\
             menuentry a {{ linux /a }}\nmenuentry b {{ linux /b }}\n"
        );
        let found = parse_grub_cfg(script.as_bytes(), &Beside::of(None, None, &[]));
        found.unwrap().unwrap().image
    };
    assert_eq!((boots(0), boots(1)), (b"/a".to_vec(), b"/b".to_vec()));
    assert_eq!((boots(998), boots(999)), (b"/a".to_vec(), b"/b".to_vec()));
}

/// Nothing is claimed where not all was looked at.
#[test]
fn t9_08_more_systems_than_anybody_has() {
    let cfg = "menuentry a { linux /vmlinuz-6.1 }\n";
    let scene = Scene::new()
        .images(&["/boot/vmlinuz-6.1"])
        .variable("LoaderInfo", "GRUB 2.12")
        .file("/boot/grub/grub.cfg", cfg);
    let with = |scene: Scene, count: usize| {
        (0..count).fold(scene, |scene, at| {
            scene.file(&format!("/boot/efi/EFI/{at}/grub.cfg"), cfg)
        })
    };
    let scene = with(scene, 32);
    scene.boots(LoaderKind::Grub, "/boot/vmlinuz-6.1", "6.1");
    with(scene, 33).boots_unknown(LoaderKind::Grub, "more than 32 names");
}

/// However many scripts there are, the work is that of one.
#[test]
fn t9_08_scripts_that_take_long_one_after_another() {
    let slow = "menuentry a { linux /vmlinuz-6.1 }\n".to_owned()
        + &often("true")[..].replace("f5\n", "f4\n");
    let scene = Scene::new()
        .images(&["/boot/vmlinuz-6.1"])
        .variable("LoaderInfo", "GRUB 2.12")
        .file("/boot/grub/grub.cfg", &slow);
    scene.boots(LoaderKind::Grub, "/boot/vmlinuz-6.1", "6.1");
    let scene = (0..32).fold(scene, |scene, at| {
        scene.file(&format!("/boot/efi/EFI/{at}/grub.cfg"), &slow)
    });
    scene.boots_unknown(LoaderKind::Grub, "does not come to an end");
}
