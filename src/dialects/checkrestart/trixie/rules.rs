//! What is left out, and what is not to be suggested: of configuration files and options.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::ArgMatches;

use crate::config::import::pattern::python::Refused;
use crate::dialects::checkrestart::expression::Expression;
use crate::dialects::checkrestart::options;
use crate::dialects::{Machine, tame};

/// What an expression is searched for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Names of packages.
    Package,
    /// Paths of programs.
    Program,
    /// Numbers of processes.
    Pid,
    /// Paths of old files.
    File,
    /// Lines of control groups.
    Unit,
    /// Units that are not to be restarted lightly.
    DangerousUnit,
    /// Init scripts that are not.
    DangerousScript,
    /// Units that are not to be guessed.
    SuggestedUnit,
    /// Init scripts that are not.
    SuggestedScript,
}

impl Kind {
    /// All of them, with the words before the colon.
    const ALL: [(&'static str, Self); 9] = [
        ("package", Self::Package),
        ("program", Self::Program),
        ("pid", Self::Pid),
        ("file", Self::File),
        ("unit", Self::Unit),
        ("dangerous-unit", Self::DangerousUnit),
        ("dangerous-initscript", Self::DangerousScript),
        ("suggested-unit", Self::SuggestedUnit),
        ("suggested-initscript", Self::SuggestedScript),
    ];

    fn word(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, kind)| *kind == self);
        known.map_or("file", |(word, _)| word)
    }

    /// Whether it leaves something out, so that `-a` forgets it.
    fn excludes(self) -> bool {
        matches!(
            self,
            Self::Package | Self::Program | Self::Pid | Self::File | Self::Unit
        )
    }
}

/// Where settings are.
const DIRECTORY: &str = "/etc/checkrestart";

/// In the order in which they are read; each may be missing.
const FILES: [&str; 4] = [
    "local-exclude.conf",
    "exclude.conf",
    "local-suggestions.conf",
    "suggestions.conf",
];

/// What holds on a machine without those settings: what the original ships.
const SHIPPED: &str = include_str!("shipped.conf");

/// Options that hold rules, and of which kind; `None`: that is written before the expression.
const OPTIONS: [(&str, Option<Kind>); 10] = [
    ("exclude", None),
    ("exclude_package", Some(Kind::Package)),
    ("exclude_pid", Some(Kind::Pid)),
    ("exclude_program", Some(Kind::Program)),
    ("exclude_file", Some(Kind::File)),
    ("exclude_unit", Some(Kind::Unit)),
    ("dangerous_unit", Some(Kind::DangerousUnit)),
    ("dont_suggest_unit", Some(Kind::SuggestedUnit)),
    ("dangerous_initscript", Some(Kind::DangerousScript)),
    ("dont_suggest_initscript", Some(Kind::SuggestedScript)),
];

/// The option that names files of rules.
const FILE_OPTION: &str = "blocklist";

/// All rules that are in force.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<(Kind, Expression)>);

impl Rules {
    /// Reads them: configuration first, then options as they stand.
    ///
    /// # Errors
    /// A file that cannot be read, an expression that is not understood.
    pub(super) fn read(matches: &ArgMatches, machine: &dyn Machine) -> Result<Self, String> {
        let mut rules = Self::default();
        rules.read_configuration(machine)?;
        let all = options::last_place(matches, "all");
        let mut forgotten = all.is_none();
        for (place, kind, text) in given(matches) {
            if !forgotten && Some(place) > all {
                rules.forget();
                forgotten = true;
            }
            match kind {
                Given::Rule(Some(kind)) => rules.add(kind, text.as_bytes())?,
                Given::Rule(None) => rules.add_typed(text.as_bytes())?,
                Given::File => rules.add_file(Path::new(text), machine)?,
            }
        }
        if !forgotten {
            rules.forget();
        }
        Ok(rules)
    }

    fn read_configuration(&mut self, machine: &dyn Machine) -> Result<(), String> {
        let directory = Path::new(DIRECTORY);
        if !machine.exists(directory) {
            return self.add_lines(SHIPPED.as_bytes());
        }
        for file in FILES.map(|name| directory.join(name)) {
            if let Some(text) = if_there(&file, machine.read(&file))? {
                self.add_lines(&text)?;
            }
        }
        Ok(())
    }

