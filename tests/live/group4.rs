//! Mounts and namespaces: whose view of a path counts.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{
    Built, Holder, NOBODY, World, arg, arg2, has_tool, install, live, overwrite, replace, skip,
};

/// `hold` behind a program that changes its surroundings first.
fn hold_behind<A: AsRef<std::ffi::OsStr>>(w: &World, prefix: &[&str], args: &[A]) -> Holder {
    let hold = Built::get().path("hold");
    let through: Vec<OsString> = prefix
        .iter()
        .map(OsString::from)
        .chain([hold.into_os_string()])
        .collect();
    w.hold_as(&through, args)
}

const OWN_MOUNTS: [&str; 2] = ["unshare", "-m"];

/// A process in a mount namespace with a root file system of its own, as in a container: `hold` and the old library
/// at `lib` are in it (once more below `/ch`), and nothing else is mounted.
pub(crate) fn contained(w: &World, lib: &Path, args: &[OsString]) -> Holder {
    let root = w.subdir("newroot");
    let (hold, old) = (Built::get().path("hold"), Built::get().path("old.so"));
    w.sh(&format!(
        "mount -t tmpfs none $D/newroot; cd $D/newroot; mkdir -p '.{0}' 'ch{0}'; cp '{1}' hold; cp '{1}' ch; \
         cp '{2}' '.{3}'; cp '{2}' 'ch{3}'",
        lib.parent().unwrap().display(),
        hold.display(),
        old.display(),
        lib.display(),
    ));
    let own = [arg("pivot", &root), "exec:/hold".into()];
    let p = hold_behind(w, &OWN_MOUNTS, &[&own[..], args].concat());
    w.sh("umount $D/newroot");
    p
}

/// Puts a library over one that only this process sees.
pub(crate) fn replace_seen_by(w: &World, p: &Holder, path: &Path, name: &str) {
    let from = Built::get().path(name);
    let to = format!("/proc/{}/root{}", p.pid, path.display());
    w.sh(&format!(
        "cp '{}' '{to}.new'; mv '{to}.new' '{to}'",
        from.display()
    ));
}

/// Listed by this kind alone, whichever way the path is written.
#[track_caller]
fn expect_only(w: &World, p: &Holder, kind: &str, name: &str) {
    for source in crate::support::sources() {
        let scan = w.scan(&["--mapping-source", source]);
        scan.assert_complete(source);
        assert_eq!(scan.pids(), [p.pid], "{source}: {scan:#?}");
        let found = scan.verdict_of(p.pid).unwrap();
        assert_eq!(found.len(), 1, "{source}: {found:?}");
        assert_eq!(found[0].kind, kind, "{source}: {found:?}");
        assert!(found[0].path.ends_with(name), "{source}: {found:?}");
    }
}

#[track_caller]
fn expect_no_container(w: &World, p: &Holder) {
    let scan = w.scan(&[]);
    let (item, _) = scan.listed(p.pid).unwrap();
    assert_ne!(item["owner"]["kind"], "container", "{item:#?}");
}

/// A small btrfs with a sub-volume, at `btrfs/` of the world.
pub(crate) fn mount_btrfs(w: &World) {
    w.subdir("btrfs");
    w.sh("truncate -s 128M $D/image; mkfs.btrfs -q $D/image; mount -o loop $D/image $D/btrfs");
}

#[test]
fn t4_01_btrfs_sub_volume() {
    if !has_tool("mkfs.btrfs") {
        skip("no mkfs.btrfs");
        return;
    }
    live(|w| {
        mount_btrfs(w);
        let put = |name: &str| {
            let from = Built::get().path(name);
            w.sh(&format!(
                "cd $D/btrfs/sub; cp '{}' new; mv new lib.so",
                from.display()
            ));
        };
        w.sh("btrfs subvolume create $D/btrfs/sub; chmod 755 $D/btrfs $D/btrfs/sub");
        put("old.so");
        let lib = w.path("btrfs/sub/lib.so");
        let p = w.hold(&[arg("x", &lib)]);
        let q = w.hold_nobody(&[arg("x", &lib)]);
        w.expect_clean();
        w.expect_as_nobody(&[]);
        put("new.so");
        let replaced = [("replaced", lib.as_path())];
        w.expect(&[(&p, &replaced), (&q, &replaced)]);
        w.expect_as_nobody(&[(&q, &replaced)]);
    });
}

