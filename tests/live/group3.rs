//! Path against file identity: what upgrades, rollbacks, copies and edits do to a file that is mapped.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::support::{
    Built, Holder, World, arg, has_tool, install, live, overwrite, replace, settle, skip,
};

#[test]
fn t3_01_library_replaced() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        let q = w.hold_nobody(&[arg("x", &lib)]);
        w.expect_clean();
        w.expect_as_nobody(&[]);
        replace(&lib, "new.so");
        let replaced = [("replaced", lib.as_path())];
        w.expect(&[(&p, &replaced), (&q, &replaced)]);
        w.expect_as_nobody(&[(&q, &replaced)]);
    });
}

#[test]
fn t3_01_program_replaced() {
    live(|w| {
        let program = w.program();
        let p = w.hold_as(&[&program], &["note:x"]);
        w.expect_clean();
        replace(&program, "hold-new");
        w.expect_stale(&p, "replaced", &program);
        let found = w.scan(&[]).verdict_of(p.pid).unwrap();
        assert!(found[0].program);
        for id in ["old_build_id", "new_build_id"] {
            assert!(found[0].json[id].is_string(), "{found:?}");
        }
        assert_ne!(found[0].json["old_build_id"], found[0].json["new_build_id"]);
    });
}

#[test]
fn t3_02_library_removed() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        let q = w.hold_nobody(&[arg("x", &lib)]);
        fs::remove_file(&lib).unwrap();
        let gone = [("gone", lib.as_path())];
        w.expect(&[(&p, &gone), (&q, &gone)]);
    });
}

#[test]
fn t3_02_library_removed_as_ordinary_user() {
    // Below /tmp only its time of birth tells a removed library from a temporary file of the process's own, and an
    // ordinary user cannot see that.
    live(|_| {
        let w = World::below(Path::new("/var/lib"));
        let lib = w.lib();
        let p = w.hold_nobody(&[arg("x", &lib)]);
        fs::remove_file(&lib).unwrap();
        w.expect_as_nobody(&[(&p, &[("gone", &lib)])]);
    });
}

#[test]
fn t3_02_owned_library_removed() {
    live(|w| {
        let lib = w.lib();
        w.dpkg("libtiny1", "1.0-2", &[&lib]);
        let p = w.hold(&[arg("x", &lib)]);
        fs::remove_file(&lib).unwrap();
        w.expect_stale(&p, "gone", &lib);
        let found = w.scan(&[]).verdict_of(p.pid).unwrap();
        assert_eq!(found[0].json["package"]["name"], "libtiny1", "{found:?}");
        assert_eq!(found[0].json["package"]["backend"], "dpkg", "{found:?}");
    });
}

#[test]
fn t3_02_program_removed() {
    live(|w| {
        let program = w.program();
        let p = w.hold_as(&[&program], &["note:x"]);
        fs::remove_file(&program).unwrap();
        w.expect_stale(&p, "gone", &program);
    });
}

/// Stale by this kind, under one of the names of the object.
#[track_caller]
fn expect_path_changed(w: &World, p: &Holder, names: &[&Path]) {
    for source in crate::support::sources() {
        let scan = w.scan(&["--mapping-source", source]);
        scan.assert_complete(source);
        let found = scan.verdict_of(p.pid).unwrap_or_default();
        assert_eq!(found.len(), 1, "{source}: {scan:#?}");
        assert_eq!(found[0].kind, "path-changed", "{source}: {found:?}");
        assert!(
            names.contains(&found[0].path.as_path()),
            "{source}: {found:?}"
        );
    }
}

#[test]
fn t3_03_library_moved_aside() {
    live(|w| {
        let (lib, aside) = (w.lib(), w.path("libtiny.so.1.bak"));
        let p = w.hold(&[arg("x", &lib)]);
        fs::rename(&lib, &aside).unwrap();
        install("new.so", &lib);
        expect_path_changed(w, &p, &[&lib, &aside]);
    });
}

