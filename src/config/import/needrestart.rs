//! needrestart's settings: `needrestart.conf`, what is in `conf.d`, and `notify.conf`.
//!
//! What each key means there: needrestart(1), the comments of the shipped file, and the program. Its tables are `state`'s
//! matter; here they are put into words of ours.

mod defaults;
mod lists;
mod manner;
mod notify;
mod overrides;
mod state;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::perl::{self, Operation, Scalar};
use super::read::read_names;
use super::write::{list, quoted};
use super::{Draft, Place};
use crate::error::Error;
pub use manner::Manner;
use state::State;

const MAIN: &str = "needrestart.conf";
const DROP_INS: &str = "conf.d";
const SUFFIX: &str = ".conf";
const NOTIFY: &str = "notify.conf";

/// Where its scripts are if nothing else is said.
const DIRECTORIES: [(&str, &str); 3] = [
    ("hook_d", "/etc/needrestart/hook.d"),
    ("notify_d", "/etc/needrestart/notify.d"),
    ("restart_d", "/etc/needrestart/restart.d"),
];

/// Plugins that look into what interpreters run.
const SCRIPTS: [&str; 7] = ["java", "nodejs", "perl", "php", "python", "ruby", "shell"];

/// Reads and translates all files.
pub(super) fn import(path: &Path, draft: &mut Draft) -> Result<(), Error> {
    let (sources, state) = read(path, draft)?;
    for place in &state.nagios_places {
        draft.note(
            place,
            "nagios-status: not translated: there is no setting for it yet",
        );
    }
    translate(&state, sources.main.as_deref(), false, draft);
    match &sources.notify {
        Some(_) if state.is_false("sendnotify") => Ok(()),
        Some(file) => notify::import(file, draft),
        None => Ok(()),
    }
}

/// Reads a file as needrestart does, and so drop-ins in that directory only where it says so; translates the policy in them, and
/// says the rest as it is. What is in `notify.conf` is for programs that read it themselves.
pub(super) fn import_with_manner(
    path: &Path,
    drop_ins: &Path,
    draft: &mut Draft,
) -> Result<Manner, Error> {
    let mut state = State::empty();
    apply(path, Some(drop_ins), &mut state, draft)?;
    let manner = Manner::take(&mut state, draft);
    translate(&state, Some(path), true, draft);
    Ok(manner)
}

/// With `stands_in`, also those of needrestart's own rows that nothing here says otherwise.
fn translate(state: &State, main: Option<&Path>, stands_in: bool, draft: &mut Draft) {
    for (key, (value, place)) in &state.scalars {
        scalar(key, value, place, draft);
    }
    lists::translate(state, stands_in, draft);
    overrides::translate(state, main, draft);
}

/// What is set after all files.
fn read(path: &Path, draft: &mut Draft) -> Result<(Sources, State), Error> {
    let sources = Sources::of(path)?;
    let mut state = if sources.main.is_some() {
        State::empty()
    } else {
        State::shipped()
    };
    let mut reads_drop_ins = false;
    let files = sources.main.iter().chain(&sources.drop_ins);
    for file in files {
        reads_drop_ins |= apply(file, None, &mut state, draft)?;
    }
    if let Some(main) = &sources.main
        && !reads_drop_ins
        && !sources.drop_ins.is_empty()
    {
        let place = Place::new(&Rc::from(main.as_path()), 1);
        draft.note(
            &place,
            "without the block at its end, needrestart itself does not read what is in conf.d; it is translated all the same",
        );
    }
    Ok((sources, state))
}

/// Does what is in a file, with what is in that directory where it says that it reads drop-ins. Whether it says so.
fn apply(
    file: &Path,
    drop_ins: Option<&Path>,
    state: &mut State,
    draft: &mut Draft,
) -> Result<bool, Error> {
    let text = draft.read(file)?;
    let file: Rc<Path> = Rc::from(file);
    let mut reads_drop_ins = false;
    for statement in perl::parse(&text) {
        let place = Place::new(&file, statement.line);
        match statement.what {
            Ok(Operation::ReadDropIns) => {
                reads_drop_ins = true;
                let there = drop_ins.map(|directory| read_names(directory, SUFFIX));
                for file in there.transpose()?.unwrap_or_default() {
                    apply(&file, None, state, draft)?;
                }
            }
            Ok(operation) => state.apply(&place, operation, draft),
            Err(why) => draft.untranslated(&place, &why),
        }
    }
    Ok(reads_drop_ins)
}

/// Which files there are.
struct Sources {
    main: Option<PathBuf>,
    drop_ins: Vec<PathBuf>,
    notify: Option<PathBuf>,
}

