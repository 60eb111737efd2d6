//! One look at the machine, with all that a restart rests on.

use std::path::PathBuf;

use crate::act::overrides::Overrides;
use crate::act::services::ServiceManager;
use crate::app::gather::Interest;
use crate::app::{assess, obtain, units};
use crate::bundle::Bundle;
use crate::cli::{MappingSource, SourceFlags};
use crate::config::{Settings, Sources};
use crate::error::Error;
use crate::model::{Scope, Units};
use crate::report::Assessment;

/// Units that an administrator restarts in another way.
const OVERRIDES: &str = "restart.d";
/// `SystemState` (org.freedesktop.systemd1(5)) of a system that goes down, or is being repaired.
const NOT_NOW: [&str; 2] = ["stopping", "maintenance"];

/// The administrator's own ways to restart units.
pub(super) fn overrides(euid: u32) -> Overrides {
    Overrides::new(&Sources::of_machine(euid).etc.join(OVERRIDES), euid)
}

/// What was seen, and who asks.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) bundle: Bundle,
    pub(super) settings: Settings,
    pub(super) overrides: Overrides,
    pub(super) euid: u32,
}

impl Survey {
    /// Looks at everything; as an ordinary user, at that user's own processes, for no others could be acted on.
    pub(super) fn take(plugin_dir: &[PathBuf]) -> Result<Self, Error> {
        let euid = rustix::process::geteuid().as_raw();
        let source = SourceFlags {
            root: None,
            proc: None,
            bundle: None,
            plugin_dir: plugin_dir.to_vec(),
            mapping_source: MappingSource::Best,
        };
        let own_only = euid != 0;
        let (bundle, settings) = obtain(&source, &Interest::Stale { own_only })?;
        Ok(Self {
            bundle,
            settings,
            overrides: overrides(euid),
            euid,
        })
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
