//! `config show`: what it prints says the same as what was read.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn layers_of(texts: &[&str]) -> Vec<Layer> {
    let layers = texts.iter().enumerate();
    layers
        .map(|(number, text)| layer(number, text).unwrap())
        .collect()
}

/// Prints, parses and compares; returns what was printed.
#[track_caller]
fn shown(layers: &[Layer], origin: bool) -> String {
    let settings = Settings::merged(layers).unwrap().0;
    let text = show(layers, &settings, &nobody(), origin);
    let again = Layer::parse(Origin::Shipped, &text, &nobody());
    let again = again.unwrap_or_else(|error| panic!("{text}\n{}", error.lines().join("\n")));
    let (again, notes) = Settings::merged(&[again]).unwrap();
    assert_eq!(again, settings, "{text}");
    assert_eq!(notes, [], "{text}");
    text
}

const FIRST: &str = "[restart]\nmode = \"auto\"\n\n[[rule]]\nname = \"r\"\nunits = [\"a.service\",\n  \"b.service\"]\naction = \"defer\"\nreason = \"say \\\"no\\\" \\\\ é\\u202e\"\n\
    [[rule]]\nname = \"gone\"\nunits = [\"g\"]\naction = \"leave\"\nreason = \"g\"\n";
const SECOND: &str = "[restart]\nmode = \"list\"\n[[rule]]\nname = \"r\"\nunits = [\"c.service\"]\nusers = [1000]\nuntil = 2027-01-31\nolder_than = \"1h\"\nlevel = \"session\"\n\
    [[rule]]\nname = \"gone\"\nenabled = false\n[[rule]]\nname = \"new\"\ncontainers = [\"re:^web\"]\nprograms = [\"/opt/*\"]\naction = \"restart\"\n";

#[test]
fn what_is_shown_says_the_same() {
    for origin in [false, true] {
        shown(&[], origin);
        shown(&[Layer::shipped().unwrap()], origin);
        shown(&layers_of(&[FIRST, SECOND]), origin);
        let mut all = vec![Layer::shipped().unwrap()];
        all.extend(layers_of(&[FIRST, SECOND]));
        shown(&all, origin);
        let others = "[plugins]\ndisable = [\"*\"]\nenable = [\"php\"]\netc = true\ndirectories = [\"/a\"]\nprocess_deadline_ms = 50\n[plugins.x]\n\"o p\" = 1\ny = \"\\u001b\"\n\
            [reboot]\nflag = \"both\"\nlive_patches_suffice = true\npackages = [\"a\", \"b\"]\nignore_packages = [\"c*\"]\n[notify]\nmail = true\n[hook]\nmode = \"ask\"";
        let more = "[plugins]\nenable = [\"j*\"]\ndirectories = [\"/b\"]\n[reboot]\nignore_packages = [\"b\"]";
        shown(&layers_of(&[others, more]), origin);
        // Later files overrule exceptions of earlier ones.
        shown(
            &layers_of(&[
                "[plugins]\nenable = [\"php\"]",
                "[plugins]\ndisable = [\"*\"]",
            ]),
            origin,
        );
        shown(
            &layers_of(&[
                "[plugins]\nenable = [\"php\"]",
                "[plugins]\ndisable = [\"java\"]",
            ]),
            origin,
        );
    }
}

#[test]
fn where_each_value_comes_from() {
    let mut layers = vec![Layer::shipped().unwrap()];
    layers.extend(layers_of(&[FIRST, SECOND]));
    let environment = "[restart]\nonly_listed = true\n";
    layers.push(Layer::parse(Origin::Environment, environment, &nobody()).unwrap());
    let text = shown(&layers, true);
    for line in [
        "mode = \"list\"  # /1.toml:2",
        "only_listed = true  # environment",
        "# container = \"list\"",
        "[[rule]]  # /0.toml:5",
        "    \"a.service\",  # /0.toml:6",
        "    \"b.service\",  # /0.toml:7",
        "    \"c.service\",  # /1.toml:5",
        "    1000,  # /1.toml:6",
        "until = 2027-02-01T00:00:00Z  # /1.toml:7",
        "older_than = \"3600s\"  # /1.toml:8",
        "action = \"defer\"  # /0.toml:8",
        "reason = \"say \\\"no\\\" \\\\ é\\U0000202E\"  # /0.toml:9",
        "# rule gone is not in force: /1.toml:12",
        "    \"dbus.service\",  # shipped",
        "level = \"soft-reboot\"  # shipped",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    let plain = shown(&layers, false);
    assert!(
        !plain.contains("# /") && !plain.contains("# shipped"),
        "{plain}"
    );
}

#[test]
fn users_are_shown_by_number() {
    let dir = tempfile::tempdir().unwrap();
    let passwd = dir.path().join("passwd");
    fs::write(&passwd, "ann:x:1001:100::/:\n").unwrap();
    let users = Users::of(&passwd);
    let text = "[[rule]]\nname = \"r\"\nusers = [\"ann\"]\naction = \"restart\"";
    let layers = [Layer::parse(Origin::File("/a".into()), text, &users).unwrap()];
    let settings = Settings::merged(&layers).unwrap().0;
    let text = show(&layers, &settings, &users, true);
    assert!(text.contains("    1001,  # /a:3\n"), "{text}");
}

/// Pieces of what people write, so that some of it gets past the parser.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "[[rule]]\n",
        "[restart]\n",
        "[restart.modes]\n",
        "[hook]\n",
        "[plugins]\n",
        "name = \"a\"\n",
        "name = \"b\"\n",
        "units = [\"x*\", \"re:^y\"]\n",
        "remove_units = [\"x*\"]\n",
        "users = [1, \"root\"]\n",
        "users = [7]\n",
        "action = \"hide\"\n",
        "action = \"restart\"\n",
        "reason = \"r\"\n",
        "until = 2027-01-31\n",
        "until = 0000-01-01T00:00:00-23:59\n",
        "older_than = \"1é\"\n",
        "older_than = \"9m\"\n",
        "mode = \"ask\"\n",
        "enabled = false\n",
        "disable = [\"*a\"]\n",
        "enable = [\"a*\"]\n",
        "level = \"none\"\n",
    ];
    prop_oneof![
        20 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        1 => ".{0,12}",
    ]
}

proptest! {
    /// No text makes the parser panic, and whatever can be used can be shown.
    #[test]
    fn any_text(texts in proptest::collection::vec(proptest::collection::vec(piece(), 0..8), 1..4)) {
        let texts: Vec<String> = texts.iter().map(|pieces| pieces.concat()).collect();
        let layers = texts.iter().filter_map(|text| match layer(0, text) {
            Ok(layer) => Some(layer),
            Err(error) => {
                assert!(error.lines().iter().all(|line| line.chars().all(crate::model::is_tame)));
                None
            }
        });
        let layers: Vec<Layer> = layers.collect();
        if let Ok((settings, _)) = Settings::merged(&layers) {
            let text = show(&layers, &settings, &nobody(), true);
            let again = layer(0, &text).unwrap();
            let again = Settings::merged(&[again]).unwrap().0;
            assert_eq!(again.policy, settings.policy, "{text}");
        }
    }
}
