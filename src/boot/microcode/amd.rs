//! AMD's format: containers one after the other, each with a table of processors that share their microcode, and
//! patches for these (`struct equiv_cpu_entry`, `struct microcode_header_amd` in Linux's `microcode/amd.c`).

use std::collections::BTreeSet;

use super::ranges::{Damage, Ranges, exactly, word};
use super::{UPDATES_CAP, Update};

/// `DMA\0`.
const MAGIC: u32 = 0x0041_4d44;
const TABLE: u32 = 0;
const PATCH: u32 = 1;
const CONTAINER_SIZE: usize = 12;
const ENTRY_SIZE: usize = 16;
const SECTION_SIZE: usize = 8;
const PATCH_HEADER_SIZE: usize = 64;
/// The longest of 2025 has 304 bytes.
const TABLE_CAP: usize = 64 * 1024;
/// All of 2025 are fewer than a hundred.
const PATCHES_CAP: usize = 10_000;

/// The updates of a file for the wanted signatures. What stands before a damage counts: the kernel takes what it found
/// until then (`parse_container`).
pub fn read_containers(
    source: &dyn Ranges,
    wanted: &dyn Fn(u32) -> bool,
) -> (Vec<Update>, Option<Damage>) {
    let mut updates = BTreeSet::new();
    let damage = containers(source, wanted, &mut updates).err();
    (updates.into_iter().collect(), damage)
}

fn containers(
    source: &dyn Ranges,
    wanted: &dyn Fn(u32) -> bool,
    updates: &mut BTreeSet<Update>,
) -> Result<(), Damage> {
    let mut at = 0;
    let mut left = PATCHES_CAP;
    while at < source.size() {
        let (equals, behind) = table(source, at, wanted)?;
        at = behind;
        while at < source.size() {
            let section = exactly(source, at, SECTION_SIZE, "the head of a patch")?;
            if word(&section, 0) == MAGIC {
                break;
            }
            left = left
                .checked_sub(1)
                .ok_or_else(|| Damage::at(at, format!("more than {PATCHES_CAP} patches")))?;
            at = patch(source, at, &section, &equals, updates)?;
        }
    }
    Ok(())
}

/// Signatures with the number of those that share their microcode, and where the table ends.
fn table(
    source: &dyn Ranges,
    at: u64,
    wanted: &dyn Fn(u32) -> bool,
) -> Result<(BTreeSet<(u32, u16)>, u64), Damage> {
    let head = exactly(source, at, CONTAINER_SIZE, "the head of a container")?;
    if (word(&head, 0), word(&head, 4)) != (MAGIC, TABLE) {
        return Err(Damage::at(at, "no container of microcode"));
    }
    let size = usize::try_from(word(&head, 8)).unwrap_or(usize::MAX);
    let at = at + CONTAINER_SIZE as u64;
    if !(ENTRY_SIZE..=TABLE_CAP).contains(&size) {
        let what = format!("a table of processors of {size} bytes");
        return Err(Damage::at(at, what));
    }
    let table = exactly(source, at, size, "a table of processors")?;
    let entries = table
        .chunks_exact(ENTRY_SIZE)
        .map(|entry| (word(entry, 0), half(entry, 12)));
    let equals = entries
        .take_while(|(signature, _)| *signature != 0)
        .filter(|(signature, _)| wanted(*signature));
    Ok((equals.collect(), at + size as u64))
}

/// Adds what a patch is for, and returns where it ends.
fn patch(
    source: &dyn Ranges,
    at: u64,
    section: &[u8],
    equals: &BTreeSet<(u32, u16)>,
    updates: &mut BTreeSet<Update>,
) -> Result<u64, Damage> {
    let size = word(section, 4);
    if word(section, 0) != PATCH || u64::from(size) < PATCH_HEADER_SIZE as u64 {
        return Err(Damage::at(at, "no patch where one should begin"));
    }
    let start = at + SECTION_SIZE as u64;
    let end = start + u64::from(size);
    if end > source.size() {
        return Err(Damage::at(at, "a patch is cut off"));
    }
    let header = exactly(source, start, PATCH_HEADER_SIZE, "the header of a patch")?;
    // For certain chipsets only: the kernel takes no such patch (verify_patch).
    if (word(&header, 16), word(&header, 20)) != (0, 0) {
        return Ok(end);
    }
    let equal = half(&header, 24);
    let fitting = equals.iter().filter(|(_, other)| *other == equal);
    for (signature, _) in fitting {
        updates.insert(Update {
            signature: *signature,
            platforms: None,
            revision: word(&header, 4),
        });
        if updates.len() > UPDATES_CAP {
            return Err(Damage::at(at, format!("more than {UPDATES_CAP} updates")));
        }
    }
    Ok(end)
}

/// A little-endian number of two bytes; zero where there are none.
fn half(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..)
        .and_then(|bytes| bytes.first_chunk())
        .map_or(0, |bytes| u16::from_le_bytes(*bytes))
}
