//! Settings → TOML that says the same.

use std::fmt::Write as _;
use std::time::Duration;

use super::origins::{Origins, Section};
use super::{FlagPolicy, Layer, Settings, Users};
use crate::model::{Class, Level, Mode, PolicyRule, RuleAction, Selectors, Timestamp, is_tame};

/// The settings that come of these layers, as one file that says the same; on request, with the place of each value.
#[must_use]
pub fn show(layers: &[Layer], settings: &Settings, users: &Users, origin: bool) -> String {
    let origins = origin.then(|| Origins::of(layers, users));
    let mut page = Page {
        text: String::new(),
        origins,
    };
    page.restart(settings);
    page.others(settings);
    page.reboot(settings);
    page.plugins(settings);
    for rule in &settings.policy.rules {
        page.rule(rule);
    }
    page.switched_off(&settings.policy.rules);
    page.text
}

struct Page<'a> {
    text: String,
    origins: Option<Origins<'a>>,
}

const RESTART: Section<'_> = Section::Table(&["restart"]);
const MODES: Section<'_> = Section::Table(&["restart", "modes"]);
const NOTIFY: Section<'_> = Section::Table(&["notify"]);
const HOOK: Section<'_> = Section::Table(&["hook"]);
const REBOOT: Section<'_> = Section::Table(&["reboot"]);
const PLUGINS: Section<'_> = Section::Table(&["plugins"]);

