//! The command line: typed text, nothing else. Touches no file.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Finds running programs that still use code from before an upgrade, says why, and what to restart.
#[derive(Debug, Parser)]
#[command(
    name = "unstale",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
#[command(
    after_help = "As the first argument, --as NAME[=GENERATION] lets it speak as another program does, with that one's options, output and exit \
status: needrestart, checkrestart, needs-restarting, zypper-ps, zypper-needs-rebooting, tracer, katello, salt. So does a link called needrestart, checkrestart, needs-restarting or tracer.

Exit status: 0 the check is complete; 1 it failed; 2 wrong usage; 3 it is incomplete (something could not be \
judged). With --exit-code, a complete check that found something stale says 10 restart needed, 11 a session or a person has to act or 12 a reboot is needed."
)]
pub struct Flags {
    /// What to do; without a command, check.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of a check.
    #[command(flatten)]
    pub check: CheckFlags,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what is stale, whose it is and what it takes (the default)
    Check(CheckFlags),
    /// Say whether a reboot is needed, why and since when
    RebootHint(RebootHintFlags),
    /// Show every step that leads to the verdict on a process, unit, package or file
    Explain(ExplainFlags),
    /// Write what a check sees to a file, to be judged elsewhere with --bundle
    Record(RecordFlags),
    /// Restart what is stale, as far as policy lets it, and look again whether that helped
    Restart(RestartFlags),
    /// Say at once what the last look of a hook or a restart found
    Status(StatusFlags),
    /// Show detector plugins, or try one
    Plugins(PluginsFlags),
    /// Show the settings, check files of them, or translate those of other programs
    Config(ConfigFlags),
    /// What package managers call
    Hook(HookFlags),
    /// Carry out a restart that was planned; `restart` starts this one where it outlives its terminal
    #[command(hide = true)]
    RestartWorker(RestartWorkerFlags),
    /// Run one plugin behind its wall; other commands start this one
    #[command(hide = true)]
    PluginWorker(PluginWorkerFlags),
}

/// Options of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckFlags {
    /// Where to look
    #[command(flatten)]
    pub source: SourceFlags,
    /// Print JSON (schema 1) instead of text
    #[arg(long, conflicts_with = "by")]
    pub json: bool,
    /// Show all evidence: every process and file, and what turned out to be the same code
    #[arg(short, long)]
    pub verbose: bool,
    /// How to group the text
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = By::Owner)]
    pub by: By,
    /// Say by the exit status whether something is stale
    #[arg(long)]
    pub exit_code: bool,
    /// Only processes of the user who asks; others' do not make the result incomplete
    #[arg(long)]
    pub user: bool,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
}

/// Options of `reboot-hint`.
#[derive(Debug, Clone, Args)]
pub struct RebootHintFlags {
    /// Where to look
    #[command(flatten)]
    pub source: SourceFlags,
    /// Print the level alone: none, service, session, soft-reboot, kexec, reboot or unknown
    #[arg(long, conflicts_with_all = ["json", "verbose"])]
    pub level: bool,
    /// Print JSON (schema 1) instead of text
    #[arg(long)]
    pub json: bool,
    /// Show what was seen of kernels, boot loader and microcode
    #[arg(short, long)]
    pub verbose: bool,
    /// Say by the exit status what is needed, in the native style
    #[arg(long)]
    pub exit_code: bool,
    /// Whose numbers the exit status has
    #[arg(long, value_enum, value_name = "STYLE", default_value_t = ExitStyle::Native)]
    pub exit_style: ExitStyle,
    /// The same as --exit-style kured
    #[arg(long, conflicts_with_all = ["exit_style", "exit_code"])]
    pub kured: bool,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
}

/// Numbers that other programs expect. In each, *could not tell* has a number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExitStyle {
    /// 0 told, 1 failed, 3 could not tell all; with --exit-code 10, 11, 12 for what is needed
    Native,
    /// 0 reboot (level reboot alone), 1 not, 2 could not tell
    Kured,
    /// 0 none, 1 reboot, 3 could not tell
    Rpm,
    /// 0 none, 102 reboot, 4 could not tell
    Zypper,
    /// 0 none, 104 reboot, 103 session, 102 services, 1 could not tell
    Tracer,
}