    fn add_file(&mut self, file: &Path, machine: &dyn Machine) -> Result<(), String> {
        let text = machine.read(file).map_err(|error| unread(file, &error))?;
        self.add_lines(&text)
    }

    fn add_lines(&mut self, text: &[u8]) -> Result<(), String> {
        let lines = text
            .split(|&byte| byte == b'\n')
            .map(<[u8]>::trim_ascii_end);
        lines
            .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
            .try_for_each(|line| self.add_typed(line))
    }

    /// `TYPE:EXPRESSION`; without a type that is known it is about files.
    fn add_typed(&mut self, text: &[u8]) -> Result<(), String> {
        let typed = Kind::ALL.iter().find_map(|&(word, kind)| {
            let rest = text.strip_prefix(word.as_bytes())?;
            Some((kind, rest.strip_prefix(b":")?))
        });
        let (kind, expression) = typed.unwrap_or((Kind::File, text));
        self.add(kind, expression)
    }

    fn add(&mut self, kind: Kind, expression: &[u8]) -> Result<(), String> {
        let parsed = Expression::parse(expression).map_err(|why| {
            let (word, expression) = (kind.word(), tame(expression));
            let what = match why {
                Refused::Wrong(_) => "syntax error in",
                Refused::Foreign(_) => "cannot use",
            };
            let why = tame(why.to_string().as_bytes());
            format!("{what} '{word}:' regexp '{expression}': {why}")
        })?;
        self.0.push((kind, parsed));
        Ok(())
    }

    fn forget(&mut self) {
        self.0.retain(|(kind, _)| !kind.excludes());
    }

    /// Whether a name fits a rule of a kind.
    pub(super) fn fit(&self, kind: Kind, name: &[u8]) -> bool {
        let rules = self.0.iter().filter(|(other, _)| *other == kind);
        rules.into_iter().any(|(_, rule)| rule.fits(name))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What an option holds.
#[derive(Debug, Clone, Copy)]
enum Given {
    Rule(Option<Kind>),
    File,
}

/// Options that hold rules, in the order of the command line.
fn given(matches: &ArgMatches) -> Vec<(usize, Given, &OsString)> {
    let rules = OPTIONS.map(|(id, kind)| (id, Given::Rule(kind)));
    let options = rules.into_iter().chain([(FILE_OPTION, Given::File)]);
    let mut given: Vec<(usize, Given, &OsString)> = options
        .flat_map(|(id, kind)| {
            let places = matches.indices_of(id).into_iter().flatten();
            let texts = matches.get_many(id).into_iter().flatten();
            places
                .zip(texts)
                .map(move |(place, text)| (place, kind, text))
        })
        .collect();
    given.sort_by_key(|(place, ..)| *place);
    given
}

/// The text of a file that may be missing. One that cannot be read may leave out something, and so is an error.
fn if_there(file: &Path, read: io::Result<Vec<u8>>) -> Result<Option<Vec<u8>>, String> {
    match read {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unread(file, &error)),
    }
}

fn unread(file: &Path, error: &io::Error) -> String {
    let name = tame(file.as_os_str().as_bytes());
    format!("Could not read file: {name}: {}: '{name}'", errno(error))
}

/// What Python says of an error of the system.
fn errno(error: &io::Error) -> String {
    let (number, text) = match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::NotFound, _) => (2, "No such file or directory".to_owned()),
        (io::ErrorKind::PermissionDenied, _) => (13, "Permission denied".to_owned()),
        (io::ErrorKind::InvalidInput, None) => return "it is no regular file".to_owned(),
        (io::ErrorKind::IsADirectory, _) => (21, "Is a directory".to_owned()),
        (_, Some(number)) => (number, error.to_string()),
        (_, None) => return error.to_string(),
    };
    format!("[Errno {number}] {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_may_be_missing() {
        #[track_caller]
        fn check(kind: io::ErrorKind, expected: Result<Option<Vec<u8>>, &str>) {
            let read = if_there(Path::new("/x\n"), Err(io::Error::from(kind)));
            assert_eq!(read, expected.map_err(str::to_owned));
        }
        check(io::ErrorKind::NotFound, Ok(None));
        check(
            io::ErrorKind::PermissionDenied,
            Err("Could not read file: /x\\x0a: [Errno 13] Permission denied: '/x\\x0a'"),
        );
        check(
            io::ErrorKind::InvalidInput,
            Err("Could not read file: /x\\x0a: it is no regular file: '/x\\x0a'"),
        );
    }
}
