//! Kernel objects and temporary files: what is nobody's code, and what only looks so.

use std::fs;
use std::path::Path;

use crate::support::{Built, NOBODY, World, arg, arg2, install, live, raw, replace, sources};

/// Names of the catalogue by which JIT and JNI extraction is known; the verdict must not come from them.
const EXTRACTED: [&str; 6] = [
    "jna4711.tmp",
    "libzstd-jni-1.5.so",
    "snappy-1.1-libsnappyjava.so",
    "orcexec.abc",
    ".glXk2Uwq",
    "ffiA1b2C3",
];

#[test]
fn t1_01_memfd() {
    live(|w| {
        w.hold(&["memfd:jit"]);
        w.hold(&["memfd:two words"]);
        w.hold(&["memfd:a\nb"]);
        w.hold(&["memfd:libc.so.6 (deleted)"]);
        w.hold_nobody(&["memfd:jit"]);
        w.expect_clean();
        w.expect_as_nobody(&[]);
    });
}

#[test]
fn t1_02_program_is_a_memfd() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&["memexec".into(), arg("x", &lib)]);
        w.expect_clean();
        replace(&lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
    });
}

#[test]
fn t1_03_sysv_segments() {
    live(|w| {
        w.hold(&["sysvx", "sysv"]);
        w.expect_clean();
    });
}

#[test]
fn t1_04_shared_anonymous_memory() {
    live(|w| {
        w.hold(&["anonsh"]);
        w.expect_clean();
    });
}

#[test]
fn t1_05_rings_of_the_kernel() {
    live(|w| {
        w.hold(&["aio"]);
        w.hold(&["uring"]);
        w.hold(&["perf"]);
        w.expect_clean();
    });
}

#[test]
fn t1_07_names_of_anonymous_memory_are_no_paths() {
    live(|w| {
        w.hold(&["anonname:/usr/lib/libc.so.6 (deleted)"]);
        w.hold(&["anonname:/nowhere/lib.so"]);
        w.expect_clean();
    });
}

#[test]
fn t1_08_files_that_are_named_like_kernel_objects() {
    live(|w| {
        for name in [
            "memfd:jit",
            "SYSV0052e2c1",
            "[aio]",
            "drm mm object",
            "anon_hugepage",
            "#10059800",
            "[vdso]",
        ] {
            let lib = w.lib_at(name);
            let p = w.hold(&[arg("x", &lib)]);
            w.expect_clean();
            replace(&lib, "new.so");
            w.expect_stale(&p, "replaced", &lib);
            w.sh(&format!("kill -9 {}", p.pid));
        }
    });
}

#[test]
fn t1_08_files_that_are_named_like_kernel_objects_at_the_root() {
    live(|w| {
        w.subdir("root/dev");
        let names = ["/memfd:jit", "/SYSV0052e2c1", "/dev/zero", "/[aio]"];
        let holders = names.map(|name| {
            let inside = w.path("root").join(&name[1..]);
            install("old.so", &inside);
            let root = arg("chroot", w.path("root"));
            w.hold(&[root, arg("x", name)])
        });
        w.expect_clean();
        for name in names {
            replace(&w.path("root").join(&name[1..]), "new.so");
        }
        for (p, name) in holders.iter().zip(names) {
            let found = w.scan(&[]).verdict_of(p.pid).unwrap();
            assert_eq!(found[0].kind, "replaced");
            assert!(found[0].path.ends_with(&name[1..]), "{found:?}");
        }
    });
}

#[test]
fn t1_09_file_that_never_had_a_name() {
    live(|w| {
        w.hold(&[arg("tmpfile", w.dir())]);
        w.expect_clean();
    });
}

#[test]
fn t1_10_own_temporary_file() {
    live(|w| {
        for name in EXTRACTED {
            own_temporary_file(w, &w.path(name));
        }
        w.expect_clean();
    });
}

#[test]
fn t1_10_own_temporary_file_in_a_forked_worker() {
    live(|w| {
        let lib = w.path(EXTRACTED[0]);
        w.hold(&[
            "sleep:50".into(),
            arg2("own", &lib, Built::get().path("old.so")),
            arg("unlink", &lib),
            "sleep:50".into(),
            "fork".into(),
        ]);
        w.expect_clean();
    });
}

fn own_temporary_file(w: &World, at: &Path) {
    w.hold(&[
        "sleep:50".into(),
        arg2("own", at, Built::get().path("old.so")),
        arg("unlink", at),
    ]);
}

#[test]
fn t1_11_program_that_replaced_its_own_library() {
    let Ok(parent) = fs::canonicalize("/var/tmp") else {
        return;
    };
    live(|_| replaced_own_library(&World::below(&parent)));
}

