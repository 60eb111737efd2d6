//! What the system says of files, as facts and reasons.

use rustix::fs::{FileType, Statx, StatxFlags};
use rustix::io::Errno;

use super::walk::Lost;
use crate::model::{Device, FileKind, FileStat, Timestamp, WhyNot};

/// statx(2) as facts.
pub(crate) fn file_stat(stat: &Statx) -> FileStat {
    let mask = StatxFlags::from_bits_retain(stat.stx_mask);
    let time = |time: &rustix::fs::StatxTimestamp| Timestamp {
        secs: time.tv_sec,
        nanos: time.tv_nsec,
    };
    let regular = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::RegularFile;
    FileStat {
        device: device_of(stat),
        inode: stat.stx_ino,
        kind: if regular {
            FileKind::Regular
        } else {
            FileKind::Other
        },
        size: stat.stx_size,
        links: stat.stx_nlink,
        uid: stat.stx_uid,
        mode: stat.stx_mode & 0o7777,
        mtime: time(&stat.stx_mtime),
        ctime: time(&stat.stx_ctime),
        btime: mask
            .contains(StatxFlags::BTIME)
            .then(|| time(&stat.stx_btime)),
        mount: mask.contains(StatxFlags::MNT_ID).then_some(stat.stx_mnt_id),
    }
}

/// Why a path walk failed.
pub(crate) fn why_lost(lost: Lost) -> WhyNot {
    match lost {
        Lost::MayHang(kind) => WhyNot::MayHang(kind),
        Lost::Failed(Errno::SRCH) => WhyNot::Vanished,
        Lost::Failed(Errno::LOOP) => {
            WhyNot::Failed("its path leads through too many symbolic links".to_owned())
        }
        Lost::Failed(error) => why(error),
        Lost::Missing => why(Errno::NOENT),
    }
}

/// The device that statx(2) tells.
pub(crate) fn device_of(stat: &Statx) -> Device {
    Device {
        major: stat.stx_dev_major,
        minor: stat.stx_dev_minor,
    }
}

/// The process ended meanwhile.
pub(crate) fn is_vanished(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::SRCH)
}

/// An error of the system as a reason.
pub(crate) fn why(error: Errno) -> WhyNot {
    match error {
        Errno::ACCESS | Errno::PERM => WhyNot::Denied,
        Errno::INVAL => WhyNot::Failed(
            "it is not of the form that the kernel's documentation describes".to_owned(),
        ),
        Errno::FBIG => WhyNot::Failed("it is longer than it can sensibly be".to_owned()),
        error => WhyNot::Failed(std::io::Error::from(error).kind().to_string()),
    }
}
