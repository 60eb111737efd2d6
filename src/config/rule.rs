//! `[[rule]]` in one file: what it says, with the place of each word.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::value::{Datetime, Offset, Time};

use crate::error::FormError;
use crate::model::{Level, Pattern, RuleAction, Timestamp};

const RULES_CAP: usize = 4096;
const LIST_CAP: usize = 1024;
const NAME_CAP: usize = 64;
const TEXT_CAP: usize = 1024;

/// Whose uid a name is, if it is anybody's.
pub(super) type UidOf<'a> = &'a dyn Fn(&str) -> Option<u32>;

/// What one file says under `[[rule]]`, of its form but with nothing looked up yet.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleText {
    name: Spanned<String>,
    enabled: Option<bool>,
    action: Option<Spanned<String>>,
    reason: Option<Spanned<String>>,
    level: Option<Spanned<String>>,
    until: Option<Spanned<Datetime>>,
    older_than: Option<Spanned<String>>,
    younger_than: Option<Spanned<String>>,
    units: Option<Words>,
    remove_units: Option<Words>,
    cgroups: Option<Words>,
    remove_cgroups: Option<Words>,
    packages: Option<Words>,
    remove_packages: Option<Words>,
    paths: Option<Words>,
    remove_paths: Option<Words>,
    programs: Option<Words>,
    remove_programs: Option<Words>,
    containers: Option<Words>,
    remove_containers: Option<Words>,
    users: Option<Spanned<Vec<Spanned<User>>>>,
    remove_users: Option<Spanned<Vec<Spanned<User>>>>,
}

type Words = Spanned<Vec<Spanned<String>>>;

/// A user by name or by number.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    untagged,
    expecting = "a user is a name in quotes, or a number from 0 to 4294967294"
)]
pub(super) enum User {
    Uid(u32),
    Name(String),
}

/// What a rule of one file says, of itself or about the rule of that name in a lower layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RuleFragment {
    pub(super) name: String,
    /// Where the name stands in the text.
    pub(super) place: Range<usize>,
    pub(super) enabled: Option<bool>,
    pub(super) action: Option<RuleAction>,
    pub(super) reason: Option<String>,
    pub(super) level: Option<Level>,
    pub(super) until: Option<Timestamp>,
    pub(super) older_than_secs: Option<u64>,
    pub(super) younger_than_secs: Option<u64>,
    pub(super) units: Change<Pattern>,
    pub(super) users: Change<u32>,
    pub(super) cgroups: Change<Pattern>,
    pub(super) packages: Change<Pattern>,
    pub(super) paths: Change<Pattern>,
    pub(super) programs: Change<Pattern>,
    pub(super) containers: Change<Pattern>,
}

/// What is added to a list, and what taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Change<T> {
    pub(super) add: Vec<T>,
    pub(super) remove: Vec<T>,
}

/// Judges all rules of a file.
pub(super) fn all(
    text: &str,
    rules: Vec<RuleText>,
    uid_of: UidOf<'_>,
) -> Result<Vec<RuleFragment>, FormError> {
    if rules.len() > RULES_CAP {
        return Err(FormError::whole(&format!("more than {RULES_CAP} rules")));
    }
    let mut names = BTreeSet::new();
    let mut all = Vec::with_capacity(rules.len());
    for rule in rules {
        let place = rule.name.span();
        let name = rule.name.as_ref().clone();
        let rule = RuleJudge { text, uid_of }.fragment(rule)?;
        if !names.insert(name) {
            let why = format!("there are two rules `{}` in this file", rule.name);
            return Err(FormError::at(text, &why, Some(place)));
        }
        all.push(rule);
    }
    Ok(all)
}

/// What it takes to judge the words of a rule, and to say where a mistake is.
struct RuleJudge<'a> {
    text: &'a str,
    uid_of: UidOf<'a>,
}

