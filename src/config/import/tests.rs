use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::config::Fragment;

fn testdata(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/import")
        .join(path)
}

/// Translates files, whose paths say whose settings they are, and checks that our own parser takes what comes of it.
fn imported(program: Program, files: &[(&str, &[u8])]) -> Result<Imported, Error> {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let only = files.first().filter(|_| files.len() == 1);
    let path = only.map_or(dir.path().to_owned(), |(name, _)| dir.path().join(name));
    let mut imported = import(program, Some(&path))?;
    let root = format!("{}/", dir.path().display());
    imported.toml = imported.toml.replace(&root, "");
    for line in imported.notes.iter_mut().chain(&mut imported.untranslated) {
        *line = line.replace(&root, "");
    }
    Fragment::parse(&imported.toml, &|_| None)
        .unwrap_or_else(|error| panic!("{error}\n{}", imported.toml));
    Ok(imported)
}

/// The lines of the TOML without those that only say where something comes from.
fn bare(toml: &str) -> String {
    let lines = toml
        .lines()
        .filter(|line| !line.starts_with("# Translated"));
    let lines = lines.map(|line| line.split(" # ").next().unwrap().trim());
    let lines: Vec<_> = lines
        .filter(|line| !line.is_empty() && !line.starts_with("reason"))
        .collect();
    lines.join(" ").replace(",  ", ", ").replace(", ]", " ]")
}

/// Lines of an administrator's drop-in: what comes of them, and what is said to be lost.
#[track_caller]
fn check(lines: &str, toml: &str, lost: &[&str]) {
    let imported = imported(Program::Needrestart, &[("conf.d/a.conf", lines.as_bytes())]).unwrap();
    assert_eq!(bare(&imported.toml), toml, "{lines}\n{imported:#?}");
    assert_eq!(
        imported.untranslated.len(),
        lost.len(),
        "{lines}\n{imported:#?}"
    );
    for (line, why) in imported.untranslated.iter().zip(lost) {
        assert!(line.contains(why), "{line}\n{why}");
    }
}

const DEFER: &str = r#"[[rule]] name = "needrestart-defer" units = ["#;

#[track_caller]
fn check_defer(lines: &str, units: &str) {
    check(lines, &format!("{DEFER} {units} ] action = \"defer\""), &[]);
}

#[test]
fn t10_26_lines_that_must_import() {
    check(
        "$nrconf{restart} = 'a';  # auto",
        "[restart] mode = \"auto\"",
        &[],
    );
    check(
        "$nrconf{restart} = \"l\";",
        "[restart] mode = \"list\"",
        &[],
    );
    check("$nrconf{restart} = 'i'", "[restart] mode = \"ask\"", &[]);
    check(
        "$nrconf{defno} = 1;\n1;",
        "[restart] only_listed = true",
        &[],
    );
    check("$nrconf{kernelhints} = -1;", "", &[]);
    check("$nrconf{'nagios-status'}->{sessions} = 0;", "", &[]);
    check("$nrconf{q(nagios-status)}{ucode} = 1;", "", &[]);
    check("$nrconf{kernelfilter} = qr(vmlinuz-.*-rpi-v8$);", "", &[]);
    check(
        "$nrconf{sendnotify} = 0;",
        "[notify] terminal = false desktop = false mail = false",
        &[],
    );
    check(
        "push @{$nrconf{blacklist_rc}}, qr(^systemd-networkd\\.service$), qr{^ssh@};",
        r#"[[rule]] name = "needrestart-hide-units" units = [ "systemd-networkd.service", "ssh@*" ] action = "hide""#,
        &[],
    );
    check_defer(
        "$nrconf{override_rc}->{qr(^postgresql@.+\\.service$)} = 0;",
        r#""postgresql@?*.service""#,
    );
    check_defer(
        "$nrconf{override_rc} = { %{$nrconf{override_rc}}, qr(^k3s) => 0, };",
        r#""k3s*""#,
    );
    check(
        "$nrconf{override_rc}{qr/^nginx/i} = 1;",
        r#"[[rule]] name = "needrestart-restart" units = [ "re:(?i)^nginx" ] action = "restart""#,
        &[],
    );
    check(
        "$nrconf{blacklist_mappings} = [ @{$nrconf{blacklist_mappings}}, qr#^/opt/app/native/.+\\.so# ];",
        r#"[[rule]] name = "needrestart-hide-paths" paths = [ "/opt/app/native/?*.so*" ] action = "hide""#,
        &[],
    );
}

