//! What needrestart's settings say of itself and not of what runs: for whoever stands in for it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::DIRECTORIES;
use super::state::State;
use crate::config::import::perl::Scalar;
use crate::config::import::{Draft, Place, pattern};
use crate::model::Pattern;

/// Where candidates for the next kernel are looked for if nothing else is said.
const KERNEL_GLOB: &str = "/boot/vmlinu* /boot/*.img /boot/kernel*";

/// How needrestart is to behave. Words are as they are written: what is wrong with one is for whoever uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manner {
    /// 0 quiet, 1 normal, 2 verbose.
    pub verbosity: i64,
    /// `l`, `i` or `a`.
    pub restart: Option<String>,
    /// `a` or `e`.
    pub ui_mode: Option<String>,
    /// Only what a rule names is restarted.
    pub defno: bool,
    /// Nobody is asked if nothing is preselected.
    pub skip_empty_dialog: bool,
    /// One command for all units also where they are only listed.
    pub systemctl_combine: bool,
    /// Whether users are told.
    pub sendnotify: bool,
    /// Sessions are told by their terminals, not by their control groups.
    pub by_terminal: bool,
    /// Of the kernel: 1 a notice, -1 a line, 0 nothing.
    pub kernel_hint: i64,
    /// The same of microcode.
    pub ucode_hint: i64,
    /// What paths of kernel images have to fit.
    pub kernel_filter: Option<Pattern>,
    /// Programs that find init scripts.
    pub hook_d: PathBuf,
    /// Programs that tell users.
    pub notify_d: PathBuf,
    /// Programs that restart services.
    pub restart_d: PathBuf,
    /// States of a monitor by what is found: `services`, `kernel`, `ucode`, `sessions`, `containers`.
    pub nagios: BTreeMap<String, i64>,
}

impl Default for Manner {
    /// As it is where nothing is set.
    fn default() -> Self {
        let [hook_d, notify_d, restart_d] = DIRECTORIES.map(|(_, path)| PathBuf::from(path));
        Self {
            verbosity: 1,
            restart: None,
            ui_mode: None,
            defno: false,
            skip_empty_dialog: false,
            systemctl_combine: false,
            sendnotify: true,
            by_terminal: false,
            kernel_hint: 1,
            ucode_hint: 1,
            kernel_filter: None,
            hook_d,
            notify_d,
            restart_d,
            nagios: BTreeMap::new(),
        }
    }
}

impl Manner {
    /// Takes what is meant here out of what is set; the rest is policy.
    pub(super) fn take(state: &mut State, draft: &mut Draft) -> Self {
        let mut manner = Self::default();
        manner.nagios.clone_from(&state.nagios);
        state.scalars.retain(|key, (value, place)| {
            let taken = manner.set(key, value, place, draft);
            if !taken && key == "kernel_linux_glob" && text(value) != KERNEL_GLOB {
                draft.untranslated(
                    place,
                    "kernel_linux_glob: which image is started next is read from the boot loader",
                );
            }
            !taken
        });
        manner
    }

    /// Whether it is one of these.
    fn set(&mut self, key: &str, value: &Scalar, place: &Place, draft: &mut Draft) -> bool {
        match key {
            "restart" => self.restart = Some(text(value)),
            "ui_mode" => self.ui_mode = Some(text(value)),
            "defno" => self.defno = value.is_true(),
            "exitWhenNoneSelected" => self.skip_empty_dialog = value.is_true(),
            "systemctl_combine" => self.systemctl_combine = value.is_true(),
            "sendnotify" => self.sendnotify = value.is_true(),
            "has_pam_systemd" => self.by_terminal = !value.is_true(),
            "hook_d" => self.hook_d = text(value).into(),
            "notify_d" => self.notify_d = text(value).into(),
            "restart_d" => self.restart_d = text(value).into(),
            "kernelfilter" => match expression(value) {
                Ok(expression) => self.kernel_filter = Some(expression),
                Err(why) => draft.untranslated(place, &format!("{key}: {why}")),
            },
            "verbosity" | "kernelhints" | "ucodehints" => {
                let Some(number) = number(value) else {
                    draft.untranslated(place, &format!("{key}: it is no number"));
                    return true;
                };
                match key {
                    "verbosity" => self.verbosity = number,
                    "kernelhints" => self.kernel_hint = number,
                    _ => self.ucode_hint = number,
                }
            }
            _ => return false,
        }
        true
    }
}

fn expression(value: &Scalar) -> Result<Pattern, String> {
    Pattern::parse(&match value {
        Scalar::Regex { body, flags } => pattern::translate(body, flags),
        Scalar::Text(body) => pattern::translate(body, ""),
        Scalar::Undefined | Scalar::Integer(_) => Err("it is no expression".to_owned()),
    }?)
}

fn number(value: &Scalar) -> Option<i64> {
    match value {
        Scalar::Integer(number) => Some(*number),
        Scalar::Text(text) => text.trim().parse().ok(),
        Scalar::Undefined | Scalar::Regex { .. } => None,
    }
}

fn text(value: &Scalar) -> String {
    value.stringified()
}
