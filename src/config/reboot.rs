//! `[reboot]`: which packages ask for a reboot, and whether others are told by flag files.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use wildmatch::WildMatch;

use crate::model::FlagFiles;

const LIST_CAP: usize = 256;
const NAME_CAP: usize = 256;

/// Settings about reboots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reboot {
    /// Whether a reboot that is due is written into files that others read.
    pub flag: FlagPolicy,
    /// Names of packages after whose upgrade a reboot is wanted, beside those that are known; each once.
    pub packages: Vec<String>,
    /// Patterns of names after whose upgrade none is wanted, whoever lists them.
    pub(super) ignore_packages: Vec<String>,
    /// Whether the word of a live patch's vendor, that the running kernel is as good as the new one, puts off a reboot.
    pub live_patches_suffice: bool,
}

/// Which flag files are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlagPolicy {
    /// None.
    #[default]
    Off,
    /// The one that belongs to the system, by the package stores that it has.
    Native,
    /// Both, for readers that know the other one only.
    Both,
}

impl Reboot {
    /// Whether a package is taken off all lists.
    #[must_use]
    pub fn is_ignored(&self, package: &str) -> bool {
        let mut patterns = self.ignore_packages.iter();
        patterns.any(|pattern| WildMatch::new(pattern).matches(package))
    }

    /// Adds a layer: lists grow, and the last word on a flag counts.
    pub(super) fn add(&mut self, layer: &RebootFragment) {
        self.flag = layer.flag.unwrap_or(self.flag);
        self.live_patches_suffice = layer
            .live_patches_suffice
            .unwrap_or(self.live_patches_suffice);
        extend(&mut self.packages, &layer.packages);
        extend(&mut self.ignore_packages, &layer.ignore_packages);
        // What is ignored is so whoever lists it; no file can say both.
        let ignored = &self.ignore_packages;
        self.packages.retain(|name| !ignored.contains(name));
    }
}

impl FlagPolicy {
    /// The files to write on a system with these package stores.
    #[must_use]
    pub fn files(self, dpkg: bool, rpm: bool) -> FlagFiles {
        match self {
            Self::Off => FlagFiles::default(),
            Self::Native => FlagFiles {
                required: dpkg,
                needed: rpm,
            },
            Self::Both => FlagFiles {
                required: true,
                needed: true,
            },
        }
    }
}

/// What one file says of reboots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RebootFragment {
    flag: Option<FlagPolicy>,
    live_patches_suffice: Option<bool>,
    #[serde(deserialize_with = "names")]
    packages: Vec<String>,
    #[serde(deserialize_with = "names")]
    ignore_packages: Vec<String>,
}

impl RebootFragment {
    /// What no single value tells.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut both = self.packages.iter();
        match both.find(|name| self.ignore_packages.contains(name)) {
            Some(name) => Err(format!(
                "`{name}` is both in reboot.packages and in reboot.ignore_packages"
            )),
            None => Ok(()),
        }
    }
}

fn extend(names: &mut Vec<String>, more: &[String]) {
    for name in more {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
}

fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    if names.len() > LIST_CAP {
        return Err(D::Error::custom(format!("more than {LIST_CAP} names")));
    }
    let is_name = |name: &&String| {
        (1..=NAME_CAP).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match names.iter().find(|name| !is_name(name)) {
        Some(name) => Err(D::Error::custom(format!(
            "`{name}` is no name of a package"
        ))),
        None => Ok(names),
    }
}
