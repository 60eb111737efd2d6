//! Which form an image has, and the way to its banner.

use std::error::Error;
use std::io;

use memchr::memmem::Finder;

use super::effort::{Effort, Limit, late};
use super::search::{Search, parse_release, search};
use super::source::Part;
use super::stream::{Compression, MAGICS};
use super::{Outcome, failed, header, pe};
use crate::model::{ImageForm, WhyNot};

const MIB: u64 = 1024 * 1024;
/// Headers, but for that of s390x, lie in the first bytes.
const HEAD: usize = 4096;
/// What is searched of an image that is not compressed. Kernels for debuggers are larger, but have the banner in front.
const SEARCH_CAP: u64 = 128 * MIB;
/// What is taken in for that: the largest kernels of distributions have a quarter of it.
const PACKED_CAP: u64 = 128 * MIB;
/// Where a self-extracting image has its stream: behind little more than the decompressor.
const CARVE_CAP: usize = 4 * 1024 * 1024;
/// How often something in there may look like a stream.
const CARVE_TRIES: usize = 32;
/// A unified image holds a zboot image, or a compressed one: nothing is wrapped more often.
const DEPTH: u32 = 3;

/// The form of an image, and its banner.
pub(super) fn banner(image: &Part<'_>, effort: &mut Effort) -> (ImageForm, Outcome) {
    effort.spend(|limit| within(image, limit, DEPTH))
}

/// Whether a header says all there is to say: nothing has to be searched then.
pub(super) fn has_header(image: &Part<'_>) -> bool {
    let area = |offset, size| image.bytes(offset, size).unwrap_or_default();
    header::parse_setup(&area(0, HEAD)).is_some()
        || header::parse_parmarea(&area(header::PARMAREA, header::PARMAREA_SIZE)).is_some()
}

fn within(image: &Part<'_>, limit: &mut Limit, depth: u32) -> (ImageForm, Outcome) {
    if image.size() == 0 {
        return (ImageForm::Unknown, because("it is empty"));
    }
    let Some(depth) = depth.checked_sub(1) else {
        return (ImageForm::Unknown, because("it is wrapped too often"));
    };
    match headed(image, limit, depth) {
        Ok(Some(result)) => result,
        Ok(None) => searched(image, limit),
        Err(error) => (ImageForm::Unknown, Err(failed(&error))),
    }
}

/// What a header leads to; `None` if there is none that is known.
fn headed(
    image: &Part<'_>,
    limit: &mut Limit,
    depth: u32,
) -> io::Result<Option<(ImageForm, Outcome)>> {
    let head = image.bytes(0, HEAD)?;
    if let Some(setup) = header::parse_setup(&head) {
        return Ok(Some((ImageForm::Header, x86(image, &setup, limit))));
    }
    if let Some((offset, size)) = pe::parse_zboot(&head) {
        let payload = unpacked(&image.part(offset, size), limit);
        return Ok(Some((ImageForm::Zboot, payload)));
    }
    if let Some(size) = header::parse_uimage(&head) {
        return Ok(Some(within(
            &image.part(header::UIMAGE, size),
            limit,
            depth,
        )));
    }
    let sections = pe::sections(image, &head)?;
    let section = |name: &[u8; 8]| {
        let section = sections.iter().find(|section| section.name == *name)?;
        Some(image.part(section.offset, section.size))
    };
    let (kernel, uname) = (section(b".linux\0\0"), section(b".uname\0\0"));
    if kernel.is_some() || uname.is_some() {
        let outcome = unified(kernel, uname, limit, depth)?;
        return Ok(Some((ImageForm::Unified, outcome)));
    }
    let area = image.bytes(header::PARMAREA, header::PARMAREA_SIZE)?;
    if let Some(at) = header::parse_parmarea(&area) {
        return Ok(Some((ImageForm::Header, header::pointed(image, at))));
    }
    if Compression::of(&head).is_some() {
        return Ok(Some((ImageForm::Searched, unpacked(image, limit))));
    }
    Ok(None)
}

/// An x86 image: the text in its header, or else that of the compressed kernel.
fn x86(image: &Part<'_>, setup: &header::Setup, limit: &mut Limit) -> Outcome {
    let short = match setup.version {
        Some(at) => header::pointed(image, at),
        None => because("its header names no version"),
    };
    match (short, setup.payload) {
        (Err(why), Some((offset, size))) => {
            unpacked(&image.part(offset, size), limit).map_err(|_| why)
        }
        (short, _) => short,
    }
}

/// A unified image: the whole banner of the kernel in it, or else the release that its maker wrote down.
fn unified(
    kernel: Option<Part<'_>>,
    uname: Option<Part<'_>>,
    limit: &mut Limit,
    depth: u32,
) -> io::Result<Outcome> {
    let inner = match kernel {
        Some(kernel) => within(&kernel, limit, depth).1,
        None => because("it holds no kernel"),
    };
    if let (Err(_), Some(uname)) = (&inner, uname)
        && let Some(banner) = parse_release(&uname.bytes(0, HEAD)?)
    {
        return Ok(Ok(banner));
    }
    Ok(inner)
}

