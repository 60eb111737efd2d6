//! Processes with their files, as a host shows them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;

use unstale_perl::Perl;
use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{How, Role, What};

/// Debian 12, as `perl -V` prints its directories there.
const DEBIAN: &[&str] = &[
    "/etc/perl/",
    "/usr/local/lib/x86_64-linux-gnu/perl/5.36.0/",
    "/usr/local/share/perl/5.36.0/",
    "/usr/lib/x86_64-linux-gnu/perl5/5.36/",
    "/usr/share/perl5/",
    "/usr/lib/x86_64-linux-gnu/perl-base/strict.pm",
    "/usr/lib/x86_64-linux-gnu/perl/5.36/",
    "/usr/share/perl/5.36.0/",
    "/usr/bin/perl",
];

const PROCESS: &str = "exe /usr/bin/perl\ncwd /\ncode 7f00 /usr/lib/x86_64-linux-gnu/libc.so.6\n";

struct Tree(tempfile::TempDir);

impl Tree {
    /// Files with their texts; what ends in `/` is a directory; `a -> b` a link.
    fn new(base: &[&str], files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for path in base {
            tree.put(path, "");
        }
        for (path, text) in files {
            tree.put(path, text);
        }
        tree
    }

    fn put(&self, path: &str, text: &str) {
        let (path, target) = path.split_once(" -> ").unwrap_or((path, ""));
        let place = self
            .0
            .path()
            .join("root")
            .join(path.trim_start_matches('/'));
        if path.ends_with('/') {
            return fs::create_dir_all(place).unwrap();
        }
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        if target.is_empty() {
            fs::write(place, text).unwrap();
        } else {
            std::os::unix::fs::symlink(target, place).unwrap();
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn said(&self, process: &str) -> Said {
        Scene::of(process, self.path())
            .unwrap()
            .inspect(&mut Perl::default())
    }
}

/// `script`, `=imported`, `?possible`.
fn shown(said: &Said) -> String {
    let words = said.uses.iter().map(|used| {
        let What::File(path) = &used.what else {
            panic!("{used:?}")
        };
        let mark = match (used.role, used.how) {
            (Role::Script, How::Loaded) => "",
            (Role::Module, How::Imported) => "=",
            (Role::Module, How::Possible) => "?",
            _ => panic!("{used:?}"),
        };
        format!("{mark}{}", String::from_utf8_lossy(path))
    });
    words.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(files: &[(&str, &str)], process: &str, expected: &str) -> Said {
    let tree = Tree::new(DEBIAN, files);
    let said = tree.said(&format!("{PROCESS}{process}"));
    assert_eq!(shown(&said), expected, "{said:?}");
    assert_eq!(said.unknown, [""; 0]);
    said
}

#[test]
fn t6_01_script_of_the_arguments() {
    let script = [("/srv/a.pl", "1;")];
    check(
        &script,
        "argv /usr/bin/perl\nargv -w\nargv /srv/a.pl\nargv x",
        "/srv/a.pl",
    );
    // It is named although it is gone: then it was removed.
    check(&[], "argv /usr/bin/perl\nargv /srv/a.pl", "/srv/a.pl");
    check(
        &[("/usr/bin/tool", "")],
        "env PATH=/bin:/usr/bin\nargv perl\nargv -S\nargv tool",
        "/usr/bin/tool",
    );
}

#[test]
fn t6_02_relative_script() {
    let tree = Tree::new(DEBIAN, &[("/srv/a.pl", ""), ("/other/", "")]);
    let said = |text: &str| tree.said(&format!("exe /usr/bin/perl\nargv perl\nargv a.pl\n{text}"));
    assert_eq!(shown(&said("cwd /srv")), "/srv/a.pl");
    assert_eq!(shown(&said("cwd /other\nexecfn /srv/a.pl")), "/srv/a.pl");
    for lost in [
        "cwd /other",
        "",
        "cwd /other\nexecfn ./a.pl",
        "cwd /other\nexecfn /usr/bin/perl",
    ] {
        let said = said(lost);
        assert_eq!(shown(&said), "", "{lost}");
        assert_eq!(said.unknown.len(), 1, "{lost}: {said:?}");
    }
}

#[test]
fn t6_03_script_behind_a_link() {
    let files = [
        (
            "/opt/app/bin/run.pl",
            "use FindBin; use lib \"$FindBin::RealBin/../lib\"; use lib \"$FindBin::Bin/l\"; use A; use B;",
        ),
        ("/opt/app/lib/A.pm", ""),
        ("/usr/bin/l/B.pm", ""),
        ("/usr/bin/run -> /opt/app/bin/run.pl", ""),
        ("/usr/share/perl/5.36.0/lib.pm", ""),
    ];
    check(
        &files,
        "argv perl\nargv /usr/bin/run",
        "/usr/bin/run =/usr/share/perl/5.36.0/lib.pm =/opt/app/lib/A.pm =/usr/bin/l/B.pm",
    );
}

#[test]
fn t6_02_title_over_the_arguments() {
    let files = [
        ("/usr/sbin/d", "#!/usr/bin/perl -I/l\nuse A;"),
        ("/l/A.pm", ""),
    ];
    let found = "/usr/sbin/d =/l/A.pm";
    check(&files, "execfn /usr/sbin/d\nargv d: worker 1", found);
    check(&files, "execfn /usr/sbin/d\nargv d", found);
    check(
        &files,
        "execfn /usr/sbin/d\nargv master\nargv \nargv ",
        found,
    );
    check(&files, "execfn /usr/sbin/d\nargv perl worker\nargv ", found);
    let said = check(&files, "execfn /usr/bin/perl\nargv d: worker 1", "");
    assert_eq!(said.notes.len(), 1, "{said:?}");
    let said = check(&files, "execfn ./d\nargv d: worker 1", "");
    assert_eq!(said.notes.len(), 1, "{said:?}");
}

#[test]
fn t6_15_no_script() {
    for argv in [
        "argv perl",
        "argv perl\nargv -",
        "argv perl\nargv /dev/fd/63",
        "argv perl\nargv -e\nargv 1",
    ] {
        let said = check(&[], argv, "");
        assert_eq!(said.notes.len(), 1, "{said:?}");
    }
    let files = [
        ("/usr/share/perl5/A.pm", "require B;"),
        ("/usr/share/perl5/B.pm", ""),
    ];
    let found = "=/usr/share/perl5/A.pm =/usr/share/perl5/B.pm";
    check(&files, "argv perl\nargv -e\nargv use A", found);
    check(&files, "argv perl\nargv -MA=x\nargv -e1", found);
    check(&files, "env PERL5OPT=-MA\nargv perl\nargv -e1", found);
    let debugger = [("/usr/share/perl/5.36.0/perl5db.pl", "")];
    check(
        &debugger,
        "argv perl\nargv -d\nargv -e1",
        "=/usr/share/perl/5.36.0/perl5db.pl",
    );
}

#[test]
fn t6_16_order_of_directories() {
    let order = [
        "/i/A.pm",
        "/e/A.pm",
        "/etc/perl/A.pm",
        "/usr/local/lib/x86_64-linux-gnu/perl/5.36.0/A.pm",
        "/usr/local/share/perl/5.36.0/A.pm",
        "/usr/lib/x86_64-linux-gnu/perl5/5.36/A.pm",
        "/usr/share/perl5/A.pm",
        "/usr/lib/x86_64-linux-gnu/perl-base/A.pm",
        "/usr/lib/x86_64-linux-gnu/perl/5.36/A.pm",
        "/usr/share/perl/5.36.0/A.pm",
        "/usr/local/lib/site_perl/A.pm",
    ];
    for first in 0..order.len() {
        let mut files: Vec<(&str, &str)> = order[first..].iter().map(|path| (*path, "")).collect();
        files.push(("/srv/a.pl", "use A;"));
        let process = "env PERL5LIB=/e\nenv PERLLIB=/never\nargv perl\nargv -I/i\nargv /srv/a.pl";
        check(&files, process, &format!("/srv/a.pl ={}", order[first]));
    }
}

#[test]
fn t6_16_environment() {
    let files = [("/srv/a.pl", "use A;"), ("/e/A.pm", "")];
    let found = "/srv/a.pl =/e/A.pm";
    check(
        &files,
        "env PERL5LIB=/x:/e\nargv perl\nargv /srv/a.pl",
        found,
    );
    check(&files, "env PERLLIB=/e\nargv perl\nargv /srv/a.pl", found);
    check(
        &files,
        "env PERL5LIB=/x\nenv PERLLIB=/e\nargv perl\nargv /srv/a.pl",
        "/srv/a.pl",
    );
    check(
        &files,
        "env PERL5LIB=/e\nargv perl\nargv -T\nargv /srv/a.pl",
        "/srv/a.pl",
    );
    let tainted = [
        ("/srv/a.pl", "#!/usr/bin/perl -wT\nuse A;"),
        ("/e/A.pm", ""),
    ];
    check(
        &tainted,
        "env PERL5LIB=/e\nexecfn /srv/a.pl\nargv d: title",
        "/srv/a.pl",
    );
    // The working directory is no place to search, except if asked for.
    check(&files, "cwd /e\nargv perl\nargv /srv/a.pl", "/srv/a.pl");
    check(
        &files,
        "cwd /e\nenv PERL_USE_UNSAFE_INC=1\nargv perl\nargv /srv/a.pl",
        "/srv/a.pl ?/e/A.pm",
    );
    let local = [
        ("/srv/a.pl", "use A; use B;"),
        ("/e/x86_64-linux-gnu-thread-multi/A.pm", ""),
        ("/e/A.pm", ""),
        ("/e/5.36.0/B.pm", ""),
    ];
    check(
        &local,
        "env PERL5LIB=/e\nargv perl\nargv /srv/a.pl",
        "/srv/a.pl =/e/x86_64-linux-gnu-thread-multi/A.pm =/e/5.36.0/B.pm",
    );
}

#[test]
fn t6_16_fedora() {
    let files = [
        ("/srv/a.pl", "use strict; use V; use S; use L;"),
        ("/usr/local/share/perl5/5.38/L.pm", ""),
        ("/usr/lib64/perl5/vendor_perl/V.pm", ""),
        ("/usr/share/perl5/vendor_perl/V.pm", ""),
        ("/usr/lib64/perl5/strict.pm", ""),
        ("/usr/share/perl5/strict.pm", ""),
        ("/usr/share/perl5/S.pm", ""),
    ];
    let tree = Tree::new(&[], &files);
    let said = tree.said("exe /usr/bin/perl\ncwd /\ncode 1000 /usr/lib64/libperl.so.5.38.2\nargv perl\nargv /srv/a.pl");
    assert_eq!(
        shown(&said),
        "/srv/a.pl =/usr/lib64/perl5/strict.pm =/usr/lib64/perl5/vendor_perl/V.pm =/usr/share/perl5/S.pm \
         =/usr/local/share/perl5/5.38/L.pm"
    );
}

#[test]
fn t6_16_version_is_not_guessed() {
    let files = [
        ("/srv/a.pl", "use A; use B;"),
        ("/usr/share/perl/5.36.0/A.pm", ""),
        ("/usr/share/perl/5.40.1/A.pm", ""),
        ("/usr/share/perl5/B.pm", ""),
    ];
    let tree = Tree::new(&["/usr/bin/perl"], &files);
    let process = "exe /usr/bin/perl\ncwd /\nargv perl\nargv /srv/a.pl\n";
    let said = tree.said(process);
    assert_eq!(
        shown(&said),
        "/srv/a.pl =/usr/share/perl5/B.pm ?/usr/share/perl/5.40.1/A.pm"
    );
    assert_eq!(said.notes.len(), 1, "{said:?}");
    let mapped = "code 1000 /usr/lib/x86_64-linux-gnu/perl/5.36.0/auto/List/Util/Util.so";
    let said = tree.said(&format!("{process}{mapped}"));
    assert_eq!(
        shown(&said),
        "/srv/a.pl =/usr/share/perl/5.36.0/A.pm =/usr/share/perl5/B.pm"
    );
}

#[test]
fn t6_16_perl_of_ones_own() {
    let files = [
        ("/srv/a.pl", "use A; use B; use C;"),
        ("/opt/p/lib/site_perl/5.30.1/x86_64-linux/A.pm", ""),
        ("/opt/p/lib/5.30.1/B.pm", ""),
        ("/usr/share/perl5/C.pm", ""),
    ];
    let tree = Tree::new(&[], &files);
    let said = tree.said("exe /opt/p/bin/perl5.30.1\ncwd /\nargv perl\nargv /srv/a.pl");
    assert_eq!(
        shown(&said),
        "/srv/a.pl =/opt/p/lib/site_perl/5.30.1/x86_64-linux/A.pm =/opt/p/lib/5.30.1/B.pm"
    );
}

#[test]
fn t6_17_closure() {
    let files = [
        (
            "/srv/a.pl",
            "use A; sub f { require Late } require 'x.pl'; do '/etc/a.conf'; do '/srv/c.pl';",
        ),
        (
            "/usr/share/perl5/A.pm",
            "package A; use A::B; use A; if (1) { require Maybe }",
        ),
        ("/usr/share/perl5/A/B.pm", "use parent 'A'; use Gone;"),
        ("/usr/share/perl5/A/Unused.pm", ""),
        ("/usr/share/perl5/parent.pm", ""),
        ("/usr/share/perl5/Late.pm", "use Later;"),
        ("/usr/share/perl5/Later.pm", ""),
        ("/usr/share/perl5/Maybe.pm", ""),
        ("/usr/share/perl5/x.pl", ""),
        ("/etc/a.conf", ""),
        ("/srv/c.pl", ""),
    ];
    let said = check(
        &files,
        "argv perl\nargv /srv/a.pl",
        "/srv/a.pl =/usr/share/perl5/A.pm =/usr/share/perl5/A/B.pm =/usr/share/perl5/parent.pm \
         =/usr/share/perl5/x.pl =/srv/c.pl ?/usr/share/perl5/Maybe.pm ?/usr/share/perl5/Late.pm ?/etc/a.conf \
         ?/usr/share/perl5/Later.pm",
    );
    assert_eq!(said.notes, ["not found: Gone.pm"]);
    assert_eq!(
        said.uses[2].via.as_deref(),
        Some(&b"/usr/share/perl5/A.pm"[..])
    );
}

#[test]
fn t6_17_directories_take_effect_in_order() {
    let files = [
        (
            "/srv/a.pl",
            "use A; use lib '/l'; use B; require C; BEGIN { unshift @INC, '/m' }",
        ),
        ("/l/A.pm", ""),
        ("/usr/share/perl5/A.pm", ""),
        ("/l/B.pm", ""),
        ("/usr/share/perl5/B.pm", ""),
        ("/m/C.pm", ""),
        ("/l/C.pm", ""),
    ];
    check(
        &files,
        "argv perl\nargv /srv/a.pl",
        "/srv/a.pl =/usr/share/perl5/A.pm =/l/B.pm =/m/C.pm",
    );
}

#[test]
fn t6_17_compiled_and_split_modules() {
    let files = [
        ("/srv/a.pl", "use A; use S;"),
        ("/usr/share/perl5/A.pm", ""),
        ("/usr/share/perl5/A.pmc", ""),
        ("/usr/share/perl5/S.pm", "require AutoLoader;"),
        ("/usr/share/perl5/auto/S/autosplit.ix", ""),
        ("/usr/share/perl5/auto/S/f.al", ""),
        ("/usr/share/perl5/auto/S/S.so", ""),
    ];
    check(
        &files,
        "argv perl\nargv /srv/a.pl",
        "/srv/a.pl =/usr/share/perl5/A.pmc =/usr/share/perl5/S.pm ?/usr/share/perl5/auto/S/autosplit.ix ?/usr/share/perl5/auto/S/f.al",
    );
}

#[test]
fn t6_12_embedded() {
    let tree = Tree::new(&[], &[]);
    let said = tree.said(
        "exe /usr/sbin/snmpd\nargv snmpd\ncode 1000 /usr/lib/x86_64-linux-gnu/libperl.so.5.36",
    );
    assert_eq!(
        (said.uses.len(), said.notes.len(), said.unknown.len()),
        (0, 1, 0)
    );
}

#[test]
fn t6_27_scripts_in_variable_places() {
    for path in ["/tmp/x.pl", "/var/www/x.pl", "/run/x.pl"] {
        check(&[(path, "")], &format!("argv perl\nargv {path}"), path);
    }
}

#[test]
fn t11_03_no_regular_file() {
    let tree = Tree::new(DEBIAN, &[("/srv/a.pl/", "")]);
    let said = tree.said(&format!("{PROCESS}argv perl\nargv /srv/a.pl"));
    assert_eq!(said.unknown.len(), 1, "{said:?}");
    let tree = Tree::new(DEBIAN, &[("/srv/a.pl -> a.pl", "")]);
    let said = tree.said(&format!("{PROCESS}argv perl\nargv /srv/a.pl"));
    assert_eq!(said.unknown.len(), 1, "{said:?}");
}

#[test]
fn t11_02_large_and_endless() {
    let tree = Tree::new(
        DEBIAN,
        &[
            ("/usr/share/perl5/Big.pm", &"#".repeat(2 << 20)),
            ("/srv/a.pl", "use Big;"),
        ],
    );
    let said = tree.said(&format!("{PROCESS}argv perl\nargv /srv/a.pl"));
    assert_eq!(shown(&said), "/srv/a.pl =/usr/share/perl5/Big.pm");
    assert_eq!(said.unknown.len(), 1, "{said:?}");
    // A chain as long as the budget: no stack is used up.
    let mut files = vec![("/srv/a.pl".to_owned(), "use M0;".to_owned())];
    for number in 0..1500 {
        files.push((
            format!("/usr/share/perl5/M{number}.pm"),
            format!("use M{};", number + 1),
        ));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let tree = Tree::new(DEBIAN, &files);
    let said = tree.said(&format!("{PROCESS}argv perl\nargv /srv/a.pl"));
    assert_eq!(said.uses.len(), 1501);
}

#[test]
fn sources_are_read_once() {
    let tree = Tree::new(
        DEBIAN,
        &[("/srv/a.pl", "use A;"), ("/usr/share/perl5/A.pm", "")],
    );
    let mut detector = Perl::default();
    let scene = Scene::of(&format!("{PROCESS}argv perl\nargv /srv/a.pl"), tree.path()).unwrap();
    let first = scene.inspect(&mut detector);
    let asked = scene.questions();
    let second = scene.inspect(&mut detector);
    assert_eq!(first, second);
    let again = scene.questions() - asked;
    assert!(again * 2 < asked, "{asked} questions, then {again}");
}