fn replaced_own_library(w: &World) {
    let lib = w.path("libvendor.so");
    let p = w.hold(&[
        "sleep:50".into(),
        arg2("own", &lib, Built::get().path("old.so")),
    ]);
    w.expect_clean();
    replace(&lib, "new.so");
    w.expect_stale(&p, "replaced", &lib);
}

#[test]
fn t1_12_location_never_decides() {
    for parent in ["/tmp", "/run", "/dev/shm"] {
        live(|_| {
            let w = World::below(Path::new(parent));
            own_temporary_file(&w, &w.path(EXTRACTED[0]));
            w.expect_clean();
            let lib = w.lib();
            let p = w.hold(&[arg("x", &lib)]);
            fs::remove_file(&lib).unwrap();
            w.expect_stale(&p, "gone", &lib);
        });
        live(|_| replaced_own_library(&World::below(Path::new(parent))));
    }
}

#[test]
fn t1_12_location_does_not_decide_for_an_ordinary_user_either() {
    live(|w| {
        // The time of birth is behind a link that only root may follow: it may be either, and must be said so.
        let lib = w.lib();
        let p = w.hold_nobody(&[arg("x", &lib)]);
        fs::remove_file(&lib).unwrap();
        for source in sources() {
            let scan = w.scan_through(&NOBODY, &["--user", "--mapping-source", source]);
            assert!(!scan.judged(p.pid).is_clean(), "{source}: {scan:#?}");
        }
    });
}

#[test]
fn t1_13_removed_data() {
    live(|w| {
        let names = [
            "locale-archive",
            "gconv-modules.cache",
            "ld.so.cache",
            "icon-theme.cache",
            "mime.cache",
            "gschemas.compiled",
            "org.example.gresource",
            "passwd",
        ];
        for name in names {
            let data = w.lib_at(name);
            w.hold(&[arg("r", &data), arg("w", &data)]);
            fs::remove_file(&data).unwrap();
        }
        w.expect_clean();
    });
}

#[test]
fn t1_14_removed_open_file() {
    live(|w| {
        let log = w.lib_at("daemon.log");
        w.hold(&[arg("fd", &log)]);
        fs::remove_file(&log).unwrap();
        w.expect_clean();
    });
}

#[test]
fn t1_15_shared_memory_files() {
    live(|_| {
        let w = World::below(Path::new("/dev/shm"));
        let data = w.lib_at("sem.x");
        w.hold(&[arg("w", &data)]);
        fs::remove_file(&data).unwrap();
        w.expect_clean();
    });
}

#[test]
fn t1_16_library_that_is_only_read() {
    live(|w| {
        let (removed, replaced) = (w.lib_at("a.so"), w.lib_at("b.so"));
        w.hold(&[arg("r", &removed), arg("r", &replaced)]);
        fs::remove_file(&removed).unwrap();
        replace(&replaced, "new.so");
        w.expect_clean();
    });
}

#[test]
fn t1_18_text_moved_to_anonymous_memory() {
    live(|w| {
        let program = w.program();
        let p = w.hold_as(&[&program], &["anontext"]);
        w.expect_clean();
        replace(&program, "hold-new");
        w.expect_stale(&p, "replaced", &program);
    });
}

#[test]
fn t1_20_unmapped_after_its_replacement() {
    live(|w| {
        let lib = w.lib();
        let mut p = w.hold(&[arg("x", &lib), "pause".into(), "unmap:0".into()]);
        replace(&lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
        p.go();
        w.expect_clean();
    });
}

#[test]
fn t1_21_many_segments_one_finding() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold_as(&[Built::get().path("hold-dynamic")], &[arg("dl", &lib)]);
        w.expect_clean();
        replace(&lib, "new.so");
        w.expect_stale(&p, "replaced", &lib);
    });
}

#[test]
fn t1_21_two_objects_of_one_name() {
    live(|w| {
        let lib = w.lib();
        let mut p = w.hold(&[arg("x", &lib), "pause".into(), arg("x", &lib)]);
        replace(&lib, "new.so");
        p.go();
        w.expect_stale(&p, "replaced", &lib);
    });
}

#[test]
fn t1_22_rewritten_by_strip() {
    live(|w| {
        let lib = w.lib();
        let p = w.hold(&[arg("x", &lib)]);
        replace(&lib, "stripped.so");
        w.expect_same_code(&p, &lib);
    });
}

#[test]
fn t1_22_rewritten_with_other_code() {
    live(|w| {
        let lib = install("no-id-old.so", &w.path(raw(b"libtiny.so.1")));
        let p = w.hold(&[arg("x", &lib)]);
        replace(&lib, "no-id-new.so");
        w.expect_stale(&p, "replaced", &lib);
    });
}