/// The banner in what a stream holds.
fn unpacked(stream: &Part<'_>, limit: &mut Limit) -> Outcome {
    let stream = stream.part(0, PACKED_CAP);
    let head = stream.bytes(0, 16).map_err(|error| failed(&error))?;
    let Some(compression) = Compression::of(&head) else {
        return because("what it holds is compressed in a way that is not known");
    };
    let what = compression.word();
    let mut reader = stream.reader(limit.deadline);
    let found = match compression.unpack(&mut reader) {
        Ok(mut unpacked) => search(&mut unpacked, limit),
        Err(error) => Search::Failed(error),
    };
    if let Some(why) = reader.into_broken()
        && !matches!(found, Search::Found(_))
    {
        return Err(why);
    }
    match found {
        Search::Found(banner) => Ok(banner),
        Search::Absent => because(&format!("it holds {what} stream without a kernel's banner")),
        Search::NotSoFar => because(&format!(
            "it holds {what} stream, and no kernel's banner in as much of it as is unpacked"
        )),
        Search::Late => Err(late()),
        Search::Failed(error) if ends_early(&error) => {
            because(&format!("it holds {what} stream that ends early"))
        }
        Search::Failed(error) => because(&format!(
            "it holds {what} stream that cannot be unpacked: {error}"
        )),
    }
}

/// Decoders wrap what their source says.
fn ends_early(error: &io::Error) -> bool {
    let early = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
    let mut inner = error.get_ref().map(|inner| inner as &dyn Error);
    while let Some(error) = inner {
        if error.downcast_ref::<io::Error>().is_some_and(early) {
            return true;
        }
        inner = error.source();
    }
    early(error)
}

/// An image without a header: it is searched as it is, and then for a stream in it.
fn searched(image: &Part<'_>, limit: &mut Limit) -> (ImageForm, Outcome) {
    let what = match image.bytes(0, 64) {
        Ok(head) => header::parse_kind(&head),
        Err(error) => return (ImageForm::Unknown, Err(failed(&error))),
    };
    // A self-extracting image holds nothing but the stream; some compressions leave whole sentences readable, but with
    // gaps.
    if what != Some(header::ZIMAGE) {
        let mut raw = Limit {
            bytes: SEARCH_CAP,
            ..*limit
        };
        match search(&mut image.reader(limit.deadline), &mut raw) {
            Search::Found(banner) => return (ImageForm::Searched, Ok(banner)),
            Search::Late => return (ImageForm::Unknown, Err(late())),
            Search::Failed(error) => return (ImageForm::Unknown, Err(failed(&error))),
            Search::NotSoFar => {
                let why = format!(
                    "no kernel's banner is in its first {} MiB, and no more was searched",
                    SEARCH_CAP / MIB
                );
                return (ImageForm::Unknown, because(&why));
            }
            Search::Absent => {}
        }
    }
    match (carved(image, limit), what) {
        (Ok(Some(outcome)), _) => (ImageForm::Searched, outcome),
        (Ok(None), Some(what)) => {
            let why = format!("it is {what} without a kernel's banner");
            (ImageForm::Searched, because(&why))
        }
        (Ok(None), None) => (
            ImageForm::Unknown,
            because("it has no form that is known, and no kernel's banner is in it"),
        ),
        (Err(error), _) => (ImageForm::Unknown, Err(failed(&error))),
    }
}

/// The banner in the first stream inside an image that holds one; else why the one that gave most did not.
fn carved(image: &Part<'_>, limit: &mut Limit) -> io::Result<Option<Outcome>> {
    let start = image.bytes(0, CARVE_CAP)?;
    let mut places: Vec<usize> = MAGICS
        .iter()
        .flat_map(|(magic, _)| Finder::new(magic).find_iter(&start).collect::<Vec<_>>())
        .filter(|&at| Compression::of(&start[at..]).is_some())
        .collect();
    places.sort_unstable();
    let mut best: Option<(u64, Outcome)> = None;
    for at in places.into_iter().take(CARVE_TRIES) {
        let before = limit.bytes;
        let outcome = unpacked(&image.part(at as u64, u64::MAX), limit);
        let gave = before - limit.bytes;
        if outcome.is_ok() || limit.deadline.has_passed() {
            return Ok(Some(outcome));
        }
        if best.as_ref().is_none_or(|(most, _)| gave > *most) {
            best = Some((gave, outcome));
        }
    }
    Ok(best.map(|(_, outcome)| outcome))
}

fn because(why: &str) -> Outcome {
    Err(WhyNot::Failed(why.to_owned()))
}
