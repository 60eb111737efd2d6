//! The command line of zypper, as far as these two subcommands take it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, CommandFactory as _, FromArgMatches as _};

use super::shown;

/// Subcommands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// `ps`.
    Ps,
    /// `needs-rebooting`.
    NeedsRebooting,
}

// Those of zypper itself stand before the subcommand or after it.
/// Options.
#[derive(Debug, Default, clap::Parser)]
#[command(
    name = "zypper",
    about = "Says what uses deleted files (ps), or whether a reboot is suggested (needs-rebooting)",
    infer_long_args = true,
    args_override_self = true,
    disable_version_flag = true,
    disable_help_subcommand = true
)]
pub(super) struct Words {
    /// ps: without files; twice: services alone; three times: names of services alone
    #[arg(short = 's', long, action = ArgAction::Count)]
    pub(super) short: u8,
    /// ps: a line for each service, with its name for every %s
    #[arg(long = "print", value_name = "FORMAT", allow_hyphen_values = true)]
    pub(super) format: Option<OsString>,
    /// ps: accepted, and ignored
    #[arg(short = 'd', long = "debugFile", value_name = "FILE")]
    debug_file: Option<OsString>,
    /// No texts, data alone
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// An XML stream
    #[arg(short, long = "xmlout")]
    pub(super) xml: bool,
    /// Another root
    #[arg(short = 'R', long, value_name = "DIRECTORY")]
    pub(super) root: Option<PathBuf>,
    /// Accepted: nothing is asked
    #[arg(short = 'n', long)]
    non_interactive: bool,
    /// Accepted: there is nothing more to say
    #[arg(short = 'v', long, action = ArgAction::Count)]
    verbose: u8,
    /// Accepted: there are no colours
    #[arg(long)]
    no_color: bool,
    /// Accepted: no repository is looked at
    #[arg(long)]
    no_refresh: bool,
    /// Accepted: nothing is abbreviated
    #[arg(short = 'A', long)]
    no_abbrev: bool,
    /// Accepted: there is nothing to leave out
    #[arg(short = 't', long)]
    terse: bool,
    /// Accepted: no package is looked into
    #[arg(long)]
    no_gpg_checks: bool,
    /// Accepted: no repository is looked at
    #[arg(long)]
    gpg_auto_import_keys: bool,
    /// With the original's own defects
    #[arg(long)]
    pub(super) compat_bugs: bool,
    /// The subcommand
    #[arg(hide = true)]
    words: Vec<OsString>,
}

/// Why nothing is done.
#[derive(Debug)]
pub(super) enum Refused {
    /// Help was asked for: this.
    Help(String),
    /// An option that is none, or lacks its value.
    Syntax(String),
    /// Too many words.
    Arguments(String),
}

/// What the wrapper says to `--help`.
pub(super) const WRAPPER_HELP: &str = "\
Usage: needs-restarting [OPTION]

Says what runs code from before an update, as zypper ps -s does.

  -s, --services    processes of services alone
  -r, --reboothint  whether a reboot is suggested: exit status 1
  -h, --help        this text
      --compat-bugs with the original's own defects
";

/// Reads a command line. The first word may be the subcommand, and then says which it is.
pub(super) fn parse(command: Command, args: &[OsString]) -> Result<(Command, Words), Refused> {
    let program = OsString::from("zypper");
    let matches = Words::command()
        .try_get_matches_from(std::iter::once(&program).chain(args))
        .and_then(|mut matches| Words::from_arg_matches_mut(&mut matches));
    let mut words = matches.map_err(|error| refused(&error))?;
    let command = match words.words.first().and_then(|word| word.to_str()) {
        Some("ps") => Command::Ps,
        Some("needs-rebooting") => Command::NeedsRebooting,
        Some(_) => return Err(too_many(&words.words)),
        None => command,
    };
    if words.words.len() > 1 {
        return Err(too_many(&words.words[1..]));
    }
    let for_ps = words.short > 0 || words.format.is_some() || words.debug_file.is_some();
    if command == Command::NeedsRebooting && for_ps {
        return Err(Refused::Syntax(
            "needs-rebooting takes no options of ps".to_owned(),
        ));
    }
    if words.format.is_some() {
        words.short = 3;
    }
    Ok((command, words))
}

impl Words {
    /// What is said about options that do nothing here.
    pub(super) fn ignored(&self) -> Option<&'static str> {
        let ignored = "--debugFile is ignored: there is no such dump";
        self.debug_file.is_some().then_some(ignored)
    }
}

fn too_many(words: &[OsString]) -> Refused {
    let words: Vec<String> = words.iter().map(shown).collect();
    Refused::Arguments(format!("Too many arguments: {}", words.join(" ")))
}

fn refused(error: &clap::Error) -> Refused {
    if error.kind() == ErrorKind::DisplayHelp {
        return Refused::Help(error.render().to_string());
    }
    let option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) => option.as_str(),
        _ => "",
    };
    let option = super::tame(option.as_bytes());
    Refused::Syntax(match error.kind() {
        ErrorKind::UnknownArgument => format!("Unknown option '{option}'"),
        _ => format!("Wrong use of option '{option}'"),
    })
}