impl RuleJudge<'_> {
    fn fragment(&self, rule: RuleText) -> Result<RuleFragment, FormError> {
        let fragment = RuleFragment {
            place: rule.name.span(),
            name: self.of(&rule.name, |name| checked_name(name))?,
            enabled: rule.enabled,
            action: self.option(rule.action.as_ref(), |word| action(word))?,
            reason: self.option(rule.reason.as_ref(), |text| reason(text))?,
            level: self.option(rule.level.as_ref(), |word| level(word))?,
            until: self.option(rule.until.as_ref(), timestamp)?,
            older_than_secs: self.option(rule.older_than.as_ref(), |text| seconds_of(text))?,
            younger_than_secs: self.option(rule.younger_than.as_ref(), |text| seconds_of(text))?,
            units: self.patterns(rule.units, rule.remove_units)?,
            users: self.users(rule.users, rule.remove_users)?,
            cgroups: self.patterns(rule.cgroups, rule.remove_cgroups)?,
            packages: self.patterns(rule.packages, rule.remove_packages)?,
            paths: self.patterns(rule.paths, rule.remove_paths)?,
            programs: self.patterns(rule.programs, rule.remove_programs)?,
            containers: self.patterns(rule.containers, rule.remove_containers)?,
        };
        Ok(fragment)
    }

    /// Judges one value; what is wrong with it is told with its place.
    fn of<T, U>(
        &self,
        value: &Spanned<T>,
        judge: impl Fn(&T) -> Result<U, String>,
    ) -> Result<U, FormError> {
        judge(value.as_ref()).map_err(|why| FormError::at(self.text, &why, Some(value.span())))
    }

    fn option<T, U>(
        &self,
        value: Option<&Spanned<T>>,
        judge: impl Fn(&T) -> Result<U, String>,
    ) -> Result<Option<U>, FormError> {
        value.map(|value| self.of(value, judge)).transpose()
    }

    fn list<T, U: PartialEq>(
        &self,
        list: Option<Spanned<Vec<Spanned<T>>>>,
        judge: impl Fn(&T) -> Result<U, String>,
    ) -> Result<Vec<U>, FormError> {
        let Some(list) = list else {
            return Ok(Vec::new());
        };
        self.of(&list, |list| match list.len() {
            0 => Err("an empty list fits nothing; leave it out".to_owned()),
            1..=LIST_CAP => Ok(()),
            _ => Err(format!("a list has at most {LIST_CAP} values")),
        })?;
        let values = list.as_ref().iter().map(|value| self.of(value, &judge));
        values.collect()
    }

    fn patterns(
        &self,
        add: Option<Words>,
        remove: Option<Words>,
    ) -> Result<Change<Pattern>, FormError> {
        self.change(add, remove, |text: &String| pattern(text))
    }

    fn users(
        &self,
        add: Option<Spanned<Vec<Spanned<User>>>>,
        remove: Option<Spanned<Vec<Spanned<User>>>>,
    ) -> Result<Change<u32>, FormError> {
        self.change(add, remove, |user| uid(user, self.uid_of))
    }

    fn change<T, U: PartialEq>(
        &self,
        add: Option<Spanned<Vec<Spanned<T>>>>,
        remove: Option<Spanned<Vec<Spanned<T>>>>,
        judge: impl Fn(&T) -> Result<U, String>,
    ) -> Result<Change<U>, FormError> {
        let place = remove.as_ref().map(Spanned::span);
        let change = Change {
            add: self.list(add, &judge)?,
            remove: self.list(remove, &judge)?,
        };
        if change.remove.iter().any(|value| change.add.contains(value)) {
            let why = "the same rule adds and removes the same value";
            return Err(FormError::at(self.text, why, place));
        }
        Ok(change)
    }
}

/// A name can be written into reasons (`policy.NAME`), and searched for.
fn checked_name(name: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    let fits = (1..=NAME_CAP).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(plain);
    if !fits {
        return Err(format!(
            "the name of a rule has 1 to {NAME_CAP} letters, digits, and - _ . @ after the first"
        ));
    }
    Ok(name.to_owned())
}

fn action(word: &str) -> Result<RuleAction, String> {
    RuleAction::of_word(word)
        .ok_or_else(|| format!("`{word}` is none of restart, defer, leave, hide"))
}

fn level(word: &str) -> Result<Level, String> {
    Level::of_word(word).ok_or_else(|| {
        format!("`{word}` is none of none, service, session, soft-reboot, kexec, reboot")
    })
}

fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("an empty reason says nothing".to_owned());
    }
    if text.len() > TEXT_CAP || text.contains(char::is_control) {
        return Err(format!("a reason is one line of at most {TEXT_CAP} bytes"));
    }
    Ok(text.to_owned())
}

fn pattern(text: &str) -> Result<Pattern, String> {
    if text.len() > TEXT_CAP || text.contains('\0') {
        return Err(format!(
            "a pattern has at most {TEXT_CAP} bytes, and no NUL"
        ));
    }
    Pattern::parse(text)
}

fn uid(user: &User, uid_of: UidOf<'_>) -> Result<u32, String> {
    match user {
        // -1 is nobody's uid: system calls take it for "unchanged" (setreuid(2)).
        User::Uid(u32::MAX) => Err("4294967295 is no user's number".to_owned()),
        User::Uid(uid) => Ok(*uid),
        User::Name(name) => uid_of(name).ok_or_else(|| {
            format!("there is no user `{name}` in /etc/passwd; of users of other directories, write the uid")
        }),
    }
}

/// An age: a number, and a letter for its unit.
fn seconds_of(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no age: write a number and s, m, h, d or w, as in \"10m\"");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let secs = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(wrong()),
    };
    let digits = &text[..text.len() - unit.len_utf8()];
    // `parse` takes a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    // No machine has run for so long; and no time before 1970 comes of it.
    let age = number.checked_mul(secs).filter(|secs| *secs <= 1 << 40);
    age.ok_or_else(|| format!("`{text}` is too long"))
}

/// When a rule ends: with the last second of a date (UTC), or at a time whose offset is given.
fn timestamp(written: &Datetime) -> Result<Timestamp, String> {
    let wrong = || {
        "write a date, as in 2027-01-31, or a date, a time and an offset, as in 2027-01-31T18:00:00Z"
            .to_owned()
    };
    let date = written.date.ok_or_else(wrong)?;
    let number = |number: u8| i8::try_from(number).map_err(|_| wrong());
    // Later ones cannot be shown again.
    let year = i16::try_from(date.year).ok().filter(|year| *year < 9999);
    let year = year.ok_or_else(wrong)?;
    let day = jiff::civil::Date::new(year, number(date.month)?, number(date.day)?)
        .map_err(|_| wrong())?;
    let (days, time, offset) = match (written.time, written.offset) {
        (None, None) => (1, 0, 0),
        (Some(time), Some(offset)) => (0, secs_of_day(time), offset_secs(offset)),
        _ => return Err(wrong()),
    };
    let midnight = day
        .to_datetime(jiff::civil::Time::midnight())
        .to_zoned(jiff::tz::TimeZone::UTC)
        .map_err(|_| wrong())?;
    Ok(Timestamp {
        secs: midnight.timestamp().as_second() + days * 86_400 + time - offset,
        nanos: 0,
    })
}

/// Fractions are left out.
fn secs_of_day(time: Time) -> i64 {
    i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0))
}

fn offset_secs(offset: Offset) -> i64 {
    match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes) * 60,
    }
}