#[test]
fn t3_03_program_moved_aside() {
    live(|w| {
        let (program, aside) = (w.program(), w.path("prog.bak"));
        let p = w.hold_as(&[&program], &["note:x"]);
        fs::rename(&program, &aside).unwrap();
        install("hold-new", &program);
        expect_path_changed(w, &p, &[&program, &aside]);
    });
}

#[test]
fn t3_03_directory_moved_aside() {
    live(|w| {
        w.subdir("opt/app");
        let program = install("hold", &w.path("opt/app/prog"));
        let p = w.hold_as(&[&program], &["note:x"]);
        fs::rename(w.path("opt/app"), w.path("opt/app.old")).unwrap();
        w.subdir("opt/app");
        install("hold-new", &program);
        expect_path_changed(w, &p, &[&program, &w.path("opt/app.old/prog")]);
    });
}

#[test]
fn t3_03_moved_aside_and_put_back_as_a_copy() {
    live(|w| {
        let lib = w.lib();
        w.hold(&[arg("x", &lib)]);
        fs::rename(&lib, w.path("libtiny.so.1.bak")).unwrap();
        install("old.so", &lib);
        w.expect_clean();
    });
}

#[test]
fn t3_04_rollback_to_the_very_object() {
    live(|w| {
        let (lib, kept) = (w.lib(), w.path("kept"));
        fs::hard_link(&lib, &kept).unwrap();
        let p = w.hold(&[arg("x", &lib)]);
        w.hold_nobody(&[arg("x", &lib)]);
        replace(&lib, "new.so");
        assert!(w.scan(&[]).judged(p.pid).is_stale());
        fs::rename(&kept, &lib).unwrap();
        w.expect_clean();
        w.expect_as_nobody(&[]);
    });
}

#[test]
fn t3_05_library_overwritten_in_place() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        let q = w.hold_nobody(&[arg("x", &lib)]);
        w.expect_clean();
        overwrite(&lib, "new.so");
        let overwritten = [("overwritten", lib.as_path())];
        w.expect(&[(&p, &overwritten), (&q, &overwritten)]);
        w.expect_as_nobody(&[(&q, &overwritten)]);
    });
}

#[test]
fn t3_06_program_overwritten_in_place() {
    let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
    if !loader.exists() {
        skip("no loader of glibc where it is looked for");
        return;
    }
    live(|w| {
        // Through the loader, the program is a mapping like any other, and no kernel refuses the write.
        let program = install("hold-dynamic", &w.path("prog"));
        let p = w.hold_as(&[loader, &program], &["note:x"]);
        overwrite(&program, "hold-dynamic-new");
        w.expect_stale(&p, "overwritten", &program);
    });
}

#[test]
fn t3_07_attributes_changed() {
    live(|w| {
        let changes = [
            "chmod 700 $F",
            "chown 1:1 $F",
            "touch -a $F",
            "mv $F $F.x; mv $F.x $F",
            "ln $F $F.link",
        ];
        for (n, change) in changes.iter().enumerate() {
            let lib = w.lib_at(format!("lib{n}.so"));
            w.hold(&[arg("x", &lib)]);
            w.sh(&change.replace("$F", lib.to_str().unwrap()));
            settle();
        }
        w.expect_clean();
        if has_tool("setcap") {
            let program = w.program();
            w.hold_as(&[&program], &["note:x"]);
            w.sh("setcap cap_net_raw+ep $D/prog");
            w.expect_clean();
        } else {
            skip("no setcap");
        }
    });
}

#[test]
fn t3_08_touched_owned_library() {
    live(|w| {
        let lib = w.lib();
        w.dpkg("libtiny1", "1.0-2", &[&lib]);
        w.hold(&[arg("x", &lib)]);
        w.sh("touch $D/libtiny.so.1");
        w.expect_clean();
    });
}

#[test]
fn t3_08_touched_library_of_nobody() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        w.sh("touch $D/libtiny.so.1");
        w.expect_stale(&p, "overwritten", &lib);
    });
}

