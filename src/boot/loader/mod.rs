//! Boot loaders: which there is, and what it would boot if nobody chooses.
//!
//! Nothing is guessed: where files do not tell, or hold what is not understood, there is no default, and a note says why.
//! An entry that was asked for the next boot alone (`next_entry`, `LoaderEntryOneShot`) is what would boot next, and is
//! told as the default with a note that says so. An entry whose image is not there would not boot: no default. Whatever
//! goes wrong is a note, and never a problem: what a loader says is a second opinion on the images that are installed.

mod bls;
mod commands;
mod condition;
mod efi;
mod expand;
mod extlinux;
pub mod grub;
mod grubenv;
mod menu;
mod raspberry;
mod run;
mod script;
mod systemd_boot;
#[cfg(test)]
mod tests;
mod version;
mod zipl;

use super::files::Files;
use super::images;
use crate::model::{Bytes, Entry, Loader, LoaderKind, WhyNot};
use bls::{Snippet, parse_snippet};

/// Entries that are read of a directory; more are no machine's.
const SNIPPETS: usize = 1000;
/// The most of the file of one.
const SNIPPET_CAP: u64 = 16 * 1024;
/// Notes that are kept.
const NOTES: usize = 32;

/// What the files of one loader say.
#[derive(Debug, Clone, Default)]
struct Said {
    choice: Option<Choice>,
    notes: Vec<String>,
}

/// The entry that a loader would boot, before its image was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    id: Vec<u8>,
    title: Vec<u8>,
    /// Where the image may be: the first that exists is it.
    places: Vec<Vec<u8>>,
    release: Option<Vec<u8>>,
    source: Vec<u8>,
}

/// The files, as loaders' readers need them.
struct Disk<'a, 'b> {
    files: &'a Files<'b>,
}

/// What the files of the boot loader say.
pub(super) fn read(files: &Files<'_>) -> Loader {
    let disk = Disk { files };
    let mut notes = Vec::new();
    let loader_info = efi::variable(&disk, "LoaderInfo", &mut notes);
    let (kind, mut said) = match loader_info.as_deref().map(kind_of) {
        // It is the one that started what runs now.
        Some(Some(kind)) => (kind, disk.said_by(kind)),
        Some(None) => {
            let info = Bytes::from(loader_info.unwrap_or_default());
            notes.push(format!("the boot loader is not known: {}", info.escaped()));
            (LoaderKind::Unknown, Said::default())
        }
        None => disk.likeliest(),
    };
    notes.append(&mut said.notes);
    let default = said
        .choice
        .and_then(|choice| disk.entry(choice, &mut notes));
    if notes.len() > NOTES {
        let more = notes.len() - NOTES;
        notes.truncate(NOTES);
        notes.push(format!("and {more} more"));
    }
    Loader {
        kind,
        default,
        notes,
    }
}

/// By what a loader says of itself (the Boot Loader Interface): `systemd-boot 257.5-2`, `GRUB 2.12`.
fn kind_of(info: &[u8]) -> Option<LoaderKind> {
    if info.starts_with(b"systemd-boot") {
        Some(LoaderKind::SystemdBoot)
    } else if info.starts_with(b"GRUB") {
        Some(LoaderKind::Grub)
    } else {
        None
    }
}

impl Disk<'_, '_> {
    /// What the files of a loader say; `None` if there are none.
    fn said(&self, kind: LoaderKind) -> Option<Said> {
        match kind {
            LoaderKind::Grub => grub::read(self),
            LoaderKind::SystemdBoot => systemd_boot::read(self, false),
            LoaderKind::Extlinux => extlinux::read(self),
            LoaderKind::RaspberryPi => raspberry::read(self),
            LoaderKind::Zipl => zipl::read(self),
            LoaderKind::Unknown => None,
        }
    }

    /// What the files of the loader say that started the machine.
    fn said_by(&self, kind: LoaderKind) -> Said {
        let said = match kind {
            LoaderKind::SystemdBoot => systemd_boot::read(self, true),
            kind => self.said(kind),
        };
        said.unwrap_or_else(|| Said {
            choice: None,
            notes: vec![format!("there are no files of {}", name_of(kind))],
        })
    }

    /// The likeliest of the loaders whose files are there; no default if others do not agree.
    fn likeliest(&self) -> (LoaderKind, Said) {
        // A Raspberry's firmware comes first, whatever it starts. Where GRUB is there, other files are often left over.
        let order = [
            LoaderKind::RaspberryPi,
            LoaderKind::Grub,
            LoaderKind::SystemdBoot,
            LoaderKind::Extlinux,
            LoaderKind::Zipl,
        ];
        let all = order
            .into_iter()
            .filter_map(|kind| Some((kind, self.said(kind)?)));
        let mut all: Vec<(LoaderKind, Said)> = all.collect();
        if all.is_empty() {
            let notes = systemd_boot::look(self).notes;
            let choice = None;
            return (LoaderKind::Unknown, Said { choice, notes });
        }
        let (kind, mut said) = all.remove(0);
        let agree = |(_, other): &(LoaderKind, Said)| {
            self.agree(said.choice.as_ref(), other.choice.as_ref())
        };
        if !all.iter().all(agree) {
            let others: Vec<&str> = all.iter().map(|(kind, _)| name_of(*kind)).collect();
            let others = others.join(" and ");
            said.notes.push(format!(
                "there are files of {others} as well, and what they would boot is not the same"
            ));
            said.choice = None;
        }
        (kind, said)
    }

