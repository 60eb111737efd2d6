//! Who owns a path, in hand-made stores. The ids are those of the catalogue of cases.

use std::fs;
use std::path::Path;

use unstale_packages::{FileKind, PackageDb};

use crate::store::Store;

#[track_caller]
fn check(store: &Store, path: &str, expected: &[&str]) {
    let (owners, damage) = store.owners(path);
    assert_eq!(owners, expected, "{path}");
    assert_eq!(damage, [""; 0]);
}

#[test]
fn t8_01_the_journal_overrides_status() {
    let mut store = Store::new();
    store.installed("libx1", "1.0", "amd64");
    store.list("libx1", &["/usr/lib/libx.so.1"]);
    let entry = |version: &str| {
        format!(
            "Package: libx1\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
        )
    };
    store.file("/var/lib/dpkg/updates/0001", entry("1.2"));
    store.file("/var/lib/dpkg/updates/0000", entry("1.1"));
    // The one that is being written.
    store.file("/var/lib/dpkg/updates/tmp.i", "Packa");
    check(&store, "/usr/lib/libx.so.1", &["libx1:amd64 1.2"]);
}

#[test]
fn t8_02_t8_03_states_that_own_code() {
    #[track_caller]
    fn check_state(status: &str, owns: bool) {
        let mut store = Store::new();
        store.package("x", "1", "all", status, "");
        store.list("x", &["/usr/bin/x", "/etc/x"]);
        check(&store, "/usr/bin/x", if owns { &["x:all 1"] } else { &[] });
        assert_eq!(
            store.open().installed("x").unwrap().value.len(),
            usize::from(owns)
        );
    }
    check_state("install ok installed", true);
    check_state("hold ok installed", true);
    check_state("deinstall ok installed", true);
    check_state("install reinstreq half-installed", true);
    check_state("install ok unpacked", true);
    check_state("install ok half-configured", true);
    check_state("install ok triggers-awaited", true);
    check_state("install ok triggers-pending", true);
    check_state("deinstall ok config-files", false);
    check_state("purge ok not-installed", false);
}

#[test]
fn t8_04_t8_05_names_are_bytes_and_shared_files_have_all_owners() {
    let mut store = Store::new();
    store.installed("libx", "1", "amd64 same");
    store.installed("libx", "1", "i386 same");
    store.installed("y", "2", "all");
    store.list(
        "libx:amd64",
        &["/usr", "/usr/share/x", "/usr/lib/x86_64-linux-gnu/libx.so"],
    );
    store.list(
        "libx:i386",
        &["/usr", "/usr/share/x", "/usr/lib/i386-linux-gnu/libx.so"],
    );
    store.list("y", &["/usr", "/usr/share/y: a, b*[c]"]);
    check(&store, "/usr/share/x", &["libx:amd64 1", "libx:i386 1"]);
    check(&store, "/usr", &["libx:amd64 1", "libx:i386 1", "y:all 2"]);
    check(&store, "/", &["libx:amd64 1", "libx:i386 1", "y:all 2"]);
    check(&store, "/usr/lib/i386-linux-gnu/libx.so", &["libx:i386 1"]);
    check(&store, "/usr/share/y: a, b*[c]", &["y:all 2"]);
    check(&store, "/usr/share/y", &[]);
}

#[test]
fn paths_that_are_not_utf8() {
    let mut store = Store::new();
    store.installed("x", "1", "all");
    store.file("/var/lib/dpkg/info/x.list", b"/.\n/usr/bin/\xff\xfe\n");
    let path = Path::new(
        <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"/usr/bin/\xff\xfe"),
    );
    let answer = store.open().owners(&[path]).unwrap();
    assert_eq!(answer.value[0].owners.len(), 1);
    assert_eq!(answer.damage, []);
}

#[test]
fn t8_06_each_architecture_has_its_own_version() {
    let mut store = Store::new();
    store.installed("libx", "1", "amd64 same");
    store.package("libx", "2", "i386 same", "install ok unpacked", "");
    store.list("libx:amd64", &["/usr/lib/a"]);
    store.list("libx:i386", &["/usr/lib/b"]);
    check(&store, "/usr/lib/a", &["libx:amd64 1"]);
    check(&store, "/usr/lib/b", &["libx:i386 2"]);
}

