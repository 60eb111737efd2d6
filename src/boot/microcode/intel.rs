//! Intel's format: records one after the other, each with a header, data, and sometimes a table of more processors that
//! it is for (Intel SDM volume 3, 11.11.1; `intel_microcode_sanity_check` in Linux's `microcode/intel.c`).

use std::collections::BTreeSet;

use super::ranges::{Damage, Ranges, exactly, word};
use super::{UPDATES_CAP, Update};

const HEADER_SIZE: usize = 48;
/// Where the header gives no sizes: those of the first processors that could be updated.
const OLD_DATA_SIZE: u32 = 2000;
const OLD_TOTAL_SIZE: u32 = 2048;
/// The head of the table of more processors, and an entry.
const TABLE_SIZE: usize = 20;
const ENTRY_SIZE: usize = 12;
/// The largest record of 2025 has 0.6 MiB.
const TOTAL_CAP: u32 = 16 * 1024 * 1024;
/// All of 2025 are 166.
const RECORDS_CAP: usize = 10_000;
/// Sums are made piece by piece.
const PIECE: usize = 64 * 1024;

/// A record's header.
struct Header {
    revision: u32,
    signature: u32,
    checksum: u32,
    platforms: u32,
    data_size: u32,
    total_size: u32,
}

/// The updates of a file for the wanted signatures.
///
/// All headers are checked, the sums of those that are wanted. One bad record spoils the file: the kernel takes nothing
/// from it then (`scan_microcode`, `parse_microcode_blobs`).
///
/// # Errors
/// Where the file is cut off or is not what it should be.
pub fn read_records(
    source: &dyn Ranges,
    wanted: &dyn Fn(u32) -> bool,
) -> Result<Vec<Update>, Damage> {
    let mut updates = BTreeSet::new();
    let mut at = 0;
    for _ in 0..RECORDS_CAP {
        if at >= source.size() {
            return Ok(updates.into_iter().collect());
        }
        let header = header(source, at)?;
        let entries = entries(source, at, &header)?;
        let own = (header.signature, header.platforms);
        let listed = entries
            .iter()
            .map(|entry| (entry.signature, entry.platforms));
        let all = [own].into_iter().chain(listed);
        let mut fitting = all.filter(|(signature, _)| wanted(*signature)).peekable();
        if fitting.peek().is_some() {
            check_sums(source, at, &header, &entries)?;
        }
        for (signature, platforms) in fitting {
            updates.insert(Update {
                signature,
                platforms: Some(platforms),
                revision: header.revision,
            });
            if updates.len() > UPDATES_CAP {
                return Err(Damage::at(at, format!("more than {UPDATES_CAP} updates")));
            }
        }
        at += u64::from(header.total_size);
    }
    Err(Damage::at(at, format!("more than {RECORDS_CAP} records")))
}

fn header(source: &dyn Ranges, at: u64) -> Result<Header, Damage> {
    let bytes = exactly(source, at, HEADER_SIZE, "the header of a microcode record")?;
    if (word(&bytes, 0), word(&bytes, 20)) != (1, 1) {
        return Err(Damage::at(at, "no header of a microcode record"));
    }
    let (data_size, total_size) = match word(&bytes, 28) {
        0 => (OLD_DATA_SIZE, OLD_TOTAL_SIZE),
        data_size => (data_size, word(&bytes, 32)),
    };
    let least = u64::from(data_size) + HEADER_SIZE as u64;
    if u64::from(total_size) < least || total_size > TOTAL_CAP {
        let what = format!("a microcode record of {data_size} in {total_size} bytes");
        return Err(Damage::at(at, what));
    }
    if at + u64::from(total_size) > source.size() {
        return Err(Damage::at(at, "a microcode record is cut off"));
    }
    Ok(Header {
        revision: word(&bytes, 4),
        signature: word(&bytes, 12),
        checksum: word(&bytes, 16),
        platforms: word(&bytes, 24),
        data_size,
        total_size,
    })
}

/// An entry of the table of more processors.
struct Entry {
    signature: u32,
    platforms: u32,
    checksum: u32,
}

fn entries(source: &dyn Ranges, at: u64, header: &Header) -> Result<Vec<Entry>, Damage> {
    let behind = u64::from(header.data_size) + HEADER_SIZE as u64;
    let size = usize::try_from(u64::from(header.total_size) - behind).unwrap_or(usize::MAX);
    if size == 0 {
        return Ok(Vec::new());
    }
    let at = at + behind;
    let table = exactly(source, at, size, "a table of processors")?;
    let count = table.len().saturating_sub(TABLE_SIZE) / ENTRY_SIZE;
    let told = usize::try_from(word(&table, 0)).unwrap_or(usize::MAX);
    if table.len() != TABLE_SIZE + count * ENTRY_SIZE || told != count {
        let what = format!("a table of {told} processors in {size} bytes");
        return Err(Damage::at(at, what));
    }
    if sum_of(&table) != 0 {
        return Err(Damage::at(at, "the sum of a table of processors is wrong"));
    }
    let entries = table[TABLE_SIZE..].chunks_exact(ENTRY_SIZE);
    Ok(entries
        .map(|entry| Entry {
            signature: word(entry, 0),
            platforms: word(entry, 4),
            checksum: word(entry, 8),
        })
        .collect())
}

/// Header and data give zero, and so they would with the signature, platforms and sum of each entry.
fn check_sums(
    source: &dyn Ranges,
    at: u64,
    header: &Header,
    entries: &[Entry],
) -> Result<(), Damage> {
    let end = at + HEADER_SIZE as u64 + u64::from(header.data_size & !3);
    let (mut from, mut sum) = (at, 0u32);
    while from < end {
        let length = usize::try_from(end - from).map_or(PIECE, |left| left.min(PIECE));
        sum = sum.wrapping_add(sum_of(&exactly(source, from, length, "a record")?));
        from += length as u64;
    }
    if sum != 0 {
        return Err(Damage::at(at, "the sum of a microcode record is wrong"));
    }
    let sum = |signature: u32, platforms: u32, checksum: u32| {
        signature.wrapping_add(platforms).wrapping_add(checksum)
    };
    let own = sum(header.signature, header.platforms, header.checksum);
    let is_wrong = |entry: &Entry| sum(entry.signature, entry.platforms, entry.checksum) != own;
    match entries.iter().any(is_wrong) {
        true => Err(Damage::at(at, "the sum of a processor's entry is wrong")),
        false => Ok(()),
    }
}

fn sum_of(bytes: &[u8]) -> u32 {
    let words = bytes.chunks_exact(4).map(|bytes| word(bytes, 0));
    words.fold(0, u32::wrapping_add)
}
