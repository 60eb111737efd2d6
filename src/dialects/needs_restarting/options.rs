//! The options of each generation. A command line as it stands behind `dnf` is understood too: with the command's name among the
//! words, and dnf's own options before it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::OsStringValueParser;
use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::Own;
use crate::dialects::tame;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// Which processes.
    Processes,
    /// Which services.
    Services,
    /// Whether a reboot is needed.
    Reboot,
}

/// What was asked, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) question: Question,
    /// The reader's own processes alone.
    pub(super) own_only: bool,
    /// Processes of services left out.
    pub(super) without_services: bool,
    pub(super) json: bool,
    /// Nothing said that merely warns.
    pub(super) quiet: bool,
    /// The original's defects are wanted.
    pub(super) bugs: bool,
    /// dnf4 as of 4.10.1.
    pub(super) as_4_10: bool,
    /// `--installroot`.
    pub(super) root: Option<PathBuf>,
}

/// What a command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Words {
    /// A question.
    Asked(Asked),
    /// Its help.
    Help(String),
    /// Wrong usage, with the line to print.
    Refused(String),
}

/// The command of dnf.
const COMMAND: &str = "needs-restarting";

/// An option without a value.
struct Flag {
    short: Option<char>,
    long: &'static str,
    about: &'static str,
    whose: &'static [Own],
}

const ALL: &[Own] = &[Own::Yum, Own::Dnf4, Own::Dnf5];
const DNF: &[Own] = &[Own::Dnf4, Own::Dnf5];

const fn flag(short: char, long: &'static str, whose: &'static [Own], about: &'static str) -> Flag {
    Flag {
        short: Some(short),
        long,
        about,
        whose,
    }
}

const fn long(long: &'static str, whose: &'static [Own], about: &'static str) -> Flag {
    Flag {
        short: None,
        long,
        about,
        whose,
    }
}

const FLAGS: &[Flag] = &[
    flag(
        'u',
        "useronly",
        &[Own::Yum, Own::Dnf4],
        "Look at your own processes alone",
    ),
    flag(
        'r',
        "reboothint",
        ALL,
        "Say whether a reboot is needed; exit status 1 if it is",
    ),
    flag('s', "services", ALL, "Name the services that run old code"),
    flag(
        'p',
        "processes",
        &[Own::Dnf5],
        "List the processes that run old code",
    ),
    long(
        "exclude-services",
        &[Own::Dnf4],
        "Leave processes of services out",
    ),
    flag(
        'e',
        "exclude-services",
        &[Own::Dnf5],
        "With -p, leave processes of running services out",
    ),
    long("json", &[Own::Dnf5], "Print JSON"),
    flag(
        'q',
        "quiet",
        DNF,
        "Do not warn; what could not be looked at is told all the same",
    ),
    flag('v', "verbose", DNF, "Ignored"),
    flag('y', "assumeyes", DNF, "Ignored"),
    flag('C', "cacheonly", DNF, "Ignored: nothing is downloaded"),
    long("noplugins", DNF, "Ignored"),
    long("skip-file-locks", DNF, "Ignored: no lock is waited for"),
    long(
        "compat-bugs",
        ALL,
        "Judge a reboot by names of packages and the time of their installation alone, as the original does",
    ),
];

/// Options of dnf that have a value, and mean nothing here.
const IGNORED: &[&str] = &[
    "releasever",
    "setopt",
    "disablerepo",
    "enablerepo",
    "disableplugin",
];

/// The value that stands for the last release whose list of services has all of them.
const OLD_LIST: &str = "4.10.1";

/// Reads a command line.
pub(super) fn parse(own: Own, words: &[OsString]) -> Words {
    let mut command = command(own);
    match command.try_get_matches_from_mut(words) {
        Ok(found) => asked(own, &found),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            Words::Help(error.render().to_string())
        }
        Err(error) => {
            let word = match error.get(ContextKind::InvalidArg) {
                Some(word) => word.to_string(),
                None => String::new(),
            };
            Words::Refused(refused(own, error.kind(), &word))
        }
    }
}