/// Options of `explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainFlags {
    /// A pid, the path of a file, or the name of a unit, session, container, package or program
    pub target: String,
    /// Where to look
    #[command(flatten)]
    pub source: SourceFlags,
    /// Show all processes and current files too, however many
    #[arg(short, long)]
    pub verbose: bool,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
}

/// Options of `record`.
#[derive(Debug, Clone, Args)]
pub struct RecordFlags {
    /// The file to create
    pub file: PathBuf,
    /// Where to look
    #[command(flatten)]
    pub source: SourceFlags,
}

/// Options of `restart`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "A NAME that is given lifts what a rule of the policy defers, and nothing else: what a rule leaves alone, what refuses \
to be restarted and what runs this command stay as they are. That of a package lifts nothing.\n\nExit status: 0 all that was to be done is done, and a look afterwards \
proves it (what is deferred does not count); 1 something failed, or is still stale after its restart; 2 wrong usage; 3 not everything \
could be looked at or proven, or nothing may be restarted here; 4 another restart goes on. With --mode list and --dry-run as of check: 0 or 3."
)]
pub struct RestartFlags {
    /// Only these: names of units, containers, machines or packages
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// How much to do without asking: list, ask or auto. By default as settings say; else ask on a terminal, and list elsewhere
    #[arg(long, value_enum, value_name = "MODE")]
    pub mode: Option<RestartMode>,
    /// Say exactly what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print records of JSON (schema 1), one a line, as it goes on
    #[arg(long)]
    pub json: bool,
    /// Show all evidence
    #[arg(short, long)]
    pub verbose: bool,
    /// Stay in this session: do not hand the work over to the service manager
    #[arg(long)]
    pub foreground: bool,
    /// A directory of detector plugins that counts before the others; may be given several times
    #[arg(long, value_name = "DIR")]
    pub plugin_dir: Vec<PathBuf>,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
}

/// How much is done without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RestartMode {
    /// Say what would be done
    List,
    /// Let a person choose
    Ask,
    /// Do it
    Auto,
}

/// Options of `restart-worker`.
#[derive(Debug, Clone, Args)]
pub struct RestartWorkerFlags {
    /// The name of the run, whose journal says what to do
    pub id: String,
    /// Directories of detector plugins
    #[arg(long, value_name = "DIR")]
    pub plugin_dir: Vec<PathBuf>,
    /// Another directory of programs that restart units in their own way
    #[arg(long, value_name = "DIR")]
    pub programs: Option<PathBuf>,
    /// Settings that were translated from another program's, and count here; the file is read once
    #[arg(long, value_name = "FILE")]
    pub translated: Option<PathBuf>,
    /// Leave it to whoever asked to tell users
    #[arg(long)]
    pub tell_nobody: bool,
}

/// Options of `status`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit status: 0 the last look is known and was complete; 1 it failed; 2 wrong usage; 3 it is not known, or was incomplete, or \
packages changed since. With --exit-code 10, 11 or 12 as of check."
)]
pub struct StatusFlags {
    /// Print JSON (schema 1) instead of text
    #[arg(long)]
    pub json: bool,
    /// Say by the exit status what is needed
    #[arg(long)]
    pub exit_code: bool,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
}

/// Options of `config`.
#[derive(Debug, Clone, Args)]
pub struct ConfigFlags {
    /// What to do
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// The commands of `config`.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Print the settings in force, as TOML
    Show(ConfigShowFlags),
    /// Say whether files of settings can be used
    Check(ConfigCheckFlags),
    /// Translate the settings of another program into TOML; what cannot be translated is named on standard error
    Import(ConfigImportFlags),
}

/// Options of `config show`.
#[derive(Debug, Clone, Args)]
pub struct ConfigShowFlags {
    /// Say which file and line each value comes from
    #[arg(long)]
    pub origin: bool,
}

/// Options of `config check`.
#[derive(Debug, Clone, Args)]
pub struct ConfigCheckFlags {
    /// The files; without any, those of this machine
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Options of `config import`.
#[derive(Debug, Clone, Args)]
pub struct ConfigImportFlags {
    /// Whose settings
    pub program: ImportFrom,
    /// The file or directory; by default where that program has it
    pub path: Option<PathBuf>,
    /// Leave out what cannot be translated, instead of printing nothing
    #[arg(long)]
    pub lenient: bool,
}

/// Programs whose settings can be translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportFrom {
    /// needrestart.conf and its conf.d
    Needrestart,
    /// /etc/checkrestart
    Checkrestart,
    /// applications.xml and rules.xml
    Tracer,
}

