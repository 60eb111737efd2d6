//! What a caller left open: closed, or kept from the programs that we start.
#![expect(unsafe_code, reason = "close_range(2) and close(2) take bare numbers")]

use std::io;
use std::os::fd::RawFd;

use rustix::io::Errno;

/// `CLOSE_RANGE_CLOEXEC`, since Linux 5.11.
const MARK: libc::c_uint = 4;
/// After stdin, stdout, stderr.
const BEYOND_STDIO: RawFd = 3;

/// Closes all descriptors from this one on. Nothing in this process may use one of them any more.
pub(super) fn close_from(first: RawFd) -> io::Result<()> {
    // SAFETY: no memory is handed over. The caller says that nobody uses these descriptors.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
    if result == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        // Since Linux 5.9; a filter around all of us may not know it either.
        error if is(&error, Errno::NOSYS) || is(&error, Errno::PERM) => close_listed(first),
        error => Err(error),
    }
}

/// Keeps all descriptors beyond the usual three from programs that are started: what we open ourselves is marked so, but
/// a caller may have left others open for us (a lock of a package manager, the socket of a session), and a daemon that a
/// script of ours starts would hold them for ever.
///
/// # Errors
/// Those of `close_range(2)`, or there is no list of descriptors.
pub fn hand_none_down() -> io::Result<()> {
    mark_from(BEYOND_STDIO)
}

fn mark_from(first: RawFd) -> io::Result<()> {
    // SAFETY: no memory is handed over, and no descriptor is closed.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, MARK) };
    if result == 0 {
        return Ok(());
    }
    for number in listed(first)? {
        // SAFETY: as above. That of the listing itself is closed already: EBADF.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

fn close_listed(first: RawFd) -> io::Result<()> {
    for number in listed(first)? {
        // SAFETY: as above. That of the listing itself is closed already: EBADF.
        unsafe { libc::close(number) };
    }
    Ok(())
}

fn listed(first: RawFd) -> io::Result<Vec<RawFd>> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number: Option<RawFd> = entry?.file_name().to_str().and_then(|n| n.parse().ok());
        open.extend(number.filter(|&number| number >= first));
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};

    use super::*;

    /// High up, where no other test of this process has any.
    #[test]
    fn t11_21_hands_no_descriptor_of_a_caller_down() {
        const HIGH: RawFd = 900;
        let open = std::fs::File::open("/").unwrap();
        let left = fcntl_dupfd_cloexec(&open, HIGH).unwrap();
        fcntl_setfd(&left, FdFlags::empty()).unwrap();
        assert!(listed(HIGH).unwrap().contains(&left.as_raw_fd()));
        mark_from(HIGH).unwrap();
        assert_eq!(fcntl_getfd(&left).unwrap(), FdFlags::CLOEXEC);
    }
}