    /// Whether two would boot the same image.
    fn agree(&self, one: Option<&Choice>, other: Option<&Choice>) -> bool {
        let image = |choice: &Choice| Some(self.image(choice).ok()??.0);
        match (one, other) {
            (Some(one), Some(other)) => image(one).is_some() && image(one) == image(other),
            _ => false,
        }
    }

    /// The image of a choice, symbolic links resolved, and its name before that; `None` if it is nowhere.
    fn image<'c>(&self, choice: &'c Choice) -> Result<Option<(Bytes, &'c [u8])>, WhyNot> {
        for place in &choice.places {
            if let Some(found) = self.files.find(place)?
                && found.is_file()
            {
                return Ok(Some((found.path, place)));
            }
        }
        Ok(None)
    }

    fn entry(&self, choice: Choice, notes: &mut Vec<String>) -> Option<Entry> {
        let shown = choice.places.first().cloned().unwrap_or_default();
        let (image, release) = match self.image(&choice) {
            Ok(Some((image, named))) => {
                // SUSE has links in /boot to files whose name says nothing.
                let release = choice.release.clone();
                let release = release
                    .or_else(|| images::release_in_name(image.as_slice()))
                    .or_else(|| images::release_in_name(named))
                    .map(Bytes::from);
                (image, release)
            }
            Ok(None) => {
                let (id, shown) = (Bytes::from(choice.id), Bytes::from(shown));
                notes.push(format!(
                    "the default entry, {}, would boot {}, which is not there",
                    id.escaped(),
                    shown.escaped()
                ));
                return None;
            }
            Err(why) => {
                notes.push(unreadable(&shown, &why));
                return None;
            }
        };
        // What the image itself says. It is among the images that are read anyway, which tell of what is wrong with it.
        let inside = || {
            images::release_of(self.files, image.as_slice())
                .ok()
                .flatten()
        };
        Some(Entry {
            id: Bytes::from(choice.id),
            title: Bytes::from(choice.title),
            release: release.or_else(inside),
            source: Bytes::from(choice.source),
            image,
        })
    }

    /// Whether firmware of the EFI kind started the machine.
    fn is_efi(&self) -> bool {
        matches!(self.files.find("/sys/firmware/efi"), Ok(Some(_)))
    }

    /// The names in a directory; what cannot be listed is noted.
    fn list(&self, path: &[u8], notes: &mut Vec<String>) -> Vec<Vec<u8>> {
        match self.files.list(path) {
            Ok(names) => names
                .unwrap_or_default()
                .into_iter()
                .map(|name| name.0)
                .collect(),
            Err(why) => {
                notes.push(unreadable(path, &why));
                Vec::new()
            }
        }
    }

    /// The entries of type 1 below a partition's mount point, by name.
    fn snippets(&self, mounted: &[u8]) -> Result<Vec<Snippet>, String> {
        let directory = [mounted, b"/loader/entries"].concat();
        let mut snippets = Vec::new();
        let names = self
            .files
            .list(&directory)
            .map_err(|why| unreadable(&directory, &why))?;
        for name in names.unwrap_or_default() {
            let name = name.as_slice();
            if name.starts_with(b".") || !name.to_ascii_lowercase().ends_with(b".conf") {
                continue;
            }
            if snippets.len() == SNIPPETS {
                let shown = Bytes::from(directory);
                return Err(format!(
                    "more than {SNIPPETS} entries in {}",
                    shown.escaped()
                ));
            }
            let path = [&directory, b"/".as_slice(), name].concat();
            match self.files.read(&path, SNIPPET_CAP) {
                Ok(Some(text)) => {
                    let mut snippet = parse_snippet(&text, name);
                    snippet.source = path;
                    snippets.push(snippet);
                }
                Ok(None) => {}
                Err(why) => return Err(unreadable(&path, &why)),
            }
        }
        Ok(snippets)
    }
}

fn name_of(kind: LoaderKind) -> &'static str {
    match kind {
        LoaderKind::Grub => "GRUB",
        LoaderKind::SystemdBoot => "systemd-boot",
        LoaderKind::Extlinux => "extlinux",
        LoaderKind::RaspberryPi => "a Raspberry Pi",
        LoaderKind::Zipl => "zipl",
        LoaderKind::Unknown => "no loader",
    }
}

fn unreadable(path: &[u8], why: &WhyNot) -> String {
    format!("cannot read {}: {why}", Bytes::from(path).escaped())
}

fn not_understood(path: &[u8], what: &str) -> String {
    format!(
        "cannot tell what {} boots: {what}",
        Bytes::from(path).escaped()
    )
}
