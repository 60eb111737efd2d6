//! Metrics, given to the parsers of those who made the formats.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Reads standard input with both parsers of Python's `prometheus_client`. Prints `NAME TYPE SAMPLE…` per family; complains of
/// families without samples or metadata, which no parser does.
const PARSE: &str = r#"
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
text = sys.stdin.read()
for read in openmetrics, prometheus:
    seen = set()
    for family in read(text):
        if family.name in seen:
            sys.exit("the family %s comes twice" % family.name)
        seen.add(family.name)
        if not family.samples:
            sys.exit("%s has no samples" % family.name)
        if family.type in ("unknown", "untyped") or not family.documentation:
            sys.exit("%s has no metadata" % family.name)
        for sample in family.samples:
            if sample.timestamp is not None:
                sys.exit("%s has a timestamp" % sample.name)
            if "" in sample.labels.values():
                sys.exit("%s has an empty label" % sample.name)
        if read is prometheus:
            print(family.name, family.type, *[sample.name for sample in family.samples])
"#;

/// The interpreter for which Debian packages its modules.
const PYTHON: &str = "/usr/bin/python3";

/// Whether the parsers are installed.
pub(crate) fn parsers_are_here() -> bool {
    let import = ["-c", "import prometheus_client.openmetrics.parser"];
    let ended = Command::new(PYTHON).args(import).output();
    ended.is_ok_and(|ended| ended.status.success())
}

/// What `command` says to this text on its standard input.
///
/// # Errors
/// What it says against it.
pub(crate) fn filter(mut command: Command, text: &str) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let mut stdin = child.stdin.take().expect("it is a pipe");
    stdin.write_all(text.as_bytes()).ok(); // it may have seen enough
    drop(stdin);
    let ended = child.wait_with_output().expect("it was started");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match ended.status.success() {
        true => Ok(said(&ended.stdout)),
        false => Err(said(&ended.stderr) + &said(&ended.stdout)),
    }
}

/// The families in this text, by the parsers for OpenMetrics and for Prometheus's own format.
///
/// # Errors
/// What they say against it.
pub(crate) fn parse(text: &str) -> Result<String, String> {
    let mut python = Command::new(PYTHON);
    python.args(["-c", PARSE]);
    filter(python, text)
}
