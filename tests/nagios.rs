//! What the monitoring-plugins project asks of a plugin's output, as a reader of it: first line, performance data, exit.

/// One output of a plugin, as a monitoring system reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plugin {
    /// The first word.
    pub(crate) state: String,
    /// The text of the first line, before the bar.
    pub(crate) text: String,
    /// `label=value;warn;crit;min;max`, as they stand.
    pub(crate) perf: Vec<String>,
    /// The lines after the first.
    pub(crate) more: Vec<String>,
}

/// The words of a first line, and the exit status that each goes with.
const STATES: [(&str, i32); 7] = [
    ("OK", 0),
    ("WARN", 1),
    ("WARNING", 1),
    ("CRIT", 2),
    ("CRITICAL", 2),
    ("UNKN", 3),
    ("UNKNOWN", 3),
];

/// Units of measurement that a value may end in.
const UNITS: [&str; 8] = ["us", "ms", "s", "%", "TB", "KB", "MB", "B"];

/// Reads an output.
///
/// # Errors
/// What the guidelines say against it, in words.
pub(crate) fn read(stdout: &str, code: Option<i32>) -> Result<Plugin, String> {
    let (first, rest) = stdout.split_once('\n').ok_or("no line at all")?;
    let (text, perf) = first.split_once('|').unwrap_or((first, ""));
    let state = text.split_whitespace().next().ok_or("an empty line")?;
    let expected = STATES.iter().find(|(word, _)| *word == state);
    let (_, expected) = expected.ok_or_else(|| format!("{state} is no state"))?;
    if code != Some(*expected) {
        return Err(format!("says {state} and ends with {code:?}"));
    }
    if text.len() > 160 {
        return Err(format!("a first line of {} bytes", text.len()));
    }
    let perf: Vec<String> = perf.split_whitespace().map(str::to_owned).collect();
    for one in &perf {
        datum(one)?;
    }
    if rest.contains('|') {
        return Err("a bar after the first line starts performance data".to_owned());
    }
    Ok(Plugin {
        state: state.to_owned(),
        text: text.to_owned(),
        perf,
        more: rest.lines().map(str::to_owned).collect(),
    })
}

/// `'label'=value[UOM][;warn[;crit[;min[;max]]]]`. Labels with spaces are not read: nobody here has one.
fn datum(one: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{one}: {what}"));
    let Some((label, value)) = one.split_once('=') else {
        return wrong("no value");
    };
    if label.is_empty() || label.contains('\'') {
        return wrong("no label");
    }
    let mut fields = value.split(';');
    let value = fields.next().unwrap_or_default();
    let number = UNITS
        .iter()
        .find_map(|unit| value.strip_suffix(unit))
        .unwrap_or(value)
        .trim_end_matches('c');
    if !is_decimal(number) {
        return wrong("the value is no decimal");
    }
    let fields: Vec<&str> = fields.collect();
    if fields.len() > 4 {
        return wrong("more than four fields after the value");
    }
    let (thresholds, bounds) = fields.split_at(fields.len().min(2));
    if !thresholds.iter().all(|field| is_range(field)) {
        return wrong("a threshold is no range");
    }
    if !bounds
        .iter()
        .all(|field| field.is_empty() || is_decimal(field))
    {
        return wrong("a bound is no decimal");
    }
    Ok(())
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.matches('.').count() <= 1
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().any(|b| b.is_ascii_digit())
}

/// `[@][start:]end`, start may be `~`, end may be missing after a colon.
fn is_range(text: &str) -> bool {
    let text = text.strip_prefix('@').unwrap_or(text);
    match text.split_once(':') {
        None => text.is_empty() || is_decimal(text),
        Some((start, end)) => {
            (start == "~" || is_decimal(start)) && (end.is_empty() || is_decimal(end))
        }
    }
}

#[track_caller]
fn check(stdout: &str, code: i32, wrong: Option<&str>) {
    let read = read(stdout, Some(code));
    match (wrong, read) {
        (None, read) => assert!(read.is_ok(), "{stdout}: {read:?}"),
        (Some(wrong), read) => {
            let said = read.expect_err(stdout);
            assert!(said.contains(wrong), "{stdout}: {said}, not {wrong}");
        }
    }
}

#[test]
fn the_plugin_reader_knows_right_from_wrong() {
    for range in ["10", "10:", "~:10", "10:20", "@10:20", ""] {
        check(&format!("OK - x|a=1;{range};{range};0;9.5\n"), 0, None);
    }
    check("CRIT - Sessions: 3 (!!)|Sessions=3;0;;0\n- a\n", 2, None);
    check("UNKN - Kernel: 6.1|\n", 3, None);
    check("OK - x | a=1s b=2% c=3c d=-4.5MB\n", 0, None);
    check("", 0, Some("no line"));
    check("\n", 0, Some("an empty line"));
    check("FINE - x\n", 0, Some("no state"));
    check("WARN - x\n", 0, Some("ends with"));
    check("OK - x|a\n", 0, Some("no value"));
    check("OK - x|=1\n", 0, Some("no label"));
    check("OK - x|a=1e3\n", 0, Some("no decimal"));
    check("OK - x|a=1;low\n", 0, Some("no range"));
    check("OK - x|a=1;;;low\n", 0, Some("a bound"));
    check("OK - x|a=1;;;0;1;2\n", 0, Some("more than four"));
    check("OK - x\nmore|a=1\n", 0, Some("a bar"));
}
