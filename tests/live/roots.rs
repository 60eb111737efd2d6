//! Packages of roots other than the host's: each root's own stores name what runs below it, and cannot do harm.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::group4::{contained, dead_mount, jail, jailed, replace_seen_by};
use crate::support::{Built, Holder, World, arg, has_tool, live, replace, settle, skip};

/// Makes a dpkg database below a root as this world sees it: `package` owns the file, in the newer version since now.
fn dpkg_below(w: &World, root: &str, package: &str, file: &Path) {
    let (new, name) = (Built::get().path("new.so"), file.display());
    w.sh(&format!(
        "cd '{root}'; mkdir -p var/lib/dpkg/info var/lib/dpkg/updates var/log
         printf 'Package: {package}\\nStatus: install ok installed\\nArchitecture: amd64\\nVersion: 2\\n\\n' >var/lib/dpkg/status
         printf '/.\\n{name}\\n' >var/lib/dpkg/info/{package}.list
         echo \"$(md5sum <'{}' | cut -c1-32)  {}\" >var/lib/dpkg/info/{package}.md5sums
         echo \"$(date -u '+%Y-%m-%d %H:%M:%S') upgrade {package}:amd64 1 2\" >var/log/dpkg.log",
        new.display(),
        &file.to_str().unwrap()[1..],
    ));
    settle();
}

fn root_of(p: &Holder) -> String {
    format!("/proc/{}/root", p.pid)
}

/// The package of the one thing that this process is stale for; the check is complete.
#[track_caller]
fn package_of(w: &World, p: &Holder) -> Value {
    let scan = w.scan(&[]);
    scan.assert_complete("packages of its own root");
    let found = scan.verdict_of(p.pid).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(scan.took < Duration::from_secs(8), "{:?}", scan.took);
    let known = found[0].json["package_known"] == true;
    assert_eq!(known, !found[0].json["package"].is_null(), "{found:?}");
    found[0].json["package"].clone()
}

#[track_caller]
fn assert_is(package: &Value, name: &str, running: Option<&str>, installed: &str) {
    assert_eq!(package["backend"], "dpkg", "{package}");
    assert_eq!(package["name"], name, "{package}");
    assert_eq!(package["running_version"].as_str(), running, "{package}");
    assert_eq!(package["installed_version"], installed, "{package}");
}

