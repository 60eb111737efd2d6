//! The command line of `node`.

#![forbid(unsafe_code)]

/// What a command line runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// The script.
    pub(crate) main: Main,
    /// `-r`, `--import`, `--loader`: modules that are loaded before.
    pub(crate) preloads: Vec<Vec<u8>>,
    /// `-C`: names of conditions in `exports`.
    pub(crate) conditions: Vec<Vec<u8>>,
}

/// The script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Main {
    /// None: a prompt, standard input, `-e`.
    #[default]
    Nothing,
    /// A file or directory.
    File(Vec<u8>),
    /// A mode in which the program starts others with the scripts: `--test`, `--watch`, `--run`, `inspect`.
    Supervisor,
}

/// Long options that take the next argument unless they hold `=`: `node --help` of 20 and 22, and those of 12 to 18 that are
/// gone. Short ones never have their value attached.
const TAKE_NEXT: [&[u8]; 61] = [
    b"-r",
    b"-C",
    b"--allow-fs-read",
    b"--allow-fs-write",
    b"--build-snapshot-config",
    b"--conditions",
    b"--cpu-prof-dir",
    b"--cpu-prof-interval",
    b"--cpu-prof-name",
    b"--debug-port",
    b"--diagnostic-dir",
    b"--disable-proto",
    b"--disable-warning",
    b"--dns-result-order",
    b"--env-file",
    b"--env-file-if-exists",
    b"--es-module-specifier-resolution",
    b"--experimental-default-type",
    b"--experimental-loader",
    b"--experimental-policy",
    b"--experimental-sea-config",
    b"--experimental-specifier-resolution",
    b"--heap-prof-dir",
    b"--heap-prof-interval",
    b"--heap-prof-name",
    b"--heapsnapshot-near-heap-limit",
    b"--heapsnapshot-signal",
    b"--icu-data-dir",
    b"--import",
    b"--input-type",
    b"--inspect-port",
    b"--inspect-publish-uid",
    b"--loader",
    b"--localstorage-file",
    b"--max-http-header-size",
    b"--network-family-autoselection-attempt-timeout",
    b"--openssl-config",
    b"--policy-integrity",
    b"--redirect-warnings",
    b"--report-dir",
    b"--report-directory",
    b"--report-filename",
    b"--report-signal",
    b"--require",
    b"--run",
    b"--secure-heap",
    b"--secure-heap-min",
    b"--snapshot-blob",
    b"--test-concurrency",
    b"--test-name-pattern",
    b"--test-reporter",
    b"--test-reporter-destination",
    b"--test-shard",
    b"--test-timeout",
    b"--title",
    b"--tls-cipher-list",
    b"--tls-keylog",
    b"--trace-event-categories",
    b"--trace-event-file-pattern",
    b"--trace-require-module",
    b"--unhandled-rejections",
];

/// More of them, whose values are of no interest either.
const TAKE_NEXT_TOO: [&[u8]; 9] = [
    b"--use-largepages",
    b"--v8-pool-size",
    b"--watch-path",
    b"--test-skip-pattern",
    b"--test-coverage-include",
    b"--test-coverage-exclude",
    b"--test-isolation",
    b"--experimental-config-file",
    b"--watch-kill-signal",
];

/// Whether an option takes the next argument.
pub(crate) fn takes_next(option: &[u8]) -> bool {
    TAKE_NEXT.contains(&option) || TAKE_NEXT_TOO.contains(&option)
}

impl Command {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(arguments: &[Vec<u8>]) -> Self {
        let mut command = Self::default();
        let mut supervises = false;
        let mut evaluates = false;
        let mut rest = arguments.iter().map(Vec::as_slice);
        let mut operand = None;
        while let Some(argument) = rest.next() {
            if argument == b"--" {
                operand = rest.next();
                break;
            }
            if argument == b"-" || !argument.starts_with(b"-") {
                operand = Some(argument);
                break;
            }
            let (name, value) = split(argument);
            match name {
                b"-e" | b"-p" | b"-pe" | b"--eval" | b"--print" => {
                    evaluates = true;
                    if value.is_none() {
                        rest.next();
                    }
                }
                b"--test" | b"--watch" => supervises = true,
                b"--run" => {
                    supervises = true;
                    break;
                }
                _ => {
                    let value = match value {
                        None if takes_next(name) => rest.next(),
                        value => value,
                    };
                    command.option(name, value);
                }
            }
        }
        command.main = match operand {
            _ if supervises => Main::Supervisor,
            _ if evaluates => Main::Nothing,
            None | Some(b"-") => Main::Nothing,
            Some(b"inspect") => Main::Supervisor,
            Some(file) => Main::File(file.to_vec()),
        };
        command
    }

