//! `/run/reboot-required` and the names of packages beside it.

use super::{Change, Wanted, Writer};
use crate::act::place::{PlaceError, Text, errno_of, hidden};
use crate::model::package_lines;

pub(super) const FLAG: &str = "reboot-required";
pub(super) const LIST: &str = "reboot-required.pkgs";
/// As update-notifier and all after it write it; some readers show it.
const TEXT: &[u8] = b"*** System restart required ***\n";

pub(super) fn update(writer: &mut Writer, wanted: &Wanted) -> Result<(), PlaceError> {
    let list = writer.run.look(LIST)?;
    let bytes = list.as_ref().map_or(&[][..], |list| &list.bytes);
    let lines = writer.record.split(package_lines(bytes));
    let ours: Vec<String> = lines.ours.iter().map(|line| text(line)).collect();
    let others: Vec<String> = lines.others.iter().map(|line| text(line)).collect();
    // What others name as well is their reason, and stays when ours has gone.
    let mut new: Vec<String> = wanted.lines.clone().unwrap_or_default();
    new.retain(|name| !others.contains(name));
    // What is both wanted and there leaves both.
    let mut gone = ours.clone();
    gone.retain(|name| !take(&mut new, name));
    new.sort();

    add(writer, bytes, &ours, &new)?;
    set_flag(writer, wanted.lines.is_some())?;
    withdraw_lines(writer, &gone)?;
    let mut left = ours;
    left.retain(|name| !take(&mut gone, name));
    left.extend(new);
    left.sort();
    writer.claim(|record| record.lines = left)?;
    match wanted.lines {
        Some(_) => Ok(()),
        None => withdraw_flag(writer),
    }
}

/// Whether a name was there, and is no more.
fn take(names: &mut Vec<String>, name: &str) -> bool {
    let found = names.iter().position(|other| other == name);
    found.map(|at| names.swap_remove(at)).is_some()
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

fn add(
    writer: &mut Writer,
    list: &[u8],
    ours: &[String],
    new: &[String],
) -> Result<(), PlaceError> {
    if new.is_empty() {
        return Ok(());
    }
    let claimed = [ours, new].concat();
    writer.claim(|record| record.lines = claimed)?;
    let mut bytes = Vec::new();
    if !matches!(list, [] | [.., b'\n']) {
        bytes.push(b'\n');
    }
    for name in new {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(b'\n');
    }
    writer.run.append(LIST, &bytes)?;
    writer.changes.added = new.to_vec();
    Ok(())
}

/// Makes the flag, if it is wanted and there is none.
fn set_flag(writer: &mut Writer, wanted: bool) -> Result<(), PlaceError> {
    let there = writer.run.look(FLAG)?;
    if !wanted || there.is_some() {
        let mark = there.map(|flag| flag.mark);
        // Whoever wrote to it after us has made it his own.
        return writer.claim(|record| record.required.retain(|known| Some(known) == mark.as_ref()));
    }
    let prepared = hidden(FLAG);
    let mark = writer.run.prepare(&prepared, TEXT)?;
    writer.claim(|record| record.required = vec![mark])?;
    if writer.run.publish(&prepared, FLAG)? {
        writer.changes.required = Change::Set;
        return Ok(());
    }
    // Somebody was faster.
    writer.claim(|record| record.required.clear())
}

/// Takes lines out of the list; a list without any is removed.
fn withdraw_lines(writer: &mut Writer, gone: &[String]) -> Result<(), PlaceError> {
    if gone.is_empty() {
        return Ok(());
    }
    // Read again: what was added just now is in it, too.
    let Some(mut list) = writer.run.look(LIST)? else {
        return Ok(());
    };
    let kept = without(&list.bytes, gone);
    if package_lines(&kept).next().is_none() {
        writer.run.remove(LIST)?;
    } else {
        writer.run.replace(LIST, &kept)?;
    }
    carry_over(writer, &mut list)?;
    writer.changes.withdrawn = gone.to_vec();
    Ok(())
}

/// What others appended to the old list while the new one was made.
fn carry_over(writer: &Writer, list: &mut Text) -> Result<(), PlaceError> {
    let more = list.appended();
    let more = more.map_err(|error| writer.run.failed("read", LIST, errno_of(&error)))?;
    if more.is_empty() {
        return Ok(());
    }
    writer.run.append(LIST, &more)
}

/// The bytes of a list without some lines, each taken once; all others as they are.
fn without(list: &[u8], gone: &[String]) -> Vec<u8> {
    let mut gone = gone.to_vec();
    let is_kept = |line: &&[u8]| {
        let line = std::str::from_utf8(line.trim_ascii());
        line.map_or(true, |line| !take(&mut gone, line))
    };
    let lines = list.split_inclusive(|&byte| byte == b'\n');
    lines.filter(is_kept).collect::<Vec<_>>().concat()
}

/// Removes the flag if it is ours, and nobody else has a reason.
fn withdraw_flag(writer: &mut Writer) -> Result<(), PlaceError> {
    let marks = writer.record.required.clone();
    if marks.is_empty() {
        return Ok(());
    }
    let list = writer.run.look(LIST)?;
    let is_wanted = list.is_some_and(|list| package_lines(&list.bytes).next().is_some());
    if !is_wanted && writer.run.take(FLAG, &marks)? {
        writer.changes.required = Change::Withdrawn;
    }
    writer.claim(|record| record.required.clear())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;

    use super::*;
    use crate::act::flags::{Changes, FlagRecord};
    use crate::act::place::Directory;

    /// Somebody has the list open while we put another in its place.
    #[test]
    fn t9_16_late_lines_are_carried_over() {
        let root = tempfile::tempdir().unwrap();
        let list = root.path().join("run").join(LIST);
        fs::create_dir_all(root.path().join("run/unstale")).unwrap();
        fs::write(&list, "ours\nudev\n").unwrap();
        let run = Directory::open_run(root.path()).unwrap().unwrap();
        let own = run.open_below("unstale").unwrap().unwrap();
        let writer = Writer {
            run,
            own,
            record: FlagRecord::default(),
            changes: Changes::default(),
        };
        let mut theirs = OpenOptions::new().append(true).open(&list).unwrap();
        let mut seen = writer.run.look(LIST).unwrap().unwrap();
        let kept = without(&seen.bytes, &["ours".to_owned()]);
        writer.run.replace(LIST, &kept).unwrap();
        theirs.write_all(b"dbus\n").unwrap();
        carry_over(&writer, &mut seen).unwrap();
        carry_over(&writer, &mut seen).unwrap();
        assert_eq!(fs::read_to_string(&list).unwrap(), "udev\ndbus\n");
    }
}