#[test]
fn t3_08_owned_library_with_other_bytes() {
    live(|w| {
        let lib = w.lib();
        w.dpkg("libtiny1", "1.0-2", &[&lib]);
        let p = w.hold(&[arg("x", &lib)]);
        overwrite(&lib, "new.so");
        // A writer that puts the time back (rsync --inplace --times).
        w.sh("touch -d 2020-01-01 $D/libtiny.so.1");
        w.expect_stale(&p, "overwritten", &lib);
    });
}

#[test]
fn t3_09_reinstalled() {
    live(|w| {
        let (lib, program) = (w.lib(), w.program());
        let p = w.hold_as(&[&program], &[arg("x", &lib)]);
        replace(&lib, "old.so");
        replace(&program, "hold");
        w.expect_same_code(&p, &lib);
        w.expect_same_code(&p, &program);
    });
}

#[test]
fn t3_10_rebuilt() {
    live(|w| {
        let lib = install("no-id-old.so", &w.path("libtiny.so.1"));
        let p = w.hold(&[arg("x", &lib)]);
        replace(&lib, "no-id-new.so");
        w.expect_stale(&p, "replaced", &lib);
    });
}

#[test]
fn t3_10_other_code_with_the_same_build_id() {
    live(|w| {
        let lib = install("forged-old.so", &w.path("libtiny.so.1"));
        let p = w.hold(&[arg("x", &lib)]);
        replace(&lib, "forged-new.so");
        w.expect_stale(&p, "replaced", &lib);
    });
}

#[test]
fn t3_11_replaced_and_replaced_back() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        replace(&lib, "new.so");
        replace(&lib, "old.so");
        w.expect_same_code(&p, &lib);
    });
}

#[test]
fn t3_12_inode_number_used_again() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        fs::remove_file(&lib).unwrap();
        w.expect_stale(&p, "gone", &lib);
        w.sh(&format!("kill -9 {}", p.pid));
        settle();
        install("new.so", &lib);
        // Most file systems give the number again; where not, it is just a new file.
        w.hold(&[arg("x", &lib)]);
        w.expect_clean();
    });
}

/// hold, linked to libtiny.so.1, which it looks for in `first/` and `second/` beside itself.
fn searching_program(w: &World) -> Holder {
    w.subdir("first");
    w.subdir("second");
    w.lib_at("second/libtiny.so.1");
    let program = install("hold-tiny", &w.path("prog"));
    w.hold_as(&[&program], &["note:x"])
}

// Owned by a package, that one would be what a fresh start loads: NOT JUDGED YET.
#[test]
fn t3_13_earlier_in_the_search_order() {
    live(|w| {
        searching_program(w);
        w.expect_clean();
        install("new.so", &w.path("first/libtiny.so.1"));
        w.expect_clean();
    });
}

#[test]
fn t3_14_alternative_switched() {
    live(|w| {
        install("hold", &w.path("provider1"));
        install("hold-new", &w.path("provider2"));
        w.sh("mount -t tmpfs none /etc/alternatives && ln -s $D/provider1 /etc/alternatives/tiny");
        symlink("/etc/alternatives/tiny", w.path("tiny")).unwrap();
        let p = w.hold_as(&[w.path("tiny")], &["note:x"]);
        w.expect_clean();
        w.sh("ln -sfn $D/provider2 /etc/alternatives/tiny");
        let scan = w.scan(&["-v"]);
        // A soft finding: said, but nothing is restarted for it.
        if let Some((item, _)) = scan.listed(p.pid) {
            assert_ne!(item["verdict"], "restart", "{scan:#?}");
        }
        assert!(scan.json.to_string().contains("provider2"), "{scan:#?}");
    });
}

#[test]
fn t3_15_merged_usr() {
    if !fs::symlink_metadata("/lib").is_ok_and(|lib| lib.is_symlink())
        || !Path::new("/usr/lib/sysctl.d").is_dir()
    {
        skip("no merged /usr");
        return;
    }
    live(|w| {
        let (mapped, listed) = (
            Path::new("/usr/lib/sysctl.d/libtiny.so.1"),
            Path::new("/lib/sysctl.d/libtiny.so.1"),
        );
        w.sh("mount -t tmpfs none /usr/lib/sysctl.d");
        let put = |name: &str| {
            let from = Built::get().path(name);
            w.sh(&format!(
                "cd /usr/lib/sysctl.d; cp '{}' new; mv new libtiny.so.1",
                from.display()
            ));
        };
        put("old.so");
        w.dpkg("libtiny1", "1.0-2", &[listed]);
        let p = w.hold(&[arg("x", listed)]);
        w.expect_clean();
        put("new.so");
        w.expect_stale(&p, "replaced", mapped);
        let found = w.scan(&[]).verdict_of(p.pid).unwrap();
        assert_eq!(found[0].json["package"]["name"], "libtiny1", "{found:?}");
    });
}

