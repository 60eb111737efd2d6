//! The `PROCMAP_QUERY` ioctl on `/proc/PID/maps` (Linux 6.11, include/uapi/linux/fs.h): mappings and build-ids without
//! the kernel printing text.
#![expect(unsafe_code, reason = "an ioctl that no crate wraps")]

use std::mem::size_of;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::ioctl::{self, Updater, opcode};

use super::maps::Mapping;
use crate::model::{BuildId, Device};

const VMA_EXECUTABLE: u64 = 0x04;
const COVERING_OR_NEXT: u64 = 0x10;
const FILE_BACKED: u64 = 0x20;

/// `PATH_MAX`: the kernel prints no longer name through this call.
const NAME_MAX: u32 = 4096;
/// `BUILD_ID_SIZE_MAX` of include/linux/buildid.h is 20; room for more does no harm.
const BUILD_ID_MAX: u32 = 64;

/// `struct procmap_query`.
#[repr(C)]
#[derive(Default)]
struct Query {
    size: u64,
    query_flags: u64,
    query_addr: u64,
    vma_start: u64,
    vma_end: u64,
    vma_flags: u64,
    vma_page_size: u64,
    vma_offset: u64,
    inode: u64,
    dev_major: u32,
    dev_minor: u32,
    vma_name_size: u32,
    build_id_size: u32,
    vma_name_addr: u64,
    build_id_addr: u64,
}

const OPCODE: ioctl::Opcode = opcode::read_write::<Query>(b'f', 17);

/// Calls `each` for every executable, file-backed mapping behind an open `maps`.
///
/// # Errors
/// `ENOTTY` on kernels without the call, `ENAMETOOLONG` for a name longer than `PATH_MAX`: in both cases the text of
/// the same file tells. `ESRCH` if the process ended.
pub(super) fn each_mapping(
    maps: BorrowedFd<'_>,
    mut each: impl FnMut(Mapping<'_>),
) -> Result<(), Errno> {
    let mut name = [0_u8; NAME_MAX as usize];
    let mut at = 0;
    loop {
        let mut query = Query {
            size: size_of::<Query>() as u64,
            query_flags: COVERING_OR_NEXT | FILE_BACKED | VMA_EXECUTABLE,
            query_addr: at,
            vma_name_size: NAME_MAX,
            vma_name_addr: name.as_mut_ptr() as u64,
            ..Query::default()
        };
        match ask(maps, &mut query) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error),
        }
        // The size counts the NUL; a mapping without a name says 0.
        let length = (query.vma_name_size as usize).saturating_sub(1);
        if query.inode != 0 && length != 0 {
            each(Mapping {
                start: query.vma_start,
                end: query.vma_end,
                device: Device {
                    major: query.dev_major,
                    minor: query.dev_minor,
                },
                inode: query.inode,
                name: name.get(..length).unwrap_or_default(),
            });
        }
        if query.vma_end <= at {
            return Ok(());
        }
        at = query.vma_end;
    }
}

/// The build-id of the file mapped at `address`, even of a removed one; `None` if it has none.
///
/// # Errors
/// As [`each_mapping`]; `ENOENT` if nothing is mapped there.
pub(super) fn build_id(maps: BorrowedFd<'_>, address: u64) -> Result<Option<BuildId>, Errno> {
    let mut id = [0_u8; BUILD_ID_MAX as usize];
    let mut query = Query {
        size: size_of::<Query>() as u64,
        query_addr: address,
        build_id_size: BUILD_ID_MAX,
        build_id_addr: id.as_mut_ptr() as u64,
        ..Query::default()
    };
    ask(maps, &mut query)?;
    let id = id.get(..query.build_id_size as usize).unwrap_or_default();
    Ok((!id.is_empty()).then(|| BuildId(id.to_vec())))
}

fn ask(maps: BorrowedFd<'_>, query: &mut Query) -> Result<(), Errno> {
    // SAFETY: `Query` has the layout of struct procmap_query and tells its size; the two addresses in it are 0 or
    // those of buffers of the sizes beside them, which live until the call returns.
    unsafe { ioctl::ioctl(maps, Updater::<OPCODE, Query>::new(query)) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn layout_of_the_kernel() {
        assert_eq!(size_of::<Query>(), 104);
    }

    #[test]
    fn own_mappings_are_those_of_the_text() {
        let file = std::fs::File::open("/proc/self/maps").unwrap();
        let mut seen = Vec::new();
        let result = each_mapping(file.as_fd(), |mapping| {
            seen.push((mapping.start, mapping.inode, mapping.name.to_vec()))
        });
        if result == Err(Errno::NOTTY) {
            return; // an older kernel: the text scanner is all there is
        }
        result.unwrap();
        let text = std::fs::read("/proc/self/maps").unwrap();
        let from_text: Vec<_> = text
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .filter_map(|line| super::super::maps::parse_line(line).unwrap())
            .map(|mapping| (mapping.start, mapping.inode, mapping.name.to_vec()))
            .collect();
        assert_eq!(seen, from_text);
        assert!(!seen.is_empty());
        assert!(build_id(file.as_fd(), seen[0].0).is_ok());
    }
}
