use super::*;
use crate::model::{OwnerKind, Scope};

fn unit(name: &str) -> Owner {
    Owner::new(OwnerKind::Unit, name, Scope::System)
}

fn choice(name: &str, ticked: bool) -> Choice {
    Choice {
        owners: BTreeSet::from([unit(name)]),
        ticked,
        title: name.to_owned(),
        why: vec![format!("why {name}")],
    }
}

fn list() -> List {
    List::new(vec![
        choice("a.service", true),
        choice("b.service", true),
        choice("dbus.service", false),
    ])
}

fn owners(names: &[&str]) -> BTreeSet<Owner> {
    names.iter().map(|name| unit(name)).collect()
}

#[test]
fn keys() {
    #[track_caller]
    fn check(keys: &[Key], last: Pressed, chosen: &[&str]) {
        let mut list = list();
        let mut pressed = Pressed::Again;
        for key in keys {
            assert_eq!(pressed, Pressed::Again, "{key:?}");
            pressed = list.press(key);
        }
        assert_eq!(pressed, last, "{keys:?}");
        assert_eq!(list.owners(), owners(chosen), "{keys:?}");
    }
    let (space, enter) = (Key::Char(' '), Key::Enter);
    let ab = ["a.service", "b.service"];
    check(std::slice::from_ref(&enter), Pressed::Done, &ab);
    check(
        &[space.clone(), enter.clone()],
        Pressed::Done,
        &["b.service"],
    );
    check(
        &[Key::End, space.clone(), Key::Home, space.clone()],
        Pressed::Again,
        &["b.service", "dbus.service"],
    );
    // The list has ends.
    let down = Key::ArrowDown;
    check(
        &[
            down.clone(),
            down.clone(),
            down.clone(),
            down,
            space.clone(),
        ],
        Pressed::Again,
        &["a.service", "b.service", "dbus.service"],
    );
    check(
        &[Key::ArrowUp, space.clone()],
        Pressed::Again,
        &["b.service"],
    );
    check(&[Key::Char('n'), enter.clone()], Pressed::Done, &[]);
    check(
        &[Key::Char('a'), enter],
        Pressed::Done,
        &["a.service", "b.service", "dbus.service"],
    );
    for quit in [
        Key::Escape,
        Key::CtrlC,
        Key::Char('q'),
        Key::Char('\u{3}'),
        Key::Char('\u{4}'),
    ] {
        check(&[quit], Pressed::Quit, &ab);
    }
    check(&[Key::Char('x'), Key::Unknown], Pressed::Again, &ab);
}

#[test]
fn the_list_as_it_is_drawn() {
    let mut list = list();
    list.press(&Key::ArrowDown);
    assert_eq!(
        list.lines(24, 80),
        [
            "Restart what is marked [x] (2 of 3):",
            "  [x] a.service",
            "> [x] b.service",
            "  [ ] dbus.service",
            "      why b.service",
            &KEYS[..79.min(KEYS.len())],
        ]
    );
}

#[test]
fn a_list_fits_any_terminal() {
    let many = (0..100).map(|n| choice(&format!("unit-{n}.service"), true));
    let mut list = List::new(many.collect());
    for height in [0, 1, 5, 10, 24] {
        for width in [0, 1, 20, 80] {
            let lines = list.lines(height, width);
            assert!(lines.len() <= height.saturating_sub(1).max(1));
            assert!(lines.iter().all(|line| line.chars().count() <= width));
        }
    }
    list.press(&Key::End);
    let lines = list.lines(24, 80);
    assert!(
        lines.contains(&"> [x] unit-99.service".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn answers_in_lines() {
    #[track_caller]
    fn check(input: &str, chosen: Option<&[&str]>) -> String {
        let mut out = Vec::new();
        let answer = ask_in_lines(&mut input.as_bytes(), &mut out, list()).unwrap();
        assert_eq!(answer, chosen.map(owners), "{input:?}");
        String::from_utf8(out).unwrap()
    }
    let asked = check("y\n", Some(&["a.service", "b.service"]));
    assert_eq!(
        asked,
        "   1 [x] a.service
           why a.service
   2 [x] b.service
           why b.service
   3 [ ] dbus.service
           why dbus.service
Restart what is marked [x]? y, n, or numbers to change: "
    );
    check("n\n", None);
    check("", None);
    // What is not ended by a newline was meant all the same.
    check("yes", Some(&["a.service", "b.service"]));
    check("1,3\ny\n", Some(&["b.service", "dbus.service"]));
    check("1\n1\ny\n", Some(&["a.service", "b.service"]));
    check("1 2\n", None);
    // An empty line is no answer.
    check("\n\nn\n", None);
    for wrong in ["0", "4", "1,x", "-1", "y n"] {
        let asked = check(&format!("{wrong}\ny\n"), Some(&["a.service", "b.service"]));
        assert!(asked.contains("numbers from 1 to 3"), "{wrong}: {asked}");
    }
}

#[test]
fn t12_03_escape_sequences_only_where_they_are_wanted() {
    #[track_caller]
    fn check(color: Color, variables: &[(&str, &str)], plain: bool) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(one, _)| *one == name);
            found.map(|(_, value)| std::ffi::OsString::from(value))
        };
        assert_eq!(is_plain(color, variable), plain, "{variables:?}");
    }
    check(Color::Auto, &[("TERM", "xterm")], false);
    check(Color::Auto, &[("TERM", "dumb")], true);
    check(Color::Auto, &[], true);
    check(Color::Auto, &[("TERM", "xterm"), ("NO_COLOR", "1")], true);
    check(Color::Auto, &[("TERM", "xterm"), ("NO_COLOR", "")], false);
    check(
        Color::Always,
        &[("TERM", "xterm"), ("NO_COLOR", "1")],
        false,
    );
    check(Color::Always, &[("TERM", "dumb")], true);
    check(Color::Never, &[("TERM", "xterm")], true);
}