/// Options of `hook`.
#[derive(Debug, Clone, Args)]
pub struct HookFlags {
    /// Who calls
    #[command(subcommand)]
    pub command: HookCommand,
}

/// What package managers call.
#[derive(Debug, Clone, Subcommand)]
pub enum HookCommand {
    /// After dpkg was run (DPkg::Post-Invoke of apt)
    Apt,
    /// Reads what dpkg says of its steps from standard input (status-logger of dpkg)
    Dpkg,
    /// After a kernel was installed or removed (/etc/kernel/postinst.d)
    Kernel {
        /// The kernel's release, and its image
        arguments: Vec<OsString>,
    },
    /// After a transaction of another package manager
    Transaction,
    /// Waits for the end of all transactions, then looks and acts once
    After,
}

/// Options of `plugin-worker`.
#[derive(Debug, Clone, Args)]
pub struct PluginWorkerFlags {
    /// What the plugin is
    pub form: PluginForm,
    /// The name in its manifest
    pub name: String,
    /// The pid of the process that starts the worker, which is not to outlive it
    #[arg(long)]
    pub parent: i32,
}

/// Options of `plugins`.
#[derive(Debug, Clone, Args)]
pub struct PluginsFlags {
    /// What to do
    #[command(subcommand)]
    pub command: PluginsCommand,
}

/// The commands of `plugins`.
#[derive(Debug, Clone, Subcommand)]
pub enum PluginsCommand {
    /// List detector plugins, and say why some are not used; runs none of them
    List(PluginsListFlags),
    /// Say whether a plugin can be used, and let it look at the processes that it is for
    Check(PluginsCheckFlags),
}

/// Options of `plugins list`.
#[derive(Debug, Clone, Args)]
pub struct PluginsListFlags {
    /// A directory of detector plugins that counts before the others; may be given several times
    #[arg(long, value_name = "DIR")]
    pub plugin_dir: Vec<PathBuf>,
    /// Print JSON (schema 1) instead of text
    #[arg(long)]
    pub json: bool,
}

/// Options of `plugins check`.
#[derive(Debug, Clone, Args)]
pub struct PluginsCheckFlags {
    /// The plugin: a shared object, or an executable file with its manifest beside it
    pub file: PathBuf,
    /// Say which processes of a bundle it is for, instead of looking at those of this machine
    #[arg(long, value_name = "FILE", conflicts_with = "process")]
    pub bundle: Option<PathBuf>,
    /// Let it look at a recorded process (the SDK says how to record one), instead of those of this machine
    #[arg(long, value_name = "DIR")]
    pub process: Option<PathBuf>,
}

/// What a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PluginForm {
    /// A shared object
    Library,
    /// A program or script
    Executable,
}

/// Where to look.
#[derive(Debug, Clone, Args)]
pub struct SourceFlags {
    /// The root directory of the system to look at: its package database, and only processes with that root
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Another /proc, or a recorded tree of one
    #[arg(long, value_name = "DIR")]
    pub proc: Option<PathBuf>,
    /// Judge what `unstale record` wrote, instead of this machine
    #[arg(long, value_name = "FILE", conflicts_with_all = ["root", "proc"])]
    pub bundle: Option<PathBuf>,
    /// A directory of detector plugins that counts before the others; may be given several times
    #[arg(long, value_name = "DIR", conflicts_with = "bundle")]
    pub plugin_dir: Vec<PathBuf>,
    /// How mappings are read
    #[arg(long, value_enum, value_name = "HOW", default_value_t = MappingSource::Best, hide = true)]
    pub mapping_source: MappingSource,
}

/// Grouping of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// By what has to be restarted
    #[value(alias = "unit")]
    Owner,
    /// By package: what runs its old version
    Package,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How mappings are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MappingSource {
    /// By ioctl where the kernel has it
    Best,
    /// By PROCMAP_QUERY alone
    Ioctl,
    /// From the text of maps
    Text,
}
