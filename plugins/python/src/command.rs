//! The command line of an interpreter: what it runs. Pure.
//!
//! Source: `Python/getopt.c` and `Python/initconfig.c` of CPython.
#![forbid(unsafe_code)]

use unstale_plugin::{Process, base_name};

/// What an interpreter was told to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Main<'a> {
    /// A file, directory or archive.
    Operand(&'a [u8]),
    /// `-m`.
    Module(&'a [u8]),
    /// `-c`, standard input, or a person.
    Nothing(&'static str),
    /// The arguments are not those that it was started with.
    Rewritten,
}

/// A command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    /// What it runs.
    pub(crate) main: Main<'a>,
    /// The arguments after that.
    pub(crate) arguments: &'a [Vec<u8>],
    /// `-E`, `-I`: `PYTHON*` variables are not used.
    pub(crate) no_environ: bool,
    /// `-S`.
    pub(crate) no_site: bool,
    /// `-s`, `-I`.
    pub(crate) no_user_site: bool,
    /// `-P`, `-I`: the script's directory is not searched.
    pub(crate) safe_path: bool,
    /// `-x`: the first line of the script is not Python.
    pub(crate) skip_first: bool,
    /// `-X frozen_modules=off`: modules of the library come from their files.
    pub(crate) no_frozen: bool,
}

impl<'a> Command<'a> {
    const fn of(main: Main<'a>, arguments: &'a [Vec<u8>]) -> Self {
        Self {
            main,
            arguments,
            no_environ: false,
            no_site: false,
            no_user_site: false,
            safe_path: false,
            skip_first: false,
            no_frozen: false,
        }
    }

    /// The same without any option: for programs whose arguments are not an interpreter's.
    pub(crate) const fn without_options(self) -> Self {
        Self::of(self.main, self.arguments)
    }

    fn switch(&mut self, option: u8) {
        match option {
            b'E' => self.no_environ = true,
            b'I' => {
                self.no_environ = true;
                self.no_user_site = true;
                self.safe_path = true;
            }
            b'P' => self.safe_path = true,
            b'S' => self.no_site = true,
            b's' => self.no_user_site = true,
            b'x' => self.skip_first = true,
            _ => {}
        }
    }
}

/// Whether a base name is that of an interpreter: `python`, `python3`, `python3.13t`, `python3.11d`.
pub(crate) fn is_interpreter(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"python") else {
        return false;
    };
    let digits = rest
        .iter()
        .position(|byte| !(byte.is_ascii_digit() || *byte == b'.'));
    let flags = digits.map_or(&[][..], |at| &rest[at..]);
    flags.iter().all(|byte| b"dmut".contains(byte)) && flags.len() <= 3
}

/// Whether the arguments are one title that was written over them (setproctitle).
fn is_title(process: &Process) -> bool {
    let Some(first) = process.argv.first() else {
        return true;
    };
    if process.argv[1..]
        .iter()
        .any(|argument| !argument.is_empty())
    {
        return false;
    }
    let same = process.execfn.as_deref() == Some(first.as_slice());
    !same && !is_interpreter(base_name(first))
}

/// Options that take an argument, attached or as the next word.
fn takes_argument(option: u8) -> bool {
    // `Q` is of Python 2.
    matches!(option, b'c' | b'm' | b'W' | b'X' | b'Q')
}

fn is_switch(option: u8) -> bool {
    b"bBdEhiIJOPqRsStuvVx?3U".contains(&option)
}

/// Reads the arguments of an interpreter.
pub(crate) fn command_of(process: &Process) -> Command<'_> {
    if is_title(process) {
        return Command::of(Main::Rewritten, &[]);
    }
    let words = &process.argv;
    let mut command = Command::of(
        Main::Nothing("it reads its program from a person or a pipe"),
        &[],
    );
    let mut at = 1;
    while let Some(word) = words.get(at) {
        at += 1;
        let after = |at: usize| words.get(at..).unwrap_or_default();
        match word.as_slice() {
            b"-" => break,
            b"--" => {
                if let Some(operand) = words.get(at) {
                    command.main = Main::Operand(operand);
                    command.arguments = after(at + 1);
                }
                break;
            }
            b"--check-hash-based-pycs" => at += 1,
            [b'-', b'-', ..] => return Command::of(Main::Rewritten, &[]),
            [b'-', cluster @ ..] => match parse_cluster(cluster, words.get(at), &mut command) {
                Cluster::Switches => {}
                Cluster::TookNext => at += 1,
                Cluster::Ends(main, took_next) => {
                    command.main = main;
                    command.arguments = after(at + usize::from(took_next));
                    break;
                }
                Cluster::Wrong => return Command::of(Main::Rewritten, &[]),
            },
            operand => {
                command.main = Main::Operand(operand);
                command.arguments = after(at);
                break;
            }
        }
    }
    command
}

enum Cluster<'a> {
    Switches,
    TookNext,
    Ends(Main<'a>, bool),
    Wrong,
}

/// The letters after one `-`: switches, of which the last may take an argument.
fn parse_cluster<'a>(
    cluster: &'a [u8],
    next: Option<&'a Vec<u8>>,
    command: &mut Command<'a>,
) -> Cluster<'a> {
    for (position, &option) in cluster.iter().enumerate() {
        if is_switch(option) {
            command.switch(option);
            continue;
        }
        if !takes_argument(option) {
            return Cluster::Wrong;
        }
        let attached = &cluster[position + 1..];
        let took_next = attached.is_empty();
        let argument = match next {
            _ if !took_next => attached,
            Some(next) => next,
            None => return Cluster::Wrong,
        };
        return match option {
            b'm' => Cluster::Ends(Main::Module(argument), took_next),
            b'c' => Cluster::Ends(Main::Nothing("its program is an argument (-c)"), took_next),
            _ => {
                command.no_frozen |= option == b'X' && argument == b"frozen_modules=off";
                if took_next {
                    Cluster::TookNext
                } else {
                    Cluster::Switches
                }
            }
        };
    }
    Cluster::Switches
}
