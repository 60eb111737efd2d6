//! Headers that lead to the banner without unpacking anything.

use super::search::parse_short_banner;
use super::source::Part;
use super::{Outcome, failed};
use crate::model::WhyNot;

/// As long as any banner.
const TEXT: usize = 1024;

/// The setup header of an x86 kernel (Documentation/arch/x86/boot.rst).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setup {
    /// Where the banner is, if anywhere.
    pub(super) version: Option<u64>,
    /// The compressed kernel: offset and size.
    pub(super) payload: Option<(u64, u64)>,
}

/// Parses the setup header, if the image has one.
pub(super) fn parse_setup(head: &[u8]) -> Option<Setup> {
    (head.get(0x202..0x206)? == b"HdrS").then_some(())?;
    let protocol = u16_at(head, 0x206)?;
    let version = u64::from(u16_at(head, 0x20e)?);
    // Offset and length of the payload came with protocol 2.08. A count of 0 sectors means 4.
    let sectors = match *head.get(0x1f1)? {
        0 => 4,
        sectors => u64::from(sectors),
    };
    let payload = match (u32_at(head, 0x248), u32_at(head, 0x24c)) {
        (Some(offset), Some(size)) if protocol >= 0x208 => {
            Some((u64::from(offset) + (sectors + 1) * 512, u64::from(size)))
        }
        _ => None,
    };
    Some(Setup {
        version: (version != 0).then_some(version + 0x200),
        payload,
    })
}

/// Where the parameter area of an s390x kernel is, from the magic in front of it on, and how much of it is read.
pub(super) const PARMAREA: u64 = 0x10008;
pub(super) const PARMAREA_SIZE: usize = 0x428;

/// Where an s390x kernel says that its banner is (`struct parmarea` of arch/s390/include/asm/setup.h, Linux 5.3): the
/// image starts at address 0, and the magic is that of arch/s390/boot/head.S.
pub(super) fn parse_parmarea(area: &[u8]) -> Option<u64> {
    (area.get(..6)? == b"S390EP").then_some(())?;
    let pointer = area.get(0x420..0x428)?.try_into().ok()?;
    Some(u64::from_be_bytes(pointer)).filter(|&at| at != 0)
}

/// The length of the header that U-Boot's mkimage puts before an image.
pub(super) const UIMAGE: u64 = 64;

/// The size of what is behind U-Boot's legacy header (`struct image_header` of include/image.h), in network order.
pub(super) fn parse_uimage(head: &[u8]) -> Option<u64> {
    (head.get(..4)? == b"\x27\x05\x19\x56").then_some(())?;
    Some(u64::from(u32_at(head, 12)?.swap_bytes()))
}

/// A self-extracting image of 32-bit ARM.
pub(super) const ZIMAGE: &str = "an ARM zImage";

/// What an image without a useful header is, for people.
pub(super) fn parse_kind(head: &[u8]) -> Option<&'static str> {
    let is = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|head| head.starts_with(magic));
    // Documentation/arch/arm64/booting.rst, …/riscv/boot-image-header.rst; arch/arm/boot/compressed/head.S.
    let kinds: [(usize, &[u8], &str); 5] = [
        (0x38, b"ARM\x64", "an arm64 image"),
        (0x38, b"RSC\x05", "a riscv image"),
        (0x24, b"\x18\x28\x6f\x01", ZIMAGE),
        (0, b"\x7fELF", "an ELF file"),
        (0, b"MZ", "an EFI program"),
    ];
    let kind = kinds.iter().find(|(at, magic, _)| is(*at, magic))?;
    Some(kind.2)
}

/// The banner to which a header points.
pub(super) fn pointed(part: &Part<'_>, at: u64) -> Outcome {
    let text = part.bytes(at, TEXT).map_err(|error| failed(&error))?;
    parse_short_banner(&text)
        .ok_or_else(|| WhyNot::Failed("its header leads to no kernel's banner".to_owned()))
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}
