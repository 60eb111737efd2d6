//! Kernel images of every kind: what each says of itself, without running anything.
//!
//! A banner is taken from a header where there is one; otherwise the image is searched, unpacked as far as needed and no
//! further. All of it bounded: see [`form`] and [`effort`].

mod blocks;
mod candidates;
mod effort;
mod form;
mod header;
pub(in crate::boot) mod pe;
mod search;
mod source;
pub(in crate::boot) mod stream;
mod zstd;

#[cfg(test)]
mod tests;

use std::io;

use super::files::{Files, Found, why_io};
use crate::model::{Banner, Bytes, Image, ImageForm, Timestamp, WhyNot};
use effort::Effort;
use source::Part;

/// What an image says, or why that is not known.
type Outcome = Result<Banner, WhyNot>;

/// All images that are installed, each once, by path. What has not changed since the machine was `booted` need not be
/// searched, which takes a second on small machines: then its name is enough. If it is what runs, it is no other build of
/// it; if not, the machine was booted in spite of it.
pub(super) fn read(files: &Files<'_>, machine: &[u8], booted: Timestamp) -> Vec<Image> {
    let found = candidates::find(files, machine).into_iter();
    let mut images: Vec<Image> = Effort::of(files, |effort| {
        let image = |found| match named(files, &found, booted) {
            Some(banner) => of_found(found, (ImageForm::Named, Ok(banner))),
            None => image(files, found, effort),
        };
        found.map(image).collect()
    });
    images.sort_by(|a, b| a.path.cmp(&b.path));
    images
}

/// The image at a path; `None` if nothing is there.
pub(super) fn at(files: &Files<'_>, path: &[u8]) -> Option<Image> {
    let found = files.find(path).unwrap_or_else(|why| {
        files.note("look at", path, why);
        None
    });
    let found = found?;
    Some(Effort::of(files, |effort| image(files, found, effort)))
}

/// What the name of an image says, if that is enough.
fn named(files: &Files<'_>, found: &Found, booted: Timestamp) -> Option<Banner> {
    let stat = &found.stat;
    let is_older = stat.ctime < booted && stat.btime.is_none_or(|born| born < booted);
    let release = release_of_path(found.path.as_slice()).filter(|_| is_older && stat.size > 0)?;
    // Where a header tells, that costs less than to think about it; what cannot be opened is damage.
    let file = files.open_found(found).ok()?;
    let needs_search = !form::has_header(&Part::whole(&file));
    needs_search.then(|| Banner {
        release: Bytes(release),
        version: Bytes::default(),
    })
}

/// The release in the path of an image: in its name, or as the name of its directory.
fn release_of_path(path: &[u8]) -> Option<Vec<u8>> {
    release_in_name(path).or_else(|| {
        let mut parts = path.rsplit(|&byte| byte == b'/').skip(1);
        let directory = parts.next()?;
        directory
            .first()?
            .is_ascii_digit()
            .then(|| directory.to_vec())
    })
}

/// The release in the name of an image, `vmlinuz-RELEASE` and the like: it begins with a digit, `vmlinuz-linux` names none.
pub(in crate::boot) fn release_in_name(image: &[u8]) -> Option<Vec<u8>> {
    let name = image.rsplit(|&byte| byte == b'/').next()?;
    let prefixes: [&[u8]; 7] = [
        b"vmlinuz-",
        b"vmlinux-",
        b"kernel-",
        b"linux-",
        b"bzImage-",
        b"Image-",
        b"zImage-",
    ];
    let release = prefixes
        .iter()
        .find_map(|prefix| name.strip_prefix(*prefix))?;
    release.first()?.is_ascii_digit().then(|| release.to_vec())
}

fn image(files: &Files<'_>, found: Found, effort: &mut Effort) -> Image {
    let read = read_found(files, &found, effort);
    of_found(found, read)
}

fn of_found(found: Found, (form, banner): (ImageForm, Outcome)) -> Image {
    Image {
        path: found.path,
        stat: found.stat,
        form,
        banner,
    }
}

/// The release of the image at a path: what an entry of a boot loader means that names nothing else. `None` if nothing
/// is there.
pub(in crate::boot) fn release_of(files: &Files<'_>, path: &[u8]) -> Result<Option<Bytes>, WhyNot> {
    let Some(found) = files.find(path)? else {
        return Ok(None);
    };
    let (_, banner) = Effort::of(files, |effort| read_found(files, &found, effort));
    Ok(Some(banner?.release))
}

/// The bytes of a section of a PE file, at most `cap`; `None` if nothing is there, or no such section.
pub(in crate::boot) fn section_of(
    files: &Files<'_>,
    path: &[u8],
    name: &[u8; 8],
    cap: usize,
) -> Result<Option<Vec<u8>>, WhyNot> {
    let Some(found) = files.find(path)? else {
        return Ok(None);
    };
    let file = files.open_found(&found)?;
    let whole = Part::whole(&file);
    let read = || {
        let sections = pe::sections(&whole, &whole.bytes(0, 64)?)?;
        let Some(section) = sections.iter().find(|section| section.name == *name) else {
            return Ok(None);
        };
        let size = usize::try_from(section.size).map_or(cap, |size| size.min(cap));
        whole.bytes(section.offset, size).map(Some)
    };
    read().map_err(|error: io::Error| failed(&error))
}

/// Parses an image that is in memory.
pub fn parse_image(bytes: &[u8]) -> (ImageForm, Result<Banner, WhyNot>) {
    form::banner(&Part::whole(&bytes), &mut Effort::default())
}

fn read_found(files: &Files<'_>, found: &Found, effort: &mut Effort) -> (ImageForm, Outcome) {
    match files.open_found(found) {
        Ok(file) => form::banner(&Part::whole(&file), effort),
        Err(why) => (ImageForm::Unknown, Err(why)),
    }
}

/// An error of reading as a reason.
fn failed(error: &io::Error) -> WhyNot {
    why_io(error)
}