/// A library of the lower layer, seen through an overlay.
fn overlay(w: &World) -> PathBuf {
    for name in ["lower", "upper", "work", "merged"] {
        w.subdir(name);
    }
    w.lib_at("lower/libtiny.so.1");
    w.sh("mount -t overlay none -o lowerdir=$D/lower,upperdir=$D/upper,workdir=$D/work $D/merged");
    w.path("merged/libtiny.so.1")
}

#[test]
fn t4_02_overlay_untouched() {
    live(|w| {
        let lib = overlay(w);
        w.hold(&[arg("x", &lib)]);
        w.hold_nobody(&[arg("x", &lib)]);
        w.expect_clean();
        w.expect_as_nobody(&[]);
    });
}

#[test]
fn t4_02_overlay_copied_up_by_chmod() {
    live(|w| {
        let lib = overlay(w);
        w.hold(&[arg("x", &lib)]);
        w.sh("chmod 700 $D/merged/libtiny.so.1");
        w.expect_clean();
    });
}

#[test]
fn t4_02_overlay_copied_up_by_touch() {
    live(|w| {
        let lib = overlay(w);
        w.hold(&[arg("x", &lib)]);
        w.sh("touch $D/merged/libtiny.so.1");
        w.expect_clean();
    });
}

#[test]
fn t4_04_overlay_replaced_in_the_upper_layer() {
    live(|w| {
        let lib = overlay(w);
        let p = w.hold(&[arg("x", &lib)]);
        let from = Built::get().path("new.so");
        w.sh(&format!(
            "cd $D/merged; cp '{}' new; mv new libtiny.so.1",
            from.display()
        ));
        w.expect_stale(&p, "replaced", &lib);
    });
}

#[test]
fn t4_04_overlay_removed_in_the_upper_layer() {
    live(|w| {
        let lib = overlay(w);
        let p = w.hold(&[arg("x", &lib)]);
        w.sh("rm $D/merged/libtiny.so.1");
        w.expect_stale(&p, "gone", &lib);
    });
}

#[test]
fn t4_05_overlay_changed_underneath() {
    live(|w| {
        let lib = overlay(w);
        w.hold(&[arg("x", &lib)]);
        replace(&w.path("lower/libtiny.so.1"), "new.so");
        w.expect_unknown();
    });
}

