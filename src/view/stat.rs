//! Pure: `/proc/PID/stat` → the fields we need (proc_pid_stat(5)).
//!
//! Not the `procfs` crate: its text is UTF-8, and one odd byte in a command name must not hide a process.

use crate::model::{Bytes, Device, Pid, StartTicks};

/// `PF_KTHREAD` of include/linux/sched.h: a thread of the kernel.
const PF_KTHREAD: u64 = 0x0020_0000;

/// The fields of `/proc/PID/stat` that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Command name, raw: it may hold blanks, parentheses and newlines.
    pub comm: Bytes,
    /// State letter.
    pub state: u8,
    /// Parent.
    pub ppid: Pid,
    /// Controlling terminal.
    pub tty: Option<Device>,
    /// Whether it is a thread of the kernel.
    pub kernel_thread: bool,
    /// Number of threads.
    pub threads: u64,
    /// Start time.
    pub started: StartTicks,
}

/// Parses the text of `/proc/PID/stat`; `None` if it is not of that form.
#[must_use]
pub fn parse_stat(text: &[u8]) -> Option<Stat> {
    // The name is raw between the first '(' and the *last* ')': it may hold ") R 1 (".
    let open = text.iter().position(|&byte| byte == b'(')?;
    let close = text.iter().rposition(|&byte| byte == b')')?;
    let comm = text.get(open + 1..close)?;
    let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
    // Fields from the third on: state ppid pgrp session tty_nr tpgid flags …
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let tty: i64 = fields.get(4)?.parse().ok()?;
    Some(Stat {
        comm: Bytes::from(comm),
        state: *fields.first()?.as_bytes().first()?,
        ppid: fields.get(1)?.parse().ok()?,
        tty: parse_tty(tty),
        kernel_thread: fields.get(6)?.parse::<u64>().ok()? & PF_KTHREAD != 0,
        threads: fields.get(17)?.parse().ok()?,
        started: StartTicks(fields.get(19)?.parse().ok()?),
    })
}

/// The minor number is in bits 31 to 20 and 7 to 0, the major in 15 to 8 (proc_pid_stat(5)).
fn parse_tty(number: i64) -> Option<Device> {
    let number = u32::try_from(number).ok().filter(|&number| number != 0)?;
    Some(Device {
        major: (number >> 8) & 0xff,
        minor: (number & 0xff) | ((number >> 12) & 0xfff00),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(comm: &[u8]) -> Vec<u8> {
        let tail = b" S 1 812 812 34816 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 4711 1 2 3 4 5";
        [b"812 (", comm, b")", tail].concat()
    }

    #[track_caller]
    fn check_comm(comm: &[u8]) {
        let stat = parse_stat(&line(comm)).expect("the line is of the right form");
        assert_eq!(stat.comm.as_slice(), comm);
        assert_eq!(
            (stat.ppid, stat.started, stat.threads),
            (1, StartTicks(4711), 3)
        );
        assert_eq!(
            stat.tty,
            Some(Device {
                major: 136,
                minor: 0
            })
        );
        assert!(!stat.kernel_thread);
    }

    #[test]
    fn t2_05_a_command_name_may_be_anything() {
        check_comm(b"sshd");
        check_comm(b"a) R 1 (b");
        check_comm(b"new\nline");
        check_comm(b"\xff)");
        check_comm(b"");
    }

    #[test]
    fn damaged_lines() {
        for text in [
            &b""[..],
            b"1",
            b"1 (a",
            b"1 (a)",
            b"1 (a) S",
            b"1 )a( S 1 2",
            b"1 (a) S x 1 1 0 0 0",
        ] {
            assert_eq!(parse_stat(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn kernel_threads_are_told_by_their_flag() {
        let text = b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0";
        assert!(parse_stat(text).unwrap().kernel_thread);
    }
}