#[test]
fn t10_26_lines_that_people_write() {
    // Strings for expressions; a list with arrows; a list in parentheses; words; an empty one.
    check_defer("$nrconf{override_rc}{q(ssh)} = 0;", r#""*ssh*""#);
    check_defer("$nrconf{override_rc}->{q(^mysql)} = 0;\n", r#""mysql*""#);
    check_defer(
        "$nrconf{override_rc}{ qr(^containerd) } = 0;\n$nrconf{override_rc}{qr(^caddy)} = 0;",
        r#""caddy*", "containerd*""#,
    );
    check_defer(
        r"$nrconf{override_rc}{qr(^actions\.runner\..+\.service$)} = 0;",
        r#""actions.runner.?*.service""#,
    );
    check_defer(
        r"$nrconf{override_rc}->{qr(^job-(pilot|setup)\.service$)} = 0;",
        r"'re:^job-(pilot|setup)\.service$'",
    );
    let hide = r#"[[rule]] name = "needrestart-hide-units" units = [ "#;
    for lines in [
        "$nrconf{blacklist_rc} = [qr(^a\\.service$) => 0,];",
        "push ( @{$nrconf{blacklist_rc}}, (\n  qr(^a\\.service$),\n  )\n);",
        "push(@{ $nrconf{blacklist_rc} || [] } => qw(^a.service$));",
        "=pod\n$nrconf{restart} = 'a';\n=cut\n$nrconf{blacklist_rc} = [ qr'^a\\.service$' ]; __END__\nrm -rf",
    ] {
        let unit = if lines.contains("qw") {
            "a?service"
        } else {
            "a.service"
        };
        check(lines, &format!("{hide}\"{unit}\" ] action = \"hide\""), &[]);
    }
    check("push ( @{$nrconf{blacklist_interp}}, (\n  )\n);", "", &[]);
    check(
        "push(@{$nrconf{blacklist_rc}}, qr(^systemd-manager$));",
        &format!("{hide}\"systemd-manager\" ] action = \"hide\""),
        &[],
    );
    check(
        "push(@{$nrconf{blacklist_rc}}, qr(^systemd-(man|user$)));",
        &format!(
            "{hide}\"re:^systemd-(man|user$)\", \"systemd-manager\", \"systemd-user\" ] action = \"hide\""
        ),
        &[],
    );
    check_defer(
        "$nrconf{override_rc}{qr(^sysv)} = 0;",
        r#""sysv*", "sysv-init""#,
    );
    check(
        "$nrconf{blacklist} = [ qr(^/usr/bin/sudo(\\.dpkg-new)?$), qr(^/opt/db/) ];",
        r#"[[rule]] name = "needrestart-hide-programs" programs = [ "/opt/db/*" ] action = "hide""#,
        &[],
    );
    check(
        "$nrconf{blacklist_cont} = [ qr(^LXC ci-) ]; $nrconf{override_cont}{qr(^machined web1$)} = 1;",
        r#"[[rule]] name = "needrestart-hide-containers" containers = [ "ci-*" ] action = "hide" [[rule]] name = "needrestart-restart-containers" containers = [ "web1" ] action = "restart""#,
        &[],
    );
}

#[test]
fn t10_27_what_is_no_setting_is_named_and_not_run() {
    check(
        "$nrconf{restart} = exists($ENV{X}) ? 'a' : 'i';",
        "",
        &["conf.d/a.conf:1: `exists($ENV{X})"],
    );
    check(
        "if (hostname() eq 'a;}') { $nrconf{restart} = 'l'; } else { die; }\n\n$nrconf{restart} = 'a';",
        "[restart] mode = \"auto\"",
        &["conf.d/a.conf:1: not a configuration statement: `if (hostname()"],
    );
    check(
        "system('touch /tmp/x');\nexec \"/bin/sh\";",
        "",
        &["a.conf:1: not", "a.conf:2: not"],
    );
    check(
        "my $x = <<EOF;\n$nrconf{restart} = 'a';\nEOF\n",
        "",
        &["a.conf:1: not"],
    );
    check(
        "$nrconf{override_rc}{qr(^getty@tty1)} = 0;",
        "",
        &["`@tty1` for a variable"],
    );
    check("$nrconf{override_rc}{\"^$x\"} = 0;", "", &["a variable"]);
    check(
        "$nrconf{override_rc}{qr(^(?!ssh))} = 0;",
        "",
        &["look-ahead"],
    );
    check(
        "$nrconf{blacklist_rc} = [qr(^(a)\\1)];",
        "",
        &["back-reference"],
    );
    check(
        "$nrconf{tolerance} = 5;",
        "",
        &["tolerance: there is no setting"],
    );
    check(
        "$nrconf{colour} = 5;",
        "",
        &["colour: needrestart has no such setting"],
    );
    check("$nrconf{restart} = 'x';", "", &["none of 'l', 'i' and 'a'"]);
    check(
        "$nrconf{restart} = ['a'];",
        "",
        &["restart: it is neither a list nor a hash"],
    );
    check(
        "$nrconf{blacklist_mappings} = [qr(x deleted)];",
        "",
        &["the mark"],
    );
    check("$nrconf{override_rc} = { qr(^a) => 0", "", &["a.conf:1: "]);
    check(
        "$nrconf{override_rc}{qr(^a} = 0;\n$nrconf{restart}='a';",
        "",
        &["no `)` to this `(`"],
    );
}

#[test]
fn t10_26_the_order_is_that_of_needrestart() {
    // `(?^:^a-b)` before `(?^:^a.)`, strings behind all; the first that fits decides.
    check(
        "$nrconf{override_rc}{'^z'} = 0; $nrconf{override_rc}{qr(^my.*)} = 1; $nrconf{override_rc}{qr(^my-db)} = 0;",
        r#"[[rule]] name = "needrestart-defer" units = [ "my-db*" ] action = "defer" [[rule]] name = "needrestart-restart" units = [ "my*" ] action = "restart" [[rule]] name = "needrestart-defer-2" units = [ "z*" ] action = "defer""#,
        &[],
    );
    // Their own `^dbus` is asked before, and ours would be asked behind.
    check(
        "$nrconf{override_rc}{qr(^dbus-broker)} = 1;",
        r#"[[rule]] name = "needrestart-defer" units = [ "dbus*" ] action = "defer" [[rule]] name = "needrestart-restart" units = [ "dbus-broker*" ] action = "restart""#,
        &[],
    );
    let all = imported(
        Program::Needrestart,
        &[("conf.d/a.conf", b"$nrconf{override_rc}{qr(service$)} = 1;")],
    );
    assert!(all.unwrap().toml.matches("needrestart's own row").count() > 40);
}

#[test]
fn t10_27_rows_that_are_taken_away() {
    let gone = |lines: &str| {
        imported(Program::Needrestart, &[("conf.d/a.conf", lines.as_bytes())]).unwrap()
    };
    let docker = gone("delete $nrconf{override_rc}->{qr(^docker)};");
    assert!(
        docker.toml.contains("remove_units = [\n    \"docker"),
        "{}",
        docker.toml
    );
    assert!(docker.notes[0].contains("takes away needrestart's own ^docker"));
    // Deleted, and set again: nothing is taken away.
    let back =
        gone("delete $nrconf{override_rc}{qr(^docker)}; $nrconf{override_rc}{qr(^docker)} = 0;");
    assert!(!back.toml.contains("remove_units"), "{}", back.toml);
    let none = gone("delete $nrconf{override_rc}{qr(^mine)};");
    assert!(none.notes[0].contains("no such row to delete"), "{none:?}");
    // All of them: each counterpart goes, or its whole rule.
    let all = gone("$nrconf{override_rc} = { qr(^hezo\\.service$) => 0 };");
    assert!(
        all.toml.contains("name = \"login-manager\"\n"),
        "{}",
        all.toml
    );
    assert!(all.toml.contains("enabled = false"), "{}", all.toml);
    assert!(all.toml.contains("\"hezo.service\""), "{}", all.toml);
    let note = all
        .notes
        .iter()
        .find(|note| note.contains("takes away"))
        .unwrap();
    assert!(note.contains("^dbus ") && note.contains("user@"), "{note}");
    // In the main file, nothing was there before.
    let main = b"$nrconf{override_rc} = { qr(^hezo) => 0 };";
    let main = imported(Program::Needrestart, &[("needrestart.conf", main)]).unwrap();
    assert!(!main.toml.contains("remove_units"), "{}", main.toml);
    assert!(main.notes[0].contains("own rows are not in this file"));
}

#[test]
fn what_is_shipped_needs_no_rule() {
    let files = [
        "needrestart/debian-12",
        "needrestart/debian-13",
        "needrestart/ubuntu-3.11",
    ];
    for path in files {
        let imported = import(Program::Needrestart, Some(&testdata(path))).unwrap();
        assert_eq!(bare(&imported.toml), "", "{path}");
        assert_eq!(imported.untranslated, [""; 0], "{path}");
        // Every row is in a note, and none is missing.
        let notes = imported.notes.join("\n");
        for row in [
            "^dbus",
            "^docker",
            r"^user@\d+\.service",
            r"^cron-.*\.service$",
        ] {
            assert!(notes.contains(row), "{path} {row}");
        }
        assert!(!notes.contains("not in this file"), "{path}: {notes}");
        assert!(!notes.contains("does not read what is in conf.d"), "{path}");
    }
    let imported = import(Program::Checkrestart, Some(&testdata("checkrestart"))).unwrap();
    assert_eq!(
        (bare(&imported.toml).as_str(), imported.untranslated.len()),
        ("", 0)
    );
    assert!(
        imported
            .notes
            .iter()
            .any(|note| note.contains("4 of the lines"))
    );
    assert!(
        imported
            .notes
            .iter()
            .any(|note| note.contains("6 of the lines"))
    );
}

#[test]
fn t10_05_each_row_has_its_counterpart() {
    let shipped = ShippedRule::all();
    for row in needrestart::own_rows() {
        let (pattern, units, rule) = row;
        let expression = regex::Regex::new(pattern).unwrap();
        for unit in units {
            assert!(expression.is_match(unit), "{pattern} {unit}");
        }
        let found = shipped
            .iter()
            .find(|rule| units.iter().all(|unit| rule.fits(unit)));
        let has_rule = !units.is_empty() && found.is_some();
        assert_eq!(has_rule, rule, "{pattern} {units:?}");
    }
}

#[test]
fn main_file_then_drop_ins() {
    let files: [(&str, &[u8]); 5] = [
        ("needrestart.conf", b"$nrconf{restart} = 'l';"),
        ("conf.d/b.conf", b"$nrconf{restart} = 'a';"),
        ("conf.d/a.conf", b"$nrconf{restart} = 'i';"),
        ("conf.d/z.conf.dpkg-old", b"$nrconf{restart} = 'l';"),
        (
            "notify.conf",
            b"NR_NOTIFYD_DISABLE_WRITE='1' # no\n\nX=`id`\n",
        ),
    ];
    let imported = imported(Program::Needrestart, &files).unwrap();
    assert!(
        imported.toml.contains("mode = \"auto\" # conf.d/b.conf:1"),
        "{}",
        imported.toml
    );
    assert!(
        imported.toml.contains("[notify]\nterminal = false"),
        "{}",
        imported.toml
    );
    assert!(imported.toml.contains("mail = true"), "{}", imported.toml);
    assert_eq!(
        imported.untranslated,
        ["notify.conf:3: it is not a plain assignment"]
    );
    assert!(
        imported
            .notes
            .iter()
            .any(|note| note.contains("does not read what is in conf.d"))
    );
}

#[test]
fn t10_26_checkrestart() {
    let text = b"# x\n\npackage:^screen$\nunit:^0::/system\\.slice/a\\.service\nunit:b\\.scope\nprogram:^/opt/x/\n/srv/old.*  \ndangerous-unit:^mysql\\.service$\npid:^12$\nfile:(?<=a)b\npackage:Unpackaged: x\nunit:^x\n";
    let imported = imported(Program::Checkrestart, &[("local-exclude.conf", text)]).unwrap();
    assert_eq!(
        bare(&imported.toml),
        r#"[[rule]] name = "checkrestart-hide-packages" packages = [ "screen" ] action = "hide" [[rule]] name = "checkrestart-hide-cgroups" cgroups = [ "/system.slice/a.service*", "*b.scope*" ] action = "hide" [[rule]] name = "checkrestart-hide-paths" paths = [ "/opt/x/*" ] action = "hide" [[rule]] name = "checkrestart-hide-paths-2" paths = [ "*/srv/old*" ] action = "hide" [[rule]] name = "checkrestart-defer-units" units = [ "mysql.service" ] action = "defer""#
    );
    let lost = [
        "9: pid:",
        "10: file: look-behind",
        "11: package: there",
        "12: unit: it does not",
    ];
    for (line, why) in imported.untranslated.iter().zip(lost) {
        assert!(
            line.contains(&format!("local-exclude.conf:{why}")),
            "{line}"
        );
    }
    assert_eq!(imported.untranslated.len(), lost.len());
}

#[test]
fn t10_26_tracer() {
    let imported = import(Program::Tracer, Some(&testdata("tracer"))).unwrap();
    assert_eq!(
        bare(&imported.toml),
        r#"[[rule]] name = "tracer-reboot" units = [ "frontdesk.service" ] action = "defer" level = "reboot" [[rule]] name = "tracer-defer" units = [ "ledger.service", "ledger-worker.service" ] action = "defer" [[rule]] name = "tracer-session" units = [ "panel.service" ] action = "defer" level = "session" [[rule]] name = "tracer-hide" units = [ "sudo.service" ] action = "hide""#
    );
    assert!(
        imported
            .toml
            .contains("it is renewed with: ledgerctl drain && systemctl restart ledger")
    );
    assert!(
        imported
            .toml
            .contains("only a reboot renews it; kiosks are started by hand")
    );
    assert_eq!(imported.untranslated, [""; 0]);
    assert_eq!(imported.notes.len(), 5, "{:?}", imported.notes);
}

#[track_caller]
fn check_tracer(text: &str, lost: &str) {
    let imported = imported(Program::Tracer, &[("applications.xml", text.as_bytes())]).unwrap();
    assert_eq!(imported.untranslated.len(), 1, "{imported:?}");
    assert!(imported.untranslated[0].contains(lost), "{imported:?}");
}

#[test]
fn t11_02_tracer_hostile() {
    check_tracer(
        "<applications>\n<app nam='x'/></applications>",
        ":2: the attribute `nam`",
    );
    check_tracer(
        "<applications>\n<app type='daemon'/></applications>",
        ":2: it has no name",
    );
    check_tracer(
        "<applications><app name='x' type='y'/></applications>",
        "the type `y`",
    );
    check_tracer(
        "<applications><app name='x' rename='x'/></applications>",
        "in a circle",
    );
    check_tracer(
        "<applications><app name='x *' type='static'/></applications>",
        "no service",
    );
    check_tracer("<html/>", "neither <applications> nor <rules>");
    check_tracer("<applications>\n\n<app </applications>", ":3: it is no XML");
    check_tracer(
        "<rules><rule name='x' action='kill'/></rules>",
        "its action",
    );
    check_tracer(
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/shadow'>]><applications>&x;</applications>",
        "it is no XML",
    );
    check_tracer(&"<a>".repeat(300_000), "too deep");
    check_tracer(
        &"<a b='>'\n>".repeat(100_000),
        ":17: elements stand in each other too deep",
    );
}

#[test]
fn t11_03_files_that_are_none() {
    let dir = TempDir::new().unwrap();
    let pipe = dir.path().join("needrestart.conf");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let error = import(Program::Needrestart, Some(dir.path())).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
    let error = import(Program::Needrestart, Some(&dir.path().join("x/y"))).unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    fs::remove_file(&pipe).unwrap();
    fs::write(&pipe, b"# a\n# \xff\n").unwrap();
    let error = import(Program::Needrestart, Some(dir.path())).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("line 2: bytes that are not UTF-8"),
        "{error}"
    );
    fs::write(&pipe, vec![b'\n'; 1024 * 1024 + 1]).unwrap();
    let error = import(Program::Needrestart, Some(dir.path())).unwrap_err();
    assert!(error.to_string().contains("longer than 1 MiB"), "{error}");
    fs::write(&pipe, b"").unwrap();
    fs::set_permissions(&pipe, fs::Permissions::from_mode(0o666)).unwrap();
    let imported = import(Program::Needrestart, Some(dir.path())).unwrap();
    assert!(
        imported.notes[0].contains("writable by others"),
        "{imported:?}"
    );
}

#[test]
fn t11_01_nothing_forges_a_line() {
    let text = "$nrconf{override_rc}{'^a\u{1b}[2J\nb\"\\\\x'} = 0;\n\u{202e}evil();";
    let imported = imported(Program::Needrestart, &[("conf.d/a.conf", text.as_bytes())]).unwrap();
    let all = [
        imported.toml,
        imported.notes.join("\n"),
        imported.untranslated.join("\n"),
    ]
    .concat();
    assert!(!all.contains(['\u{1b}', '\u{202e}']), "{all}");
}

#[test]
fn t11_02_any_size_ends() {
    let units = [
        "x;",
        "q( ",
        "'",
        "{",
        "$nrconf{a} = q(",
        "s/",
        "$nrconf{",
        "#\n=a\n",
        "push @{$nrconf{blacklist_rc}}, qw=;",
    ];
    for unit in units {
        let text = unit.repeat(256 * 1024 / unit.len());
        let begun = Instant::now();
        let imported =
            imported(Program::Needrestart, &[("conf.d/a.conf", text.as_bytes())]).unwrap();
        assert!(imported.untranslated.len() <= 1001, "{unit}");
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{unit} {:?}",
            begun.elapsed()
        );
    }
}