#[test]
fn t4_06_own_mount_namespace() {
    live(|w| {
        let lib = w.lib();
        let private = [
            "unshare",
            "-m",
            "sh",
            "-c",
            "mount -t tmpfs none /home; exec \"$@\"",
            "sh",
        ];
        let p = hold_behind(w, &private, &[arg("x", &lib)]);
        w.expect_clean();
        replace(&lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
        expect_no_container(w, &p);
    });
}

#[test]
fn t4_07_own_copy_is_intact() {
    live(|w| {
        let lib = w.lib();
        contained(w, &lib, &[arg("x", &lib)]);
        w.expect_clean();
        replace(&lib, "new.so");
        w.expect_clean();
        fs::remove_file(&lib).unwrap();
        w.expect_clean();
    });
}

#[test]
fn t4_08_own_copy_is_upgraded() {
    live(|w| {
        let lib = w.lib();
        let p = contained(w, &lib, &[arg("x", &lib)]);
        replace_seen_by(w, &p, &lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
    });
}

#[test]
fn t4_08_own_copy_on_a_private_mount() {
    live(|w| {
        w.subdir("sub");
        let lib = w.lib_at("sub/libtiny.so.1");
        w.subdir("staged");
        w.lib_at("staged/libtiny.so.1");
        let script =
            "mount --bind $D/staged $D/sub; exec \"$@\"".replace("$D", w.dir().to_str().unwrap());
        let p = hold_behind(
            w,
            &["unshare", "-m", "sh", "-ec", &script, "sh"],
            &[arg("x", &lib)],
        );
        w.expect_clean();
        replace(&lib, "new.so");
        w.expect_clean();
        replace_seen_by(w, &p, &lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
    });
}

#[test]
fn t4_09_another_root_with_the_same_names() {
    live(|w| {
        // The host has nothing at this name, the container has; and the other way round after its removal there.
        let lib = Path::new("/lib/unstale-live/libtiny.so.1");
        let p = contained(w, lib, &[arg("x", lib)]);
        w.expect_clean();
        replace_seen_by(w, &p, lib, "old.so");
        w.expect_same_code(&p, lib);
        replace_seen_by(w, &p, lib, "new.so");
        w.expect_stale(&p, "replaced", lib);
        w.sh(&format!("rm /proc/{}/root{}", p.pid, lib.display()));
        w.expect_stale(&p, "gone", lib);
    });
}

#[test]
fn t4_09_own_temporary_file_and_program_in_a_container() {
    live(|w| {
        let lib = Path::new("/lib/libtiny.so.1");
        let p = contained(
            w,
            lib,
            &[
                "sleep:50".into(),
                "own:/jna1.tmp=/lib/libtiny.so.1".into(),
                "unlink:/jna1.tmp".into(),
            ],
        );
        w.expect_clean();
        w.sh(&format!("rm /proc/{}/root/hold", p.pid));
        w.expect_stale(&p, "gone", Path::new("/hold"));
    });
}

#[test]
fn t4_10_chroot_in_an_own_namespace() {
    live(|w| {
        let lib = Path::new("/lib/libtiny.so.1");
        let p = contained(
            w,
            lib,
            &["chroot:/ch".into(), "exec:/hold".into(), arg("x", lib)],
        );
        w.expect_clean();
        replace_seen_by(w, &p, lib, "new.so");
        expect_only(w, &p, "replaced", "lib/libtiny.so.1");
    });
}

/// A directory with the program and the library in it, to change root to.
pub(crate) fn jail(w: &World, name: &str) -> PathBuf {
    w.subdir(&format!("{name}/opt"));
    w.lib_at(format!("{name}/opt/libtiny.so.1"));
    install("hold", &w.path(format!("{name}/hold")));
    w.path(name)
}

pub(crate) fn jailed(w: &World, jail: &Path) -> Holder {
    w.hold(&[
        arg("chroot", jail),
        "exec:/hold".into(),
        "x:/opt/libtiny.so.1".into(),
    ])
}

#[test]
fn t4_11_chroot() {
    live(|w| {
        let jail = jail(w, "jail");
        let p = jailed(w, &jail);
        w.expect_clean();
        replace(&jail.join("opt/libtiny.so.1"), "old.so");
        w.expect_clean();
        replace(&jail.join("opt/libtiny.so.1"), "new.so");
        expect_only(w, &p, "replaced", "opt/libtiny.so.1");
        fs::remove_file(jail.join("opt/libtiny.so.1")).unwrap();
        expect_only(w, &p, "gone", "opt/libtiny.so.1");
    });
}

#[test]
fn t4_11_chroot_with_a_link_that_leads_out() {
    live(|w| {
        // 11.05 too: the link leads to another file when it is followed from outside.
        let jail = jail(w, "jail");
        w.subdir("jail/real");
        let lib = jail.join("opt/libtiny.so.1");
        let p = jailed(w, &jail);
        fs::rename(&lib, jail.join("real/libtiny.so.1")).unwrap();
        std::os::unix::fs::symlink("/real/libtiny.so.1", &lib).unwrap();
        w.expect_clean();
        install("new.so", &jail.join("real/other"));
        fs::remove_file(jail.join("real/libtiny.so.1")).unwrap();
        fs::rename(jail.join("real/other"), jail.join("real/libtiny.so.1")).unwrap();
        expect_only(w, &p, "replaced", "libtiny.so.1");
    });
}

#[test]
fn t4_12_chroot_after_loading() {
    live(|w| {
        let (lib, jail) = (w.lib(), jail(w, "jail"));
        // The same name inside, with other code: it must not be taken for the library.
        let inside = jail.join(lib.strip_prefix("/").unwrap());
        fs::create_dir_all(inside.parent().unwrap()).unwrap();
        install("new.so", &inside);
        let p = w.hold(&[arg("x", &lib), arg("chroot", &jail)]);
        w.expect_clean();
        replace(&lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
    });
}

#[test]
fn t4_12_chroot_after_loading_alone_in_its_namespace() {
    live(|w| {
        let (lib, jail) = (w.lib(), jail(w, "jail"));
        let p = hold_behind(w, &OWN_MOUNTS, &[arg("x", &lib), arg("chroot", &jail)]);
        // Nobody is there through whom the namespace's root could be seen: unknown is allowed, a wrong word is not.
        w.expect_none(&p, |judged| judged.is_stale());
        replace(&lib, "new.so");
        w.expect_none(&p, |judged| judged.is_clean());
    });
}

#[test]
fn t4_14_scan_from_inside_a_chroot() {
    if !fs::symlink_metadata("/lib").is_ok_and(|lib| lib.is_symlink()) {
        skip("no merged /usr: the libraries of a chroot are not one mount");
        return;
    }
    live(|w| {
        let (lib, jail) = (w.lib(), jail(w, "jail"));
        let built = Built::get().path("");
        w.sh(&format!(
            "cd $D/jail; mkdir -p usr proc dev etc '.{0}'; cp -a /lib /lib64 /bin .; cp -a /etc/ld.so.cache etc; \
             mount --bind /usr usr; mount --rbind /proc proc; mount --rbind /dev dev; mount --bind '{0}' '.{0}'",
            built.display()
        ));
        let p = jailed(w, &jail);
        let outside = w.hold(&[arg("x", &lib)]);
        let inside = ["chroot", jail.to_str().unwrap()];
        w.scan_through(&inside, &[]).assert_complete("untouched");
        replace(&lib, "new.so");
        replace(&jail.join("opt/libtiny.so.1"), "new.so");
        let scan = w.scan_through(&inside, &[]);
        scan.assert_complete("replaced");
        assert!(scan.verdict_of(outside.pid).is_none(), "{scan:#?}");
        assert_eq!(
            scan.verdict_of(p.pid).unwrap()[0].kind,
            "replaced",
            "{scan:#?}"
        );
    });
}

/// Mounts what never answers; the process keeps it so.
pub(crate) fn dead_mount(w: &World, at: &Path) -> Holder {
    w.hold(&[arg("fuse", at)])
}

#[test]
fn t4_15_dead_mount_over_a_library() {
    live(|w| {
        w.subdir("sub");
        let (lib, other) = (w.lib_at("sub/libtiny.so.1"), w.lib());
        let p = w.hold(&[arg("x", &lib)]);
        let q = w.hold(&[arg("x", &other)]);
        dead_mount(w, &w.path("sub"));
        replace(&other, "new.so");
        for source in crate::support::sources() {
            let scan = w.scan(&["--mapping-source", source]);
            assert!(
                scan.took < Duration::from_secs(3),
                "{source}: {:?}",
                scan.took
            );
            assert_eq!(scan.pids(), [q.pid], "{source}: {scan:#?}");
            assert!(scan.judged(p.pid).is_unknown());
            scan.assert_incomplete(source);
        }
    });
}

/// The first process of a container with user, mount and PID namespaces of its own.
fn user_container(w: &World, args: &[OsString]) -> Holder {
    let args: Vec<OsString> = [OsString::from("mountproc")]
        .into_iter()
        .chain(args.iter().cloned())
        .collect();
    hold_behind(w, &["unshare", "-Urmpf", "--kill-child"], &args)
}

#[test]
fn t4_16_user_namespace_seen_from_the_host() {
    live(|w| {
        let lib = w.lib();
        let p = user_container(w, &[arg("x", &lib)]);
        w.expect_clean();
        replace(&lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
    });
}

#[test]
fn t4_16_user_namespace_seen_from_inside() {
    live(|w| {
        let lib = w.lib();
        let p = user_container(w, &[arg("x", &lib)]);
        let pid = p.pid.to_string();
        let inside = ["nsenter", "-t", &pid, "-U", "-m", "-p"];
        for source in crate::support::sources() {
            let scan = w.scan_through(&inside, &["--mapping-source", source]);
            assert!(!scan.judged(1).is_stale(), "{source}: {scan:#?}");
        }
        replace(&lib, "new.so");
        for source in crate::support::sources() {
            let scan = w.scan_through(&inside, &["--mapping-source", source]);
            assert!(!scan.judged(1).is_clean(), "{source}: {scan:#?}");
        }
    });
}

#[test]
fn t4_17_hidden_processes() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        let q = w.hold_nobody(&[arg("x", &lib)]);
        w.sh("mount -o remount,hidepid=invisible /proc");
        replace(&lib, "new.so");
        let replaced = [("replaced", lib.as_path())];
        w.expect(&[(&p, &replaced), (&q, &replaced)]);
        w.expect_as_nobody(&[(&q, &replaced)]);
    });
}

#[test]
fn t4_17_only_processes_in_proc() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        let q = w.hold_nobody(&[arg("x", &lib)]);
        replace(&lib, "new.so");
        w.sh("mount -t proc -o subset=pid proc /proc");
        for source in crate::support::sources() {
            let scan = w.scan(&["--mapping-source", source]);
            assert!(scan.judged(p.pid).is_stale(), "{source}: {scan:#?}");
            let scan = w.scan_through(&NOBODY, &["--mapping-source", source]);
            assert!(scan.judged(q.pid).is_stale(), "{source}: {scan:#?}");
        }
    });
}

