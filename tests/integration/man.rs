//! The manual page: options from the same definitions as `--help`, and what no definition tells.
//!
//! `make man` (`BLESS=1`) writes it anew.

use std::fs;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use unstale::cli::Flags;

use crate::support::of_repository;

const PAGE: &str = "dist/usr/share/man/man1/unstale.1";

#[test]
fn the_page_is_up_to_date() {
    let made = page();
    let path = of_repository(PAGE);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let differs = made.lines().zip(kept.lines()).find(|(new, old)| new != old);
    assert!(
        made == kept,
        "{PAGE} is out of date, `make man` writes it anew; first difference (new, old): {differs:?}"
    );
}

#[test]
fn every_option_and_command_is_in_it() {
    let page = page().replace("\\-", "-");
    let root = Flags::command();
    let shown = root
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    for command in shown.chain([&root]) {
        assert!(page.contains(command.get_name()), "{}", command.get_name());
        for option in command.get_arguments() {
            let Some(name) = option.get_long() else {
                continue;
            };
            assert_eq!(
                page.contains(&format!("--{name}")),
                !option.is_hide_set(),
                "--{name} of {}",
                command.get_name()
            );
        }
    }
}

#[test]
fn every_dialect_is_in_it_and_in_the_help_and_in_the_documentation() {
    let help = Flags::command().render_long_help().to_string();
    let texts = [
        ("help", help.replace('\n', " ")),
        ("page", page().replace("\\-", "-")),
        (
            "docs",
            fs::read_to_string(of_repository("docs/dialects.md")).unwrap(),
        ),
    ];
    for dialect in unstale::dialects::DIALECTS {
        for (name, text) in &texts {
            assert!(text.contains(dialect.name), "{} in {name}", dialect.name);
        }
        for variant in dialect.variants {
            let documented = format!("`{variant}`");
            assert!(texts[2].1.contains(&documented), "{variant}");
        }
    }
}

/// The page as it should be.
fn page() -> String {
    let root = Flags::command();
    let man = Man::new(root.clone())
        .title("UNSTALE")
        .manual("User Commands");
    let command = |name: &str| root.find_subcommand(name).unwrap().clone();
    let plain = |name: &str| command(name).disable_help_flag(true);
    let below = |above: &str, name: &str| {
        let above = command(above);
        let command = above.find_subcommand(name).unwrap().clone();
        command.disable_help_flag(true)
    };
    [
        // A page of no date: it changes with the program, not with the calendar. An empty word has to be quoted.
        rendered(|out| man.render_title(out)).replace("UNSTALE 1  ", "UNSTALE 1 \"\" "),
        rendered(|out| man.render_name_section(out)),
        SYNOPSIS.to_owned(),
        DESCRIPTION.to_owned(),
        options(command("check"), "CHECK"),
        CHECK.to_owned(),
        options(
            command("reboot-hint").disable_help_flag(true),
            "REBOOT\\-HINT",
        ),
        REBOOT_HINT.to_owned(),
        options(command("explain").disable_help_flag(true), "EXPLAIN"),
        EXPLAIN.to_owned(),
        options(command("record").disable_help_flag(true), "RECORD"),
        RECORD.to_owned(),
        options(plain("restart"), "RESTART"),
        RESTART.to_owned(),
        options(plain("status"), "STATUS"),
        STATUS.to_owned(),
        PLUGINS.to_owned(),
        options(below("plugins", "list"), "PLUGINS LIST"),
        PLUGINS_LIST.to_owned(),
        options(below("plugins", "check"), "PLUGINS CHECK"),
        PLUGINS_CHECK.to_owned(),
        options(below("config", "show"), "CONFIG SHOW"),
        options(below("config", "check"), "CONFIG CHECK"),
        CONFIG_CHECK.to_owned(),
        options(below("config", "import"), "CONFIG IMPORT"),
        CONFIG_IMPORT.to_owned(),
        HOOK.to_owned(),
        DIALECTS.to_owned(),
        CONFIGURATION.to_owned(),
        REST.to_owned(),
    ]
    .concat()
}