#[test]
fn t8_07_diverted_files_belong_to_whose_they_are() {
    let mut store = Store::new();
    store.link("/bin", "usr/bin");
    for name in ["bash", "dash", "perf"] {
        store.installed(name, "1", "amd64");
        store.list(name, &["/bin/sh", "/usr/bin/tool"]);
    }
    store.file(
        "/var/lib/dpkg/diversions",
        "/bin/sh\n/bin/sh.distrib\ndash\n/usr/bin/tool\n/usr/bin/tool.real\n:\n",
    );
    check(&store, "/usr/bin/sh", &["dash:amd64 1"]);
    check(
        &store,
        "/usr/bin/sh.distrib",
        &["bash:amd64 1", "perf:amd64 1"],
    );
    check(&store, "/usr/bin/tool", &[]);
    check(
        &store,
        "/usr/bin/tool.real",
        &["bash:amd64 1", "dash:amd64 1", "perf:amd64 1"],
    );
    let files = store.open().files("bash").unwrap().value;
    assert_eq!(
        files,
        [
            Path::new("/bin/sh.distrib"),
            Path::new("/usr/bin/tool.real")
        ]
    );
}

#[test]
fn t8_09_t3_15_both_spellings_where_the_root_has_the_link() {
    #[track_caller]
    fn check_spelling(links: &[(&str, &str)], listed: &str, asked: &str, found: bool) {
        let mut store = Store::new();
        links
            .iter()
            .for_each(|(link, target)| store.link(link, target));
        store.installed("x", "1", "all");
        store.list("x", &[listed]);
        check(&store, asked, if found { &["x:all 1"] } else { &[] });
    }
    let usr = [
        ("/lib", "usr/lib"),
        ("/bin", "usr/bin"),
        ("/sbin", "usr/sbin"),
        ("/lib64", "/usr/lib64"),
    ];
    check_spelling(&usr, "/lib/a/libx.so", "/usr/lib/a/libx.so", true);
    check_spelling(&usr, "/usr/lib/a/libx.so", "/lib/a/libx.so", true);
    check_spelling(&usr, "/lib64/ld.so", "/usr/lib64/ld.so", true);
    check_spelling(&usr, "/sbin/x", "/usr/bin/x", false);
    check_spelling(&[], "/lib/a/libx.so", "/usr/lib/a/libx.so", false);
    check_spelling(&[("/lib", "opt/lib")], "/lib/x", "/usr/lib/x", false);
    let merged = [
        ("/sbin", "usr/sbin"),
        ("/bin", "usr/bin"),
        ("/usr/sbin", "bin"),
    ];
    check_spelling(&merged, "/sbin/x", "/usr/bin/x", true);
    check_spelling(&merged, "/usr/sbin/x", "/usr/bin/x", true);
    check_spelling(&merged, "/usr/bin/x", "/sbin/x", true);
}

#[test]
fn t8_10_t8_13_suffixes_count_only_where_the_exact_name_is_unowned() {
    let mut store = Store::new();
    store.installed("x", "1", "all");
    store.installed("y", "1", "all");
    store.list("x", &["/usr/bin/x", "/usr/bin/z"]);
    store.list("y", &["/usr/bin/z.dpkg-new"]);
    for suffix in ["new", "tmp", "old", "dist"] {
        check(&store, &format!("/usr/bin/x.dpkg-{suffix}"), &["x:all 1"]);
    }
    check(&store, "/usr/bin/z.dpkg-new", &["y:all 1"]);
    check(&store, "/usr/bin/x.dpkg-bak", &[]);
    check(&store, "/usr/local/bin/x", &[]);
    check(&store, "/usr/local/bin/x.dpkg-new", &[]);
    check(&store, ".dpkg-new", &[]);
}

