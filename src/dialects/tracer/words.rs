//! tracer's command line: tracer(8).

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, CommandFactory as _, FromArgMatches as _};

use super::super::tame;

/// Options.
#[derive(Debug, clap::Parser)]
#[command(
    name = "tracer",
    about = "Lists what runs old code, sorted by what renews it",
    after_help = "Exit status: 0 nothing, 101 applications, 102 daemons, 103 sessions, 104 a reboot, 1 to 99 an error",
    infer_long_args = true,
    args_override_self = true,
    disable_version_flag = true
)]
pub(super) struct Words {
    /// Only what runs old files of these packages
    #[arg(value_name = "PACKAGE")]
    pub(super) packages: Vec<String>,
    /// The same
    #[arg(long = "packages", value_name = "PACKAGE", num_args = 1..)]
    more: Vec<String>,
    /// Only what belongs to services
    #[arg(
        long,
        alias = "services-only",
        help = "Only what belongs to services; also --services-only"
    )]
    pub(super) daemons_only: bool,
    /// List sessions too, and what needs a reboot
    #[arg(short, long)]
    pub(super) all: bool,
    /// Without counts of what is not listed
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Say packages, or with -vv files, beside each application
    #[arg(short, long, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// All about these applications
    #[arg(short, long, value_name = "APPLICATION", num_args = 1..)]
    pub(super) show: Vec<String>,
    /// All about every application
    #[arg(long)]
    pub(super) helpers: bool,
    /// The list with numbers; nothing is asked
    #[arg(short, long)]
    pub(super) interactive: bool,
    /// Accepted: there are no such hooks, and nothing is listed
    #[arg(long)]
    pub(super) hooks_only: bool,
    /// Accepted: it is looked at what runs, whenever that was changed
    #[arg(short = 't', long, value_name = "TIME", allow_hyphen_values = true)]
    timestamp: Option<OsString>,
    /// Accepted: no history of packages is looked at
    #[arg(short, long)]
    now: bool,
    /// Only processes of this user
    #[arg(short, long, value_name = "NAME")]
    user: Option<String>,
    /// Only processes of root
    #[arg(short, long)]
    root: bool,
    /// Processes of everybody, which is the default
    #[arg(short, long)]
    everyone: bool,
    /// Accepted: files of removed packages are always told
    #[arg(long)]
    erased: bool,
    /// Not here: a dump of packages, processes, rules, applications or system
    #[arg(long, value_name = "WHAT")]
    show_resource: Option<String>,
    /// Say the version
    #[arg(long)]
    version: bool,
    /// With the original's own defects; there are none here
    #[arg(long, hide = true)]
    compat_bugs: bool,
}

/// Why nothing is looked at.
#[derive(Debug)]
pub(super) enum Refused {
    /// That was asked for.
    Shown(String),
    /// An option that is none, or lacks its value.
    Usage(String),
}

/// Reads a command line.
pub(super) fn parse(args: &[OsString]) -> Result<Words, Refused> {
    let program = OsString::from("tracer");
    let matches = Words::command()
        .try_get_matches_from(std::iter::once(&program).chain(args))
        .and_then(|mut matches| Words::from_arg_matches_mut(&mut matches));
    let mut words = matches.map_err(|error| refused(&error))?;
    if words.version {
        let version = format!("{}\n", env!("CARGO_PKG_VERSION"));
        return Err(Refused::Shown(version));
    }
    if words.show_resource.is_some() {
        let why = "--show-resource: there is no such dump";
        return Err(Refused::Usage(why.to_owned()));
    }
    words.packages.append(&mut words.more);
    Ok(words)
}

impl Words {
    /// Whose processes alone are asked about.
    pub(super) fn user(&self) -> Option<&str> {
        match (&self.user, self.root, self.everyone) {
            (_, _, true) => None,
            (_, true, _) => Some("root"),
            (user, _, _) => user.as_deref(),
        }
    }

    /// Whether only some processes are asked about.
    pub(super) fn narrows(&self) -> bool {
        self.user().is_some() || !self.packages.is_empty()
    }

    /// Options that change nothing here.
    pub(super) fn ignored(&self) -> Vec<&'static str> {
        let options = [
            (self.timestamp.is_some(), "--timestamp"),
            (self.hooks_only, "--hooks-only"),
        ];
        let given = options.into_iter().filter(|(given, _)| *given);
        given.map(|(_, option)| option).collect()
    }
}

fn refused(error: &clap::Error) -> Refused {
    if error.kind() == ErrorKind::DisplayHelp {
        return Refused::Shown(error.render().to_string());
    }
    let option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) => tame(option.as_bytes()),
        _ => String::new(),
    };
    Refused::Usage(match error.kind() {
        ErrorKind::UnknownArgument => format!("not an option: {option}"),
        _ => format!("wrong use of {option}"),
    })
}
