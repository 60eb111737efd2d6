//! One look at the machine, with all that a restart rests on.

use std::path::{Path, PathBuf};

use crate::act::at_work;
use crate::act::overrides::Overrides;
use crate::act::services::ServiceManager;
use crate::act::stamps::{self, Seen, Stamp};
use crate::app::gather::Interest;
use crate::app::{assess, obtain_with, reboot_hint, state, units};
use crate::bundle::Bundle;
use crate::cli::{MappingSource, SourceFlags};
use crate::config::{Settings, Sources};
use crate::error::Error;
use crate::model::{LastRun, Mode, Scope, Units};
use crate::report::Assessment;

/// Units that an administrator restarts in another way.
const OVERRIDES: &str = "restart.d";
/// `SystemState` (org.freedesktop.systemd1(5)) of a system that goes down, or is being repaired.
const NOT_NOW: [&str; 2] = ["stopping", "maintenance"];

/// The administrator's own ways to restart units: ours, and those that another program's settings name.
pub(super) fn overrides(euid: u32, programs: Option<&Path>) -> Overrides {
    let own = Sources::of_machine(euid).etc.join(OVERRIDES);
    Overrides::new(vec![own], euid).with_peers(programs.map(Path::to_owned))
}

/// What was seen, and who asks.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) bundle: Bundle,
    pub(super) settings: Settings,
    pub(super) overrides: Overrides,
    pub(super) euid: u32,
    /// What was stamped before: that packages changed. This look knows of it, if nobody was at work then.
    news: Option<Seen>,
}

impl Survey {
    /// Looks at everything; as an ordinary user, at that user's own processes, for no others could be acted on.
    pub(super) fn take(plugin_dir: &[PathBuf]) -> Result<Self, Error> {
        Self::take_with(plugin_dir, None, None)
    }

    /// As [`Self::take`], with another program's settings in place of the administrator's, and its programs beside theirs.
    pub(super) fn take_with(
        plugin_dir: &[PathBuf],
        translated: Option<&str>,
        programs: Option<&Path>,
    ) -> Result<Self, Error> {
        let euid = rustix::process::geteuid().as_raw();
        let source = SourceFlags {
            root: None,
            proc: None,
            bundle: None,
            plugin_dir: plugin_dir.to_vec(),
            mapping_source: MappingSource::Best,
        };
        let own_only = euid != 0;
        let news = news(Path::new(super::ROOT));
        let interest = Interest::Stale { own_only };
        let (bundle, settings) = obtain_with(&source, &interest, translated)?;
        Ok(Self {
            bundle,
            settings,
            overrides: overrides(euid, programs),
            euid,
            news,
        })
    }

    /// Keeps what was seen of the whole machine, where others look it up. `decided` is whether it was decided about all of it
    /// what to do: where that is left to the hook, the stamp by which it knows of changes is taken away by nothing less.
    pub(super) fn keep(&self, assessment: &Assessment<'_>, run: Option<LastRun>, decided: bool) {
        if self.euid != 0 {
            return;
        }
        let root = Path::new(super::ROOT);
        let is_hooks = self.settings.hook.mode == Mode::Auto && !decided;
        if state::keep(root, assessment, run) && !is_hooks {
            forget(root, self.news.as_ref());
        }
        reboot_hint::update_flags(assessment, &self.settings.reboot);
    }

    /// What is stale, whose, and what to do.
    pub(super) fn assess(&self) -> Assessment<'_> {
        assess::assess(&self.bundle, &self.settings, self.euid != 0)
    }

    /// What service managers say of their units, with the starts that count against their limits.
    pub(super) fn units(&self, manager: &mut dyn ServiceManager) -> Units {
        let mut units = units::ask_all(&self.bundle, manager);
        for managed in &mut units.managers {
            if let Ok(state) = &mut managed.said {
                manager.recent_starts(managed.scope, state);
            }
        }
        units
    }

    /// Whether the system's manager is on its way down.
    pub(super) fn is_stopping(&self) -> bool {
        let units = self.bundle.units.as_ref();
        let said = units.and_then(|units| units.of_scope(Scope::System));
        matches!(said, Some(Ok(manager)) if NOT_NOW.contains(&manager.state.as_str()))
    }

    /// Of the running system.
    pub(super) fn boot_id(&self) -> String {
        let id = &self.bundle.facts.host.boot_id;
        String::from_utf8_lossy(id.as_slice()).into_owned()
    }
}

/// The stamp of changes that are over.
fn news(root: &Path) -> Option<Seen> {
    let seen = stamps::see(root, Stamp::Pending).ok().flatten()?;
    // After the stamp was seen: whoever is not at work any more has changed all that it stands for.
    at_work::package_manager(root).is_none().then_some(seen)
}

/// Takes the stamp away, unless it was set anew, or `hook after` is about to take it up: that may have more to do than to
/// look. Whether a package manager failed is for that one to judge.
fn forget(root: &Path, news: Option<&Seen>) {
    if let Some(news) = news
        && let Ok(Some(_right)) = stamps::claim(root)
    {
        stamps::clear(root, Stamp::Pending, news).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_there(root: &Path) -> bool {
        stamps::see(root, Stamp::Pending).unwrap().is_some()
    }

    #[test]
    fn t12_05_a_look_takes_up_what_was_stamped_before_it() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        std::fs::create_dir(root.join("run")).unwrap();
        assert!(news(root).is_none());
        stamps::set(root, Stamp::Pending, "dpkg").unwrap();
        let seen = news(root);
        assert!(seen.is_some());
        // Set anew during the look.
        stamps::set(root, Stamp::Pending, "dpkg").unwrap();
        forget(root, seen.as_ref());
        assert!(is_there(root));
        // Another one is about to take it up.
        let seen = news(root);
        let right = stamps::claim(root).unwrap();
        forget(root, seen.as_ref());
        assert!(is_there(root));
        drop(right);
        forget(root, seen.as_ref());
        assert!(!is_there(root));
        // Somebody is at work: more will come.
        stamps::set(root, Stamp::Pending, "zypper").unwrap();
        std::fs::write(root.join("run/zypp.pid"), std::process::id().to_string()).unwrap();
        assert!(news(root).is_none());
    }
}
