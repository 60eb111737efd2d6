//! Closing what a caller left open.
#![expect(unsafe_code, reason = "close_range(2) and close(2) take bare numbers")]

use std::io;
use std::os::fd::RawFd;

use rustix::io::Errno;

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

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

fn close_listed(first: RawFd) -> io::Result<()> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number: Option<RawFd> = entry?.file_name().to_str().and_then(|n| n.parse().ok());
        open.extend(number.filter(|&number| number >= first));
    }
    for number in open {
        // SAFETY: as above. That of the listing itself is closed already: EBADF.
        unsafe { libc::close(number) };
    }
    Ok(())
}
