//! The command line of `php`.

#![forbid(unsafe_code)]

/// What a command line says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// What is run.
    pub(crate) main: Main,
    /// `-c`: a file, or the directory of `php.ini`.
    pub(crate) ini: Option<Vec<u8>>,
    /// `-n`: no configuration at all.
    pub(crate) no_ini: bool,
    /// `-d NAME=VALUE`, as it stands there.
    pub(crate) settings: Vec<Vec<u8>>,
}

/// What is run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Main {
    /// No file: a prompt, standard input, `-r`.
    #[default]
    Nothing,
    /// A file.
    File(Vec<u8>),
    /// `-S`: the server for development, which reads scripts for each request.
    Server,
}

/// Short options that take a value, attached or next; and their long names.
const TAKE_VALUE: &[u8] = b"cdfrBRFESztH";
const LONG: [(&[u8], u8); 17] = [
    (b"process-begin", b'B'),
    (b"php-ini", b'c'),
    (b"define", b'd'),
    (b"process-end", b'E'),
    (b"process-file", b'F'),
    (b"file", b'f'),
    (b"no-php-ini", b'n'),
    (b"process-code", b'R'),
    (b"run", b'r'),
    (b"server", b'S'),
    (b"docroot", b't'),
    (b"zend-extension", b'z'),
    (b"rf", b'?'),
    (b"rc", b'?'),
    (b"re", b'?'),
    (b"rz", b'?'),
    (b"ri", b'?'),
];

impl Command {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(arguments: &[Vec<u8>]) -> Self {
        let mut command = Self::default();
        let mut rest = arguments.iter().map(Vec::as_slice);
        let mut code = false;
        while let Some(argument) = rest.next() {
            if argument == b"--" {
                break;
            }
            if argument == b"-" || !argument.starts_with(b"-") {
                if command.main == Main::Nothing && !code && argument != b"-" {
                    command.main = Main::File(argument.to_vec());
                }
                break;
            }
            let (option, value) = match argument.strip_prefix(b"--") {
                Some(long) => long_option(long, &mut rest),
                None => command.cluster(&argument[1..], &mut rest),
            };
            code |= matches!(option, b'r' | b'R' | b'B' | b'E');
            // Behind the file or code, `--` or not, are the arguments of the script.
            if command.option(option, value) {
                break;
            }
        }
        command
    }

    /// Letters behind one dash; the first that takes a value takes the rest, or the next argument.
    fn cluster<'a>(
        &mut self,
        letters: &'a [u8],
        rest: &mut impl Iterator<Item = &'a [u8]>,
    ) -> (u8, Option<&'a [u8]>) {
        for (at, &letter) in letters.iter().enumerate() {
            if TAKE_VALUE.contains(&letter) && letter != b'H' {
                let attached = &letters[at + 1..];
                let attached = attached.strip_prefix(b"=").unwrap_or(attached);
                let value = if attached.is_empty() {
                    rest.next()
                } else {
                    Some(attached)
                };
                return (letter, value);
            }
            self.no_ini |= letter == b'n';
        }
        (b'?', None)
    }

    /// Takes an option in; says whether the options end with it.
    fn option(&mut self, option: u8, value: Option<&[u8]>) -> bool {
        match (option, value) {
            (b'n', _) => self.no_ini = true,
            (b'c', Some(value)) => self.ini = Some(value.to_vec()),
            (b'd', Some(value)) => self.settings.push(value.to_vec()),
            (b'S', _) => self.main = Main::Server,
            (b'f' | b'F', Some(value)) => {
                self.main = Main::File(value.to_vec());
                return option == b'f';
            }
            _ => {}
        }
        false
    }
}

fn long_option<'a>(
    long: &'a [u8],
    rest: &mut impl Iterator<Item = &'a [u8]>,
) -> (u8, Option<&'a [u8]>) {
    let (name, value) = match long.iter().position(|&byte| byte == b'=') {
        Some(at) => (&long[..at], Some(&long[at + 1..])),
        None => (long, None),
    };
    match LONG.iter().find(|(known, _)| *known == name) {
        Some(&(_, b'n')) => (b'n', None),
        Some(&(_, option)) => (option, value.or_else(|| rest.next())),
        None => (b'?', None),
    }
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
        let command = Command::parse(&words);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let mut parts = vec![match command.main {
            Main::Nothing => "nothing".to_owned(),
            Main::Server => "server".to_owned(),
            Main::File(file) => text(file),
        }];
        parts.extend(command.ini.map(|ini| format!("c:{}", text(ini))));
        parts.extend(
            command
                .settings
                .into_iter()
                .map(|one| format!("d:{}", text(one))),
        );
        parts.extend(command.no_ini.then(|| "n".to_owned()));
        assert_eq!(parts.join(" "), expected);
    }

    #[test]
    fn t6_23_options() {
        check("", "nothing");
        check("artisan queue:work -d x", "artisan");
        check(
            "-d memory_limit=-1 -dx=y artisan",
            "artisan d:memory_limit=-1 d:x=y",
        );
        check("-f x.php -c y", "x.php");
        check("--file x.php", "x.php");
        check("--define a=b x.php", "x.php d:a=b");
        check("--define=a=b --php-ini=/etc x.php", "x.php c:/etc d:a=b");
        check("-c /etc/x.ini -q x.php", "x.php c:/etc/x.ini");
        check("-nq x.php", "x.php n");
        check("-n x.php", "x.php n");
        check("--no-php-ini x.php", "x.php n");
        check("-r code x.php", "nothing");
        check("-rcode x.php", "nothing");
        check("-a", "nothing");
        check("-- x.php", "nothing");
        check("- x.php", "nothing");
        check("-S localhost:80 -t public router.php", "server");
        check("-R code x.php", "nothing");
        check("-F each.php", "each.php");
        check("-c", "nothing");
    }
}
