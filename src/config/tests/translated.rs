use super::*;

/// A machine whose administrator has these settings.
fn machine(own: &str) -> (TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("etc");
    fs::create_dir(&etc).unwrap();
    fs::write(etc.join("unstale.toml"), own).unwrap();
    for path in [dir.path(), &etc, &etc.join("unstale.toml")] {
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
fn translated_settings_stand_in_for_the_administrators() {
    let rule = |name: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\nunits = [\"x\"]\naction = \"leave\"\nreason = \"r\"\n"
        )
    };
    let own = format!("[plugins]\ndisable = [\"python\"]\n{}", rule("own"));
    let (_dir, sources) = machine(&own);
    let text = format!("[plugins]\ndisable = [\"ruby\"]\n{}", rule("theirs"));
    let settings = read_with(&sources, &text).unwrap();
    let has = |name: &str| settings.policy.rules.iter().any(|rule| rule.name == name);
    assert!(has("theirs") && !has("own") && has("network"));
    assert!(!settings.plugins.is_enabled("python") && !settings.plugins.is_enabled("ruby"));
}

#[test]
fn a_translation_that_cannot_be_used_is_named() {
    let (_dir, sources) = machine("");
    for text in ["[[rule]]\nname = 1\n", "nonsense", "[restrat]\n"] {
        let error = read_with(&sources, text).unwrap_err();
        assert!(
            error.to_string().starts_with("translated settings: "),
            "{error}"
        );
    }
}
