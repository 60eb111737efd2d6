//! Processes with their files, as a host shows them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;

use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{How, Role, What};
use unstale_ruby::Ruby;

/// Debian 12, as `ruby -e 'puts $:, Gem.path'` prints its directories there.
const DEBIAN: &[&str] = &[
    "/usr/local/lib/site_ruby/3.1.0/",
    "/usr/local/lib/x86_64-linux-gnu/site_ruby/",
    "/usr/lib/ruby/vendor_ruby/3.1.0/",
    "/usr/lib/x86_64-linux-gnu/ruby/vendor_ruby/3.1.0/",
    "/usr/lib/ruby/3.1.0/",
    "/usr/lib/x86_64-linux-gnu/ruby/3.1.0/",
    "/var/lib/gems/3.1.0/gems/",
    "/usr/share/rubygems-integration/all/gems/",
    "/usr/bin/ruby3.1",
];

/// Without gems but where they are the matter: `rubygems.rb` is then no part of what is expected.
const PROCESS: &str = "exe /usr/bin/ruby3.1\ncwd /\ncode 7f00 /usr/lib/x86_64-linux-gnu/libc.so.6\n\
                       code 7f10 /usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1.2\n";

struct Tree(tempfile::TempDir);

impl Tree {
    /// Files with their texts; what ends in `/` is a directory; `a -> b` a link.
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for path in DEBIAN {
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
        let text = format!("{PROCESS}{process}");
        Scene::of(&text, self.path())
            .unwrap()
            .inspect(&mut Ruby::default())
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
    let said = Tree::new(files).said(process);
    assert_eq!(shown(&said), expected, "{said:?}");
    assert_eq!(said.unknown, [""; 0]);
    said
}

#[test]
fn t6_01_script() {
    let script = [("/srv/a.rb", "1")];
    check(&script, "argv ruby\nargv -w\nargv /srv/a.rb", "/srv/a.rb");
    check(&[], "argv ruby\nargv /srv/a.rb", "/srv/a.rb");
    check(&script, "argv ruby\nargv a.rb\ncwd /srv", "/srv/a.rb");
    check(
        &script,
        "argv ruby\nargv a.rb\nexecfn /srv/a.rb",
        "/srv/a.rb",
    );
    check(
        &script,
        "env PATH=/bin:/srv\nargv ruby\nargv -S\nargv a.rb",
        "/srv/a.rb",
    );
    let said = Tree::new(&script).said("argv ruby\nargv a.rb");
    assert_eq!((said.uses.len(), said.unknown.len()), (0, 1));
}

#[test]
fn t6_18_title_over_the_arguments() {
    let files = [
        ("/usr/bin/puma", "#!/usr/bin/ruby -I/l\nrequire 'a'"),
        ("/l/a.rb", ""),
    ];
    let found = "/usr/bin/puma =/l/a.rb";
    check(
        &files,
        "execfn /usr/bin/puma\nargv puma 5.6.5 (tcp://0.0.0.0:80) [app]\nargv ",
        found,
    );
    check(
        &files,
        "execfn /usr/bin/puma\nargv resque-1.27: Waiting",
        found,
    );
    let said = check(
        &files,
        "execfn /usr/bin/ruby3.1\nargv unicorn master -c x\nargv ",
        "",
    );
    assert!(said.notes[0].contains("title"), "{said:?}");
    check(&files, "argv ruby\nargv -e\nargv require 'a'", "");
    check(
        &files,
        "argv ruby\nargv -I/l\nargv -e\nargv require 'a'",
        "=/l/a.rb",
    );
}

#[test]
fn t6_18_order_of_directories() {
    let order = [
        "/i/a.rb",
        "/e/a.rb",
        "/usr/local/lib/site_ruby/3.1.0/a.rb",
        "/usr/local/lib/x86_64-linux-gnu/site_ruby/a.rb",
        "/usr/local/lib/site_ruby/a.rb",
        "/usr/lib/ruby/vendor_ruby/3.1.0/a.rb",
        "/usr/lib/x86_64-linux-gnu/ruby/vendor_ruby/3.1.0/a.rb",
        "/usr/lib/ruby/vendor_ruby/a.rb",
        "/usr/lib/ruby/3.1.0/a.rb",
        "/usr/lib/x86_64-linux-gnu/ruby/3.1.0/a.rb",
    ];
    for first in 0..order.len() {
        let mut files: Vec<(&str, &str)> = order[first..].iter().map(|path| (*path, "")).collect();
        files.push(("/srv/x.rb", "require 'a'"));
        let process = "env RUBYLIB=/e\nargv ruby\nargv -I/i\nargv /srv/x.rb";
        check(&files, process, &format!("/srv/x.rb ={}", order[first]));
    }
    // The working directory is no place to search.
    check(
        &[("/srv/x.rb", "require 'a'"), ("/srv/a.rb", "")],
        "cwd /srv\nargv ruby\nargv x.rb",
        "/srv/x.rb",
    );
}

#[test]
fn t6_19_closure() {
    let files = [
        (
            "/srv/x.rb",
            "require_relative 'lib/a'\nautoload :B, './lib/b'\ndef f; require 'late'; end\nload 'lib/c.rb'",
        ),
        ("/srv/lib/a.rb", "require_relative 'a/d'\nrequire 'set'"),
        ("/srv/lib/a/d.rb", "require_relative '../a'"),
        ("/srv/lib/b.rb", ""),
        ("/srv/lib/c.rb", ""),
        ("/srv/lib/unused.rb", ""),
        (
            "/usr/lib/ruby/3.1.0/set.rb",
            "require 'gone'; require 'thread.so'",
        ),
        ("/usr/lib/ruby/3.1.0/late.rb", "require 'later'"),
        ("/usr/lib/ruby/3.1.0/later.rb", ""),
    ];
    let said = check(
        &files,
        "cwd /srv\nargv ruby\nargv --disable-gems\nargv x.rb",
        "/srv/x.rb =/srv/lib/a.rb =/srv/lib/a/d.rb =/usr/lib/ruby/3.1.0/set.rb =/srv/lib/c.rb ?/srv/lib/b.rb \
         ?/usr/lib/ruby/3.1.0/late.rb ?/usr/lib/ruby/3.1.0/later.rb",
    );
    assert_eq!(said.notes, ["not found: gone"]);
}

#[test]
fn t6_19_relative_to_the_target_of_a_link() {
    let files = [
        ("/opt/app/x.rb", "require_relative 'lib/a'"),
        ("/opt/app/lib/a.rb", ""),
        ("/usr/bin/x -> /opt/app/x.rb", ""),
    ];
    check(
        &files,
        "argv ruby\nargv /usr/bin/x",
        "/usr/bin/x =/opt/app/lib/a.rb",
    );
}

#[test]
fn t6_18_what_ruby_loads_by_itself() {
    let files = [
        ("/srv/x.rb", ""),
        (
            "/usr/lib/ruby/vendor_ruby/rubygems.rb",
            "require_relative 'rubygems/errors'",
        ),
        ("/usr/lib/ruby/vendor_ruby/rubygems/errors.rb", ""),
    ];
    let found =
        "=/usr/lib/ruby/vendor_ruby/rubygems.rb =/usr/lib/ruby/vendor_ruby/rubygems/errors.rb";
    check(
        &files,
        "argv ruby\nargv /srv/x.rb",
        &format!("/srv/x.rb {found}"),
    );
    check(
        &files,
        "argv ruby\nargv --disable=gems\nargv /srv/x.rb",
        "/srv/x.rb",
    );
}

const RACK: &str = "/var/lib/gems/3.1.0/gems/rack-2.2.6/lib/rack.rb";

#[test]
fn t6_19_gems() {
    let one = [
        ("/srv/x.rb", "require 'rack'"),
        (RACK, "require 'rack/utils'"),
        ("/var/lib/gems/3.1.0/gems/rack-2.2.6/lib/rack/utils.rb", ""),
        ("/var/lib/gems/3.1.0/gems/other-1.0/lib/other.rb", ""),
    ];
    let utils = "/var/lib/gems/3.1.0/gems/rack-2.2.6/lib/rack/utils.rb";
    check(
        &one,
        "argv ruby\nargv /srv/x.rb",
        &format!("/srv/x.rb ={RACK} ={utils}"),
    );
    // A newer one beside it: which of them was there when it was loaded is not known.
    let newer = "/var/lib/gems/3.1.0/gems/rack-3.0.0/lib/rack.rb";
    let two = [("/srv/x.rb", "require 'rack'"), (RACK, ""), (newer, "")];
    check(
        &two,
        "argv ruby\nargv /srv/x.rb",
        &format!("/srv/x.rb ?{RACK} ?{newer}"),
    );
    // Gems may bring newer versions of what comes with the interpreter.
    let json = "/var/lib/gems/3.1.0/gems/json-2.9.0/lib/json.rb";
    let standard = [
        ("/srv/x.rb", "require 'json'"),
        ("/usr/lib/ruby/3.1.0/json.rb", ""),
        (json, ""),
    ];
    check(
        &standard,
        "argv ruby\nargv /srv/x.rb",
        &format!("/srv/x.rb ?/usr/lib/ruby/3.1.0/json.rb ?{json}"),
    );
    // What a package brings lies before all gems.
    let vendor = [
        ("/srv/x.rb", "require 'rack'"),
        (RACK, ""),
        ("/usr/lib/ruby/vendor_ruby/rack.rb", ""),
    ];
    check(
        &vendor,
        "argv ruby\nargv /srv/x.rb",
        "/srv/x.rb =/usr/lib/ruby/vendor_ruby/rack.rb",
    );
    let named = [
        ("/srv/x.rb", "require 'strange/name'"),
        ("/var/lib/gems/3.1.0/gems/odd-1.0/lib/strange/name.rb", ""),
    ];
    check(
        &named,
        "argv ruby\nargv /srv/x.rb",
        &format!("/srv/x.rb ={}", named[1].0),
    );
    let home = [
        ("/srv/x.rb", "require 'h'"),
        (
            "/home/u/.local/share/gem/ruby/3.1.0/gems/h-1.0/lib/h.rb",
            "",
        ),
    ];
    check(
        &home,
        "env HOME=/home/u\nargv ruby\nargv /srv/x.rb",
        &format!("/srv/x.rb ={}", home[1].0),
    );
    let integrated = [
        ("/srv/x.rb", "require 'i'"),
        (
            "/usr/share/rubygems-integration/all/gems/i-1.0/lib/i.rb",
            "",
        ),
    ];
    check(
        &integrated,
        "argv ruby\nargv /srv/x.rb",
        &format!("/srv/x.rb ={}", integrated[1].0),
    );
}

#[test]
fn t6_19_program_of_a_gem() {
    let files = [
        (
            "/usr/local/bin/tool",
            "#!/usr/bin/ruby\nrequire 'rubygems'\nif Gem.respond_to?(:activate_bin_path)\nload Gem.activate_bin_path('tool', 'tool', version)\nelse\ngem 'tool', version\nload Gem.bin_path('tool', 'tool', version)\nend",
        ),
        (
            "/var/lib/gems/3.1.0/gems/tool-1.0/exe/tool",
            "require 'tool/main'",
        ),
        ("/var/lib/gems/3.1.0/gems/tool-1.0/lib/tool/main.rb", ""),
    ];
    check(
        &files,
        "argv ruby\nargv /usr/local/bin/tool",
        "/usr/local/bin/tool =/var/lib/gems/3.1.0/gems/tool-1.0/exe/tool =/var/lib/gems/3.1.0/gems/tool-1.0/lib/tool/main.rb",
    );
}

const LOCK: &str =
    "GEM\n  remote: https://rubygems.org/\n  specs:\n    rack (2.2.6)\n\nDEPENDENCIES\n  rack\n";

#[test]
fn t6_19_bundler() {
    let newer = "/var/lib/gems/3.1.0/gems/rack-3.0.0/lib/rack.rb";
    let files = |script: &'static str| {
        [
            ("/srv/app/bin/x.rb", script),
            ("/srv/app/Gemfile.lock", LOCK),
            (RACK, ""),
            (newer, ""),
        ]
    };
    let found = format!("/srv/app/bin/x.rb =/srv/app/Gemfile.lock ={RACK}");
    let process = "argv ruby\nargv /srv/app/bin/x.rb";
    check(
        &files("require 'bundler/setup'\nrequire 'rack'"),
        process,
        &found,
    );
    check(
        &files("require 'rack'"),
        &format!("env BUNDLE_GEMFILE=/srv/app/Gemfile\n{process}"),
        &found,
    );
    check(
        &files("require 'rack'"),
        &format!("env RUBYOPT=-rbundler/setup\n{process}"),
        &found,
    );
    // All that the Gemfile names: loaded, but the lock does not say under which names.
    check(
        &files("require 'bundler/setup'\nBundler.require"),
        process,
        &format!("/srv/app/bin/x.rb =/srv/app/Gemfile.lock ?{RACK}"),
    );
    // Without Bundler the lock is nobody's.
    check(
        &files("require 'rack'"),
        process,
        &format!("/srv/app/bin/x.rb ?{RACK} ?{newer}"),
    );
    let vendored = [
        ("/srv/app/x.rb", "require 'bundler/setup'\nrequire 'rack'"),
        ("/srv/app/Gemfile.lock", LOCK),
        (
            "/srv/app/vendor/bundle/ruby/3.1.0/gems/rack-2.2.6/lib/rack.rb",
            "",
        ),
        (RACK, ""),
    ];
    check(
        &vendored,
        "argv ruby\nargv /srv/app/x.rb",
        &format!("/srv/app/x.rb =/srv/app/Gemfile.lock ={}", vendored[2].0),
    );
}

