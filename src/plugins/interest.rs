//! Which plugins a process interests. Pure.
//!
//! A pattern is matched against a name, not against a process: each distinct file, control group and runtime is asked about
//! once, and the [`Mask`] of a process is that of all that it has.
#![forbid(unsafe_code)]

use std::ops::{BitOr, BitOrAssign};

use super::find::Plugin;
use super::glob::Glob;
use super::manifest::{Kind, Manifest};

/// At most so many plugins are used: as many as a [`Mask`] has bits.
pub const PLUGINS_CAP: usize = 128;

/// A set of plugins, by their places in the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Mask(u128);

impl Mask {
    /// No plugin.
    pub const NONE: Self = Self(0);

    /// One plugin; none if there can be no such place.
    #[must_use]
    pub fn of(place: usize) -> Self {
        let shift = u32::try_from(place).unwrap_or(u32::MAX);
        Self(1_u128.checked_shl(shift).unwrap_or(0))
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it has the plugin at a place.
    #[must_use]
    pub fn has(self, place: usize) -> bool {
        !Self::of(place).and(self).is_empty()
    }

    /// What both have.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The places, ascending.
    pub fn places(self) -> impl Iterator<Item = usize> {
        (0..PLUGINS_CAP).filter(move |&place| self.has(place))
    }
}

impl BitOr for Mask {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Mask {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl FromIterator<Mask> for Mask {
    fn from_iter<I: IntoIterator<Item = Mask>>(all: I) -> Self {
        all.into_iter().fold(Self::NONE, BitOr::bitor)
    }
}

/// The interests of all plugins.
#[derive(Debug, Default)]
pub struct Interests {
    exe: Vec<(Glob, Mask)>,
    exe_path: Vec<(Glob, Mask)>,
    code: Vec<(Glob, Mask)>,
    cgroup: Vec<(Glob, Mask)>,
    runtime: Vec<(String, Mask)>,
    interpreters: Mask,
}

impl Interests {
    /// Those of a list of plugins, of at most [`PLUGINS_CAP`].
    #[must_use]
    pub fn new(plugins: &[Plugin]) -> Self {
        Self::of(plugins.iter().map(|plugin| &plugin.manifest))
    }

    /// Those of manifests.
    pub fn of<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> Self {
        let mut all = Self::default();
        for (place, manifest) in manifests.into_iter().enumerate().take(PLUGINS_CAP) {
            let mask = Mask::of(place);
            let interest = &manifest.interest;
            add(&mut all.exe, &interest.exe, mask);
            add(&mut all.exe_path, &interest.exe_path, mask);
            add(&mut all.code, &interest.code, mask);
            if manifest.kind == Kind::Interpreter {
                all.interpreters |= mask;
            } else {
                add(&mut all.cgroup, &interest.cgroup, mask);
                add(&mut all.runtime, &interest.runtime, mask);
            }
        }
        all
    }

    /// Of a program, by the last component of its path.
    #[must_use]
    pub fn of_exe(&self, base_name: &[u8]) -> Mask {
        matching(&self.exe, base_name)
    }

    /// Of a program, by its whole path in the view of the process.
    #[must_use]
    pub fn of_exe_path(&self, path: &[u8]) -> Mask {
        matching(&self.exe_path, path)
    }

    /// Of a file of which code is mapped, by the last component of its path.
    #[must_use]
    pub fn of_code(&self, base_name: &[u8]) -> Mask {
        matching(&self.code, base_name)
    }

    /// Of one line of `/proc/PID/cgroup`, without its end.
    #[must_use]
    pub fn of_cgroup(&self, line: &[u8]) -> Mask {
        matching(&self.cgroup, line)
    }

    /// Of a runtime that the host's own parser of control groups found.
    #[must_use]
    pub fn of_runtime(&self, word: &str) -> Mask {
        let found = self.runtime.iter().filter(|(known, _)| known == word);
        found.map(|(_, mask)| *mask).collect()
    }