impl Sources {
    fn of(path: &Path) -> Result<Self, Error> {
        let directory = if path.is_dir() {
            path
        } else {
            let parent = path.parent().unwrap_or(Path::new("."));
            if parent.file_name().is_some_and(|name| name == DROP_INS) {
                // Some lines of an administrator alone: what they change is what is shipped.
                return Ok(Self {
                    main: None,
                    drop_ins: vec![path.to_owned()],
                    notify: None,
                });
            }
            parent
        };
        let main = if path.is_dir() {
            directory.join(MAIN)
        } else {
            path.to_owned()
        };
        let drop_ins = read_names(&directory.join(DROP_INS), SUFFIX)?;
        let notify = Some(directory.join(NOTIFY)).filter(|file| file.exists());
        // Without it, there must at least be something else; if not, reading it says what is wrong.
        let is_needed = drop_ins.is_empty() || !path.is_dir();
        Ok(Self {
            main: Some(main).filter(|main| is_needed || main.exists()),
            drop_ins,
            notify,
        })
    }
}

/// Why a setting is left out on purpose, if it is.
fn left_out(key: &str) -> Option<&'static str> {
    Some(match key {
        "verbosity" => "how much is said is chosen with --verbose",
        "ui" | "ui_mode" | "exitWhenNoneSelected" => "there is one way of asking here",
        "systemctl_combine" => "units are always restarted in one transaction",
        "perlcache" => "nothing is kept of what scripts load",
        "skip_mapfiles" => "files are compared by what is mapped, and not by the text of a map",
        "kernel_kfreebsd_glob" => "there is no other kernel than Linux here",
        "kernelhints" | "ucodehints" => {
            "not translated: whether a reboot is due is only ever told, and never asked for; `[reboot]` has what can be chosen about it"
        }
        "kernelfilter" | "kernel_linux_glob" => {
            "not translated: there is no setting for it; which image is started next is read from the boot loader"
        }
        _ => return None,
    })
}

/// Puts one value into words of ours.
fn scalar(key: &str, value: &Scalar, place: &Place, draft: &mut Draft) {
    if let Some(why) = left_out(key) {
        draft.note(place, &format!("{key}: {why}"));
        return;
    }
    match (key, value) {
        ("restart", Scalar::Text(letter)) => restart(letter, place, draft),
        ("defno", value) => {
            draft
                .document
                .set("restart", "only_listed", value.is_true().to_string(), place);
        }
        ("sendnotify", value) if value.is_true() => {
            draft.note(place, "sendnotify: sessions are told here too");
        }
        ("sendnotify", _) => {
            for key in ["terminal", "desktop", "mail"] {
                draft.document.set("notify", key, "false".to_owned(), place);
            }
        }
        ("interpscan", value) if value.is_true() => {
            draft.note(
                place,
                "interpscan: what interpreters run is looked at here too",
            );
        }
        ("interpscan", _) => {
            draft
                .document
                .set("plugins", "disable", list(&SCRIPTS), place);
        }
        ("has_pam_systemd", value) if value.is_true() => {
            draft.note(
                place,
                "has_pam_systemd: sessions are told by their control groups here too",
            );
        }
        ("has_pam_systemd", _) => draft.untranslated(
            place,
            "has_pam_systemd: there is no setting to tell sessions by their terminals",
        ),
        ("tolerance", Scalar::Integer(2)) => {
            draft.note(place, "tolerance: it is the default there")
        }
        ("tolerance", _) => draft.untranslated(
            place,
            "tolerance: there is no setting for how much older than its process a script may be",
        ),
        (key, value) => directory_or_unknown(key, value, place, draft),
    }
}

fn directory_or_unknown(key: &str, value: &Scalar, place: &Place, draft: &mut Draft) {
    match DIRECTORIES.iter().find(|(name, _)| *name == key) {
        Some((_, default)) if *value == Scalar::Text((*default).to_owned()) => {
            draft.note(place, &format!("{key}: it is the default there"));
        }
        Some(_) => draft.untranslated(
            place,
            &format!("{key}: there is no setting for another directory of scripts"),
        ),
        None if key == "restart" => {
            draft.untranslated(place, "restart: it is none of 'l', 'i' and 'a'");
        }
        None => draft.untranslated(place, &format!("{key}: needrestart has no such setting")),
    }
}

fn restart(letter: &str, place: &Place, draft: &mut Draft) {
    let mode = match letter {
        "l" => "list",
        "i" => "ask",
        "a" => "auto",
        _ => {
            draft.untranslated(place, "restart: it is none of 'l', 'i' and 'a'");
            return;
        }
    };
    draft.document.set("restart", "mode", quoted(mode), place);
}

/// The rows of `override_rc`: expression, units, and whether a shipped rule stands for it.
#[cfg(test)]
pub(super) fn own_rows() -> impl Iterator<Item = (&'static str, &'static [&'static str], bool)> {
    let rows = defaults::OVERRIDE_RC.iter();
    rows.map(|row| {
        (
            row.pattern,
            row.units(),
            matches!(row.cover, defaults::Cover::Rule(_)),
        )
    })
}

#[cfg(test)]
mod tests;