#[test]
fn t6_12_embedded() {
    let tree = Tree::new(&[]);
    let process = "exe /usr/bin/vim\nargv vim\ncode 1000 /usr/lib/libruby-3.1.so.3.1";
    let said = Scene::of(process, tree.path())
        .unwrap()
        .inspect(&mut Ruby::default());
    assert_eq!(
        (said.uses.len(), said.notes.len(), said.unknown.len()),
        (0, 1, 0)
    );
}

#[test]
fn t11_02_large_and_endless() {
    let big = format!("/usr/lib/ruby/3.1.0/{}.rb", "big");
    let text = "#".repeat(2 << 20);
    let said = Tree::new(&[("/srv/x.rb", "require 'big'"), (&big, &text)])
        .said("argv ruby\nargv /srv/x.rb");
    assert_eq!((said.uses.len(), said.unknown.len()), (2, 1), "{said:?}");
    let mut files = vec![("/srv/x.rb".to_owned(), "require 'm0'".to_owned())];
    for number in 0..1500 {
        files.push((
            format!("/usr/lib/ruby/3.1.0/m{number}.rb"),
            format!("require 'm{}'", number + 1),
        ));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        Tree::new(&files)
            .said("argv ruby\nargv /srv/x.rb")
            .uses
            .len(),
        1501
    );
}

