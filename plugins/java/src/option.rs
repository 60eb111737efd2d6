//! Which options of the launchers take the next argument as their value.

#![forbid(unsafe_code)]

/// Which program reads the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Launcher {
    /// `java` of the JDK.
    Java,
    /// `jsvc` of Apache Commons Daemon.
    Jsvc,
}

impl Launcher {
    /// By the name of the program; others (IDEs, `javac`, programs that embed a machine) have words of their own.
    pub(crate) fn of(exe_name: &[u8]) -> Option<Self> {
        match exe_name {
            b"java" | b"javaw" => Some(Self::Java),
            b"jsvc" => Some(Self::Jsvc),
            _ => None,
        }
    }

    /// Whether an option takes the next argument.
    pub(crate) fn takes_next(self, option: &[u8]) -> bool {
        let own: &[&[u8]] = match self {
            Self::Java => &JAVA,
            Self::Jsvc => &JSVC,
        };
        own.contains(&option)
    }
}

/// java(1); the launcher calls them options with white space.
const JAVA: [&[u8]; 17] = [
    b"-cp",
    b"-classpath",
    b"--class-path",
    b"-p",
    b"--module-path",
    b"--upgrade-module-path",
    b"--add-modules",
    b"--limit-modules",
    b"--add-exports",
    b"--add-opens",
    b"--add-reads",
    b"--patch-module",
    b"--enable-native-access",
    b"--describe-module",
    b"-d",
    b"--source",
    b"--illegal-native-access",
];

/// jsvc(1).
const JSVC: [&[u8]; 12] = [
    b"-cp",
    b"-classpath",
    b"-jvm",
    b"-home",
    b"-java-home",
    b"-user",
    b"-pidfile",
    b"-outfile",
    b"-errfile",
    b"-wait",
    b"-umask",
    b"-cwd",
];

/// Splits `--name=value`.
pub(crate) fn with_equals(argument: &[u8]) -> (&[u8], Option<&[u8]>) {
    if !argument.starts_with(b"--") {
        return (argument, None);
    }
    match argument.iter().position(|&byte| byte == b'=') {
        Some(at) => (&argument[..at], Some(&argument[at + 1..])),
        None => (argument, None),
    }
}