#[test]
fn t3_16_another_copy_is_upgraded() {
    live(|w| {
        w.subdir("a");
        w.subdir("b");
        let (mine, other) = (w.lib_at("a/libtiny.so.1"), w.lib_at("b/libtiny.so.1"));
        w.hold(&[arg("x", &mine)]);
        replace(&other, "new.so");
        w.expect_clean();
        fs::remove_file(other).unwrap();
        w.expect_clean();
    });
}

#[test]
fn t3_17_siblings() {
    live(|w| {
        let lib = w.lib();
        w.hold(&[arg("x", &lib)]);
        install("new.so", &w.path("libtiny.so.2"));
        symlink("libtiny.so.2", w.path("libtiny.so")).unwrap();
        w.expect_clean();
    });
}

#[test]
fn t3_18_hardware_variant_appears() {
    live(|w| {
        let lib = w.lib();
        w.hold(&[arg("x", &lib)]);
        w.subdir("glibc-hwcaps/x86-64-v2");
        install("new.so", &w.path("glibc-hwcaps/x86-64-v2/libtiny.so.1"));
        w.expect_clean();
    });
}

#[track_caller]
fn exchange(a: &Path, b: &Path) {
    renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).unwrap();
}

#[test]
fn t3_19_exchanged_with_other_code() {
    live(|w| {
        let (lib, other) = (w.lib(), install("new.so", &w.path("staged")));
        let p = w.hold(&[arg("x", &lib)]);
        exchange(&lib, &other);
        expect_path_changed(w, &p, &[&lib, &other]);
    });
}

#[test]
fn t3_19_exchanged_with_the_same_code() {
    live(|w| {
        let (lib, other) = (w.lib(), install("old.so", &w.path("staged")));
        w.hold(&[arg("x", &lib)]);
        exchange(&lib, &other);
        w.expect_clean();
    });
}

#[test]
fn t3_20_reflinked_clone() {
    if !has_tool("mkfs.btrfs") {
        skip("no mkfs.btrfs");
        return;
    }
    live(|w| {
        crate::group4::mount_btrfs(w);
        w.sh(&format!(
            "cp '{}' $D/btrfs/lib.so",
            Built::get().path("old.so").display()
        ));
        let lib = w.path("btrfs/lib.so");
        let p = w.hold(&[arg("x", &lib)]);
        w.sh("cd $D/btrfs; cp --reflink=always lib.so new; mv new lib.so");
        w.expect_same_code(&p, &lib);
    });
}

#[test]
fn t3_21_library_and_program() {
    live(|w| {
        let (lib, program) = (w.lib(), w.program());
        let p = w.hold_as(&[&program], &[arg("x", &lib)]);
        fs::remove_file(&lib).unwrap();
        w.expect_stale(&p, "gone", &lib);
        replace(&program, "hold-new");
        w.expect(&[(&p, &[("gone", &lib), ("replaced", &program)])]);
        replace(&program, "hold");
        w.expect_stale(&p, "gone", &lib);
    });
}

#[test]
fn t3_22_companions() {
    live(|w| {
        let lib = w.lib();
        let companions = [".libtiny.so.1.hmac", "libtiny.so.1.debug"].map(|name| w.lib_at(name));
        w.hold(&[
            arg("x", &lib),
            arg("r", &companions[0]),
            arg("fd", &companions[1]),
        ]);
        replace(&companions[0], "new.so");
        fs::remove_file(&companions[1]).unwrap();
        w.expect_clean();
    });
}