fn command(own: Own) -> Command {
    let about = match own {
        Own::Yum => "Lists processes that run code from before an update",
        Own::Dnf4 | Own::Dnf5 => {
            "Says what runs code from before an update, and whether a reboot is needed"
        }
    };
    let mut command = Command::default()
        .name(COMMAND)
        .about(about)
        .no_binary_name(true)
        .args_override_self(true)
        // optparse and argparse take any beginning that is unambiguous; dnf5 does not.
        .infer_long_args(own != Own::Dnf5);
    for flag in FLAGS.iter().filter(|flag| flag.whose.contains(&own)) {
        let arg = Arg::new(flag.long).long(flag.long).help(flag.about);
        let arg = arg.action(ArgAction::SetTrue);
        command = command.arg(match flag.short {
            Some(short) => arg.short(short),
            None => arg,
        });
    }
    if own != Own::Yum {
        command = with_values(command);
    }
    if own == Own::Dnf4 {
        let compat = Arg::new("compat").long("compat").value_name("RELEASE");
        command = command.arg(
            compat
                .value_parser([OLD_LIST])
                .help("With -s, print services too whose package asks for a reboot"),
        );
    }
    let words = Arg::new("words").num_args(0..).hide(true);
    command.arg(words.value_parser(OsStringValueParser::new()))
}

/// dnf's own options.
fn with_values(mut command: Command) -> Command {
    for name in IGNORED {
        command = command.arg(ignored(name).long(*name));
    }
    let root = Arg::new("installroot")
        .long("installroot")
        .value_name("DIR");
    command
        .arg(ignored("config").short('c').long("config"))
        .arg(
            root.value_parser(value_parser!(PathBuf))
                .help("Look at the system below this directory"),
        )
}

fn ignored(name: &'static str) -> Arg {
    Arg::new(name)
        .value_name("VALUE")
        .action(ArgAction::Append)
        .value_parser(OsStringValueParser::new())
        .help("Ignored")
}

fn asked(own: Own, found: &ArgMatches) -> Words {
    let has = |name: &str| found.try_get_one::<bool>(name).ok().flatten() == Some(&true);
    let mut words = found.get_many::<OsString>("words").unwrap_or_default();
    let first = words.next();
    // What yum's has no use for, it passes over.
    let stranger = first
        .filter(|word| *word != COMMAND)
        .or_else(|| words.next());
    if let Some(word) = stranger.filter(|_| own != Own::Yum) {
        let word = tame(word.as_encoded_bytes());
        return Words::Refused(refused(own, ErrorKind::UnknownArgument, &word));
    }
    let question = match own {
        Own::Yum | Own::Dnf4 if has("reboothint") => Question::Reboot,
        _ if has("services") => Question::Services,
        Own::Dnf5 if !has("processes") => Question::Reboot,
        _ => Question::Processes,
    };
    let root = found.try_get_one::<PathBuf>("installroot");
    Words::Asked(Asked {
        question,
        own_only: has("useronly"),
        without_services: has("exclude-services"),
        json: has("json"),
        quiet: has("quiet"),
        bugs: has("compat-bugs"),
        as_4_10: found.try_contains_id("compat").unwrap_or(false),
        root: root.ok().flatten().cloned(),
    })
}

/// What each says to a word that it does not know.
fn refused(own: Own, kind: ErrorKind, word: &str) -> String {
    let word = tame(word.as_bytes());
    let unknown = kind == ErrorKind::UnknownArgument;
    match own {
        Own::Dnf5 if unknown => format!(
            "Unknown argument \"{word}\" for command \"{COMMAND}\". Add \"--help\" for more information about the arguments."
        ),
        Own::Dnf5 => format!(
            "Wrong use of argument \"{word}\" of command \"{COMMAND}\". Add \"--help\" for more information about the arguments."
        ),
        Own::Yum if unknown => format!("{COMMAND}: error: no such option: {word}"),
        Own::Dnf4 if unknown => format!("{COMMAND}: error: unrecognized arguments: {word}"),
        Own::Yum | Own::Dnf4 => format!("{COMMAND}: error: wrong use of {word}"),
    }
}
