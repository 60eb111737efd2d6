//! `/run/reboot-needed`: a word, of which the strongest counts.

use super::place::{Text, hidden};
use super::{Change, FlagError, Writer};
use crate::model::{Bytes, Level, parse_needed};

const NEEDED: &str = "reboot-needed";

pub(super) fn update(writer: &mut Writer, wanted: Option<Level>) -> Result<(), FlagError> {
    let there = writer.run.look(NEEDED)?;
    let ours = there
        .as_ref()
        .is_some_and(|text| writer.record.needed.contains(&text.mark));
    let others = match ours {
        true => writer.record.before.clone(),
        false => there.as_ref().map(|text| Bytes::from(&text.bytes[..])),
    };
    let wanted = wanted.filter(|level| {
        let said = others.as_ref().map(|text| parse_needed(text.as_slice()).0);
        said.is_none_or(|said| said < *level)
    });
    match (wanted, there) {
        (Some(level), there) => write(writer, level, there, others),
        (None, Some(text)) if ours => withdraw(writer, &text, others),
        // Whoever wrote to it after us has made it his own.
        (None, _) => writer.claim(|record| {
            record.needed.clear();
            record.before = None;
        }),
    }
}

fn write(
    writer: &mut Writer,
    level: Level,
    there: Option<Text>,
    others: Option<Bytes>,
) -> Result<(), FlagError> {
    let text = format!("{}\n", level.word());
    if let Some(there) = &there
        && there.bytes == text.as_bytes()
    {
        // As it was left, and known to be ours: another's word as strong would have been left alone.
        let mark = there.mark.clone();
        return writer.claim(|record| record.needed = vec![mark]);
    }
    let prepared = hidden(NEEDED);
    let mark = writer.run.prepare(&prepared, text.as_bytes())?;
    let old = there.as_ref().map(|there| there.mark.clone());
    let ours = old.clone().filter(|old| writer.record.needed.contains(old));
    // Both, until the one is in the place of the other.
    let marks = ours.into_iter().chain([mark.clone()]).collect();
    writer.claim(|record| {
        record.needed = marks;
        record.before = others;
    })?;
    let set = match old {
        None => writer.run.publish(&prepared, NEEDED)?,
        Some(old) => put_in_place(writer, &prepared, &old)?,
    };
    if set {
        writer.changes.needed = Change::Set;
        return writer.claim(|record| record.needed = vec![mark]);
    }
    let note = "/run/reboot-needed was changed by somebody else meanwhile, and left alone";
    writer.changes.notes.push(note.to_owned());
    writer.claim(|record| {
        record.needed.clear();
        record.before = None;
    })
}

/// Puts a prepared file in the place of what was looked at, if it is still that.
fn put_in_place(
    writer: &Writer,
    prepared: &str,
    old: &crate::model::Mark,
) -> Result<bool, FlagError> {
    if writer.run.is(NEEDED, std::slice::from_ref(old))? {
        writer.run.exchange(prepared, NEEDED)?;
        return Ok(true);
    }
    writer.run.remove(prepared)?;
    Ok(false)
}

/// Gives a file that is ours back to whoever had written to it before.
fn withdraw(writer: &mut Writer, text: &Text, others: Option<Bytes>) -> Result<(), FlagError> {
    let withdrawn = match others {
        None => {
            let still = writer.run.is(NEEDED, std::slice::from_ref(&text.mark))?;
            if still {
                writer.run.remove(NEEDED)?;
            }
            still
        }
        Some(before) => {
            let prepared = hidden(NEEDED);
            writer.run.prepare(&prepared, before.as_slice())?;
            put_in_place(writer, &prepared, &text.mark)?
        }
    };
    if withdrawn {
        writer.changes.needed = Change::Withdrawn;
    }
    writer.claim(|record| {
        record.needed.clear();
        record.before = None;
    })
}