fn explained(w: &World, p: &Holder) -> String {
    let output = w.run_through(&[], &["explain", &p.pid.to_string()]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn t7_48_package_of_a_container() {
    live(|w| {
        let lib = w.lib();
        w.dpkg("hosts", "9", &[&lib]);
        let host = w.hold(&[arg("x", &lib)]);
        let p = contained(w, &lib, &[arg("x", &lib)]);
        dpkg_below(w, &root_of(&p), "theirs", &lib);
        replace_seen_by(w, &p, &lib, "new.so");
        assert_is(&package_of(w, &p), "theirs", Some("1"), "2");
        replace(&lib, "new.so");
        assert_is(&package_of(w, &p), "theirs", Some("1"), "2");
        assert_is(&package_of(w, &host), "hosts", None, "9");
        for target in [p.pid.to_string(), "theirs".to_owned()] {
            let output = w.run_through(&[], &["explain", &target]);
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("theirs 1 → 2"), "{target}: {output:?}");
        }
    });
}

#[test]
fn t7_48_package_of_a_container_with_rpm() {
    if !has_tool("rpmbuild") {
        skip("no rpmbuild");
        return;
    }
    live(|w| {
        let lib = w.lib();
        let p = contained(w, &lib, &[arg("x", &lib)]);
        w.subdir("build");
        fs::write(
            w.path("a.spec"),
            format!(
                "%define _build_id_links none\nName: theirs\nVersion: 2\nRelease: 1\nSummary: s\nLicense: l\n\
                 BuildArch: noarch\n%description\nd\n%install\nmkdir -p %{{buildroot}}{0}\n\
                 touch %{{buildroot}}{1}\n%files\n{1}\n",
                lib.parent().unwrap().display(),
                lib.display(),
            ),
        )
        .unwrap();
        // Made in a directory of its own and copied: rpm takes a root by its name, and `/proc/PID/root` has none that
        // leads there.
        w.sh(&format!(
            "export HOME=$D; rpmbuild -bb --quiet --define \"_topdir $D/build\" $D/a.spec >&2; \
             mkdir -p $D/made/var/lib/rpm {0}/var/lib/rpm; \
             rpm --root $D/made --dbpath /var/lib/rpm --force-debian -i --justdb --nodeps $D/build/RPMS/noarch/*.rpm >&2; \
             cp $D/made/var/lib/rpm/rpmdb.sqlite* {0}/var/lib/rpm",
            root_of(&p)
        ));
        replace_seen_by(w, &p, &lib, "new.so");
        let package = package_of(w, &p);
        assert_eq!(package["backend"], "rpm", "{package}: {}", explained(w, &p));
        assert_eq!(package["name"], "theirs", "{package}");
        assert_eq!(package["installed_version"], "2-1", "{package}");
    });
}

#[test]
fn t4_08_the_host_has_another_owner_and_the_container_none() {
    live(|w| {
        let lib = w.lib();
        w.dpkg("hosts", "9", &[&lib]);
        let p = contained(w, &lib, &[arg("x", &lib)]);
        replace_seen_by(w, &p, &lib, "new.so");
        assert_eq!(package_of(w, &p), Value::Null);
        // A database that does not list it: known to be no package's.
        dpkg_below(w, &root_of(&p), "theirs", Path::new("/usr/lib/other.so"));
        let scan = w.scan(&[]);
        let found = scan.verdict_of(p.pid).unwrap();
        assert_eq!(found[0].json["package"], Value::Null, "{found:?}");
        assert_eq!(found[0].json["package_known"], true, "{found:?}");
    });
}

#[test]
fn t7_48_package_of_a_chroot() {
    live(|w| {
        let jail = jail(w, "jail");
        let p = jailed(w, &jail);
        dpkg_below(
            w,
            jail.to_str().unwrap(),
            "theirs",
            Path::new("/opt/libtiny.so.1"),
        );
        replace(&jail.join("opt/libtiny.so.1"), "new.so");
        assert_is(&package_of(w, &p), "theirs", Some("1"), "2");
    });
}

#[test]
fn t7_48_a_bundle_keeps_it() {
    live(|w| {
        let lib = w.lib();
        let p = contained(w, &lib, &[arg("x", &lib)]);
        dpkg_below(w, &root_of(&p), "theirs", &lib);
        replace_seen_by(w, &p, &lib, "new.so");
        let file = w.path("bundle.json");
        let recorded = w.run_through(&[], &["record", file.to_str().unwrap()]);
        assert!(recorded.status.success(), "{recorded:?}");
        let here = w.scan(&[]);
        let there = w.scan(&["--bundle", file.to_str().unwrap()]);
        assert_eq!(here.json["items"], there.json["items"]);
        // A bundle of before this was asked.
        let mut old: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let roots = old["answers"].as_object_mut().unwrap().remove("roots");
        assert_eq!(roots.unwrap().as_array().unwrap().len(), 1);
        fs::write(&file, old.to_string()).unwrap();
        let before = w.scan(&["--bundle", file.to_str().unwrap()]);
        let found = before.verdict_of(p.pid).unwrap();
        assert_eq!(found[0].json["package_known"], false, "{found:?}");
    });
}

#[test]
fn t7_48_a_digest_of_the_containers_own_package() {
    live(|w| {
        let lib = w.lib();
        let p = contained(w, &lib, &[arg("x", &lib)]);
        let rewrite = |name: &str| {
            let from = Built::get().path(name);
            w.sh(&format!(
                "cat '{}' >{}{}",
                from.display(),
                root_of(&p),
                lib.display()
            ));
        };
        // The same bytes once more: only the package can tell that nothing changed.
        rewrite("old.so");
        w.expect_stale(&p, "overwritten", &lib);
        dpkg_below(w, &root_of(&p), "theirs", &lib);
        let old = Built::get().path("old.so");
        w.sh(&format!(
            "cd {}; rm var/log/dpkg.log; echo \"$(md5sum <'{}' | cut -c1-32)  {}\" >var/lib/dpkg/info/theirs.md5sums",
            root_of(&p),
            old.display(),
            &lib.to_str().unwrap()[1..],
        ));
        w.expect_clean();
        rewrite("new.so");
        w.expect_stale(&p, "overwritten", &lib);
    });
}

#[test]
fn t8_15_image_without_lists() {
    live(|w| {
        let lib = w.lib();
        let p = contained(w, &lib, &[arg("x", &lib)]);
        w.sh(&format!(
            "mkdir -p {0}/var/lib/dpkg/status.d; cd {0}/var/lib/dpkg/status.d
             printf 'Package: slim\\nArchitecture: amd64\\nVersion: 2\\n' >slim
             echo \"$(md5sum <'{1}' | cut -c1-32)  {2}\" >slim.md5sums",
            root_of(&p),
            lib.display(),
            &lib.to_str().unwrap()[1..],
        ));
        replace_seen_by(w, &p, &lib, "new.so");
        assert_is(&package_of(w, &p), "slim", None, "2");
    });
}

/// A volume of the container's is not of its packages, whatever its database says.
#[test]
fn t7_48_another_file_system_in_a_chroot() {
    live(|w| {
        let jail = jail(w, "jail");
        w.sh(&format!(
            "cp $D/jail/opt/libtiny.so.1 $D/new; mount -t tmpfs none $D/jail/opt; cp $D/new $D/jail/opt/libtiny.so.1; \
             ls '{}' >/dev/null",
            jail.display()
        ));
        let p = jailed(w, &jail);
        dpkg_below(
            w,
            jail.to_str().unwrap(),
            "theirs",
            Path::new("/opt/libtiny.so.1"),
        );
        replace_seen_by(w, &p, Path::new("/opt/libtiny.so.1"), "new.so");
        assert_eq!(package_of(w, &p), Value::Null);
    });
}

/// What a container may put where its databases should be; the check is complete, and quick.
#[track_caller]
fn check_hostile(put: &str, told: &str) {
    live(|w| {
        let lib = w.lib();
        w.dpkg("hosts", "9", &[&lib]);
        let host = w.hold(&[arg("x", &lib)]);
        let p = contained(w, &lib, &[arg("x", &lib)]);
        dpkg_below(w, &root_of(&p), "theirs", &lib);
        w.sh(&format!("cd {}; {put}", root_of(&p)));
        replace_seen_by(w, &p, &lib, "new.so");
        replace(&lib, "new.so");
        assert_eq!(package_of(w, &p), Value::Null, "{put}");
        assert_is(&package_of(w, &host), "hosts", None, "9");
        let text = explained(w, &p);
        assert!(text.contains(told), "{put}: {text}");
    });
}

const STATUS: &str = "rm var/lib/dpkg/status; ";

#[test]
fn t11_16_status_is_a_fifo() {
    check_hostile(
        &format!("{STATUS}mkfifo var/lib/dpkg/status"),
        "not a regular file",
    );
}

#[test]
fn t11_16_status_is_a_device() {
    check_hostile(
        &format!("{STATUS}mknod var/lib/dpkg/status c 1 5"),
        "not a regular file",
    );
}

#[test]
fn t11_16_status_is_a_directory() {
    check_hostile(
        &format!("{STATUS}mkdir var/lib/dpkg/status"),
        "not a regular file",
    );
}

#[test]
fn t11_16_status_is_10_gib() {
    check_hostile(
        &format!("{STATUS}truncate -s 10G var/lib/dpkg/status"),
        "larger than",
    );
}

#[test]
fn t11_16_status_is_a_loop_of_links() {
    check_hostile(
        &format!("{STATUS}ln -s status var/lib/dpkg/status"),
        "symbolic links",
    );
}

#[test]
fn t11_15_database_is_a_link_to_the_hosts() {
    // Below its own root there is nothing at that name.
    check_hostile(
        "rm -r var/lib/dpkg; ln -s /proc/1/root/var/lib/dpkg var/lib/dpkg",
        "",
    );
}

#[test]
fn t11_16_database_on_another_mount() {
    live(|w| {
        let jail = jail(w, "jail");
        let p = jailed(w, &jail);
        w.sh("mkdir -p $D/jail/var/lib/dpkg; mount -t tmpfs none $D/jail/var/lib/dpkg");
        let lib = Path::new("/opt/libtiny.so.1");
        dpkg_below(w, jail.to_str().unwrap(), "theirs", lib);
        replace(&jail.join("opt/libtiny.so.1"), "new.so");
        assert_eq!(package_of(w, &p), Value::Null);
        let text = explained(w, &p);
        assert!(text.contains("another mount"), "{text}");
    });
}

#[test]
fn t11_16_garbage_for_rpm() {
    check_hostile(
        "rm -r var/lib/dpkg; mkdir -p var/lib/rpm; head -c 1M /dev/urandom >var/lib/rpm/rpmdb.sqlite",
        "rpmdb.sqlite",
    );
}

#[test]
fn t11_16_more_than_is_read() {
    // 150,000 records in some 11 MB.
    check_hostile(
        "awk 'BEGIN { for (i = 0; i < 150000; i++) \
         printf \"Package: p%d\\nStatus: install ok installed\\nArchitecture: amd64\\nVersion: 2\\n\\n\", i }' \
         >var/lib/dpkg/status",
        "larger than",
    );
}

#[test]
fn t11_16_as_much_as_is_read() {
    // 7 MB of records, 40,000 lists, and a log of 4 MB.
    check_hostile(
        "awk 'BEGIN { for (i = 0; i < 90000; i++) \
         printf \"Package: p%d\\nStatus: install ok installed\\nArchitecture: amd64\\nVersion: 2\\n\\n\", i }' \
         >var/lib/dpkg/status; \
         (cd var/lib/dpkg/info; seq -f 'p%.0f.list' 40000 | xargs touch); yes \"$(cat var/log/dpkg.log)\" | head -c 4M >var/log/dpkg.log.1",
        "",
    );
}

#[test]
fn t11_16_database_that_never_answers() {
    live(|w| {
        let jail = jail(w, "jail");
        let p = jailed(w, &jail);
        let at = jail.join("var/lib/dpkg");
        fs::create_dir_all(&at).unwrap();
        dead_mount(w, &at);
        replace(&jail.join("opt/libtiny.so.1"), "new.so");
        let scan = w.scan(&[]);
        assert!(scan.took < Duration::from_secs(2), "{:?}", scan.took);
        assert_eq!(package_of(w, &p), Value::Null);
        let text = explained(w, &p);
        assert!(text.contains("may never answer"), "{text}");
    });
}
