//! Signals as a caller left them: taken back where we rely on them.
#![expect(unsafe_code, reason = "signal(2) and sigprocmask(2)")]

/// Ends of children are told (nobody could learn how they ended if SIGCHLD is ignored, wait(2)), and no signal is blocked:
/// what is to end us reaches us.
pub fn take_signals_back() {
    // SAFETY: no handler is installed. A set of signals is plain numbers, and is filled by sigemptyset(3) before it is used.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}