impl Page<'_> {
    fn restart(&mut self, settings: &Settings) {
        self.line("[restart]");
        match settings.restart.mode {
            Some(mode) => self.value(RESTART, "mode", &quoted(mode.word())),
            None => self.line("# mode is not set: ask on a terminal, else list"),
        }
        self.value(
            RESTART,
            "only_listed",
            &settings.policy.only_listed.to_string(),
        );
        self.line("\n[restart.modes]");
        for class in Class::ALL {
            match settings.restart.modes.get(&class) {
                Some(mode) => self.value(MODES, class.word(), &quoted(mode.word())),
                // What nobody says is let by who is asked for it by name.
                None => self.line(&format!(
                    "# {} = {}",
                    class.word(),
                    quoted(Mode::List.word())
                )),
            }
        }
    }

    fn others(&mut self, settings: &Settings) {
        let notify = &settings.notify;
        self.line("\n[notify]");
        self.value(NOTIFY, "terminal", &notify.terminal.to_string());
        self.value(NOTIFY, "desktop", &notify.desktop.to_string());
        self.value(NOTIFY, "mail", &notify.mail.to_string());
        let hook = &settings.hook;
        self.line("\n[hook]");
        self.value(HOOK, "mode", &quoted(hook.mode.word()));
        self.value(HOOK, "quiet_secs", &hook.quiet.as_secs().to_string());
        self.value(HOOK, "limit_secs", &hook.limit.as_secs().to_string());
    }

    fn reboot(&mut self, settings: &Settings) {
        let reboot = &settings.reboot;
        let flag = match reboot.flag {
            FlagPolicy::Off => "off",
            FlagPolicy::Native => "native",
            FlagPolicy::Both => "both",
        };
        let suffice = reboot.live_patches_suffice.to_string();
        self.line("\n[reboot]");
        self.value(REBOOT, "flag", &quoted(flag));
        self.value(REBOOT, "live_patches_suffice", &suffice);
        self.list(REBOOT, "packages", &words(&reboot.packages));
        self.list(REBOOT, "ignore_packages", &words(&reboot.ignore_packages));
    }

    fn plugins(&mut self, settings: &Settings) {
        let plugins = &settings.plugins;
        let switched = |on: bool| -> Vec<(String, String)> {
            let those = plugins.switches.iter().filter(|(_, is_on)| *is_on == on);
            those.map(|(name, _)| word(name)).collect()
        };
        let directories = plugins.directories.iter();
        let directories: Vec<_> = directories
            .map(|path| word(&path.display().to_string()))
            .collect();
        self.line("\n[plugins]");
        if plugins.switches.iter().any(|(_, on)| !on) && !plugins.is_one_list() {
            self.line(
                "# enable and disable count in the order of their files, which one file cannot say",
            );
        }
        self.list(PLUGINS, "disable", &switched(false));
        self.list(PLUGINS, "enable", &switched(true));
        self.value(PLUGINS, "etc", &plugins.etc.to_string());
        self.list(PLUGINS, "directories", &directories);
        let millis = |deadline: Duration| deadline.as_millis().to_string();
        self.value(
            PLUGINS,
            "process_deadline_ms",
            &millis(plugins.process_deadline),
        );
        self.value(
            PLUGINS,
            "total_deadline_ms",
            &millis(plugins.total_deadline),
        );
        for (name, options) in &plugins.options {
            self.line(&format!("\n[plugins.{name}]"));
            for (key, value) in options {
                self.value(Section::Table(&["plugins", name]), key, &quoted(value));
            }
        }
    }

    fn rule(&mut self, rule: &PolicyRule) {
        let section = Section::Rule(&rule.name);
        let made = self
            .origins
            .as_ref()
            .map(|origins| origins.of_rule(&rule.name));
        self.line(&format!("\n[[rule]]{}", comment(made)));
        self.line(&format!("name = {}", quoted(&rule.name)));
        self.selectors(section, &rule.selectors);
        self.value(section, "action", &quoted(rule.action.word()));
        self.value(section, "reason", &quoted(&rule.reason));
        let says_level = rule.action != RuleAction::Restart || rule.level != Level::Service;
        if says_level {
            self.value(section, "level", &quoted(rule.level.word()));
        }
        if let Some(until) = rule.until {
            self.value(section, "until", &time(until));
        }
    }

    fn selectors(&mut self, section: Section<'_>, on: &Selectors) {
        for (key, patterns) in [
            ("units", &on.units),
            ("cgroups", &on.cgroups),
            ("packages", &on.packages),
            ("paths", &on.paths),
            ("programs", &on.programs),
            ("containers", &on.containers),
        ] {
            let patterns = patterns.iter().map(|pattern| word(pattern.written()));
            self.list(section, key, &patterns.collect::<Vec<_>>());
        }
        let uids = on.users.iter().map(u32::to_string);
        let uids: Vec<_> = uids.map(|uid| (uid.clone(), uid)).collect();
        self.list(section, "users", &uids);
        for (key, age) in [
            ("older_than", on.older_than_secs),
            ("younger_than", on.younger_than_secs),
        ] {
            if let Some(secs) = age {
                self.value(section, key, &quoted(&format!("{secs}s")));
            }
        }
    }

    /// Rules that a layer has taken out: nothing above shows that they were there.
    fn switched_off(&mut self, rules: &[PolicyRule]) {
        let Some(origins) = &self.origins else {
            return;
        };
        let is_in_force = |name: &&str| rules.iter().any(|rule| rule.name == *name);
        let off = origins
            .rules()
            .into_iter()
            .filter(|name| !is_in_force(name));
        let lines: Vec<String> = off
            .map(|name| {
                let place = origins.of_value(Section::Rule(name), "enabled");
                format!("\n# rule {name} is not in force: {place}")
            })
            .collect();
        lines.iter().for_each(|line| self.line(line));
    }

    fn value(&mut self, section: Section<'_>, key: &str, value: &str) {
        let origin = self
            .origins
            .as_ref()
            .map(|origins| origins.of_value(section, key));
        self.line(&format!(
            "{} = {value}{}",
            bare_or_quoted(key),
            comment(origin)
        ));
    }

    /// A list of words, each as it is and as TOML.
    fn list(&mut self, section: Section<'_>, key: &str, list: &[(String, String)]) {
        if list.is_empty() {
            return;
        }
        self.line(&format!("{key} = ["));
        for (plain, shown) in list {
            let origins = self.origins.as_ref();
            let origin = origins.map(|origins| origins.of_element(section, key, plain));
            self.line(&format!("    {shown},{}", comment(origin)));
        }
        self.line("]");
    }

    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").expect("writing to a string does not fail");
    }
}

fn comment(origin: Option<String>) -> String {
    origin.map_or_else(String::new, |origin| format!("  # {origin}"))
}

fn words(list: &[String]) -> Vec<(String, String)> {
    list.iter().map(|text| word(text)).collect()
}

fn word(text: &str) -> (String, String) {
    (text.to_owned(), quoted(text))
}

/// A string of TOML, without a character that steers a terminal.
fn quoted(text: &str) -> String {
    let mut shown = String::from("\"");
    for one in text.chars() {
        match one {
            '"' | '\\' => shown.extend(['\\', one]),
            _ if is_tame(one) => shown.push(one),
            _ => {
                let number = u32::from(one);
                write!(shown, "\\U{number:08X}").expect("writing to a string does not fail");
            }
        }
    }
    shown + "\""
}

fn bare_or_quoted(key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !key.is_empty() && key.bytes().all(is_bare) {
        return key.to_owned();
    }
    quoted(key)
}

/// A time of TOML, in UTC.
fn time(at: Timestamp) -> String {
    // The parser takes no year that this could not show.
    jiff::Timestamp::from_second(at.secs).map_or_else(|_| at.secs.to_string(), |at| at.to_string())
}
