use super::*;
use Event::{Changed, Configured, Failed};

#[track_caller]
fn check(line: &[u8], event: Option<Event>) {
    assert_eq!(parse_line(line), event, "{}", line.escape_ascii());
}

#[test]
fn t12_06_lines_as_dpkg_1_21_23_of_debian_12_said_them() {
    // dpkg --status-fd 1 -i, -r, -P of small packages; one with a postinst that fails.
    check(b"processing: upgrade: u-ok", None);
    check(b"status: u-ok: half-configured", None);
    check(b"status: u-ok: unpacked", Some(Changed));
    check(b"status: u-ok: installed", Some(Configured));
    let failed = b"status: u-bad : error : installed u-bad package post-installation script subprocess returned error exit status 7";
    check(failed, Some(Failed));
    check(b"processing: remove: u-bad", None);
    check(b"status: u-bad: half-installed", Some(Changed));
    check(b"status: u-conf: config-files", Some(Changed));
    check(b"status: u-conf: not-installed", Some(Changed));
}

#[test]
fn lines_as_the_manual_page_has_them() {
    check(b"status: libc6:amd64: unpacked", Some(Changed));
    check(b"status: libc6:amd64: triggers-pending", None);
    check(b"status: libc6:amd64: triggers-awaited", None);
    check(
        b"status: /etc/x : conffile-prompt : '/etc/x' '/etc/x.dpkg-new' 1 1",
        None,
    );
    check(b"status: /tmp/a : b.deb : error : cannot", Some(Failed));
    check(b"", None);
    check(b"status: ", None);
    check(b"status: x", None);
    check(b"status: x:unpacked", None);
    check(b"status: x: unpacked ", None);
    check(b" status: x: unpacked", None);
    check(b"status: \xff\x1b: unpacked", Some(Changed));
}

#[test]
fn however_a_pipe_cuts_it() {
    let text =
        b"processing: install: a\nstatus: a: unpacked\nstatus: a : error : x\nstatus: b: unpac";
    for size in 1..=text.len() {
        let mut lines = Lines::default();
        let events: Vec<Event> = text
            .chunks(size)
            .flat_map(|piece| lines.take(piece))
            .collect();
        assert_eq!(events, [Changed, Failed], "{size}");
    }
}

#[test]
fn a_line_without_an_end_takes_no_memory() {
    let mut lines = Lines::default();
    assert_eq!(lines.take(b"status: a : error : "), []);
    for _ in 0..1000 {
        assert_eq!(lines.take(&[b'x'; 65536]), []);
    }
    assert!(lines.line.capacity() < 4 * LINE_CAP);
    assert_eq!(lines.take(b"\nstatus: b: unpacked\n"), [Failed, Changed]);
}
