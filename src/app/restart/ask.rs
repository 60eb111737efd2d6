//! Lets a person choose what is restarted: a check list on a terminal, or questions and numbers where escape sequences are not
//! wanted. Nobody else is ever asked (12.01, 12.02).

use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal as _, Write};

use console::{Key, Term};

use crate::cli::Color;
use crate::decide::Wish;
use crate::error::Error;
use crate::model::{Owner, Transaction};
use crate::report::Assessment;
use crate::report::restart::{Choice, choices, fitting, print_fixed};

/// Lines of the list besides the choices: the heading, the reasons of the one choice that is looked at, the keys.
const OTHER_LINES: usize = 6;
const KEYS: &str = "space changes, enter does it, q leaves all as it is; up, down, a all, n none";

/// What a person said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// To restart what these own, and nothing else.
    Owners(Wish),
    /// To do nothing.
    Nothing,
}

/// Whether there is a person to ask: both ends are terminals, and ours to read from. In the background a read would stop
/// us (SIGTTIN, termios(4)).
pub(super) fn may_ask() -> bool {
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let foreground = || {
        let group = rustix::termios::tcgetpgrp(&stdin);
        group.is_ok_and(|group| group == rustix::process::getpgrp())
    };
    stdin.is_terminal() && stdout.is_terminal() && foreground()
}

/// The width of the terminal that standard output is, for a line that is written over.
pub(super) fn live_width() -> Option<u16> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

/// Asks what of a transaction is to be done. Ask only if [`may_ask`] says so.
///
/// # Errors
/// The terminal cannot be written to.
pub(super) fn ask(
    transaction: &Transaction,
    assessment: &Assessment<'_>,
    color: Color,
) -> Result<Answer, Error> {
    let mut out = anstream::AutoStream::never(io::stdout());
    let choices = choices(transaction, assessment);
    if choices.is_empty() {
        print_fixed(&mut out, transaction, assessment)?;
        writeln!(out, "There is nothing to choose from.")?;
        return Ok(Answer::Nothing);
    }
    let list = List::new(choices);
    print_fixed(&mut out, transaction, assessment)?;
    let ticked = if is_plain(color, |name| std::env::var_os(name)) {
        ask_in_lines(&mut io::stdin().lock(), &mut out, list)?
    } else {
        out.flush()?;
        ask_in_list(&Term::stdout(), list)?
    };
    Ok(match ticked {
        Some(owners) if !owners.is_empty() => Answer::Owners(owners.into_iter().collect()),
        _ => {
            writeln!(io::stdout(), "Nothing was done.")?;
            Answer::Nothing
        }
    })
}

/// Whether a terminal, or the person before it, wants no escape sequences.
fn is_plain(color: Color, variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let dumb = set("TERM").is_none_or(|term| term == "dumb");
    match color {
        Color::Never => true,
        Color::Always => dumb,
        Color::Auto => dumb || set("NO_COLOR").is_some(),
    }
}

/// A check list.
#[derive(Debug)]
struct List {
    choices: Vec<Choice>,
    /// The choice that is looked at.
    at: usize,
}

/// What a key means.
#[derive(Debug, PartialEq, Eq)]
enum Pressed {
    /// The list goes on.
    Again,
    /// It is as it should be.
    Done,
    /// Nothing is to be done.
    Quit,
}

impl List {
    fn new(choices: Vec<Choice>) -> Self {
        Self { choices, at: 0 }
    }

    fn press(&mut self, key: &Key) -> Pressed {
        let last = self.choices.len() - 1;
        match key {
            Key::ArrowUp | Key::Char('k') => self.at = self.at.saturating_sub(1),
            Key::ArrowDown | Key::Char('j') => self.at = last.min(self.at + 1),
            Key::Home => self.at = 0,
            Key::End => self.at = last,
            Key::Char(' ') => self.change(self.at),
            Key::Char('a') => self.all(true),
            Key::Char('n') => self.all(false),
            Key::Enter => return Pressed::Done,
            Key::Escape | Key::Char('q') | Key::CtrlC => return Pressed::Quit,
            // Control-D: the end of what is typed, where a terminal reads lines.
            Key::Char('\u{3}' | '\u{4}') => return Pressed::Quit,
            _ => {}
        }
        Pressed::Again
    }

