//! What `unstale --json` says (schema 1), reduced to what the lab compares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::machine::Ended;

/// Whose a process is, as the oracle and the program under test both name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Unit(String),
    UserUnit(u32, String),
    ServiceManager,
    UserManager(u32),
    Session(String),
    Other(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit(name) => write!(f, "{name}"),
            Self::UserUnit(uid, name) => write!(f, "{name} of user {uid}"),
            Self::ServiceManager => write!(f, "PID 1"),
            Self::UserManager(uid) => write!(f, "manager of user {uid}"),
            Self::Session(id) => write!(f, "session {id}"),
            Self::Other(what) => write!(f, "{what}"),
        }
    }
}

/// A package behind stale code, as claimed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    pub(crate) backend: String,
    pub(crate) name: String,
    pub(crate) running: Option<String>,
    pub(crate) installed: Option<String>,
}

/// What is said of one owner.
#[derive(Debug, Default)]
pub(crate) struct Item {
    pub(crate) verdict: String,
    pub(crate) pids: BTreeSet<u32>,
    pub(crate) packages: BTreeSet<Package>,
    /// By path: which packages were named for it.
    pub(crate) paths: BTreeMap<String, BTreeSet<String>>,
}

/// One answer of the program.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) code: Option<i32>,
    pub(crate) complete: bool,
    pub(crate) problems: Vec<Value>,
    /// Everything that is to be done or deferred; what policy leaves alone is not in here.
    pub(crate) items: BTreeMap<Owner, Item>,
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a string: {value}"))
        .to_owned()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key]
        .as_array()
        .map_or_else(|| panic!("no list {key:?} in {value}"), Vec::as_slice)
}

fn pid(process: &Value) -> u32 {
    process["pid"]
        .as_u64()
        .and_then(|pid| u32::try_from(pid).ok())
        .unwrap_or_else(|| panic!("no pid in {process}"))
}

/// The uid in a scope, however it is spelled (`{"user":1000}`, `"user:1000"`); the processes' own where it is not.
fn uid(owner: &Value, item: &Value) -> u32 {
    let scope = owner["scope"].to_string();
    let digits: String = scope.chars().filter(char::is_ascii_digit).collect();
    let of_process = || {
        list(item, "processes")
            .first()
            .and_then(|process| u32::try_from(process["uid"].as_u64()?).ok())
    };
    digits
        .parse()
        .ok()
        .or_else(of_process)
        .unwrap_or_else(|| panic!("no uid in {owner}"))
}

fn owner(item: &Value) -> Owner {
    let owner = &item["owner"];
    let name = || text(&owner["name"]);
    match text(&owner["kind"]).as_str() {
        "unit" => Owner::Unit(name()),
        "user-unit" => Owner::UserUnit(uid(owner, item), name()),
        "service-manager" => Owner::ServiceManager,
        "user-manager" => Owner::UserManager(uid(owner, item)),
        "session" => Owner::Session(name()),
        other => Owner::Other(format!("{other} {}", name())),
    }
}

impl Item {
    fn add(&mut self, item: &Value) {
        self.verdict = text(&item["verdict"]);
        for process in list(item, "processes") {
            self.pids.insert(pid(process));
            for finding in list(process, "findings") {
                let path = text(&finding["path"]);
                let named = self.paths.entry(path).or_default();
                let package = &finding["package"];
                if package.is_null() {
                    continue;
                }
                let version = |key: &str| package[key].as_str().map(str::to_owned);
                let package = Package {
                    backend: text(&package["backend"]),
                    name: text(&package["name"]),
                    running: version("running_version"),
                    installed: version("installed_version"),
                };
                named.insert(package.name.clone());
                self.packages.insert(package);
            }
        }
    }
}

impl Report {
    /// Reads the program's answer; anything that is not one fails the test.
    #[track_caller]
    pub(crate) fn read(ended: &Ended) -> Self {
        let json: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| {
            panic!(
                "exit {:?}, not JSON ({error}):\n{}\n{}",
                ended.code, ended.stdout, ended.stderr
            )
        });
        assert_eq!(json["schema"], 1, "schema of {json}");
        let mut items = BTreeMap::<Owner, Item>::new();
        for item in list(&json, "items")
            .iter()
            .filter(|item| item["verdict"] != "leave")
        {
            items.entry(owner(item)).or_default().add(item);
        }
        Self {
            code: ended.code,
            complete: json["complete"]
                .as_bool()
                .unwrap_or_else(|| panic!("no \"complete\" in {json}")),
            problems: list(&json, "problems").to_vec(),
            items,
        }
    }

    /// Fails unless everything could be judged.
    #[track_caller]
    pub(crate) fn assert_complete(&self) {
        assert!(self.complete, "incomplete: {:#?}", self.problems);
        assert_ne!(self.code, Some(3), "exit 3 of a complete check");
    }

    /// Fails if anything is stale.
    #[track_caller]
    pub(crate) fn assert_nothing_stale(&self) {
        self.assert_complete();
        assert!(
            self.items.is_empty(),
            "stale, but should not be: {:#?}",
            self.items
        );
    }
}