    /// The interpreters: they are asked about every process that matches, the others about those that matter.
    #[must_use]
    pub fn interpreters(&self) -> Mask {
        self.interpreters
    }

    /// Whether any plugin asks for control groups or runtimes.
    #[must_use]
    pub fn asks_for_cgroups(&self) -> bool {
        !self.cgroup.is_empty() || !self.runtime.is_empty()
    }
}

/// The same pattern of several plugins is kept once.
fn add<P: Clone + PartialEq>(kept: &mut Vec<(P, Mask)>, patterns: &[P], mask: Mask) {
    for pattern in patterns {
        match kept.iter_mut().find(|(known, _)| known == pattern) {
            Some((_, masks)) => *masks |= mask,
            None => kept.push((pattern.clone(), mask)),
        }
    }
}

fn matching(patterns: &[(Glob, Mask)], name: &[u8]) -> Mask {
    let found = patterns.iter().filter(|(glob, _)| glob.matches(name));
    found.map(|(_, mask)| *mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(kind: &str, interest: &str) -> Manifest {
        let text = format!(
            "name = \"x\"\nversion = \"1\"\nabi = \"1.0\"\nkind = \"{kind}\"\nsummary = \"x\"\n[interest]\n{interest}\n"
        );
        Manifest::parse(&text).unwrap()
    }

    fn places(mask: Mask) -> Vec<usize> {
        mask.places().collect()
    }

    #[test]
    fn each_name_finds_its_plugins() {
        let manifests = [
            manifest(
                "interpreter",
                "exe = [\"python3*\"]\ncode = [\"libpython3*\"]",
            ),
            manifest(
                "container",
                "runtime = [\"podman\"]\ncgroup = [\"*/libpod-*\"]\nexe = [\"conmon\", \"p*\"]",
            ),
            manifest(
                "vm",
                "exe_path = [\"/usr/bin/qemu-*\"]\nruntime = [\"qemu\", \"podman\"]",
            ),
        ];
        let all = Interests::of(&manifests);
        assert_eq!(places(all.of_exe(b"python3.11")), [0, 1]);
        assert_eq!(places(all.of_exe(b"conmon")), [1]);
        assert_eq!(places(all.of_exe(b"/usr/bin/conmon")), [0; 0]);
        assert_eq!(places(all.of_exe(b"libpython3.so")), [0; 0]);
        assert_eq!(places(all.of_code(b"libpython3.11.so.1.0")), [0]);
        assert_eq!(places(all.of_exe_path(b"/usr/bin/qemu-system-x86_64")), [2]);
        assert_eq!(
            places(all.of_cgroup(b"0::/machine.slice/libpod-1.scope")),
            [1]
        );
        assert_eq!(places(all.of_cgroup(b"0::/system.slice/x.service")), [0; 0]);
        assert_eq!(places(all.of_runtime("podman")), [1, 2]);
        assert_eq!(places(all.of_runtime("pod")), [0; 0]);
        assert_eq!(places(all.interpreters()), [0]);
        assert!(all.asks_for_cgroups());
        assert!(!Interests::of(&manifests[..1]).asks_for_cgroups());
    }

    #[test]
    fn masks() {
        let all: Mask = [0, 64, 127].into_iter().map(Mask::of).collect();
        assert_eq!(places(all), [0, 64, 127]);
        assert!(all.has(64) && !all.has(63) && !all.has(128));
        assert!(Mask::of(128).is_empty() && Mask::of(usize::MAX).is_empty());
        assert_eq!(places(all.and(Mask::of(127))), [127]);
        assert!(all.and(Mask::of(1)).is_empty());
    }

    #[test]
    fn as_many_as_there_is_room_for() {
        let many = vec![manifest("interpreter", "exe = [\"*\"]"); 200];
        assert_eq!(places(Interests::of(&many).of_exe(b"x")).len(), PLUGINS_CAP);
    }
}
