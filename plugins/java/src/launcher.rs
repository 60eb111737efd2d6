//! The command line of a virtual machine: what of it names archives. Reads no file but through what it is given.

#![forbid(unsafe_code)]

use crate::argfile::{parse_argfile, parse_variable};
use crate::option::{Launcher, with_equals};

/// What a command line names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// The program.
    pub(crate) main: Main,
    /// The class path, with the meaning that it is searched (not with `-jar`).
    pub(crate) class_path: Option<Vec<u8>>,
    /// `--module-path`, `--upgrade-module-path`, `--patch-module`: lists of archives and of directories of them.
    pub(crate) module_paths: Vec<Vec<u8>>,
    /// `-Xbootclasspath…`: lists of archives and directories.
    pub(crate) boot_paths: Vec<Vec<u8>>,
    /// `-javaagent:`.
    pub(crate) agents: Vec<Vec<u8>>,
}

/// The program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Main {
    /// None is named: `-version`, or words that are not understood.
    #[default]
    Unknown,
    /// `-jar FILE`.
    Jar(Vec<u8>),
    /// A class of the class path.
    Class,
    /// A module of the module path.
    Module,
    /// `java File.java`: compiled when it starts.
    Source(Vec<u8>),
}

/// Puts the words of `@FILE` in its place, as far as the launcher does: up to the main class. `read` gives the words of a
/// file.
pub(crate) fn expand(
    arguments: &[Vec<u8>],
    read: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Vec<Vec<u8>> {
    let mut expanded = Vec::new();
    let mut state = Expansion::default();
    for argument in arguments {
        match argument.strip_prefix(b"@") {
            Some(name) if !state.over && !name.starts_with(b"@") => {
                let Some(text) = read(name) else { continue };
                for word in parse_argfile(&text) {
                    state.see(&word);
                    expanded.push(word);
                }
            }
            // `@@x` stands for `@x`.
            Some(name) if !state.over => {
                state.see(name);
                expanded.push(name.to_vec());
            }
            _ => {
                state.see(argument);
                expanded.push(argument.clone());
            }
        }
    }
    expanded
}

/// How far an argument list has been expanded.
#[derive(Default)]
struct Expansion {
    value_next: bool,
    over: bool,
}

impl Expansion {
    fn see(&mut self, word: &[u8]) {
        let (name, value) = with_equals(word);
        if word.starts_with(b"-") {
            self.value_next = value.is_none() && Launcher::Java.takes_next(name);
            self.over |= word == b"--disable-@files" || (name == b"--module" && value.is_some());
        } else if self.value_next {
            self.value_next = false;
        } else {
            self.over = true;
        }
    }
}

impl Command {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(launcher: Launcher, arguments: &[Vec<u8>]) -> Self {
        let mut command = Self::default();
        let mut jar = false;
        let mut source = false;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, value) = with_equals(argument);
            match name {
                b"-jar" => jar = true,
                b"-m" | b"--module" if launcher == Launcher::Java => {
                    command.main = Main::Module;
                    return command;
                }
                name if name.starts_with(b"-") => {
                    source |= name == b"--source";
                    let value = match value {
                        None if launcher.takes_next(name) => rest.next().map(Vec::as_slice),
                        value => value,
                    };
                    command.option(name, value);
                }
                operand => {
                    command.main = main_of(operand, jar, source);
                    break;
                }
            }
        }
        // With -jar, the archive alone is the class path, whatever else names one.
        if jar {
            command.class_path = None;
        }
        command
    }

    /// Adds the options of a variable that the machine itself reads (`JAVA_TOOL_OPTIONS`): there is no main class in it.
    pub(crate) fn add_variable(&mut self, text: &[u8]) {
        for word in parse_variable(text) {
            let (name, value) = with_equals(&word);
            if name.starts_with(b"-") {
                self.option(name, value);
            }
        }
    }

    fn option(&mut self, name: &[u8], value: Option<&[u8]>) {
        match (name, value) {
            (b"-cp" | b"-classpath" | b"--class-path", Some(value)) => {
                self.class_path = Some(value.to_vec());
            }
            (b"-p" | b"--module-path" | b"--upgrade-module-path", Some(value)) => {
                self.module_paths.push(value.to_vec());
            }
            // MODULE=LIST.
            (b"--patch-module", Some(value)) => {
                if let Some(at) = value.iter().position(|&byte| byte == b'=') {
                    self.module_paths.push(value[at + 1..].to_vec());
                }
            }
            _ => self.glued(name),
        }
    }

    /// Options whose value follows a colon or an equals sign of a single dash.
    fn glued(&mut self, option: &[u8]) {
        if let Some(agent) = option.strip_prefix(b"-javaagent:") {
            let end = agent.iter().position(|&byte| byte == b'=');
            self.agents
                .push(agent[..end.unwrap_or(agent.len())].to_vec());
        } else if let Some(list) = option
            .strip_prefix(b"-Xbootclasspath/a:")
            .or_else(|| option.strip_prefix(b"-Xbootclasspath/p:"))
            .or_else(|| option.strip_prefix(b"-Xbootclasspath:"))
        {
            self.boot_paths.push(list.to_vec());
        } else if let Some(list) = option.strip_prefix(b"-Djava.class.path=") {
            self.class_path = Some(list.to_vec());
        }
    }
}

