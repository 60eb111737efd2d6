//! Its options.

use std::ffi::OsString;

use clap::{ArgMatches, CommandFactory as _};

use crate::dialects::checkrestart::options;

/// Its options. What is read in the order of the command line has only its place here: see [`super::rules`].
#[derive(Debug, clap::Parser)]
#[command(
    name = "checkrestart",
    no_binary_name = true,
    infer_long_args = true,
    args_override_self = true,
    disable_help_flag = true,
    disable_version_flag = true,
    term_width = 100,
    about = "Lists units and packages whose processes use files that were removed or replaced"
)]
pub(super) struct Flags {
    /// Print this
    #[arg(short = 'h', long)]
    pub(super) help: bool,
    /// Say why processes are left out, and whose the others are; implies -f
    #[arg(short = 'v', long)]
    pub(super) verbose: bool,
    /// Say on standard error what was read; implies -v
    #[arg(short = 'd', long)]
    pub(super) debug: bool,
    /// List the files of each process
    #[arg(short = 'f', long)]
    pub(super) show_files: bool,
    /// Leave out files and programs that no package owns
    #[arg(short = 'p', long)]
    pub(super) packages: bool,
    /// Forget the exclusions of configuration files and of the options before this one
    #[arg(short = 'a', long)]
    all: bool,
    /// Print lines for programs, with tabs
    #[arg(short = 'm', long)]
    pub(super) machine: bool,
    /// Print one line
    #[arg(short = 't', long)]
    pub(super) terse: bool,
    /// Taken, without effect: files are found in one way here
    #[arg(short = 'n', long = "no-lsof", visible_alias = "nolsof")]
    no_lsof: bool,
    /// Read exclusions from a file, a line each
    #[arg(
        short = 'b',
        long = "blocklistfile",
        visible_alias = "blacklist",
        value_name = "FILE",
        allow_hyphen_values = true
    )]
    blocklist: Vec<OsString>,
    /// Leave out packages that fit
    #[arg(
        short = 'i',
        long = "exclude-package",
        visible_alias = "ignore",
        value_name = "RE",
        allow_hyphen_values = true
    )]
    exclude_package: Vec<OsString>,
    /// Leave out processes whose number fits
    #[arg(
        short = 'e',
        long = "exclude-pid",
        visible_alias = "excludepid",
        value_name = "RE",
        allow_hyphen_values = true
    )]
    exclude_pid: Vec<OsString>,
    /// Leave out what fits: TYPE is package, program, pid, file, unit; or say how to restart:
    /// dangerous-unit, suggested-unit, dangerous-initscript, suggested-initscript
    #[arg(
        short = 'x',
        long = "exclude",
        value_name = "TYPE:RE",
        allow_hyphen_values = true
    )]
    exclude: Vec<OsString>,
    /// Leave out programs that fit
    #[arg(long, value_name = "RE", allow_hyphen_values = true)]
    exclude_program: Vec<OsString>,
    /// Leave out files that fit
    #[arg(long, value_name = "RE", allow_hyphen_values = true)]
    exclude_file: Vec<OsString>,
    /// Leave out units that fit
    #[arg(long, value_name = "RE", allow_hyphen_values = true)]
    exclude_unit: Vec<OsString>,
    /// Warn of restarting units that fit
    #[arg(long, value_name = "RE", allow_hyphen_values = true)]
    dangerous_unit: Vec<OsString>,
    /// Suggest no units of packages that fit
    #[arg(long, value_name = "RE", allow_hyphen_values = true)]
    dont_suggest_unit: Vec<OsString>,
    /// Warn of restarting init scripts that fit
    #[arg(long, value_name = "RE", allow_hyphen_values = true)]
    dangerous_initscript: Vec<OsString>,
    /// Suggest no init scripts of packages that fit
    #[arg(long, value_name = "RE", allow_hyphen_values = true)]
    dont_suggest_initscript: Vec<OsString>,
    /// Do as if systemd did not run
    #[arg(long)]
    pub(super) no_systemd: bool,
    /// Do as if units could not be told by control groups
    #[arg(long)]
    pub(super) no_cgroups2: bool,
    /// Behave as the original also where it is mistaken
    #[arg(long)]
    pub(super) compat_bugs: bool,
    #[arg(hide = true, trailing_var_arg = true)]
    rest: Vec<OsString>,
}

impl Flags {
    /// Whether it is said why.
    pub(super) fn is_verbose(&self) -> bool {
        self.verbose || self.debug
    }

    /// Whether files are listed.
    pub(super) fn shows_files(&self) -> bool {
        self.show_files || self.is_verbose()
    }
}

/// Parses options.
///
/// # Errors
/// What is wrong with one.
pub(super) fn parse(args: &[OsString]) -> Result<(Flags, ArgMatches), String> {
    options::parse(args)
}

/// What `--help` prints.
pub(super) fn help() -> String {
    Flags::command().render_help().to_string()
}
