//! How an instance is restarted: words of a command, with places for what the host knows of it. Pure.
//!
//! The values come from the inspected machine. They are put into words that are handed to a program, never to a shell; and
//! only values of a tame form are, so that none can be taken for an option, or lead out of a directory.
#![forbid(unsafe_code)]

use serde::Deserialize;

/// At most so many words.
const WORDS_CAP: usize = 64;
/// At most so long each.
const WORD_CAP: usize = 1024;
/// No name of an instance is longer: that is the limit of DNS names, which runtimes keep to.
const VALUE_CAP: usize = 253;

/// What stands in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Name,
    Id,
    Project,
    User,
}

impl Place {
    const ALL: [(&'static str, Self); 4] = [
        ("name", Self::Name),
        ("id", Self::Id),
        ("project", Self::Project),
        ("user", Self::User),
    ];

    fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, place)| *place == self);
        found.map_or("", |(word, _)| word)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(Place),
}

/// The words of a command.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Template(Vec<Vec<Piece>>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    argv: Vec<String>,
}

/// What the host knows of an instance.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filling<'a> {
    /// `{name}`.
    pub name: &'a [u8],
    /// `{id}`.
    pub id: Option<&'a [u8]>,
    /// `{project}`.
    pub project: Option<&'a [u8]>,
    /// `{user}`: the uid whose manager it runs under.
    pub user: Option<u32>,
}

