//! Options as Python's `getopt` reads them, and what it says of words that it does not know.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::dialects::tame;

/// Parses options; both the values and where they stand.
///
/// # Errors
/// What `getopt.GetoptError` says.
pub(super) fn parse<Flags>(args: &[OsString]) -> Result<(Flags, ArgMatches), String>
where
    Flags: CommandFactory + FromArgMatches,
{
    let complain = |error: clap::Error| complaint::<Flags>(&error, args);
    let matches = Flags::command()
        .try_get_matches_from(args)
        .map_err(complain)?;
    let flags = Flags::from_arg_matches(&matches).map_err(complain)?;
    Ok((flags, matches))
}

/// Where an option stands the last time, if it was given.
pub(super) fn last_place(matches: &ArgMatches, id: &str) -> Option<usize> {
    let given = matches.value_source(id) == Some(ValueSource::CommandLine);
    let places = matches.indices_of(id).filter(|_| given);
    places.into_iter().flatten().max()
}

fn complaint<Flags: CommandFactory>(error: &clap::Error, args: &[OsString]) -> String {
    let word = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) => word.as_str(),
        _ => "",
    };
    // Behind its name stands that of its value: `--exclude <TYPE:RE>`.
    let option = word.split([' ', '=']).next().unwrap_or_default();
    let option = &tame(option.as_bytes());
    match error.kind() {
        ErrorKind::InvalidValue => {
            let option = short_at_the_end(args).unwrap_or_else(|| option.clone());
            format!("option {option} requires argument")
        }
        ErrorKind::TooManyValues => format!("option {option} must not have an argument"),
        _ if is_ambiguous::<Flags>(option) => format!("option {option} not a unique prefix"),
        _ => format!("option {option} not recognized"),
    }
}

/// `-b` of a last word `-mb`: only the last word can lack its value, and clap names it by its long name.
fn short_at_the_end(args: &[OsString]) -> Option<String> {
    let letters = args.last()?.to_str()?.strip_prefix('-')?;
    let letter = letters
        .chars()
        .last()
        .filter(|_| !letters.starts_with('-'))?;
    Some(format!("-{letter}"))
}

/// Whether several long options begin so.
fn is_ambiguous<Flags: CommandFactory>(option: &str) -> bool {
    let command = Flags::command();
    let Some(beginning) = option.strip_prefix("--") else {
        return false;
    };
    let names = command.get_arguments().flat_map(|arg| {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        arg.get_long().into_iter().chain(aliases)
    });
    names.filter(|name| name.starts_with(beginning)).count() > 1
}