    fn change(&mut self, at: usize) {
        if let Some(choice) = self.choices.get_mut(at) {
            choice.ticked = !choice.ticked;
        }
    }

    fn all(&mut self, ticked: bool) {
        for choice in &mut self.choices {
            choice.ticked = ticked;
        }
    }

    fn owners(&self) -> BTreeSet<Owner> {
        let ticked = self.choices.iter().filter(|choice| choice.ticked);
        ticked.flat_map(|choice| &choice.owners).cloned().collect()
    }

    /// The list as it is drawn: no line is longer than the terminal, and there are not more of them than fit.
    fn lines(&self, height: usize, width: usize) -> Vec<String> {
        let page = height.saturating_sub(OTHER_LINES + 1).max(1);
        let first = self.at / page * page;
        let shown = self.choices.iter().enumerate().skip(first).take(page);
        let ticked = self.choices.iter().filter(|choice| choice.ticked).count();
        let mut lines = vec![format!(
            "Restart what is marked [x] ({ticked} of {}):",
            self.choices.len()
        )];
        lines.extend(shown.map(|(at, choice)| {
            let here = if at == self.at { '>' } else { ' ' };
            format!("{here} {} {}", mark(choice), choice.title)
        }));
        let why = self.choices.get(self.at).map_or(&[][..], |one| &one.why);
        lines.extend(
            why.iter()
                .take(OTHER_LINES - 2)
                .map(|why| format!("      {why}")),
        );
        lines.push(KEYS.to_owned());
        let width = width.saturating_sub(1);
        let fits = |line: String| fitting(&line, width).0.to_owned();
        lines
            .into_iter()
            .map(fits)
            .take(height.saturating_sub(1).max(1))
            .collect()
    }
}

fn mark(choice: &Choice) -> &'static str {
    if choice.ticked { "[x]" } else { "[ ]" }
}

/// The check list on a terminal, drawn anew after each key. `None`: nothing is to be done.
fn ask_in_list(term: &Term, mut list: List) -> io::Result<Option<BTreeSet<Owner>>> {
    loop {
        let (height, width) = term.size();
        let lines = list.lines(height.into(), width.into());
        for line in &lines {
            term.write_line(line)?;
        }
        // The cursor is never hidden: whatever ends us here leaves a terminal as it was.
        let key = term.read_key_raw();
        term.clear_last_lines(lines.len())?;
        // No more keys: the terminal is gone.
        let Ok(key) = key else { return Ok(None) };
        match list.press(&key) {
            Pressed::Again => {}
            Pressed::Done => return Ok(Some(list.owners())),
            Pressed::Quit => return Ok(None),
        }
    }
}

/// The same by lines alone. `None`: nothing is to be done.
fn ask_in_lines(
    input: &mut dyn BufRead,
    out: &mut dyn Write,
    mut list: List,
) -> io::Result<Option<BTreeSet<Owner>>> {
    loop {
        for (at, choice) in list.choices.iter().enumerate() {
            writeln!(out, "{:>4} {} {}", at + 1, mark(choice), choice.title)?;
            for why in &choice.why {
                writeln!(out, "           {why}")?;
            }
        }
        write!(
            out,
            "Restart what is marked [x]? y, n, or numbers to change: "
        )?;
        out.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            writeln!(out)?;
            return Ok(None);
        }
        match line.trim() {
            "y" | "yes" => return Ok(Some(list.owners())),
            "n" | "no" | "q" => return Ok(None),
            text => match numbers(text, list.choices.len()) {
                Ok(numbers) => numbers.into_iter().for_each(|at| list.change(at)),
                Err(wrong) => writeln!(out, "{wrong}")?,
            },
        }
    }
}

/// Numbers from 1 as places from 0, with commas or blanks between them.
fn numbers(text: &str, choices: usize) -> Result<BTreeSet<usize>, String> {
    let words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    let place = |word: &str| {
        let number = word
            .parse()
            .ok()
            .filter(|number| (1..=choices).contains(number));
        number
            .map(|number| number - 1)
            .ok_or_else(|| format!("please say y, n, or numbers from 1 to {choices}"))
    };
    words.map(place).collect()
}

#[cfg(test)]
mod tests;