/// Why there is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    /// The manifest has no such `[restart.…]`.
    #[error("the manifest has no such way to restart")]
    NoSuchWay,
    /// Nothing is known to be put there.
    #[error("its {0} is not known")]
    Missing(&'static str),
    /// What is known is not of a form that may be handed to a program.
    #[error("its {0} has characters that are not handed to a program")]
    Wild(&'static str),
}

impl TryFrom<Written> for Template {
    type Error = String;

    fn try_from(Written { argv }: Written) -> Result<Self, String> {
        if argv.len() > WORDS_CAP {
            return Err(format!("`argv` has at most {WORDS_CAP} words"));
        }
        let program = argv.first().ok_or("`argv` is empty")?;
        if !super::checked::is_plain_path(program.as_bytes()) || program.contains(['{', '}']) {
            return Err(
                "the first word of `argv` is the absolute path of a program, without places"
                    .to_owned(),
            );
        }
        let words = argv.iter().map(|word| pieces(word));
        Ok(Self(words.collect::<Result<_, _>>()?))
    }
}

/// A place may be part of a word: `--project={project}`.
fn pieces(word: &str) -> Result<Vec<Piece>, String> {
    if word.len() > WORD_CAP || word.contains(char::is_control) {
        return Err(format!(
            "a word of `argv` has no control characters and at most {WORD_CAP} bytes"
        ));
    }
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some(at) = rest.find(['{', '}']) {
        let (text, tail) = rest.split_at(at);
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        let inner = tail.strip_prefix('{').and_then(|tail| tail.split_once('}'));
        let (name, tail) = inner.ok_or("a brace in `argv` that is not of {name}")?;
        let known = Place::ALL.iter().find(|(word, _)| *word == name);
        let (_, place) =
            known.ok_or("places in `argv` are {name}, {id}, {project} and {user}, no others")?;
        pieces.push(Piece::Place(*place));
        rest = tail;
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

impl Template {
    /// The command for one instance.
    pub(super) fn fill(&self, values: &Filling<'_>) -> Result<Vec<String>, Unfilled> {
        let user = values.user.map(|uid| uid.to_string());
        let value_of = |place| {
            let bytes = match place {
                Place::Name => Some(values.name).filter(|name| !name.is_empty()),
                Place::Id => values.id,
                Place::Project => values.project,
                Place::User => user.as_deref().map(str::as_bytes),
            };
            let bytes = bytes.ok_or(Unfilled::Missing(place.word()))?;
            tame(bytes).ok_or(Unfilled::Wild(place.word()))
        };
        let filled = |word: &Vec<Piece>| {
            word.iter()
                .map(|piece| match piece {
                    Piece::Text(text) => Ok(text.as_str()),
                    Piece::Place(place) => value_of(*place),
                })
                .collect()
        };
        // `value_of` borrows from here, so words are joined before it ends.
        self.0.iter().map(filled).collect()
    }
}

/// A value, if it can be taken for nothing but a name.
fn tame(bytes: &[u8]) -> Option<&str> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.:/@-".contains(byte);
    let text = std::str::from_utf8(bytes).ok()?;
    let fits = text.len() <= VALUE_CAP
        && bytes.first()?.is_ascii_alphanumeric()
        && bytes.iter().all(plain)
        // "a/../../b" is a name to no program.
        && text.split('/').all(|part| part != "..");
    fits.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(words: &[&str]) -> Result<Template, String> {
        let argv = words.iter().map(|&word| word.to_owned()).collect();
        Written { argv }.try_into()
    }

    const VALUES: Filling<'_> = Filling {
        name: b"web-1",
        id: Some(b"0123abcd"),
        project: None,
        user: Some(1000),
    };

    #[track_caller]
    fn check(words: &[&str], values: &Filling<'_>, filled: Result<&[&str], Unfilled>) {
        let result = template(words).unwrap().fill(values);
        let expected = filled.map(|words| words.iter().map(|&word| word.to_owned()).collect());
        assert_eq!(result, expected);
    }

    #[track_caller]
    fn check_refused(words: &[&str], why: &str) {
        let error = template(words).unwrap_err();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn places_are_filled() {
        check(&["/bin/x"], &VALUES, Ok(&["/bin/x"]));
        check(&["/bin/x", "{name}"], &VALUES, Ok(&["/bin/x", "web-1"]));
        check(
            &["/bin/x", "--user={user}", "{name}@{id}", ""],
            &VALUES,
            Ok(&["/bin/x", "--user=1000", "web-1@0123abcd", ""]),
        );
        check(
            &["/bin/x", "{project}"],
            &VALUES,
            Err(Unfilled::Missing("project")),
        );
        let nameless = Filling::default();
        check(
            &["/bin/x", "{name}"],
            &nameless,
            Err(Unfilled::Missing("name")),
        );
        // What no place asks for does not matter.
        check(&["/bin/x", "-a"], &nameless, Ok(&["/bin/x", "-a"]));
    }

    #[track_caller]
    fn check_value(value: &[u8], accepted: bool) {
        let values = Filling {
            name: value,
            ..Filling::default()
        };
        let filled = template(&["/bin/x", "{name}"]).unwrap().fill(&values);
        match filled {
            Ok(words) => assert!(accepted && words[1].as_bytes() == value, "{words:?}"),
            Err(why) => assert!(
                !accepted && why == Unfilled::Wild("name"),
                "{value:?}: {why}"
            ),
        }
    }

    #[test]
    fn values_are_tame() {
        for good in ["a", "web-1", "a.b_c:d@e/f", "9lives", "a..b"] {
            check_value(good.as_bytes(), true);
        }
        for bad in [
            "-f", "--all", ".x", "/x", "a b", "a;b", "$(x)", "a\nb", "a\0", "`x`", "a*", "größe",
            "a/../b", "{id}", "a/..",
        ] {
            check_value(bad.as_bytes(), false);
        }
        check_value(b"a\xff", false);
        check_value(&[b'a'; 253], true);
        check_value(&[b'a'; 254], false);
    }

    #[test]
    fn a_value_is_not_read_as_a_place() {
        let values = Filling {
            name: b"x",
            id: Some(b"{name}"),
            ..Filling::default()
        };
        check(&["/bin/x", "{id}"], &values, Err(Unfilled::Wild("id")));
    }

    #[test]
    fn words_that_are_refused() {
        check_refused(&[], "empty");
        check_refused(&["podman"], "absolute path");
        check_refused(&[""], "absolute path");
        check_refused(&["/usr/../bin/x"], "absolute path");
        check_refused(&["/bin//x"], "absolute path");
        check_refused(&["/bin/{name}"], "absolute path");
        check_refused(&["/bin/x", "{pid}"], "no others");
        check_refused(&["/bin/x", "{}"], "no others");
        check_refused(&["/bin/x", "{name"], "brace");
        check_refused(&["/bin/x", "name}"], "brace");
        check_refused(&["/bin/x", "{{name}}"], "no others");
        check_refused(&["/bin/x", "a\nb"], "control");
        check_refused(&["/bin/x", "a\0b"], "control");
        check_refused(&["/bin/x", &"a".repeat(1025)], "1024");
        check_refused(&["/bin/x"; 65], "64 words");
    }
}
