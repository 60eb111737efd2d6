//! Settings: files of an administrator, in layers → one value that is valid by construction.
//!
//! `/usr/lib/unstale/conf.d/*.toml`, `/etc/unstale/unstale.toml`, `/etc/unstale/conf.d/*.toml`, then the environment. Each
//! file is a [`Layer`], in which everything may be missing and nothing unknown may stand; later ones win, and lists add up.
//! All files pass the gate of [`trust`](crate::trust): what others could have written is no policy.
#![forbid(unsafe_code)]

pub mod import;
mod layer;
mod merge;
mod origins;
mod plugins;
mod reboot;
mod restart;
mod rule;
mod show;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use layer::{Layer, Origin, layers};
pub use plugins::Plugins;
use plugins::PluginsFragment;
use reboot::RebootFragment;
pub use reboot::{FlagPolicy, Reboot};
pub use restart::{Hook, Notify, Restart};
use restart::{HookFragment, NotifyFragment, RestartFragment};
use rule::RuleFragment;
pub use show::show;

use crate::error::{Error, FormError};
use crate::model::{Escaped, Mode, Pattern, Policy};
use crate::trust::Untrusted;

/// What the package ships; the same file is installed, so that an administrator can read it.
const SHIPPED: &str = include_str!("../dist/usr/lib/unstale/conf.d/50-defaults.toml");
/// Its name where it is installed.
const SHIPPED_NAME: &str = "50-defaults.toml";

/// The shipped rules that name what connects the machine to others.
const CONNECTING: &[&str] = &["network", "tunnels-and-routes"];

/// From where settings come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The directory of what packages ship: `/usr/lib/unstale`.
    pub vendor: PathBuf,
    /// The administrator's: `/etc/unstale`.
    pub etc: PathBuf,
    /// Names of users: `/etc/passwd`.
    pub passwd: PathBuf,
    /// `UNSTALE_MODE`, if it is set.
    pub mode: Option<OsString>,
    /// Who may own files beside root.
    pub euid: u32,
}

impl Sources {
    /// Those of this machine, and of the environment of this process.
    #[must_use]
    pub fn of_machine(euid: u32) -> Self {
        Self {
            vendor: "/usr/lib/unstale".into(),
            etc: "/etc/unstale".into(),
            passwd: "/etc/passwd".into(),
            mode: std::env::var_os(layer::MODE_VARIABLE).filter(|mode| !mode.is_empty()),
            euid,
        }
    }
}

/// What is to be done how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `[plugins]`.
    pub plugins: Plugins,
    /// `[reboot]`.
    pub reboot: Reboot,
    /// `[restart]`.
    pub restart: Restart,
    /// `[notify]`.
    pub notify: Notify,
    /// `[hook]`.
    pub hook: Hook,
    /// `[[rule]]`, and `restart.only_listed`.
    pub policy: Policy,
}

impl Default for Settings {
    /// What is in force where nobody says anything: with the policy that is shipped.
    fn default() -> Self {
        Self {
            policy: shipped(),
            ..Self::empty()
        }
    }
}

/// What one file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Fragment {
    plugins: PluginsFragment,
    reboot: RebootFragment,
    restart: RestartFragment,
    notify: NotifyFragment,
    hook: HookFragment,
    rules: Vec<RuleFragment>,
}

/// The form of a file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileText {
    plugins: PluginsFragment,
    reboot: RebootFragment,
    restart: RestartFragment,
    notify: NotifyFragment,
    hook: HookFragment,
    rule: Vec<rule::RuleText>,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", Escaped(file.as_os_str().as_bytes()))]
pub struct ConfigError {
    /// The file, or the directory, or the name of the variable.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// Others could have written it.
    #[error("not trusted: {0}")]
    Untrusted(#[from] Untrusted),
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// It is not of its form.
    #[error("{0}")]
    Form(#[from] FormError),
}

impl ConfigError {
    /// For people: which file and why, then the line that it is about.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.to_string()];
        if let Why::Form(error) = &self.why {
            lines.extend(error.lines().into_iter().skip(1));
        }
        lines
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Settings(error.lines())
    }
}

/// Something about settings that a person should know, and that does not make them useless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// In which file.
    pub origin: Origin,
    /// What, and where.
    pub what: FormError,
}

/// Reads what is set on a machine. What is not there says nothing.
///
/// # Errors
/// The first file that cannot be used: there is no half of a policy.
pub fn read(sources: &Sources) -> Result<Settings, ConfigError> {
    Settings::merged(&layers(sources)?).map(|(settings, _)| settings)
}

/// As [`read`], with settings of another program, translated to ours: they count more than the administrator's main file, and less
/// than drop-ins.
///
/// # Errors
/// As [`read`], and the translated text.
pub fn read_with(sources: &Sources, translated: &str) -> Result<Settings, ConfigError> {
    let translated = Layer::translated(translated, &Users::of(&sources.passwd))?;
    let (mut layers, late) = layer::parted_layers(sources)?;
    layers.push(translated);
    layers.extend(late);
    Settings::merged(&layers).map(|(settings, _)| settings)
}

