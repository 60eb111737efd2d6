//! Directories of installed packages, and their `.pth` files: lines that name directories, and lines of code, of which only
//! the imports are read.
#![forbid(unsafe_code)]

use unstale_plugin::{Kind, Root, join};

use crate::finder::{Area, Finder, Look, Place, below};
use crate::source::{Import, parse_source};

/// What sites add up to.
#[derive(Debug, Default)]
pub(crate) struct SiteFiles {
    /// In the order of the path.
    pub(crate) places: Vec<Place>,
    /// Imports in `.pth` files, with the files.
    pub(crate) startup: Vec<(Vec<u8>, Import)>,
}

/// `.pth` files of one directory, lines of one, places altogether.
const FILES: usize = 256;
const LINES: usize = 1024;
const PLACES: usize = 512;

/// Whether a directory of this name holds installed packages.
pub(crate) fn is_site(name: &[u8]) -> bool {
    name == b"site-packages" || name == b"dist-packages"
}

/// Adds a directory, then what its `.pth` files name.
pub(crate) fn add_site(
    look: Look<'_>,
    finder: &mut Finder,
    directory: &[u8],
    site: &mut SiteFiles,
) {
    add_place(directory.to_vec(), Area::Site, site);
    let entries = match look.files.list(Root::Process, directory) {
        Ok(entries) => entries,
        Err(refused) => return finder.heed(refused),
    };
    let names = entries.into_iter().map(|entry| entry.name);
    let mut names: Vec<Vec<u8>> = names
        .filter(|name| name.ends_with(b".pth") && !name.starts_with(b"."))
        .collect();
    names.sort();
    for name in names.into_iter().take(FILES) {
        let path = below(directory, &name);
        match look.files.read(Root::Process, &path) {
            Ok(text) => read_pth(look, finder, (&path, &text), directory, site),
            Err(refused) => finder.heed(refused),
        }
    }
}

fn add_place(path: Vec<u8>, area: Area, site: &mut SiteFiles) {
    if site.places.len() < PLACES && !site.places.iter().any(|place| place.path == path) {
        site.places.push(Place { path, area });
    }
}

fn read_pth(
    look: Look<'_>,
    finder: &mut Finder,
    (path, text): (&[u8], &[u8]),
    directory: &[u8],
    site: &mut SiteFiles,
) {
    let lines = text.split(|&byte| byte == b'\n' || byte == b'\r');
    for line in lines.take(LINES) {
        if line.starts_with(b"import ") || line.starts_with(b"import\t") {
            let imports = parse_source(line).imports.into_iter();
            site.startup
                .extend(imports.map(|import| (path.to_vec(), import)));
            continue;
        }
        let line = line.trim_ascii_end();
        if line.is_empty() || line.starts_with(b"#") || line.contains(&0) {
            continue;
        }
        let place = join(directory, line);
        if matches!(finder.kind(look, &place), Ok(Kind::Directory | Kind::File)) {
            // An editable installation: somebody's working directory.
            add_place(place, Area::App, site);
        }
    }
}
