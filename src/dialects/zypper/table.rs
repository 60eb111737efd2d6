//! zypper's tables.

use std::fmt::Write as _;

use super::rows::Row;

/// Between cells.
const BAR: &str = " | ";

/// The lines of the table, each with its end; empty if it has no rows. `short` is how often `-s` was given.
pub(super) fn of(rows: &[Row], short: u8) -> String {
    let with_files = short == 0;
    let mut header = vec!["PID", "PPID", "UID", "User", "Command", "Service"];
    if with_files {
        header.push("Files");
    }
    let rows = rows
        .iter()
        .filter(|row| short < 2 || !row.service.is_empty());
    let lines: Vec<Vec<String>> = rows.flat_map(|row| cells(row, with_files)).collect();
    if lines.is_empty() {
        return String::new();
    }
    let header: Vec<String> = header.into_iter().map(str::to_owned).collect();
    let widths: Vec<usize> = header
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let cells = lines.iter().map(|line| width(&line[column]));
            cells.chain([width(title)]).max().unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    line(&mut text, &header, &widths);
    rule(&mut text, &widths);
    for cells in &lines {
        line(&mut text, cells, &widths);
    }
    text
}

/// A process, and a line for each further file.
fn cells(row: &Row, with_files: bool) -> Vec<Vec<String>> {
    let process = vec![
        row.pid.to_string(),
        row.ppid.to_string(),
        row.uid.to_string(),
        cell(&row.user),
        cell(&row.command),
        cell(&row.service),
    ];
    if !with_files {
        return vec![process];
    }
    let blank = vec![String::new(); process.len()];
    let files = row.files.iter().enumerate();
    let lines = files.map(|(at, file)| {
        let cells = if at == 0 { &process } else { &blank };
        [cells.as_slice(), &[cell(file)]].concat()
    });
    lines.collect()
}

/// What is in a cell ends where the cell ends: readers split lines at the bars, and a program can be called anything.
fn cell(text: &str) -> String {
    text.replace('|', "\\x7c")
}

/// Columns that a cell takes: a character each. zypper gives two to wide ones (wcwidth(3)); nothing here knows which are.
fn width(cell: &str) -> usize {
    cell.chars().count()
}

/// One line. The last column is not filled up.
fn line(text: &mut String, cells: &[String], widths: &[usize]) {
    let last = cells.len() - 1;
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        // Writing to a string does not fail.
        match column == last {
            true => writeln!(text, "{cell}").ok(),
            false => write!(text, "{cell:width$}{BAR}").ok(),
        };
    }
}

/// The line under the header: as wide as the columns with the blanks around them, which the outer sides do not have.
fn rule(text: &mut String, widths: &[usize]) {
    let last = widths.len() - 1;
    let dashes = widths.iter().enumerate().map(|(column, width)| {
        let blanks = if column == 0 || column == last { 1 } else { 2 };
        "-".repeat(width + blanks)
    });
    let dashes: Vec<String> = dashes.collect();
    text.push_str(&dashes.join("+"));
    text.push('\n');
}