/// How much is done without asking, as far as that is said by what counts more than settings of another program.
///
/// # Errors
/// As [`read`].
pub fn late_mode(sources: &Sources) -> Result<Option<Mode>, ConfigError> {
    let (_, late) = layer::parted_layers(sources)?;
    let mut restart = Restart::default();
    for layer in &late {
        restart.add(&layer.fragment.restart);
    }
    Ok(restart.mode)
}

/// The policy that the package ships.
#[must_use]
pub fn shipped() -> Policy {
    Layer::shipped()
        .and_then(|layer| Settings::merged(&[layer]))
        .expect("the shipped policy is parsed by a test")
        .0
        .policy
}

impl Settings {
    fn empty() -> Self {
        Self {
            plugins: Plugins::default(),
            reboot: Reboot::default(),
            restart: Restart::default(),
            notify: Notify::default(),
            hook: Hook::default(),
            policy: Policy {
                connecting: connecting(),
                ..Policy::default()
            },
        }
    }

    /// Layers, the one that counts most last; and what there is to note.
    ///
    /// # Errors
    /// A rule that says too little when all layers have spoken.
    pub fn merged(layers: &[Layer]) -> Result<(Self, Vec<Note>), ConfigError> {
        let mut settings = Self::empty();
        let mut rules = merge::Rules::default();
        for (number, layer) in layers.iter().enumerate() {
            let fragment = &layer.fragment;
            settings.plugins.add(&fragment.plugins);
            settings.reboot.add(&fragment.reboot);
            settings.restart.add(&fragment.restart);
            settings.notify.add(&fragment.notify);
            settings.hook.add(&fragment.hook);
            let only_listed = fragment.restart.only_listed;
            settings.policy.only_listed = only_listed.unwrap_or(settings.policy.only_listed);
            rules
                .add(number, &fragment.rules)
                .map_err(|note| refused(layers, &note))?;
        }
        let (rules, notes) = rules.finish().map_err(|note| refused(layers, &note))?;
        settings.policy.rules = rules;
        let notes = notes.iter().filter_map(|note| noted(layers, note));
        Ok((settings, notes.collect()))
    }
}

/// What the shipped rules name. Who allows a restart of one of these may have taken it out of the rule, or the rule out of force:
/// what it is to the machine does not change by that.
fn connecting() -> Vec<Pattern> {
    let shipped = Layer::shipped().expect("the shipped policy is parsed by a test");
    let rules = shipped.fragment.rules.iter();
    let connecting = rules.filter(|rule| CONNECTING.contains(&rule.name.as_str()));
    connecting.flat_map(|rule| rule.units.add.clone()).collect()
}

fn noted(layers: &[Layer], note: &merge::Note) -> Option<Note> {
    let layer = layers.get(note.layer)?;
    Some(Note {
        origin: layer.origin.clone(),
        what: FormError::at(&layer.text, &note.what, Some(note.place.clone())),
    })
}

fn refused(layers: &[Layer], note: &merge::Note) -> ConfigError {
    let noted = noted(layers, note).expect("its layer was just added");
    failed(&noted.origin.file(), noted.what)
}

impl Fragment {
    /// Parses the text of a file.
    fn parse(text: &str, uid_of: rule::UidOf<'_>) -> Result<Self, FormError> {
        let file: FileText = toml::from_str(text)
            .map_err(|error| FormError::at(text, error.message(), error.span()))?;
        file.plugins
            .check()
            .and_then(|()| file.reboot.check())
            .map_err(|why| FormError::whole(&why))?;
        Ok(Self {
            rules: rule::all(text, file.rule, uid_of)?,
            plugins: file.plugins,
            reboot: file.reboot,
            restart: file.restart,
            notify: file.notify,
            hook: file.hook,
        })
    }
}

fn failed(file: &Path, why: impl Into<Why>) -> ConfigError {
    ConfigError {
        file: file.to_owned(),
        why: why.into(),
    }
}

/// Names of users, read when the first is asked for.
#[derive(Debug)]
pub struct Users {
    passwd: PathBuf,
    uids: OnceCell<BTreeMap<String, u32>>,
}

impl Users {
    /// Those of a file in the form of passwd(5).
    #[must_use]
    pub fn of(passwd: &Path) -> Self {
        Self {
            passwd: passwd.to_owned(),
            uids: OnceCell::new(),
        }
    }

    /// The uid of a user. Where the file cannot be read, nobody is known: a rule that names somebody is refused then.
    #[must_use]
    pub fn uid_of(&self, name: &str) -> Option<u32> {
        let uids = self.uids.get_or_init(|| layer::read_users(&self.passwd));
        uids.get(name).copied()
    }
}

#[cfg(test)]
mod tests;
