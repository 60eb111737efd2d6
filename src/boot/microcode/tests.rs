//! Rows for each format, and whole trees.

mod cpus;
mod formats;
mod hostile;
mod trees;

use std::fs;

use super::Update;

/// A file of `testdata/microcode`.
fn sample(name: &str) -> Vec<u8> {
    let path = format!("{}/testdata/microcode/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read(path).unwrap()
}

fn update(signature: u32, platforms: impl Into<Option<u32>>, revision: u32) -> Update {
    Update {
        signature,
        platforms: platforms.into(),
        revision,
    }
}

/// An Intel record with data of nothing but what makes its sum right, and with a table of more processors.
fn record(own: Update, more: &[(u32, u32)]) -> Vec<u8> {
    let data = 976u32;
    let checksum = 0x1234_5678u32;
    let platforms = own.platforms.unwrap_or(0);
    let table = match more.len() {
        0 => 0,
        count => 20 + 12 * u32::try_from(count).unwrap(),
    };
    let mut words = vec![
        1,
        own.revision,
        0x0101_2026,
        own.signature,
        checksum,
        1,
        platforms,
        data,
        48 + data + table,
        0,
        0,
        0,
    ];
    words.resize(words.len() + 976 / 4, 0);
    let sum = words.iter().copied().fold(0, u32::wrapping_add);
    words[12] = sum.wrapping_neg();
    if !more.is_empty() {
        let own_sum = own.signature.wrapping_add(platforms).wrapping_add(checksum);
        let mut table = vec![u32::try_from(more.len()).unwrap(), 0, 0, 0, 0];
        for (signature, platforms) in more {
            let checksum = own_sum.wrapping_sub(*signature).wrapping_sub(*platforms);
            table.extend([*signature, *platforms, checksum]);
        }
        table[1] = table
            .iter()
            .copied()
            .fold(0, u32::wrapping_add)
            .wrapping_neg();
        words.extend(table);
    }
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// A file in an archive of cpio's "newc" form, or of the one with sums.
fn archived(magic: &str, name: &str, mode: usize, content: &[u8]) -> Vec<u8> {
    let (size, name_size) = (content.len(), name.len() + 1);
    let fields = [1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
    let fields = fields.map(|field| format!("{field:08X}")).concat();
    let mut bytes = [magic, &fields, name, "\0"].concat().into_bytes();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