proptest! {
    #[test]
    fn t11_01_no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for (program, name) in [
            (Program::Needrestart, "conf.d/a.conf"),
            (Program::Checkrestart, "exclude.conf"),
            (Program::Tracer, "applications.xml"),
        ] {
            let _ = imported(program, &[(name, &bytes)]);
        }
    }

    #[test]
    fn t11_01_no_words_break_it(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "$nrconf", "{", "}", "override_rc", "blacklist_rc", "blacklist", "=", "=>", "qr", "q", "(", ")", "[", "]", "^a", ".*",
            "\\.", "'", "\"", ";", "\n", "#", "0", "1", "-1", "push", "delete", "@{", "%{", ",", "->", "if", "<<E", "\u{e9}", "|", "+",
        ]), 0..60)
    ) {
        let text = words.concat();
        let _ = imported(Program::Needrestart, &[("conf.d/a.conf", text.as_bytes())]);
    }

    #[test]
    fn what_is_translated_fits_the_same(
        body in r"\^?([a-c]|\.|\.\*|\.\+|\\\.|a\?|\[ab\]|\(a\|b\)){0,5}\$?",
        name in "[a-c.]{0,6}",
    ) {
        let theirs = regex::Regex::new(&body).unwrap().is_match(&name);
        let ours = Pattern::parse(&pattern::translate(&body, "").unwrap()).unwrap();
        prop_assert_eq!(ours.matches(name.as_bytes()), theirs, "{} {}", body, ours.written());
    }
}
