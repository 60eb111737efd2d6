//! Bundler: its lock, its directories, and the programs of gems.

#![forbid(unsafe_code)]

use unstale_plugin::{How, Role, Root, base_name, directory_of, join};

use super::Walk;
use crate::bundle::{Lock, is_name, parse_lock};
use crate::source::Target;

impl Walk<'_> {
    /// The program that a stub of a gem starts.
    pub(super) fn program(&mut self, gem: &[u8], program: &[u8], via: Option<Vec<u8>>, how: How) {
        if !is_name(program) {
            return;
        }
        let mut found = Vec::new();
        for gem in self.all_gems().iter().filter(|known| known.name == gem) {
            for directory in [&b"exe"[..], b"bin", b"libexec"] {
                let path = join(&gem.directory, &[directory, b"/", program].concat());
                if self.is_file(&path) {
                    found.push((path, gem.clone()));
                    break;
                }
            }
        }
        match found.as_slice() {
            [(path, gem)] => {
                self.activate(gem);
                self.take(path.clone(), via, how);
            }
            several => {
                for (path, _) in several {
                    self.put_off(Target::Found(path.clone()), via.clone());
                }
            }
        }
    }

    /// Bundler is in use: its lock tells the versions, and is itself a part of the program.
    pub(super) fn bundle(&mut self, how: How) {
        if self.lock.is_some() {
            return;
        }
        let Some(path) = self.lock_file() else { return };
        if !self.seen.insert(path.clone()) {
            return;
        }
        self.say(path.clone(), Role::Module, how, None);
        match self.files.read(Root::Process, &path) {
            Ok(text) => self.use_lock(parse_lock(&text), directory_of(&path), how),
            Err(refused) if how == How::Imported => self.say_unread(&path, refused),
            Err(_) => {}
        }
    }

    pub(super) fn use_lock(&mut self, lock: Lock, application: &[u8], how: How) {
        let own = [
            self.process.env(b"BUNDLE_PATH").map(<[u8]>::to_vec),
            self.configured(application),
        ];
        for path in own.into_iter().flatten().chain([b"vendor/bundle".to_vec()]) {
            let below = [&b"ruby/"[..], &self.places.version].concat();
            let path = join(&join(application, &path), &below);
            if self
                .detector
                .listings
                .is_directory(self.process, self.files, &path)
            {
                self.places.gems.insert(0, path);
                break;
            }
        }
        let mut libraries: Vec<Vec<u8>> = lock
            .directories
            .iter()
            .map(|path| join(&join(application, path), b"lib"))
            .collect();
        for name in lock.checkouts.iter().filter(|name| is_name(name)) {
            let places = self.places.gems.iter();
            libraries.extend(places.map(|place| {
                join(
                    place,
                    &[b"bundler/gems/", name.as_slice(), b"/lib"].concat(),
                )
            }));
        }
        libraries.retain(|path| {
            self.detector
                .listings
                .is_directory(self.process, self.files, path)
        });
        self.places.load_path.splice(0..0, libraries);
        if how == How::Imported {
            self.lock = Some(lock);
        }
    }

    /// `BUNDLE_PATH: "vendor/bundle"` in the settings beside the application.
    pub(super) fn configured(&self, application: &[u8]) -> Option<Vec<u8>> {
        let text = self
            .files
            .read(Root::Process, &join(application, b".bundle/config"))
            .ok()?;
        let mut lines = text.split(|&byte| byte == b'\n');
        let value = lines
            .find_map(|line| line.strip_prefix(b"BUNDLE_PATH:"))?
            .trim_ascii();
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        Some(value.strip_suffix(b"\"").unwrap_or(value).to_vec())
    }

    /// The lock beside the Gemfile that the environment names, or that is found as Bundler finds it.
    pub(super) fn lock_file(&mut self) -> Option<Vec<u8>> {
        let named = self
            .process
            .env(b"BUNDLE_GEMFILE")
            .filter(|path| !path.is_empty());
        if let Some(named) = named {
            let path = join(self.process.cwd.as_deref().unwrap_or(b"/"), named);
            let path = if base_name(&path) == b"gems.rb" {
                join(directory_of(&path), b"gems.locked")
            } else {
                [path.as_slice(), b".lock"].concat()
            };
            return self.is_file(&path).then_some(path);
        }
        let beside = self
            .script
            .as_ref()
            .map(|script| directory_of(&self.real(script)).to_vec());
        for start in beside.into_iter().chain(self.process.cwd.clone()) {
            let mut directory = start.as_slice();
            for _ in 0..16 {
                for name in [&b"Gemfile.lock"[..], b"gems.locked"] {
                    let path = join(directory, name);
                    if self.is_file(&path) {
                        return Some(path);
                    }
                }
                if directory == b"/" || directory.is_empty() {
                    break;
                }
                directory = directory_of(directory);
            }
        }
        None
    }
}