    /// Adds `NODE_OPTIONS`: options between blanks, double quotes and backslashes keep them. It holds no script.
    pub(crate) fn add_variable(&mut self, text: &[u8]) {
        let mut words = parse_variable(text).into_iter();
        while let Some(word) = words.next() {
            let (name, value) = split(&word);
            match value {
                None if takes_next(name) => {
                    let value = words.next();
                    self.option(name, value.as_deref());
                }
                value => self.option(name, value),
            }
        }
    }

    fn option(&mut self, name: &[u8], value: Option<&[u8]>) {
        let Some(value) = value else { return };
        match name {
            b"-r" | b"--require" | b"--import" | b"--loader" | b"--experimental-loader" => {
                self.preloads.push(value.to_vec());
            }
            b"-C" | b"--conditions" => self.conditions.push(value.to_vec()),
            _ => {}
        }
    }
}

/// Splits `--name=value`.
fn split(argument: &[u8]) -> (&[u8], Option<&[u8]>) {
    match argument.iter().position(|&byte| byte == b'=') {
        Some(at) => (&argument[..at], Some(&argument[at + 1..])),
        None => (argument, None),
    }
}

fn parse_variable(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quoted = false;
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            b'\\' if quoted => word.get_or_insert_default().extend(bytes.next()),
            b' ' if !quoted => words.extend(word.take()),
            byte => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let word = |word: &str| word.as_bytes().to_vec();
        let words: Vec<_> = line
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(word)
            .collect();
        assert_eq!(shown(Command::parse(&words)), expected);
    }

    fn shown(command: Command) -> String {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let mut parts = vec![match command.main {
            Main::Nothing => "nothing".to_owned(),
            Main::Supervisor => "supervisor".to_owned(),
            Main::File(file) => text(file),
        }];
        parts.extend(
            command
                .preloads
                .into_iter()
                .map(|one| format!("r:{}", text(one))),
        );
        parts.extend(
            command
                .conditions
                .into_iter()
                .map(|one| format!("C:{}", text(one))),
        );
        parts.join(" ")
    }

    #[test]
    fn t6_22_options() {
        check("", "nothing");
        check("app.js -r x", "app.js");
        check("--max-old-space-size=4096 --inspect app.js", "app.js");
        check(
            "-r a --require b --require=c --import d.mjs app.js",
            "app.js r:a r:b r:c r:d.mjs",
        );
        check(
            "--loader x --experimental-loader=y app.mjs",
            "app.mjs r:x r:y",
        );
        check("-C dev --conditions=x app", "app C:dev C:x");
        check("--env-file .env app.js", "app.js");
        check("--inspect-port 9229 --title t app.js", "app.js");
        check("-e code x.js", "nothing");
        check("-r a -pe code x.js", "nothing r:a");
        check("-p", "nothing");
        check("--eval=code x.js", "nothing");
        check("-", "nothing");
        check("- x.js", "nothing");
        check("-- -x.js y", "-x.js");
        check("--", "nothing");
        check("-c app.js", "app.js");
        check("-i", "nothing");
        check("--test a.js", "supervisor");
        check("--watch app.js", "supervisor");
        check("--run start", "supervisor");
        check("inspect app.js", "supervisor");
        check("-r", "nothing");
    }

    #[test]
    fn t6_22_options_in_the_environment() {
        let mut command = Command::default();
        command.add_variable(br#"--require "/srv/a \"b.js" --import=c  -r d -C x"#);
        assert_eq!(shown(command), "nothing r:/srv/a \"b.js r:c r:d C:x");
    }
}
