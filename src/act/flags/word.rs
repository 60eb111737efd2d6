//! `/run/reboot-needed`: a word, of which the strongest counts.

use super::{Change, Writer};
use crate::act::place::{PlaceError, Text, hidden};
use crate::model::{Bytes, Level, Mark, parse_needed};

pub(super) const NEEDED: &str = "reboot-needed";

pub(super) fn update(writer: &mut Writer, wanted: Option<Level>) -> Result<(), PlaceError> {
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
        (None, Some(text)) if ours => withdraw(writer, &text.mark, others),
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
) -> Result<(), PlaceError> {
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
        Some(old) => writer.run.exchange(&prepared, NEEDED, &old)?,
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

/// Gives a file that is ours back to whoever had written to it before.
fn withdraw(writer: &mut Writer, known: &Mark, others: Option<Bytes>) -> Result<(), PlaceError> {
    let withdrawn = match others {
        None => writer.run.take(NEEDED, std::slice::from_ref(known))?,
        Some(before) => {
            let prepared = hidden(NEEDED);
            writer.run.prepare(&prepared, before.as_slice())?;
            writer.run.exchange(&prepared, NEEDED, known)?
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