#[test]
fn t8_11_digests_and_configuration_files() {
    const MD5: &str = "0123456789abcdef0123456789abcdef";
    let mut store = Store::new();
    let conffiles = format!("Conffiles:\n /etc/x {MD5}\n /etc/n newconffile\n");
    store.package("x", "1", "all", "install ok installed", &conffiles);
    store.list("x", &["/usr/bin/x", "/usr/bin/none", "/etc/x", "/etc/n"]);
    let digest = MD5.replace('0', "f");
    store.file(
        "/var/lib/dpkg/info/x.md5sums",
        format!("{digest}  usr/bin/x\n"),
    );
    #[track_caller]
    fn check_file(store: &Store, path: &str, kind: FileKind, hex: Option<&str>) {
        let answer = store.open().owners(&[Path::new(path)]).unwrap();
        let owner = &answer.value[0].owners[0];
        assert_eq!(
            (owner.kind, owner.digest.as_ref().map(|d| d.hex.as_str())),
            (kind, hex)
        );
    }
    check_file(&store, "/usr/bin/x", FileKind::Shipped, Some(&digest));
    check_file(&store, "/usr/bin/none", FileKind::Shipped, None);
    check_file(&store, "/usr/bin/x.dpkg-new", FileKind::Shipped, None);
    check_file(&store, "/etc/x", FileKind::Config, Some(MD5));
    check_file(&store, "/etc/n", FileKind::Config, None);
    fs::remove_file(store.path("/var/lib/dpkg/info/x.md5sums")).unwrap();
    check_file(&store, "/usr/bin/x", FileKind::Shipped, None);
}

#[test]
fn t8_15_images_without_dpkg() {
    assert!(Store::empty().try_open().is_none());
    let store = Store::empty();
    // As bazel builds them: no Status, no newline at the end.
    store.file(
        "/var/lib/dpkg/status.d/libssl1",
        "Package: libssl1.1\nVersion: 1.1.1w\nArchitecture: amd64\nDescription: x",
    );
    check(&store, "/usr/lib/libssl.so", &[]);
    assert_eq!(
        store.open().installed("libssl1.1").unwrap().value[0].version,
        "1.1.1w"
    );
    assert_eq!(store.open().unfinished().unwrap(), None);
    let md5sums = "0123456789abcdef0123456789abcdef  usr/lib/libssl.so\n";
    store.file("/var/lib/dpkg/status.d/libssl1.md5sums", md5sums);
    check(&store, "/usr/lib/libssl.so", &["libssl1.1:amd64 1.1.1w"]);
    assert_eq!(
        store.open().files("libssl1.1").unwrap().value,
        [Path::new("/usr/lib/libssl.so")]
    );
}

#[test]
fn t8_15_lists_stripped_altogether_is_no_damage_one_missing_is() {
    let mut store = Store::new();
    store.installed("x", "1", "all");
    store.installed("y", "1", "all");
    check(&store, "/usr/bin/x", &[]);
    store.list("y", &[]);
    let (_, damage) = store.owners("/usr/bin/x");
    assert_eq!(
        damage,
        ["/var/lib/dpkg/info/x.list: missing, although the package is installed"]
    );
}

#[test]
fn many_paths_keep_their_order() {
    let mut store = Store::new();
    store.installed("x", "1", "all");
    store.list("x", &["/a", "/b"]);
    let paths = ["/b", "/none", "/a", "/b"].map(Path::new);
    let answer = store.open().owners(&paths).unwrap();
    let counts: Vec<_> = answer
        .value
        .iter()
        .map(|ownership| ownership.owners.len())
        .collect();
    assert_eq!(counts, [1, 0, 1, 1]);
}

#[test]
fn t8_14_a_store_that_is_replaced_while_it_is_read() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let store = Store::new();
    let status = |version: u32| {
        format!(
            "Package: x\nStatus: install ok installed\nArchitecture: all\nVersion: {version}\n\n"
        )
    };
    store.file("/var/lib/dpkg/status", status(0));
    store.list("x", &["/usr/bin/x"]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for version in 0.. {
                store.file("/var/lib/dpkg/status-new", status(version));
                fs::rename(
                    store.path("/var/lib/dpkg/status-new"),
                    store.path("/var/lib/dpkg/status"),
                )
                .unwrap();
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let mut last = 0;
        for _ in 0..300 {
            match store.open().owners(&[Path::new("/usr/bin/x")]) {
                Ok(answer) => {
                    let version = answer.value[0].owners[0].package.version.parse().unwrap();
                    assert!(version >= last);
                    last = version;
                }
                Err(error) => assert!(
                    matches!(error, unstale_packages::DbError::Busy { .. }),
                    "{error}"
                ),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}
