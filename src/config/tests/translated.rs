use super::*;

/// A machine whose administrator has these settings, and this drop-in.
fn machine(own: &str, drop_in: &str) -> (TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("etc");
    let (main, drop_ins) = (etc.join("unstale.toml"), etc.join("conf.d"));
    fs::create_dir_all(&drop_ins).unwrap();
    fs::write(&main, own).unwrap();
    fs::write(drop_ins.join("site.toml"), drop_in).unwrap();
    for path in [
        dir.path(),
        &etc,
        &main,
        &drop_ins,
        &drop_ins.join("site.toml"),
    ] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    let sources = Sources {
        vendor: dir.path().join("vendor"),
        etc,
        passwd: "/dev/null".into(),
        mode: None,
        euid: rustix::process::geteuid().as_raw(),
    };
    (dir, sources)
}

#[test]
fn translated_settings_count_more_than_the_main_file_and_less_than_drop_ins() {
    let rule = |name: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\nunits = [\"x\"]\naction = \"leave\"\nreason = \"r\"\n"
        )
    };
    let own = format!("[plugins]\ndisable = [\"python\"]\n{}", rule("own"));
    let (_dir, sources) = machine(&own, &rule("site"));
    let text = format!("[plugins]\ndisable = [\"ruby\"]\n{}", rule("theirs"));
    let settings = read_with(&sources, &text).unwrap();
    let names = settings.policy.rules.iter().map(|rule| rule.name.as_str());
    let names: Vec<&str> = names.take(3).collect();
    assert_eq!(names, ["site", "theirs", "own"]);
    assert!(settings.policy.rule_named("network").is_some());
    assert!(!settings.plugins.is_enabled("python") && !settings.plugins.is_enabled("ruby"));
}

#[test]
fn a_mode_counts_by_where_it_is_said() {
    #[track_caller]
    fn check(
        own: &str,
        drop_in: &str,
        variable: Option<&str>,
        all: Option<Mode>,
        late: Option<Mode>,
    ) {
        let (_dir, mut sources) = machine(own, drop_in);
        sources.mode = variable.map(OsString::from);
        assert_eq!(read(&sources).unwrap().restart.mode, all, "{own} {drop_in}");
        assert_eq!(late_mode(&sources).unwrap(), late, "{own} {drop_in}");
    }
    let (list, auto) = ("[restart]\nmode = \"list\"", "[restart]\nmode = \"auto\"");
    let (to_list, to_auto) = (Some(Mode::List), Some(Mode::Auto));
    check("", "", None, None, None);
    check(list, "", None, to_list, None);
    check(list, auto, None, to_auto, to_auto);
    check("", list, Some("auto"), to_auto, to_auto);
    check(list, "[hook]\nmode = \"list\"", None, to_list, None);
}

#[test]
fn a_translation_that_cannot_be_used_is_named() {
    let (_dir, sources) = machine("", "");
    for text in ["[[rule]]\nname = 1\n", "nonsense", "[restrat]\n"] {
        let error = read_with(&sources, text).unwrap_err();
        assert!(
            error.to_string().starts_with("translated settings: "),
            "{error}"
        );
    }
}
