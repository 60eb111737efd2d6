//! What an administrator wants to be restarted, and what not: rules, and how much is done without asking.

use regex::bytes::Regex;
use wildmatch::WildMatch;

use super::{Level, Timestamp};

/// How much a run does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Say what would be done.
    List,
    /// Let a person choose.
    Ask,
    /// Do it.
    Auto,
}

impl Mode {
    /// All, the most careful first.
    pub const ALL: [Self; 3] = [Self::List, Self::Ask, Self::Auto];

    /// The word for it in settings and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Ask => "ask",
            Self::Auto => "auto",
        }
    }

    /// What a word means.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }
}

/// What kinds of things settings tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Services of the system, of whichever manager.
    Service,
    /// Services of users.
    UserService,
    /// PID 1.
    ServiceManager,
    /// `systemd --user`.
    UserManager,
    /// Containers.
    Container,
    /// Virtual machines.
    VirtualMachine,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Service,
        Self::UserService,
        Self::ServiceManager,
        Self::UserManager,
        Self::Container,
        Self::VirtualMachine,
    ];

    /// The key for it in settings.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::UserService => "user-service",
            Self::ServiceManager => "service-manager",
            Self::UserManager => "user-manager",
            Self::Container => "container",
            Self::VirtualMachine => "virtual-machine",
        }
    }

    /// What a word means.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }
}

/// Rules in the order in which they are asked: the first that fits decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The rules, those of the layer that counts most first.
    pub rules: Vec<PolicyRule>,
    /// Whether only what a rule wants to be restarted is.
    pub only_listed: bool,
    /// Names of units that connect the machine to others, by what is shipped: they come late whatever the rules in force say.
    pub connecting: Vec<Pattern>,
}

impl Policy {
    /// The rule of that name.
    #[must_use]
    pub fn rule_named(&self, name: &str) -> Option<&PolicyRule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRule {
    /// Its stable name.
    pub name: String,
    /// What it is about.
    pub selectors: Selectors,
    /// What it says.
    pub action: RuleAction,
    /// Why, in one line.
    pub reason: String,
    /// What renews what it holds back.
    pub level: Level,
    /// From when on it says nothing any more.
    pub until: Option<Timestamp>,
}

/// What a rule is about: whatever fits one value of each kind that is given. None given: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selectors {
    /// Names of units, of the system's and of users' managers, and of services of other managers. Managers have names besides
    /// that no `*` means: `systemd-manager`, `systemd-user`, `sysv-init`.
    pub units: Vec<Pattern>,
    /// Whose manager, session or process: uids. Names are looked up when settings are read.
    pub users: Vec<u32>,
    /// Paths of control groups, from `/` on.
    pub cgroups: Vec<Pattern>,
    /// Names of packages whose old code runs.
    pub packages: Vec<Pattern>,
    /// Paths of the files that are stale.
    pub paths: Vec<Pattern>,
    /// Paths of the programs that stale processes run, stale themselves or not.
    pub programs: Vec<Pattern>,
    /// Names of containers and machines.
    pub containers: Vec<Pattern>,
    /// Processes that have run for at least so many seconds.
    pub older_than_secs: Option<u64>,
    /// Processes that have run for less.
    pub younger_than_secs: Option<u64>,
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleAction {
    /// Restart it.
    Restart,
    /// Stale, but somebody has to choose the moment.
    Defer,
    /// Shown, and left alone: nobody is asked to do anything.
    Leave,
    /// Not even shown; counted, and named by `explain`.
    Hide,
}

impl RuleAction {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Restart, Self::Defer, Self::Leave, Self::Hide];

    /// The word for it in settings.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Defer => "defer",
            Self::Leave => "leave",
            Self::Hide => "hide",
        }
    }

    /// What a word means.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }
}

/// A pattern for names and paths: with `*` for any characters and `?` for one, for the whole; or, after `re:`, a regular
/// expression for any part of it. Both take time that grows with the text alone.
#[derive(Debug, Clone)]
pub struct Pattern {
    written: String,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Glob(WildMatch),
    Regex(Regex),
}

/// The most that a compiled expression takes.
const REGEX_CAP: usize = 1024 * 1024;

impl Pattern {
    /// What a regular expression begins with.
    pub const REGEX: &'static str = "re:";

    /// Parses a pattern.
    ///
    /// # Errors
    /// What is wrong with the regular expression; an empty pattern fits nothing, and is refused.
    pub fn parse(written: &str) -> Result<Self, String> {
        let form = match written.strip_prefix(Self::REGEX) {
            Some(expression) => regex::bytes::RegexBuilder::new(expression)
                .size_limit(REGEX_CAP)
                .build()
                .map(Form::Regex)
                .map_err(|error| error.to_string())?,
            None if written.is_empty() => return Err("an empty pattern fits nothing".to_owned()),
            None => Form::Glob(WildMatch::new(written)),
        };
        Ok(Self {
            written: written.to_owned(),
            form,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Whether a name fits. A name that is not UTF-8 fits no pattern with `*`: nobody could have meant it.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        match &self.form {
            Form::Glob(glob) => std::str::from_utf8(name).is_ok_and(|name| glob.matches(name)),
            Form::Regex(regex) => regex.is_match(name),
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Pattern {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        #[track_caller]
        fn check(pattern: &str, name: &[u8], fits: bool) {
            let parsed = Pattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(name), fits, "{pattern} {name:?}");
        }
        check("getty@*.service", b"getty@tty1.service", true);
        check("dbus", b"dbus.service", false);
        check("re:^dbus", b"dbus.service", true);
        check("re:^dbus", b"not-dbus", false);
        check("re:\\.so", b"/x.so.1", true);
        check("re:(?i)^NGINX", b"nginx", true);
        check("*", b"\xff", false);
        check("re:^.", b"\xff", false);
        assert!(Pattern::parse("").is_err());
        assert!(Pattern::parse("re:(").unwrap_err().contains("unclosed"));
        assert!(Pattern::parse("re:(a{1000}){1000}").is_err());
    }
}