/// What a command is for and its options, under a heading of their own.
fn options(command: Command, heading: &str) -> String {
    let about = command.get_about().unwrap().to_string();
    let options = rendered(|out| Man::new(command).render_options_section(out));
    let (_, list) = options.split_once(".SH OPTIONS\n").unwrap();
    format!(".SH {heading}\n{about}.\n{list}")
}

/// What clap_mangen writes, without the preamble that it puts before each part; the title brings it once.
fn rendered(render: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    render(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    match text.find(".SH ") {
        Some(at) => text[at..].to_owned(),
        None => text,
    }
}

const SYNOPSIS: &str = r".SH SYNOPSIS
.nf
\fBunstale\fR [\fBcheck\fR] [\fIOPTIONS\fR]
\fBunstale reboot\-hint\fR [\fIOPTIONS\fR]
\fBunstale explain\fR [\fIOPTIONS\fR] \fITARGET\fR
\fBunstale record\fR [\fIOPTIONS\fR] \fIFILE\fR
\fBunstale restart\fR [\fIOPTIONS\fR] [\fINAME\fR]...
\fBunstale status\fR [\fIOPTIONS\fR]
\fBunstale plugins list\fR [\fIOPTIONS\fR]
\fBunstale plugins check\fR [\fIOPTIONS\fR] \fIFILE\fR
\fBunstale config show\fR [\fB\-\-origin\fR]
\fBunstale config check\fR [\fIFILE\fR]...
\fBunstale config import\fR [\fB\-\-lenient\fR] \fIPROGRAM\fR [\fIPATH\fR]
\fBunstale hook\fR \fIWHO\fR
\fBunstale \-\-as\fR \fINAME\fR[\fB=\fR\fIGENERATION\fR] [\fIOPTIONS\fR]
.fi
";

const DESCRIPTION: &str = r".SH DESCRIPTION
After an upgrade, running programs keep the old code: the files were replaced, what is in memory was not.
\fBunstale\fR finds them.
It tells which files a program still uses in their old form, which package they came from, in which version it runs and
in which it is installed, whose the program is (a service, a session, a container), and what it takes to be rid of the
old code.
.PP
A file is judged by the object that is mapped, against the object that a fresh open of its path would give now, as the
process sees it.
A new file with the same code (a package installed again, a rebuild) is not stale.
.PP
It tells too whether the machine has to be rebooted, for its kernel, its microcode or what no restart renews, and since when.
.PP
It reads, and changes nothing, but for \fBrestart\fR, hooks if the configuration says so, and files in \fI/run\fR (see \fBFILES\fR).
Service managers are asked about the units that run old code.
Scripts and modules that interpreters have loaded, and the names of containers and virtual machines, are told by detector
plugins (see \fBPLUGINS\fR).
";

const CHECK: &str = r".PP
\fB\-\-json\fR prints one document, described by the schema (see \fBFILES\fR); \fB\-\-by\fR has no effect on it.
With \fB\-\-verbose\fR it has also the new files that turned out to be the same code.
.PP
What was found is written to standard output, and what could not be judged to standard error (with \fB\-\-json\fR: as
\fIproblems\fR in the document).
.PP
If more than restarts and new logins is needed, that is said with the list, as by \fBreboot\-hint\fR; with \fB\-\-user\fR it is
not looked at.
";

const REBOOT_HINT: &str = r".PP
What asks for a reboot:
.TP
.B kernel
The image that would boot is newer than what runs (\fIkernel.newer\fR), or is the same release built again
(\fIkernel.rebuilt\fR); what runs is no longer installed (\fIkernel.removed\fR); its modules are gone (\fIkernel.modules\fR).
What would boot is what the files of the boot loader say, otherwise the newest image of the running flavour.
An image that was there when the machine was booted, and was passed over, asks for nothing, unless it is the boot loader's
default and of the running flavour.
.TP
.B microcode
An initrd of the next kernel carries newer microcode than runs in the processor.
.TP
.B package
A package that somebody lists was installed or upgraded since the boot.
That it has its old version, was never there before, or that nothing runs its old code any more, refutes the list; the last
two not what the configuration or \fIneeds\-restarting.d\fR list.
.TP
.B flag
Somebody else asks for it, by a file in \fI/run\fR.
.TP
.B deployment
OSTree, bootc or NixOS would boot another system than the one that runs.
.TP
.B process
Something stale is renewed by no restart.
.PP
Each asks for a level: \fBservice\fR (restarts), \fBsession\fR (somebody has to log out and in), \fBsoft\-reboot\fR (all programs;
see \fBsystemd\-soft\-reboot.service\fR(8)), \fBkexec\fR (the kernel too) or \fBreboot\fR.
The highest of them is the answer; \fBnone\fR if nothing asks, \fBunknown\fR if nothing asks and not everything could be
looked at.
What was seen and asks for nothing is told below \(lqNoted\(rq, with the reason why not.
.PP
In a container, and below a \fB\-\-root\fR that is not the root of PID 1, kernel, microcode and deployments are not looked at.
.PP
\fB\-\-json\fR prints the part \fIreboot\fR of the document that a check prints (see \fBFILES\fR).
.PP
Run by root on its own machine, without \fB\-\-root\fR, \fB\-\-proc\fR and \fB\-\-bundle\fR, it also writes or takes back the
files by which others are told, if the configuration says so (see \fBCONFIGURATION\fR).
If that fails, it ends with 1 (in other styles: as if it had not been tried).
A \fBrestart\fR by root writes them as well.
";

const EXPLAIN: &str = r".PP
A name is a unit's, a container's or a session's if any has it (\fB.service\fR may be left out), otherwise a package's,
otherwise that of a program as \fBps\fR(1) shows it.
What is not stale is explained too.
With \fB\-\-bundle\fR, names of packages are not known.
";

const RECORD: &str = r".PP
The file must not exist; it is made readable for its owner alone, and removed if the scan fails.
It holds the names, arguments and control groups of all processes, and the paths of the code that they have mapped: look
at it before you give it away.
";

const RESTART: &str = r".PP
It looks as \fBcheck\fR does, asks the service managers for the state of all units, and plans: unit files are read again first
where they changed, then service managers start themselves anew, then services are restarted, those first on which others
depend, and last those through which the machine is reached; containers and virtual machines only if the policy says so.
Nothing is restarted that is not active, is masked, is a job that ends by itself, refuses it, would not come back, would meet
its start limit for more than a minute, or runs this command; what would go down with a unit is shown, and if any of that is not to be
restarted, the unit is held back too.
What outlived the service that it belonged to is told, and never a reason for a restart.
.PP
\fB\-\-mode list\fR and \fB\-\-dry\-run\fR show the exact actions in their order, and do nothing.
With \fB\-\-mode ask\fR a check list is shown on a terminal: what policy defers is in it, not marked, and may be chosen.
With NO_COLOR, \fB\-\-color never\fR or TERM=dumb there are numbers instead of a list.
Nobody is asked with \fB\-\-json\fR, where standard input or standard output is no terminal, or the program runs in the background.
.PP
A \fINAME\fR of a unit, a container or a machine lifts what a rule of the policy defers, and nothing else: what a rule leaves alone, what
refuses to be restarted and what runs this command stay as they are.
That of a package only restricts the run to what runs its old code.
.PP
Nothing is done while a package manager is at work or the system shuts down, or below another root directory than that of the first
process.
Services that \fIpolicy\-rc.d\fR forbids to restart are held back.
.PP
As root, the work is handed over to a transient unit, or where systemd does not run, to a session of its own: it goes on if the
terminal, the connection or whoever asked goes away.
Told to end (SIGTERM), it ends the step under way, leaves the others, and looks at the machine.
A run that was broken off is told of by the next one, which plans anew.
An ordinary user can restart the own units alone, in place.
.PP
After acting the machine is looked at again.
Each owner ends \fIclean\fR, \fIstill stale\fR, \fIfailed\fR (with the last lines of its log, and the command to look
further), \fIdeferred\fR, or \fIunproven\fR if the look could not tell.
Users of sessions that run old code are told to log in again, once about the same processes; nothing of theirs is ended.
.PP
An executable file \fI/etc/unstale/restart.d/UNIT\fR restarts that unit of the system in place of the service manager.
It runs as root without arguments, with UNSTALE_UNIT in its environment, and ends with 0 if that went well.
Executable files in \fI/etc/unstale/notify.d\fR, with names as for \fBrun\-parts\fR(8), tell users in other ways: with UNSTALE_UID,
UNSTALE_USER and UNSTALE_SESSION in their environment, and the text on standard input; each has 5 seconds.
Both have to be as trusted as the configuration.
.PP
\fB\-\-json\fR prints records, one a line, as the run goes on (see \fBFILES\fR).
";

const STATUS: &str = r".PP
It reads what a hook or a restart kept of its last look, and looks at nothing itself: it answers at once, and everybody.
What it says holds for this boot, and until packages change; otherwise it says that it is not known.
Names, packages and reasons of what users run for themselves are left out.
";

const PLUGINS: &str = r".SH PLUGINS
A detector plugin looks at one process at a time and says which files it runs beyond the code that is mapped, or which
container or virtual machine it belongs to.
What is stale is not its business: each file that it names is judged like any other.
.PP
A plugin is a shared object \fINAME\fB.so\fR with a manifest in an ELF note, or an executable file \fINAME\fR with
\fINAME\fB.toml\fR beside it.
The manifest says which processes it is for and what it asks to see of them; it is read without running the plugin.
A plugin that no process interests is not started.
.PP
Plugins are looked for in the directories of \fB\-\-plugin\-dir\fR, those of the configuration, \fI/etc/unstale/plugins.d\fR
where the configuration says so, and \fI/usr/lib/unstale/plugins\fR, in this order.
Of files with the same name, and of plugins with the same name in their manifests, the first counts.
A link of that name to \fI/dev/null\fR masks all that come after it.
In \fI/etc/unstale/plugins.d\fR such links always count.
.PP
A plugin is used only if nobody but root (or, run by an ordinary user, that user) could have written it or put it there:
the file, the manifest beside it, all directories above and all links on the way belong to root and are not writable by
group or others.
A sticky directory, such as \fI/tmp\fR, is accepted above a directory of root's own.
The plugin itself may be no link.
";

const PLUGINS_LIST: &str = r".PP
Each is \fBready\fR; or set aside: \fBdisabled\fR by the configuration, \fBmasked\fR by a link, \fBreplaced\fR by a file or
\fBoutranked\fR by a plugin of the same name; or it cannot be used: \fBuntrusted\fR, or \fBrejected\fR for another reason.
What cannot be used makes a check incomplete, and the exit status 3 here as well.
";

const PLUGINS_CHECK: &str = r".PP
It is told what is wrong with the file, if anything is.
Then the plugin looks at processes, behind the same wall as in a check, and what it says of each is shown, with what it
prints on standard error.
Recorded processes are of the form that the guide for authors describes.
With \fB\-\-bundle\fR nothing is run: a bundle holds no files to look at.
.PP
It ends with 3 if the plugin cannot be used, fails, or could not look at something.
";

const CONFIG_CHECK: &str = r".PP
Mistakes are told with file, line and a mark below the place; it ends with 1 then.
Each file that is given is looked at as the last of this machine's, whoever wrote it; that it would not be trusted is told.
What does nothing (a rule whose time is over, a name that is taken away and not there) is told, and no mistake.
";

const CONFIG_IMPORT: &str = r".PP
It prints TOML on standard output, to be read before it is put into \fI/etc/unstale/conf.d\fR.
Nothing in the files is run.
If something cannot be translated, it is named with its file and line, nothing is printed, and it ends with 1, unless
\fB\-\-lenient\fR is given.
What is left out because it is covered otherwise is noted on standard error.
";

const HOOK: &str = r".SH HOOK
What package managers call, by files that are installed with the program.
All of it ends with 0, whatever happens.
.TP
\fBhook dpkg\fR
Reads from standard input what \fBdpkg\fR(1) says of its steps, and notes that files changed, or that a step failed.
After a run that no front end began, it does what \fBhook apt\fR does.
.TP
\fBhook kernel\fR
Notes that a kernel was installed or removed.
.TP
\fBhook apt\fR, \fBhook transaction\fR
After a run of \fBdpkg\fR(1) that changed files, after a transaction of another package manager: starts \fIunstale\-after.service\fR.
.TP
\fBhook after\fR
Waits until no package manager is at work and nothing changed for a while; then it looks once, and keeps what it found for
\fBstatus\fR.
With \fBmode = \(dqauto\(dq\fR in \fB[hook]\fR of the configuration it restarts what policy lets it, unless a package manager has failed.
.PP
Hooks ask nothing, and but for \fBhook dpkg\fR and \fBhook after\fR end within 15 seconds.
They start nothing while the system shuts down, and do nothing below another root directory than that of the first process.
They are held back by UNSTALE_SUSPEND or NEEDRESTART_SUSPEND in the environment of the package manager, or by a file
\fI/etc/unstale/suspend\fR or \fI/run/unstale/suspend\fR.
";

const CONFIGURATION: &str = r#".SH CONFIGURATION
\fI/usr/lib/unstale/conf.d/*.toml\fR, then \fI/etc/unstale/unstale.toml\fR, then \fI/etc/unstale/conf.d/*.toml\fR in the order of
their names, then UNSTALE_MODE; later ones win.
A file in \fI/etc/unstale/conf.d\fR masks the one of that name in \fI/usr/lib\fR, also if it is empty or a link to \fI/dev/null\fR.
They are in TOML, and have to be as trusted as plugins are.
A key that is not known, or a file that others could have written, ends every command that looks at this machine, or judges a
bundle, with 1, before anything is done.
With \fB\-\-proc\fR it is not read.
.PP
.nf
[restart]
mode = "ask"                 # "list", "ask" or "auto"; if not given: ask on a terminal, else list
only_listed = false          # true: only what a rule wants to be restarted is

[restart.modes]              # the most that is done for a class of things, with the defaults:
service = "auto"             # also user\-service, service\-manager, user\-manager
container = "list"           # also virtual\-machine

[[rule]]
name = "billing"
units = ["billing@*.service"]  # and users, cgroups, packages, paths, programs, containers, older_than, younger_than
action = "defer"             # or "restart", "leave", "hide"
reason = "a run takes two hours"
until = 2027\-01\-31           # the last day on which it holds

[notify]                     # how users are told to log in again
terminal = true
desktop = true
mail = false

[hook]                       # what hook after does
mode = "list"                # or "ask" (list, and a hint), "auto"
quiet_secs = 5
limit_secs = 7200

[plugins]
disable = ["java", "x\-*"]     # names; * stands for any characters
enable = ["x\-1"]             # exceptions from that, and from earlier files
etc = true                   # look into /etc/unstale/plugins.d
directories = ["/opt/x"]     # more directories
process_deadline_ms = 1000   # for one process
total_deadline_ms = 10000    # for all that one plugin looks at

[plugins.python]             # options of one plugin: strings, integers, true or false
site = "/srv/site"

[reboot]
packages = ["zfs\-dkms"]      # want a reboot whenever they were installed or upgraded
ignore_packages = ["linux\-firmware"]  # want none, whoever lists them
flag = "native"              # "off" (the default), "native" or "both"
live_patches_suffice = true  # a vendor's word on live patches puts a reboot off
.fi
.PP
The first rule that fits decides, and those of files that count more are asked first.
A rule fits if, of each kind of selector that it has, one value fits; * stands for any characters, ? for one, and what follows
\fBre:\fR is a regular expression.
A rule with the name of one in an earlier file changes that one: values replace, lists add up, \fBremove_units\fR and the like take away,
\fBenabled = false\fR takes it out.
No rule makes anything restart that its service manager refuses to restart.
.PP
Lists add up over files; names of packages may hold * for any characters.
A package in \fBignore_packages\fR is taken off all lists; what is known of the kernel by itself, and flags of others, remain.
.PP
\fBflag\fR says which files \fBreboot\-hint\fR and \fBrestart\fR write: with \fBnative\fR \fI/run/reboot\-required\fR and
\fI/run/reboot\-required.pkgs\fR on systems with dpkg, \fI/run/reboot\-needed\fR on systems with rpm; with \fBboth\fR all of them.
\fIreboot\-required\fR is written for the level \fBreboot\fR alone; \fIreboot\-needed\fR holds the word \fBsoft\-reboot\fR,
\fBkexec\fR or \fBreboot\fR.
What others wrote stays; what is its own is taken back when the cause has gone, also with \fBoff\fR.
.PP
\fBlive_patches_suffice\fR counts where a vendor's tool names the release that the patched kernel is as good as, and that is not
older than what would boot: KernelCare does.
"#;

const DIALECTS: &str = r#".SH DIALECTS
As the first argument, \fB\-\-as\fR \fINAME\fR (or \fB\-\-dialect\fR) lets it speak as another program does, with that one's options,
output, order and exit status, and its own verdicts: for scripts that read those.
A link with one of the names marked * does the same.
.TP
.BR needrestart *
Generations \fI3.6\fR and \fI3.11\fR (the default).
\fIneedrestart.conf\fR is read as \fBconfig import\fR does, and never run; directories of hooks are honoured.
.TP
.BR checkrestart *
Generations \fI0.88.1\fR and \fI0.88.2\fR, by the release of Debian.
.TP
.BR needs\-restarting *
Generations \fIyum\fR, \fIdnf4\fR, \fIdnf5\fR and \fIzypper\fR, by the package manager that is there.
.TP
.BR zypper\-ps ", " zypper\-needs\-rebooting
\fBzypper ps\fR and \fBzypper needs\-rebooting\fR, generations \fI1.14.42\fR and \fI1.14.89\fR (the default).
.TP
.BR tracer *
Its list and its exit status.
.TP
.B katello
Traces as JSON, as Katello's client sends them.
.TP
.B salt
The lines that Salt reads from checkrestart.
.PP
Defects of the originals are mended; \fB\-\-compat\-bugs\fR brings them back.
What the originals drop in silence is said on standard error.
\fIdialects.md\fR in the documentation has their exit statuses, how to put each in place of the original, and all that differs.
"#;

const REST: &str = r#".SH EXIT STATUS
.TP
.B 0
The check is complete (with \fB\-\-exit\-code\fR: and nothing is stale).
.TP
.B 1
It failed: there is no result; of \fBreboot\-hint\fR, flags could not be written; of \fBrestart\fR, something failed, or is still
stale after its restart, or the run broke off; of \fBconfig\fR, a file cannot be used or not wholly be translated.
.TP
.B 2
Wrong usage.
.TP
.B 3
The result is incomplete: something could not be judged, or the right to look is missing.
This comes before 10, 11 and 12: what was found is printed all the same.
Of \fBrestart\fR: it could not be proven that all is done, nothing may be restarted here now, the run was told to end, or whoever asked
stopped following it.
Of \fBstatus\fR: the last look is not known, or was not complete, or packages changed since.
.TP
.B 4
Of \fBrestart\fR: another one goes on.
.TP
.B 10
With \fB\-\-exit\-code\fR: something can be restarted or re\-executed.
.TP
.B 11
With \fB\-\-exit\-code\fR: nothing of that kind, but a session has to be renewed or a person has to choose the moment.
.TP
.B 12
With \fB\-\-exit\-code\fR: a reboot is needed, of whatever kind.
.PP
A check says 10 before 12, and 12 before 11.
\fBreboot\-hint\fR says 12, 11 (sessions) or 10 (services) by the level that is needed, \fBstatus\fR what the check said of which it tells.
What is left over of a service that has ended counts for 11; what the policy hides counts for nothing.
.PP
With \fB\-\-exit\-style\fR, \fBreboot\-hint\fR has the numbers of other programs:
.TP
.BR kured " (\fB\-\-kured\fR)"
0 for the level \fBreboot\fR, whatever else could not be looked at, unless it rests on a list that only a complete look at
processes could refute; 1 for less; 2 could not tell.
.TP
.BR rpm " (\fBneeds\-restarting \-r\fR)"
0 no reboot, 1 reboot, 3 could not tell.
.TP
.B zypper
0 no reboot, 102 reboot, 4 could not tell.
.TP
.B tracer
0 nothing, 102 services, 103 sessions, 104 reboot, 1 could not tell.
.PP
In these but \fBkured\fR, \fBsoft\-reboot\fR and \fBkexec\fR are reboots.
A failure counts as \(lqcould not tell\(rq; wrong usage is 2 all the same.
.PP
\fBrestart\fR ends with 0 if all that was to be done is done and proven: what is deferred does not count.
With \fB\-\-mode list\fR and \fB\-\-dry\-run\fR, and where there is nothing to do, it ends as a check without \fB\-\-exit\-code\fR.
.PP
\fBhook\fR ends with 0, but for wrong usage.
\fBconfig\fR ends with 0, 1 or 2.
\fBexplain\fR, \fBrecord\fR and \fBplugins\fR end with 0, 1, 2 or 3; \fBexplain\fR with 3 also if its target may be among what could not
be looked at.
A closed pipe does not change the status.
.SH FILES
.TP
.I /usr/share/unstale/schema\-1.json
The form of what \fB\-\-json\fR prints.
.TP
.I /usr/share/unstale/plugins\-schema\-1.json
The same of \fBplugins list\fR.
.TP
.I /usr/share/unstale/reboot\-schema\-1.json
The same of \fBreboot\-hint\fR.
.TP
.I /usr/share/unstale/restart\-schema\-1.json
The form of each line that \fBrestart \-\-json\fR prints, and of journals.
.TP
.I /usr/share/unstale/status\-schema\-1.json
The form of what \fBstatus \-\-json\fR prints, and of the last state.
.TP
.I /usr/share/unstale/reboot\-packages.toml
The shipped lists of packages after whose upgrade a reboot is wanted.
The same text is built into the program; to change them, use the configuration.
.TP
.IR /etc/dnf/plugins/needs\-restarting.d/*.conf ", " /etc/zypp/needreboot ", " /etc/zypp/needreboot.d ", " /etc/zypp/zypp\-boot\-plugin.conf
More such lists, of the administrator and of packages; the last also below \fI/usr/etc\fR, and with a directory \fI.d\fR beside it.
.TP
.IR /run/reboot\-required ", " /run/reboot\-required.pkgs ", " /run/reboot\-needed ", " /run/smart\-restart/reboot\-hint\-marker
By these, a reboot is asked for.
.TP
.IR /run/unstale/flags.json ", " /run/unstale/flags.lock
What of them \fBreboot\-hint\fR or \fBrestart\fR wrote, and the lock for that.
.TP
.I /run/unstale/state.json
What the last restart or hook found, for \fBstatus\fR.
.TP
.IR /run/unstale/pending ", " /run/unstale/errored
Packages changed since the last look; the last run of \fBdpkg\fR(1) failed.
.TP
.IR /run/unstale/suspend ", " /etc/unstale/suspend
Hooks are held back while one of them is there.
.TP
.I /run/unstale/restart
Journals of the last ten runs, the lock of the one that goes on, what was restarted when, who was told.
Of an ordinary user: \fI/run/user/UID/unstale/restart\fR.
.TP
.IR /boot ", " /efi ", " /usr/lib/modules ", " /lib/firmware
Kernel images, initrds, files of boot loaders, microcode.
.TP
.IR /usr/lib/unstale/plugins ", " /etc/unstale/plugins.d
Detector plugins.
.TP
.IR /etc/unstale/unstale.toml ", " /etc/unstale/conf.d/*.toml
The configuration.
.TP
.IR /etc/unstale/restart.d ", " /etc/unstale/notify.d
Programs that restart units, and tell users, in the administrator's own ways.
.TP
.I /usr/lib/unstale/conf.d/50\-defaults.toml
What is not to be restarted unasked, and why.
The same text is built into the program, for where the file is not installed.
.TP
.IR /etc/dpkg/dpkg.cfg.d/unstale ", " /etc/apt/apt.conf.d/90unstale ", " /etc/kernel/postinst.d/zz\-unstale ", " /etc/kernel/postrm.d/zz\-unstale ", " /usr/lib/systemd/system/unstale\-after.service
The hooks of Debian systems, and the service that they start; for \fBdnf\fR(8) there are files in \fI/etc/dnf\fR.
.TP
.IR /var/lib/dpkg ", " /var/log/dpkg.log* ", " /var/log/apt/history.log*
Owners of files and versions of packages on Debian systems.
.TP
.IR /usr/lib/sysimage/rpm ", " /var/lib/rpm
The same on RPM systems (\fIrpmdb.sqlite\fR; older kinds of database are refused), with the histories of \fBdnf\fR and
\fBzypper\fR.
.PP
Packages are asked for that changed since the boot and are listed, and for the owners of files that were replaced, touched or
are beyond judging.
They are read without locks, and never written.
Of what runs in a container or chroot, the files of those names below its own root tell; if they cannot be read, the
package is not known, and the result is no less complete.
.SH ENVIRONMENT
.TP
.B NO_COLOR
Set and not empty: no colour, unless \fB\-\-color=always\fR.
.TP
.B UNSTALE_MODE
\fBlist\fR, \fBask\fR or \fBauto\fR: what \fBrestart\fR does without \fB\-\-mode\fR, whatever files say.
.TP
.BR UNSTALE_SUSPEND ", " NEEDRESTART_SUSPEND
Set and not empty: hooks that a package manager calls start nothing.
.PP
Programs that it starts get a small, fixed environment, and nothing of its own.
No variable of an inspected process is used.
.SH EXAMPLES
.TP
.B unstale
What is stale on this machine, and what to do.
Ask as root to have all of it.
.TP
.B unstale \-v
The same with all evidence.
.TP
.B unstale \-\-by package
Each package with what runs its old version.
.TP
.B unstale \-\-user
Your own processes alone.
.TP
.B unstale \-\-json \-\-exit\-code
For programs.
.TP
.B unstale reboot\-hint
Whether to reboot, why, and since when.
.TP
.B unstale reboot\-hint \-\-kured
The same for kured's \fB\-\-reboot\-sentinel\-command\fR.
.TP
.B unstale explain cron
Why \fBcron.service\fR is stale, or why not.
.TP
.B unstale restart \-\-dry\-run
What would be restarted, in which order, and what not.
.TP
.B unstale restart \-\-mode auto nginx
Restarts what belongs to that unit or package, if it is stale, and proves it.
.TP
.B unstale config import needrestart >/etc/unstale/conf.d/needrestart.toml
Takes over the settings of another program.
.TP
.B unstale record bundle.json
Everything that is needed to judge this machine elsewhere, for a bug report.
.TP
.B unstale \-\-bundle bundle.json
The verdict on it.
.SH SECURITY
As root, the look at the machine is taken by a child process that is nobody.
It keeps CAP_SYS_PTRACE (to look into other processes), CAP_DAC_READ_SEARCH (to pass directories that others closed)
and CAP_CHECKPOINT_RESTORE (to follow links to mapped files; CAP_SYS_ADMIN where there is no such capability).
A system\-call filter leaves it what a reader of files needs: it can start no program, open no socket, trace nobody, and
write to nothing but the pipe of its answer and standard error.
Without CAP_SYS_PTRACE, as in many containers, it stays root under that filter.
.PP
Nothing that is found in an inspected process is executed or loaded.
Programs are started without a shell and a search path, in a fixed environment; as root, only if nobody but root could have written them.
The service manager of a user is asked as that user.
File systems behind which a server or a user's program answers (NFS, CIFS, FUSE and the like) are not touched: files on
them count as not judged.
.PP
Control characters and marks that hide or turn text are escaped in what is printed, in JSON as \(lq\eu\fIXXXX\fR\(rq.
.PP
A plugin runs in a process of its own for each check: nobody, without capabilities, without files and network, with little
memory and time.
What it may see of files it asks for, and gets only what the inspected process itself could read.
If it fails, that is told, and nothing else is lost.
.SH SEE ALSO
.BR proc (5),
.BR systemctl (1),
.BR systemd.kill (5),
.BR dpkg (1),
.BR rpm (8),
.BR needrestart (1),
.BR checkrestart (8)
"#;
