//! The machine of a recording, for a dialect: it looks with the real engine, and the rest is pretended.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use super::recording::Recording;
use super::{table, world};
use crate::app::assess;
use crate::app::dialect::scene;
use crate::bundle::Bundle;
use crate::config::{self, Settings, Sources};
use crate::dialects::testing::Pretended;
use crate::dialects::{
    self, Errand, Machine, NotBegun, NotRestarted, Order, Own, Scene, Terminals, Voice, Wanted,
};
use crate::model::{Account, WhyNot};

/// The machine.
pub(super) struct Played {
    bundle: Bundle,
    accounts: Vec<Account>,
    pretended: Pretended,
}

impl Played {
    pub(super) fn new(recording: &Recording, variables: Vec<(String, String)>) -> Self {
        let files = table::files(recording).into_iter();
        let variables = variables.into_iter();
        Self {
            bundle: world::bundle(recording),
            accounts: world::accounts(recording),
            pretended: Pretended {
                euid: recording.reader(),
                variables: variables
                    .map(|(name, value)| (name, value.into()))
                    .collect(),
                files: files
                    .map(|(path, text)| (path.into(), text.into()))
                    .collect(),
                typed: VecDeque::new(),
                ..Pretended::default()
            },
        }
    }

    /// Exit status, standard output and standard error.
    pub(super) fn speak(mut self, words: &[String]) -> (u8, String, String) {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let (dialect, call) = dialects::called(&words, None).unwrap().unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut voice = Voice {
            name: dialect.name,
            out: &mut out,
            err: &mut err,
        };
        let exit = (dialect.speak)(&call, &mut self, &mut voice).unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (exit, text(out), text(err))
    }
}

/// What is in force where nobody says anything, read once.
static DEFAULT: LazyLock<Settings> = LazyLock::new(Settings::default);

/// No administrator has said anything.
fn nobody() -> Sources {
    let nowhere = || PathBuf::from("/nonexistent");
    Sources {
        vendor: nowhere(),
        etc: nowhere(),
        passwd: nowhere(),
        mode: None,
        euid: 0,
    }
}

impl Machine for Played {
    fn euid(&self) -> u32 {
        self.pretended.euid()
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        self.pretended.variable(name)
    }

    fn clock(&self) -> Duration {
        self.pretended.clock()
    }

    fn terminals(&self) -> Terminals {
        self.pretended.terminals()
    }

    fn own(&self) -> Own {
        self.pretended.own()
    }

    fn is_program(&self, path: &Path) -> bool {
        self.pretended.is_program(path)
    }

    fn is_there(&self, path: &Path) -> io::Result<bool> {
        self.pretended.is_there(path)
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        self.pretended.resolved(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.pretended.read(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.pretended.list(directory)
    }

    fn look(&mut self, wanted: &Wanted) -> Result<Scene, Vec<String>> {
        if wanted.own_only {
            // Nobody reads the others' then.
            let problems = &mut self.bundle.facts.problems;
            problems.retain(|problem| problem.why != WhyNot::Denied);
        }
        if !wanted.packages {
            // Nobody was asked about them then.
            self.bundle.answers.files.clear();
            self.bundle.facts.beside.clear();
        }
        let settings = match &wanted.rules {
            Some(rules) => config::read_with(&nobody(), rules).unwrap(),
            None => DEFAULT.clone(),
        };
        let assessment = assess::assess(&self.bundle, &settings, wanted.own_only);
        Ok(scene::with_accounts(&assessment, wanted, &self.accounts))
    }

    fn ask(&mut self) -> io::Result<Option<String>> {
        self.pretended.ask()
    }

    fn restart(&mut self, order: &Order<'_>) -> Result<Vec<NotRestarted>, NotBegun> {
        self.pretended.restart(order)
    }

    fn packages_change(&self) -> Option<String> {
        self.pretended.packages_change()
    }

    fn later(&mut self, name: &str, args: &[OsString]) -> Result<String, String> {
        self.pretended.later(name, args)
    }

    fn wait(&mut self) -> Result<bool, String> {
        self.pretended.wait()
    }

    fn run(&mut self, errand: &Errand<'_>) -> Result<i32, String> {
        self.pretended.run(errand)
    }
}