fn main_of(operand: &[u8], jar: bool, source: bool) -> Main {
    if jar {
        Main::Jar(operand.to_vec())
    } else if source || operand.ends_with(b".java") {
        Main::Source(operand.to_vec())
    } else {
        Main::Class
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        let word = |word: &str| word.as_bytes().to_vec();
        text.split(' ')
            .filter(|word| !word.is_empty())
            .map(word)
            .collect()
    }

    #[track_caller]
    fn check(launcher: Launcher, line: &str, expected: &str) {
        let command = Command::parse(launcher, &words(line));
        let mut parts = vec![match command.main {
            Main::Unknown => "?".to_owned(),
            Main::Class => "class".to_owned(),
            Main::Module => "module".to_owned(),
            Main::Jar(jar) => format!("jar:{}", String::from_utf8(jar).unwrap()),
            Main::Source(file) => format!("source:{}", String::from_utf8(file).unwrap()),
        }];
        let mut add = |key: &str, values: Vec<Vec<u8>>| {
            for value in values {
                parts.push(format!("{key}={}", String::from_utf8(value).unwrap()));
            }
        };
        add("cp", command.class_path.into_iter().collect());
        add("p", command.module_paths);
        add("boot", command.boot_paths);
        add("agent", command.agents);
        assert_eq!(parts.join(" "), expected);
    }

    #[test]
    fn t6_20_options_of_java() {
        let java = |line, expected| check(Launcher::Java, line, expected);
        java("", "?");
        java("-version", "?");
        java("-cp a.jar:b Main -cp c.jar", "class cp=a.jar:b");
        java("-classpath a Main", "class cp=a");
        java("--class-path a Main", "class cp=a");
        java("--class-path=a Main", "class cp=a");
        java("-cp a -cp b Main", "class cp=b");
        java("-Xmx1g -Dx=-jar Main y.jar", "class");
        // -jar is a mode: options may stand between it and the archive, and the class path is out.
        java("-cp a -jar x.jar -cp b", "jar:x.jar");
        java("-jar -Xmx1g -cp a x.jar", "jar:x.jar");
        java(
            "-p m --upgrade-module-path u -m mod/Main x",
            "module p=m p=u",
        );
        java("--module-path=m --module=mod/Main", "module p=m");
        java("-p m -cp a -m mod", "module cp=a p=m");
        java("--add-opens a/b=c --add-modules d Main", "class");
        java("--patch-module a=b.jar:c Main", "class p=b.jar:c");
        java(
            "-javaagent:a.jar=x=y -javaagent:b.jar Main",
            "class agent=a.jar agent=b.jar",
        );
        java("-Xbootclasspath/a:b.jar Main", "class boot=b.jar");
        java("Main.java x", "source:Main.java");
        java("--source 17 main", "source:main");
        java("-cp", "?");
    }

    #[test]
    fn t6_20_options_of_jsvc() {
        let jsvc = |line, expected| check(Launcher::Jsvc, line, expected);
        jsvc(
            "-user app -cp a.jar -pidfile /run/x -outfile o Main -cp b",
            "class cp=a.jar",
        );
        jsvc("-home /jvm -nodetach -Xmx1g Main", "class");
    }

    #[track_caller]
    fn expands(line: &str, expected: &str) {
        let mut read = |name: &[u8]| match name {
            b"cp" => Some(b"-cp a.jar:b.jar".to_vec()),
            b"main" => Some(b"-Xint Main x".to_vec()),
            _ => None,
        };
        let expanded = expand(&words(line), &mut read).join(&b' ');
        assert_eq!(String::from_utf8(expanded).unwrap(), expected);
    }

    #[test]
    fn t6_20_where_argument_files_are_read() {
        expands("@cp Main @cp", "-cp a.jar:b.jar Main @cp");
        expands("@main @cp", "-Xint Main x @cp");
        expands("-cp @cp Main", "-cp -cp a.jar:b.jar Main");
        expands("@@cp Main", "@cp Main");
        expands("--disable-@files @cp Main", "--disable-@files @cp Main");
        expands("-jar x.jar @cp", "-jar x.jar @cp");
        expands("--module=m @cp", "--module=m @cp");
        expands("@missing Main", "Main");
    }
}