#[test]
fn t4_18_two_roots_in_one_namespace() {
    live(|w| {
        let (a, b) = (jail(w, "a"), jail(w, "b"));
        let p = jailed(w, &a);
        jailed(w, &b);
        replace(&a.join("opt/libtiny.so.1"), "new.so");
        expect_only(w, &p, "replaced", "opt/libtiny.so.1");
    });
}

#[test]
fn t4_18_two_namespaces_with_one_path() {
    live(|w| {
        let lib = w.lib();
        let p = contained(w, &lib, &[arg("x", &lib)]);
        let q = contained(w, &lib, &[arg("x", &lib)]);
        w.hold(&[arg("x", &lib)]);
        replace_seen_by(w, &q, &lib, "new.so");
        w.expect_stale(&q, "replaced", &lib);
        replace_seen_by(w, &p, &lib, "new.so");
        let replaced = [("replaced", lib.as_path())];
        w.expect(&[(&p, &replaced), (&q, &replaced)]);
    });
}

/// A tmpfs with the program and the library in it.
fn mounted_jail(w: &World) -> PathBuf {
    let at = w.subdir("mnt");
    w.sh(&format!(
        "mount -t tmpfs none $D/mnt; mkdir $D/mnt/opt; cp '{}' $D/mnt/opt/libtiny.so.1; cp '{}' $D/mnt/hold",
        Built::get().path("old.so").display(),
        Built::get().path("hold").display(),
    ));
    at
}

