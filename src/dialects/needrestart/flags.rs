//! The command line: words → options.

use std::ffi::OsString;

use clap::builder::Styles;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser};

use super::names::Version;

/// Options. Those of one letter are needrestart's, and so are their letters; words end at the first that is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Parser)]
#[command(
    name = "needrestart",
    bin_name = "needrestart",
    about = "Says which services, containers and sessions run old code, and restarts them; speaks as needrestart does",
    no_binary_name = true,
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true,
    styles = Styles::plain()
)]
pub(super) struct Flags {
    /// Say more
    #[arg(short = 'v')]
    pub(super) verbose: bool,
    /// Say nothing but what is to be done
    #[arg(short = 'q')]
    pub(super) quiet: bool,
    /// How much is told: a (all), e (that something is due), u (all, and restart without asking if nothing else is said)
    #[arg(short = 'm', value_name = "MODE", allow_hyphen_values = true)]
    pub(super) ui_mode: Option<OsString>,
    /// Restart nothing unless a rule of the configuration wants it
    #[arg(short = 'n')]
    pub(super) defer: bool,
    /// Another configuration than /etc/needrestart/needrestart.conf; it is read, and never run
    #[arg(short = 'c', value_name = "FILE", allow_hyphen_values = true)]
    pub(super) config: Option<OsString>,
    /// What to do: l (list), i (ask), a (restart)
    #[arg(short = 'r', value_name = "MODE", allow_hyphen_values = true)]
    pub(super) restart: Option<OsString>,
    /// Print lines for programs, and do nothing
    #[arg(short = 'b')]
    pub(super) batch: bool,
    /// Print what a monitor of Nagios' kind reads, and do nothing
    #[arg(short = 'p')]
    pub(super) nagios: bool,
    /// Print OpenMetrics, and do nothing
    #[arg(short = 'o')]
    pub(super) metrics: bool,
    /// Stands in for the variable DEBIAN_FRONTEND
    #[arg(short = 'f', value_name = "FRONTEND", allow_hyphen_values = true)]
    pub(super) frontend: Option<OsString>,
    /// Accepted: how much younger than its process a script may be is not chosen here
    #[arg(short = 't', value_name = "SECONDS", allow_hyphen_values = true)]
    pub(super) tolerance: Option<OsString>,
    /// Accepted: there is one way of asking; ? lists it
    #[arg(short = 'u', value_name = "UI", allow_hyphen_values = true)]
    pub(super) ui: Option<OsString>,
    /// Do not ask if nothing would be restarted anyway
    #[arg(short = 'x')]
    pub(super) skip_empty_dialog: bool,
    /// Look at the kernel only; -k, -l and -w add up
    #[arg(short = 'k')]
    pub(super) kernel: bool,
    /// Look at processes only
    #[arg(short = 'l')]
    pub(super) libraries: bool,
    /// Look at the processor's microcode only
    #[arg(short = 'w')]
    pub(super) microcode: bool,
    /// Do as needrestart does also where that is a defect
    #[arg(long, overrides_with = "no_compat_bugs")]
    pub(super) compat_bugs: bool,
    /// Mend also what version 3.6 leaves out: containers
    #[arg(long, overrides_with = "compat_bugs")]
    pub(super) no_compat_bugs: bool,
    /// Restart also where lines of needrestart's configuration are not understood
    #[arg(long)]
    pub(super) lenient: bool,
    /// End with 1 if a restart failed, and with 3 if not everything could be looked at
    #[arg(long)]
    pub(super) exit_code: bool,
    /// How the program calls itself to do what had to wait: nothing before package managers are done
    #[arg(long, hide = true)]
    pub(super) when_quiet: bool,
    /// Print this
    #[arg(long)]
    pub(super) help: bool,
    /// Print the version
    #[arg(long)]
    pub(super) version: bool,
    /// What comes after options is passed over.
    #[arg(hide = true, trailing_var_arg = true, value_name = "WORD")]
    ignored: Vec<OsString>,
}

/// What is wrong with the words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) String);

impl Flags {
    /// Parses them. Where a letter came with a later version, an earlier one does not know it.
    ///
    /// # Errors
    /// The first word that is not understood.
    pub(super) fn parse(args: &[OsString], version: Version) -> Result<Self, Wrong> {
        let flags = Self::try_parse_from(args).map_err(|error| wrong(&error))?;
        let newer = [(flags.metrics, 'o'), (flags.skip_empty_dialog, 'x')];
        match newer.iter().find(|(given, _)| *given) {
            Some((_, letter)) if version == Version::V3_6 => {
                Err(Wrong(format!("Unknown option: {letter}")))
            }
            _ => Ok(flags),
        }
    }

    /// All options, for people.
    pub(super) fn usage() -> String {
        Self::command().render_help().to_string()
    }

    /// Options for the same work later, with nobody to ask and by these settings; `config` is an absolute path.
    pub(super) fn later(&self, config: Option<OsString>) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["-ra".into(), "-ma".into()];
        let switches = [
            (self.defer, "-n"),
            (self.kernel, "-k"),
            (self.libraries, "-l"),
            (self.microcode, "-w"),
            (self.verbose, "-v"),
            (self.quiet, "-q"),
            (self.compat_bugs, "--compat-bugs"),
            (self.no_compat_bugs, "--no-compat-bugs"),
            (self.lenient, "--lenient"),
        ];
        let given = switches.into_iter().filter(|(given, _)| *given);
        words.extend(given.map(|(_, word)| OsString::from(word)));
        words.extend(config.into_iter().flat_map(|file| ["-c".into(), file]));
        words
    }

    /// Whether programs read the output, and nothing is done.
    pub(super) fn is_batch(&self) -> bool {
        self.batch || self.nagios || self.metrics
    }
}

fn wrong(error: &clap::Error) -> Wrong {
    let word = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) => word.as_str(),
        _ => "",
    };
    let word = word.split(' ').next().unwrap_or_default();
    let name = word.trim_start_matches('-');
    Wrong(match error.kind() {
        ErrorKind::UnknownArgument => format!("Unknown option: {name}"),
        ErrorKind::InvalidValue | ErrorKind::TooFewValues => {
            format!("Option -{name} takes a value")
        }
        _ => format!("Option -{name} is not understood"),
    })
}
