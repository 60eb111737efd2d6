//! What stands between quotes: strings, and the expressions of `qr`.

use super::Scalar;
use super::cursor::closing;

/// Flags that change what fits, in the order in which Perl prints them.
pub(super) fn known_flags(word: &str) -> Result<String, String> {
    if let Some(unknown) = word.chars().find(|flag| !"msixnadlupo".contains(*flag)) {
        return Err(format!("the flag `{unknown}` is not known"));
    }
    Ok("msixn"
        .chars()
        .filter(|flag| word.contains(*flag))
        .collect())
}

/// Perl puts variables into regular expressions, and where there is none of that name, it stops. What it takes for one,
/// and what not, is in toke.c, `scan_const`.
pub(super) fn not_interpolated(body: &str) -> Result<(), String> {
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        let next = chars.clone().next();
        let variable = match c {
            '\\' => {
                chars.next();
                false
            }
            '$' => next.is_some_and(|next| !"()| \r\n\t".contains(next)),
            '@' => next
                .is_some_and(|next| next.is_alphanumeric() || next == '_' || ":'{$".contains(next)),
            _ => false,
        };
        if variable {
            let name: String = chars
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            return Err(format!(
                "Perl takes `{c}{name}` for a variable; a backslash before the `{c}` makes it a character"
            ));
        }
    }
    Ok(())
}

/// The text of a string: in single quotes only the quote and the backslash are escaped.
pub(super) fn quoted(body: &str, open: char, interpolates: bool) -> Result<Scalar, String> {
    let mut text = String::new();
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match c {
            '$' | '@' if interpolates => {
                return Err(format!(
                    "Perl takes what follows `{c}` in double quotes for a variable"
                ));
            }
            '\\' => match (chars.next(), interpolates) {
                (Some(next), false) => {
                    if next != '\\' && next != open && next != closing(open) {
                        text.push('\\');
                    }
                    text.push(next);
                }
                (Some('n'), true) => text.push('\n'),
                (Some('t'), true) => text.push('\t'),
                (Some(next), true) if next.is_ascii_punctuation() => text.push(next),
                _ => return Err("an escape in a string is not understood".to_owned()),
            },
            c => text.push(c),
        }
    }
    Ok(Scalar::Text(text))
}