#[test]
fn t4_19_root_that_was_unmounted() {
    live(|w| {
        let p = jailed(w, &mounted_jail(w));
        w.sh("umount -l $D/mnt");
        // /proc/PID/root still leads there; or it counts as detached.
        for judged in w.judged(&p) {
            let detached =
                |found: &[crate::support::Finding]| found.iter().all(|f| f.kind == "detached");
            assert!(
                match &judged {
                    crate::support::Judged::Stale(found) => detached(found),
                    other => other.is_clean(),
                },
                "{judged:?}"
            );
        }
        replace_seen_by(w, &p, Path::new("/opt/libtiny.so.1"), "new.so");
        w.expect_none(&p, |judged| !judged.is_stale());
    });
}

#[test]
fn t4_19_library_on_a_mount_that_is_gone() {
    live(|w| {
        let lib = mounted_jail(w).join("opt/libtiny.so.1");
        let p = w.hold(&[arg("x", &lib)]);
        w.expect_clean();
        w.sh("umount -l $D/mnt");
        expect_only(w, &p, "detached", "libtiny.so.1");
    });
}

#[test]
fn t4_19_mount_that_is_gone_prints_a_name_of_another_file() {
    live(|w| {
        // Relative to the lost mount the library is /opt/libtiny.so.1; in the jail that is another, intact file.
        let jail = jail(w, "jail");
        let lib = mounted_jail(w).join("opt/libtiny.so.1");
        let p = w.hold(&[arg("x", lib), arg("chroot", jail)]);
        w.sh("umount -l $D/mnt");
        expect_only(w, &p, "detached", "libtiny.so.1");
    });
}

#[test]
fn t4_20_ids_that_are_not_mapped() {
    live(|w| {
        let lib = w.lib();
        let p = hold_behind(w, &["unshare", "-Um"], &[arg("x", &lib)]);
        w.expect_clean();
        replace(&lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
    });
}

#[test]
fn t4_21_revision_that_is_no_longer_current() {
    live(|w| {
        let revisions = [("1", "hold"), ("2", "hold-new")].map(|(revision, name)| {
            w.subdir(&format!("snap/tiny/{revision}/bin"));
            install(name, &w.path(format!("snap/tiny/{revision}/bin/tiny")))
        });
        w.sh("ln -s 1 $D/snap/tiny/current");
        let p = w.hold_as(&[w.path("snap/tiny/current/bin/tiny")], &["note:x"]);
        w.expect_clean();
        w.sh("ln -sfn 2 $D/snap/tiny/current");
        let found = w.scan(&[]).verdict_of(p.pid).unwrap_or_default();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].kind, "path-changed", "{found:?}");
        assert!(
            found[0].path == revisions[0] || found[0].path.ends_with("current/bin/tiny"),
            "{found:?}"
        );
    });
}

