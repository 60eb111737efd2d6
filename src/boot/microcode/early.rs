//! What a kernel loads before anything else: a file in the archives at the beginning of its initrd that are not compressed
//! (Documentation/arch/x86/microcode.rst and driver-api/early-userspace/buffer-format.rst in Linux; `find_cpio_data`).

use super::ranges::{Damage, Part, Ranges, at_most, exactly};
use crate::boot::images::pe;

/// A header of cpio's "newc" form: a magic number of six digits and thirteen fields of eight, all hexadecimal.
const HEADER_SIZE: usize = 110;
const MAGICS: [&[u8]; 2] = [b"070701", b"070702"];
/// Archives that are not compressed at all have some thousands of files.
const FILES_CAP: usize = 100_000;
/// Zeros between archives: tools pad to a kilobyte, or to a page.
const ZEROS_CAP: u64 = 1024 * 1024;
const PIECE: usize = 4096;
/// The type bits of a mode, and those of regular files.
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
/// `PATH_MAX`, cpio's own bound.
const NAME_CAP: u32 = 4096;

/// Where the first file of a name begins and how long it is. `None` if the archives end, or something else begins, before
/// there is one.
///
/// # Errors
/// Where an archive is cut off, or where it is given up.
pub fn find_early(source: &dyn Ranges, name: &[u8]) -> Result<Option<(u64, u64)>, Damage> {
    let mut at = 0;
    for _ in 0..FILES_CAP {
        let Some(start) = skip_zeros(source, at)? else {
            return Ok(None);
        };
        let Some(head) = head(source, start)? else {
            return Ok(None);
        };
        let data = aligned(start + HEADER_SIZE as u64 + u64::from(head.name_size));
        let end = data + u64::from(head.size);
        if end > source.size() {
            return Err(Damage::at(start, "a file of an archive is cut off"));
        }
        if head.mode & TYPE == REGULAR && has_name(source, start, &head, name)? {
            return Ok(Some((data, u64::from(head.size))));
        }
        at = aligned(end);
    }
    Err(Damage::at(at, format!("more than {FILES_CAP} files")))
}

/// The next byte that is not zero; headers begin at multiples of four.
fn skip_zeros(source: &dyn Ranges, start: u64) -> Result<Option<u64>, Damage> {
    let mut at = start;
    while at < source.size() {
        let piece = match at == start {
            // Most often there are none.
            true => 4,
            false => PIECE,
        };
        let left = usize::try_from(source.size() - at).map_or(piece, |left| left.min(piece));
        let bytes = exactly(source, at, left, "an archive")?;
        if let Some(found) = bytes.iter().position(|byte| *byte != 0) {
            return Ok(Some(at + (found as u64 & !3)));
        }
        at += left as u64;
        if at - start > ZEROS_CAP {
            return Err(Damage::at(start, format!("more than {ZEROS_CAP} zeros")));
        }
    }
    Ok(None)
}

/// What a header says, as far as it matters.
struct Head {
    mode: u32,
    size: u32,
    name_size: u32,
}

/// `None` where something else begins: what is compressed.
fn head(source: &dyn Ranges, at: u64) -> Result<Option<Head>, Damage> {
    let magic = at_most(source, at, 6)?;
    if !MAGICS.contains(&&*magic) {
        return Ok(None);
    }
    let bytes = exactly(
        source,
        at,
        HEADER_SIZE,
        "the header of a file in an archive",
    )?;
    let field = |index: usize| number(&bytes[6 + 8 * index..][..8]);
    let head = match (field(1), field(6), field(11)) {
        (Some(mode), Some(size), Some(name_size)) if name_size <= NAME_CAP => Head {
            mode,
            size,
            name_size,
        },
        _ => return Err(Damage::at(at, "no header of a file in an archive")),
    };
    Ok(Some(head))
}

/// Whether a file has a name, with whatever comes behind it: tools put zeros there, so that the data is aligned, and the
/// kernel compares no more.
fn has_name(source: &dyn Ranges, at: u64, head: &Head, name: &[u8]) -> Result<bool, Damage> {
    let length = usize::try_from(head.name_size).unwrap_or(usize::MAX);
    if length < name.len() {
        return Ok(false);
    }
    let found = exactly(source, at + HEADER_SIZE as u64, name.len(), "a name")?;
    Ok(*found == *name)
}

fn number(digits: &[u8]) -> Option<u32> {
    // from_str_radix would take a sign.
    let all = digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| all)?;
    u32::from_str_radix(text, 16).ok()
}

fn aligned(offset: u64) -> u64 {
    offset.saturating_add(3) & !3
}

/// The parts of a file that a kernel sees as one initrd: the file itself, or sections of a unified kernel image, in
/// the order in which the stub hands them over (systemd-stub(7)).
fn parts(source: &dyn Ranges) -> Result<Vec<(u64, u64)>, Damage> {
    let start = at_most(source, 0, 64)?;
    if !start.starts_with(b"MZ") {
        return Ok(vec![(0, source.size())]);
    }
    let no_image = || Damage::at(0, "no header of an EFI program");
    let at = pe::parse_dos(&start).ok_or_else(no_image)?;
    let head = exactly(source, at, 24, "the header of an EFI program")?;
    let (away, count) = pe::parse_coff(&head).ok_or_else(no_image)?;
    let table = exactly(source, at + away, count * 40, "the table of an EFI program")?;
    let sections = pe::parse_sections(&table);
    let named = |name: &'static [u8; 8]| {
        let found = sections.iter().filter(move |section| section.name == *name);
        found.map(|section| (section.offset, section.size))
    };
    Ok(named(b".ucode\0\0").chain(named(b".initrd\0")).collect())
}

/// The microcode in a file that is an initrd or holds one, and where it begins.
pub(super) fn microcode_in<'a>(
    source: &'a dyn Ranges,
    name: &[u8],
) -> Result<Option<Part<'a>>, Damage> {
    for (start, size) in parts(source)? {
        let part = Part {
            whole: source,
            start,
            size,
        };
        let found = find_early(&part, name).map_err(|damage| damage.behind(start))?;
        if let Some((offset, size)) = found {
            return Ok(Some(Part {
                whole: source,
                start: start + offset,
                size,
            }));
        }
    }
    Ok(None)
}
