//! How long users' managers are waited for in one run, whatever their units say of timeouts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::Scope;

/// For one user: a service that takes its default timeouts to stop and to start, and some more.
const USER_LIMIT: Duration = Duration::from_secs(300);
/// For all of them.
const USERS_LIMIT: Duration = Duration::from_secs(900);

/// What was spent so far.
#[derive(Debug, Default)]
pub(super) struct Patience {
    users: BTreeMap<u32, Duration>,
}

impl Patience {
    pub(super) fn spend(&mut self, scope: Option<Scope>, time: Duration) {
        if let Some(Scope::User(uid)) = scope {
            *self.users.entry(uid).or_default() += time;
        }
    }

    /// How long one more thing may take.
    pub(super) fn limit(&self, scope: Option<Scope>, limit: Duration) -> Duration {
        match scope {
            Some(Scope::User(uid)) => limit.min(self.left(uid)),
            Some(Scope::System) | None => limit,
        }
    }

    /// Why nothing more is asked of a manager.
    pub(super) fn why_not(&self, scope: Option<Scope>) -> Option<String> {
        let Some(Scope::User(uid)) = scope else {
            return None;
        };
        let is_over = self.left(uid).is_zero();
        is_over.then(|| "users' service managers took too long before".to_owned())
    }

    fn left(&self, uid: u32) -> Duration {
        let spent = self.users.get(&uid).copied().unwrap_or_default();
        let all: Duration = self.users.values().sum();
        let own = USER_LIMIT.saturating_sub(spent);
        own.min(USERS_LIMIT.saturating_sub(all))
    }
}