#[test]
fn t6_19_rackup_files_of_servers() {
    let files = [
        ("/usr/bin/thin", "require 'server'"),
        ("/usr/bin/unicorn", "require 'server'"),
        ("/usr/bin/other", ""),
        ("/usr/lib/ruby/vendor_ruby/server.rb", ""),
        ("/srv/config.ru", "require_relative 'app'\nrun App"),
        ("/usr/lib/ruby/vendor_ruby/sinatra.rb", ""),
        ("/srv/app.rb", "require 'sinatra'\nrequire './lib'"),
        ("/srv/lib.rb", ""),
        ("/srv/b.ru", ""),
    ];
    let server = "=/usr/lib/ruby/vendor_ruby/server.rb";
    let shipped = "=/usr/lib/ruby/vendor_ruby/sinatra.rb";
    for (process, expected) in [
        (
            "cwd /srv\nargv ruby\nargv /usr/bin/thin\nargv start",
            format!("/usr/bin/thin {server} =/srv/config.ru =/srv/app.rb {shipped} =/srv/lib.rb"),
        ),
        (
            "cwd /srv\nargv ruby\nargv /usr/bin/thin\nargv -R\nargv b.ru\nargv start",
            format!("/usr/bin/thin {server} =/srv/b.ru"),
        ),
        // Its workers load it, and a reload makes new ones, which no upgrade of packages is followed by. The title is all that is left of its arguments.
        (
            "cwd /srv\nargv unicorn master -c u.rb\nexecfn /usr/bin/unicorn",
            format!(
                "/usr/bin/unicorn {server} ?/srv/config.ru ?/srv/app.rb {shipped} ?/srv/lib.rb"
            ),
        ),
        (
            "cwd /nowhere\nargv ruby\nargv /usr/bin/thin",
            format!("/usr/bin/thin {server}"),
        ),
        (
            "cwd /srv\nargv ruby\nargv /usr/bin/other",
            "/usr/bin/other".to_owned(),
        ),
    ] {
        check(&files, process, &expected);
    }
}
