//! Pure: what dpkg says of its steps (dpkg(1), `--status-fd`) → what of it matters here.

/// Longer lines say nothing more: a package's name and a state are short, and so is what a message of an error begins with.
const LINE_CAP: usize = 4096;

/// What matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Files of a package were put there, or removed.
    Changed,
    /// A step failed.
    Failed,
    /// A package is configured, without new files: what failed before may be mended by that.
    Configured,
}

/// One line. `status: PACKAGE: STATE`, `status: PACKAGE : error : MESSAGE`, `status: FILE : conffile-prompt : …`,
/// `processing: STAGE: PACKAGE`.
pub(super) fn parse_line(line: &[u8]) -> Option<Event> {
    let rest = line.strip_prefix(b"status: ")?;
    let error = b" : error : ";
    if rest.windows(error.len()).any(|part| part == error) {
        return Some(Event::Failed);
    }
    let colon = rest.windows(2).rposition(|part| part == b": ")?;
    // Files come with `unpacked`, and go between `half-installed` and one of the others; a package whose settings stay
    // never becomes `not-installed`.
    match &rest[colon + 2..] {
        b"unpacked" | b"half-installed" | b"config-files" | b"not-installed" => {
            Some(Event::Changed)
        }
        b"installed" => Some(Event::Configured),
        _ => None,
    }
}

/// Lines out of pieces, as they come from a pipe.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Vec<u8>,
}

impl Lines {
    /// What the lines that end in this piece say.
    pub(super) fn take(&mut self, mut piece: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(end) = piece.iter().position(|&byte| byte == b'\n') {
            self.add(&piece[..end]);
            events.extend(parse_line(&self.line));
            self.line.clear();
            piece = &piece[end + 1..];
        }
        self.add(piece);
        events
    }

    fn add(&mut self, part: &[u8]) {
        let room = LINE_CAP.saturating_sub(self.line.len());
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }
}

#[cfg(test)]
mod tests;
