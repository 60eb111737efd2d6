//! Which file a name stands for.

#![forbid(unsafe_code)]

use unstale_plugin::join;

use super::{NAMES, PLACES, Walk};
use crate::gems::{Gem, is_reachable, with_file};

impl Walk<'_> {
    pub(super) fn miss(&mut self, name: &[u8]) {
        let compiled = [name, b".so"].concat();
        let places = self.places.load_path.clone();
        let is_compiled = places
            .iter()
            .any(|place| self.has(place, &compiled).is_some());
        if !is_compiled
            && self.missing.len() <= NAMES
            && !self.missing.iter().any(|known| known == name)
        {
            self.missing.push(name.to_vec());
        }
    }

    pub(super) fn has(&mut self, place: &[u8], file: &[u8]) -> Option<Vec<u8>> {
        let listings = &mut self.detector.listings;
        let reachable = is_reachable(self.process, self.files, listings, place, file);
        let path = join(place, file);
        (reachable && listings.is_file(self.process, self.files, &path)).then_some(path)
    }

    pub(super) fn is_file(&mut self, path: &[u8]) -> bool {
        self.detector
            .listings
            .is_file(self.process, self.files, path)
    }

    pub(super) fn all_gems(&mut self) -> Vec<Gem> {
        self.detector.gems.all(
            self.process,
            self.files,
            &self.places.gems,
            self.lock.as_ref(),
        )
    }

    /// The file of a feature; several if several versions of a gem have it.
    pub(super) fn feature(&mut self, file: &[u8], everywhere: bool) -> Vec<Vec<u8>> {
        let places = self.places.load_path.clone();
        let own = places
            .iter()
            .find_map(|place| Some((self.has(place, file)?, place.clone())));
        let standard = own
            .as_ref()
            .is_none_or(|(_, place)| self.places.standard.contains(place));
        // A library of one's own comes first, unless Bundler has put the pinned gems before it.
        if !standard && self.lock.is_none() {
            return own.into_iter().map(|(path, _)| path).collect();
        }
        let gems = self.all_gems();
        let everywhere = everywhere && own.is_none();
        let listings = &mut self.detector.listings;
        let mut in_gems = with_file(self.process, self.files, listings, &gems, file, everywhere);
        in_gems.retain(|(path, _)| own.as_ref().is_none_or(|(own, _)| own != path));
        match (own, in_gems.as_slice()) {
            (own, []) => own.into_iter().map(|(path, _)| path).collect(),
            (None, [(path, gem)]) => {
                self.activate(gem);
                vec![path.clone()]
            }
            (Some(_), [(path, gem)]) if self.lock.is_some() => {
                self.activate(gem);
                vec![path.clone()]
            }
            (own, several) => {
                let several = several.iter().map(|(path, _)| path.clone());
                own.into_iter()
                    .map(|(path, _)| path)
                    .chain(several)
                    .collect()
            }
        }
    }

    /// Puts the library of a gem before those of the interpreter.
    pub(super) fn activate(&mut self, gem: &Gem) {
        let library = join(&gem.directory, b"lib");
        if !self.places.load_path.contains(&library) && self.places.load_path.len() < PLACES {
            let standard = &self.places.standard;
            let first = self
                .places
                .load_path
                .iter()
                .position(|place| standard.contains(place));
            let at = first.unwrap_or(self.places.load_path.len());
            self.places.load_path.insert(at, library);
        }
    }

    /// The file of `load`: in `$LOAD_PATH`, then from the working directory.
    pub(super) fn loaded(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        let cwd = self.process.cwd.clone();
        if name.starts_with(b"/") {
            let path = join(b"/", name);
            return self.is_file(&path).then_some(path);
        }
        if !name.starts_with(b".") {
            let places = self.places.load_path.clone();
            if let Some(path) = places.iter().find_map(|place| self.has(place, name)) {
                return Some(path);
            }
        }
        let path = join(&cwd?, name);
        self.is_file(&path).then_some(path)
    }
}
