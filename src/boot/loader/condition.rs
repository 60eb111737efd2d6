//! The `test` command of GRUB: true, false, or not known.

use super::run::{Sibling, Value};

/// An argument, and the file beside `grub.cfg` that it names.
pub(super) struct Argument<'a> {
    pub(super) value: Value,
    pub(super) sibling: Option<&'a Sibling>,
}

/// Whether an expression holds. What is not known, or not understood, is `None`.
pub(super) fn holds(arguments: &[Argument<'_>]) -> Option<bool> {
    let mut rest = arguments;
    let result = either(&mut rest);
    if rest.is_empty() { result.ok()? } else { None }
}

/// It is not an expression that is understood.
struct Odd;

type Truth = Result<Option<bool>, Odd>;

fn either(rest: &mut &[Argument<'_>]) -> Truth {
    let mut result = both(rest)?;
    while take(rest, b"-o") {
        result = match (result, both(rest)?) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), other) | (other, Some(false)) => other,
            (None, None) => None,
        };
    }
    Ok(result)
}

fn both(rest: &mut &[Argument<'_>]) -> Truth {
    let mut result = one(rest)?;
    while take(rest, b"-a") {
        result = match (result, one(rest)?) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), other) | (other, Some(true)) => other,
            (None, None) => None,
        };
    }
    Ok(result)
}

fn one(rest: &mut &[Argument<'_>]) -> Truth {
    let mut negated = false;
    while rest.len() > 1 && take(rest, b"!") {
        negated = !negated;
    }
    let result = primary(rest)?;
    Ok(result.map(|result| result != negated))
}

/// Takes the next argument if it is this word.
fn take(rest: &mut &[Argument<'_>], word: &[u8]) -> bool {
    match rest {
        [first, after @ ..] if first.value.as_deref() == Some(word) => {
            *rest = after;
            true
        }
        _ => false,
    }
}

fn primary(rest: &mut &[Argument<'_>]) -> Truth {
    if let [left, operator, right, after @ ..] = *rest
        && let Some(operator) = &operator.value
        && let Some(result) = compare(left, operator, right)
    {
        *rest = after;
        return Ok(result);
    }
    if let [operator, argument, after @ ..] = *rest
        && let Some(operator) = &operator.value
        && let Some(result) = unary(operator, argument)
    {
        *rest = after;
        return Ok(result);
    }
    let [argument, after @ ..] = *rest else {
        return Err(Odd);
    };
    *rest = after;
    match &argument.value {
        Some(value) if matches!(value.as_slice(), b"(" | b")") => Err(Odd),
        value => Ok(value.as_ref().map(|value| !value.is_empty())),
    }
}

fn compare(left: &Argument<'_>, operator: &[u8], right: &Argument<'_>) -> Option<Option<bool>> {
    let numbers = || {
        let number = |value: &Value| {
            std::str::from_utf8(value.as_ref()?)
                .ok()?
                .parse::<i64>()
                .ok()
        };
        Some((number(&left.value)?, number(&right.value)?))
    };
    let texts = || Some((left.value.as_ref()?, right.value.as_ref()?));
    Some(match operator {
        b"=" | b"==" => texts().map(|(left, right)| left == right),
        b"!=" => texts().map(|(left, right)| left != right),
        b"-eq" => numbers().map(|(left, right)| left == right),
        b"-ne" => numbers().map(|(left, right)| left != right),
        b"-lt" => numbers().map(|(left, right)| left < right),
        b"-le" => numbers().map(|(left, right)| left <= right),
        b"-gt" => numbers().map(|(left, right)| left > right),
        b"-ge" => numbers().map(|(left, right)| left >= right),
        _ => return None,
    })
}

fn unary(operator: &[u8], argument: &Argument<'_>) -> Option<Option<bool>> {
    let empty = || argument.value.as_ref().map(Vec::is_empty);
    let file = || match argument.sibling? {
        Sibling::Absent => Some(None),
        Sibling::Holds(text) => Some(Some(text.len())),
        Sibling::Unknown => None,
    };
    Some(match operator {
        b"-z" => empty(),
        b"-n" => empty().map(|empty| !empty),
        b"-e" | b"-f" => file().map(|size| size.is_some()),
        b"-s" => file().map(|size| size.is_some_and(|size| size > 0)),
        b"-d" => None,
        _ => return None,
    })
}