#[test]
fn t4_23_program_on_a_mount_of_its_own() {
    live(|w| {
        // As an AppImage: a file system of type fuse.NAME.AppImage that a process of the user's serves.
        let (at, source) = (w.subdir("served"), w.program());
        let server = w.hold(&[arg2("image", &at, &source)]);
        let p = w.hold_as(&[at.join("file")], &["note:x"]);
        for silent in [false, true] {
            if silent {
                w.sh(&format!("kill -STOP {}", server.pid));
            }
            for source in crate::support::sources() {
                let scan = w.scan(&["--mapping-source", source]);
                assert!(
                    scan.took < Duration::from_secs(3),
                    "{source}: {:?}",
                    scan.took
                );
                assert!(!scan.judged(p.pid).is_stale(), "{source}: {scan:#?}");
            }
        }
    });
}

#[test]
fn t4_24_sandbox_with_the_hosts_libraries() {
    live(|w| {
        let lib = w.lib();
        let p = hold_behind(w, &["unshare", "-mpf", "--kill-child"], &[arg("x", &lib)]);
        w.expect_clean();
        replace(&lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
        expect_no_container(w, &p);
    });
}

#[test]
fn t4_25_mount_that_reaches_some_namespaces() {
    live(|w| {
        w.subdir("sub");
        let lib = w.lib_at("sub/libtiny.so.1");
        w.sh("mount --make-rshared /");
        hold_behind(
            w,
            &["unshare", "-m", "--propagation", "private"],
            &[arg("x", &lib)],
        );
        let slave = hold_behind(
            w,
            &["unshare", "-m", "--propagation", "slave"],
            &[arg("x", &lib)],
        );
        let host = w.hold(&[arg("x", &lib)]);
        w.expect_clean();
        w.sh(&format!(
            "mount -t tmpfs none $D/sub; cp '{}' $D/sub/libtiny.so.1",
            Built::get().path("new.so").display()
        ));
        let replaced = [("replaced", lib.as_path())];
        w.expect(&[(&slave, &replaced), (&host, &replaced)]);
        w.sh("umount $D/sub");
        w.expect_clean();
    });
}

#[test]
fn t4_27_tmpfs_as_disk() {
    live(|_| {
        let w = World::below(Path::new("/dev/shm"));
        let (same, other, gone, changed) =
            (w.lib_at("a"), w.lib_at("b"), w.lib_at("c"), w.lib_at("d"));
        let program = w.program();
        let p = w.hold_as(
            &[&program],
            &[&same, &other, &gone, &changed].map(|lib| arg("x", lib)),
        );
        w.expect_clean();
        replace(&same, "old.so");
        replace(&other, "new.so");
        replace(&program, "hold-new");
        fs::remove_file(&gone).unwrap();
        overwrite(&changed, "new.so");
        w.expect(&[(
            &p,
            &[
                ("replaced", &other),
                ("gone", &gone),
                ("overwritten", &changed),
                ("replaced", &program),
            ],
        )]);
    });
}

#[test]
fn t4_28_automount_in_a_start_name() {
    live(|w| {
        let at = w.subdir("auto");
        let program = w.program();
        let mut daemon = w.hold(&[arg("autofs", &at), "pause".into(), "unread".into()]);
        let p = w.hold_as(&[&program], &[arg("as", at.join("x/prog"))]);
        fs::rename(&program, w.path("prog.bak")).unwrap();
        for source in crate::support::sources() {
            let scan = w.scan(&["--mapping-source", source]);
            assert!(
                scan.took < Duration::from_secs(3),
                "{source}: {:?}",
                scan.took
            );
            assert!(scan.judged(p.pid).is_unknown(), "{source}: {scan:#?}");
        }
        assert_eq!(daemon.asked_of_autofs(), 0);
    });
}

#[test]
fn t4_28_link_that_leads_into_an_automount() {
    live(|w| {
        let (at, lib) = (w.subdir("auto"), w.lib());
        let mut daemon = w.hold(&[arg("autofs", &at), "pause".into(), "unread".into()]);
        let p = w.hold(&[arg("x", &lib)]);
        fs::remove_file(&lib).unwrap();
        std::os::unix::fs::symlink(at.join("x/lib"), &lib).unwrap();
        let scan = w.scan(&[]);
        assert!(scan.took < Duration::from_secs(3), "{:?}", scan.took);
        assert!(!scan.judged(p.pid).is_clean(), "{scan:#?}");
        assert_eq!(daemon.asked_of_autofs(), 0);
    });
}
