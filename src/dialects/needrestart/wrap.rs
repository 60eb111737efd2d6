//! Lines for a terminal.

/// A line in pieces that fit a width: what does not fit goes on below, one space further in. Words stay whole, because commands
/// are copied from here.
pub(super) fn wrapped(line: &str, width: usize) -> Vec<String> {
    // The last column stays free: some terminals go on to the next line when it is written to.
    let width = width.saturating_sub(1);
    let indent = line.len() - line.trim_start_matches(' ').len();
    let further = " ".repeat(indent + 1);
    let mut lines = Vec::new();
    let mut current = line[..indent].to_owned();
    let mut is_empty = true;
    for word in line[indent..].split(' ') {
        let length = current.chars().count() + word.chars().count() + usize::from(!is_empty);
        if !is_empty && length > width {
            lines.push(std::mem::replace(&mut current, further.clone()));
            is_empty = true;
        }
        if !is_empty {
            current.push(' ');
        }
        current.push_str(word);
        is_empty = false;
    }
    lines.push(current);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, width: usize, expected: &[&str]) {
        assert_eq!(wrapped(line, width), expected, "{line} at {width}");
    }

    #[test]
    fn goes_on_one_space_further_in() {
        check("short", 80, &["short"]);
        check("", 80, &[""]);
        check("aa bb cc", 6, &["aa bb", " cc"]);
        check("aa bb cc", 5, &["aa", " bb", " cc"]);
        check("  aa bb", 6, &["  aa", "   bb"]);
        check(
            " systemctl restart a.service b.service",
            30,
            &[" systemctl restart a.service", "  b.service"],
        );
    }

    #[test]
    fn words_stay_whole() {
        check(" very-long.service x", 4, &[" very-long.service", "  x"]);
        check("word", 0, &["word"]);
        check("äö üß", 4, &["äö", " üß"]);
    }
}
