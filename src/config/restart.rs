//! `[restart]`, `[notify]`, `[hook]`: how much is done without asking, who is told, and what package managers wait for.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::model::{Class, Mode};

/// How long a package manager's hook waits for the next one of a series.
const QUIET: Duration = Duration::from_secs(5);
/// The largest upgrades take hours.
const HOOK_LIMIT: Duration = Duration::from_secs(7200);

/// Settings of `unstale restart`. What only rules and their matching need is in [`Policy`](crate::model::Policy).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// What is done without `--mode`; `None`: ask on a terminal, else list.
    pub mode: Option<Mode>,
    /// The most that is done for each class, all of them.
    pub modes: BTreeMap<Class, Mode>,
}

/// How people are told that they have to log in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify {
    /// By a line on their terminals.
    pub terminal: bool,
    /// By a notification on their desktops.
    pub desktop: bool,
    /// By mail.
    pub mail: bool,
}

/// What is done when a package manager calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    /// How much.
    pub mode: Mode,
    /// How long it has to be quiet before a series of transactions is over.
    pub quiet: Duration,
    /// How long to wait for the end of a series; then nothing is done, and the stamp stays.
    pub limit: Duration,
}

impl Default for Restart {
    fn default() -> Self {
        // What runs in containers and machines is nobody's business but theirs who run them: such a class is only there if
        // somebody says so.
        let own = [
            Class::Service,
            Class::UserService,
            Class::ServiceManager,
            Class::UserManager,
        ];
        let modes = own.map(|class| (class, Mode::Auto)).into();
        Self { mode: None, modes }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            terminal: true,
            desktop: true,
            mail: false,
        }
    }
}

impl Default for Hook {
    fn default() -> Self {
        Self {
            mode: Mode::List,
            quiet: QUIET,
            limit: HOOK_LIMIT,
        }
    }
}

impl Restart {
    /// The most that is done for things of a class.
    #[must_use]
    pub fn most(&self, class: Class) -> Mode {
        self.modes.get(&class).copied().unwrap_or(Mode::List)
    }

    /// Adds a layer that counts more.
    pub(super) fn add(&mut self, layer: &RestartFragment) {
        self.mode = layer.mode.map(|word| word.0).or(self.mode);
        let modes = layer.modes.all();
        let given = modes.filter_map(|(class, word)| Some((class, word?.0)));
        self.modes.extend(given);
    }
}

impl Notify {
    /// Adds a layer that counts more.
    pub(super) fn add(&mut self, layer: &NotifyFragment) {
        self.terminal = layer.terminal.unwrap_or(self.terminal);
        self.desktop = layer.desktop.unwrap_or(self.desktop);
        self.mail = layer.mail.unwrap_or(self.mail);
    }
}

impl Hook {
    /// Adds a layer that counts more.
    pub(super) fn add(&mut self, layer: &HookFragment) {
        self.mode = layer.mode.map_or(self.mode, |word| word.0);
        let secs = |given: Option<u64>, else_: Duration| given.map_or(else_, Duration::from_secs);
        self.quiet = secs(layer.quiet_secs.map(|Secs(secs)| secs), self.quiet);
        self.limit = secs(layer.limit_secs.map(|Secs(secs)| secs), self.limit);
    }
}

/// What one file says of restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RestartFragment {
    mode: Option<ModeWord>,
    pub(super) only_listed: Option<bool>,
    modes: ModesFragment,
}

/// The most for each class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct ModesFragment {
    service: Option<ModeWord>,
    user_service: Option<ModeWord>,
    service_manager: Option<ModeWord>,
    user_manager: Option<ModeWord>,
    container: Option<ModeWord>,
    virtual_machine: Option<ModeWord>,
}

impl ModesFragment {
    fn all(&self) -> impl Iterator<Item = (Class, Option<ModeWord>)> {
        Class::ALL.into_iter().map(|class| {
            let word = match class {
                Class::Service => self.service,
                Class::UserService => self.user_service,
                Class::ServiceManager => self.service_manager,
                Class::UserManager => self.user_manager,
                Class::Container => self.container,
                Class::VirtualMachine => self.virtual_machine,
            };
            (class, word)
        })
    }
}

/// What one file says of telling people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NotifyFragment {
    terminal: Option<bool>,
    desktop: Option<bool>,
    mail: Option<bool>,
}

/// What one file says of hooks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HookFragment {
    mode: Option<ModeWord>,
    quiet_secs: Option<Secs<0, 600>>,
    limit_secs: Option<Secs<1, 86_400>>,
}

/// A mode, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct ModeWord(Mode);

impl TryFrom<String> for ModeWord {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        mode_of_word(&word).map(Self)
    }
}

/// What a word says about how much is done.
///
/// # Errors
/// It is no such word: which there are.
pub(super) fn mode_of_word(word: &str) -> Result<Mode, String> {
    Mode::of_word(word).ok_or_else(|| format!("`{word}` is none of list, ask, auto"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
struct Secs<const LEAST: u64, const MOST: u64>(u64);

impl<const LEAST: u64, const MOST: u64> TryFrom<i64> for Secs<LEAST, MOST> {
    type Error = String;

    fn try_from(value: i64) -> Result<Self, String> {
        let value = u64::try_from(value).ok();
        let value = value.filter(|value| (LEAST..=MOST).contains(value));
        value
            .map(Self)
            .ok_or_else(|| format!("it is between {LEAST} and {MOST} seconds"))
    }
}
