//! B-trees of tables and indexes.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::ControlFlow;

use super::page::{Page, Pages};
use super::record::{self, Value, varint};
use super::{Error, Flaw, Flaws, Payload, Place};
use crate::bytes::{be_u16, be_u32};

/// A row larger than this is not read: the largest headers of real packages have some ten megabytes.
const LARGEST_ROW: u64 = 32 << 20;
/// Keys of indexes are names and directories.
const LARGEST_KEY: u64 = 64 << 10;
/// More rows than one name can have: as many as all files of a large system.
const MOST_FOUND: usize = 1 << 20;

/// A row before its record is taken apart.
pub(super) struct RawRow<'a> {
    pub(super) id: i64,
    pub(super) bytes: &'a [u8],
    pub(super) place: Place,
}

/// Shows every row of a table to `visit`.
pub(super) fn scan(
    pages: &Pages,
    root: u32,
    flaws: &mut Flaws,
    visit: &mut dyn FnMut(&RawRow<'_>, &mut Flaws) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut seen = HashSet::from([root]);
    // Rows do not share pages, so all of them together are not larger than the file.
    let mut bytes_left = u64::from(pages.count()).saturating_mul(pages.usable() as u64);
    let mut todo = vec![root];
    while let Some(number) = todo.pop() {
        let Some(node) = flaws.keep(node(pages, number, Tree::Table))? else {
            continue;
        };
        if node.inner {
            push_children(&node, &mut seen, &mut todo, flaws);
            continue;
        }
        for i in 0..node.cells {
            let cell = node.cell(pages, i).map_err(Error::from);
            let Some(cell) = flaws.keep(cell)? else {
                continue;
            };
            // A cell takes at least two bytes of pointer and two of header.
            let Some(left) = bytes_left.checked_sub(cell.length.saturating_add(4)) else {
                flaws.note(node.page.flaw(cell.at, "rows overlap"));
                return Ok(());
            };
            bytes_left = left;
            let Some(bytes) = flaws.keep(cell.payload(pages, &node.page, LARGEST_ROW))? else {
                continue;
            };
            let row = RawRow {
                id: cell.row,
                bytes: &bytes,
                place: node.page.place(cell.at),
            };
            if visit(&row, flaws).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The bytes of one row, and their place.
pub(super) fn get(pages: &Pages, root: u32, row: i64) -> Result<Option<(Vec<u8>, Place)>, Error> {
    let mut seen = HashSet::from([root]);
    let mut number = root;
    loop {
        let node = node(pages, number, Tree::Table)?;
        // The first cell whose row is not less.
        let (mut low, mut high) = (0, node.cells);
        while low < high {
            let middle = low.midpoint(high);
            if node.row(middle)? < row {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if node.inner {
            number = node.child_once(low, &mut seen)?;
            continue;
        }
        if low == node.cells {
            return Ok(None);
        }
        let cell = node.cell(pages, low)?;
        if cell.row != row {
            return Ok(None);
        }
        let bytes = cell.payload(pages, &node.page, LARGEST_ROW)?.into_owned();
        return Ok(Some((bytes, node.page.place(cell.at))));
    }
}

/// The row numbers that an index on one text column lists under `key`.
pub(super) fn seek(pages: &Pages, root: u32, key: &[u8]) -> Result<Vec<i64>, Error> {
    let mut seen = HashSet::from([root]);
    let mut found = Vec::new();
    let mut todo = vec![root];
    while let Some(number) = todo.pop() {
        let node = node(pages, number, Tree::Index)?;
        let (mut low, mut high) = (0, node.cells);
        while low < high {
            let middle = low.midpoint(high);
            if node.compare(pages, middle, key)? == Ordering::Less {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut at = low;
        loop {
            if node.inner {
                todo.push(node.child_once(at, &mut seen)?);
            }
            if at == node.cells || node.compare(pages, at, key)? != Ordering::Equal {
                break;
            }
            found.push(node.indexed_row(pages, at)?);
            if found.len() > MOST_FOUND {
                return Err(node.page.flaw(0, "a key leads to too many rows").into());
            }
            at += 1;
        }
    }
    Ok(found)
}

/// Which of the two sorts of trees.
#[derive(Clone, Copy, PartialEq)]
enum Tree {
    Table,
    Index,
}

/// A page of a tree.
struct Node {
    page: Page,
    tree: Tree,
    inner: bool,
    cells: usize,
    /// Where the array of cell pointers begins.
    pointers: usize,
}

/// One cell of a leaf, or of an index.
struct Cell<'a> {
    at: usize,
    row: i64,
    length: u64,
    local: &'a [u8],
    overflow: Option<u32>,
}

fn node(pages: &Pages, number: u32, tree: Tree) -> Result<Node, Error> {
    let page = pages.tree_page(number)?;
    let bytes = page.bytes();
    let (of, inner) = match bytes.get(page.body) {
        Some(0x02) => (Tree::Index, true),
        Some(0x05) => (Tree::Table, true),
        Some(0x0a) => (Tree::Index, false),
        Some(0x0d) => (Tree::Table, false),
        _ => return Err(page.flaw(page.body, "not a page of a tree").into()),
    };
    if of != tree {
        return Err(page
            .flaw(page.body, "a page of another sort of tree")
            .into());
    }
    let pointers = page.body + if inner { 12 } else { 8 };
    let cells = be_u16(bytes, page.body + 3).map_or(0, usize::from);
    if pointers + cells * 2 > bytes.len() {
        return Err(page.flaw(page.body + 3, "more cells than fit").into());
    }
    Ok(Node {
        page,
        tree,
        inner,
        cells,
        pointers,
    })
}

impl Node {
    /// Where cell `i` begins.
    fn start(&self, i: usize) -> Result<usize, Flaw> {
        let pointer = self.pointers + i * 2;
        let at = be_u16(self.page.bytes(), pointer).map_or(0, usize::from);
        if at < self.pointers + self.cells * 2 || at >= self.page.bytes().len() {
            return Err(self.page.flaw(pointer, "a cell lies outside its page"));
        }
        Ok(at)
    }

    /// The page left of cell `i`, or right of all cells.
    fn child(&self, i: usize) -> Result<u32, Flaw> {
        let at = if i < self.cells {
            self.start(i)?
        } else {
            self.page.body + 8
        };
        be_u32(self.page.bytes(), at).ok_or_else(|| self.page.flaw(at, "a cell is cut off"))
    }

    /// The same, unless that page was met before.
    fn child_once(&self, i: usize, seen: &mut HashSet<u32>) -> Result<u32, Flaw> {
        let child = self.child(i)?;
        if seen.insert(child) {
            Ok(child)
        } else {
            Err(self.page.flaw(self.page.body, "a tree leads in a circle"))
        }
    }

    /// The row number of cell `i` of a table.
    fn row(&self, i: usize) -> Result<i64, Flaw> {
        let at = self.start(i)?;
        let bytes = self.page.bytes();
        let row = if self.inner {
            bytes.get(at + 4..).and_then(varint)
        } else {
            let length = bytes.get(at..).and_then(varint);
            length.and_then(|(_, used)| bytes.get(at + used..).and_then(varint))
        };
        match row {
            Some((row, _)) => Ok(row.cast_signed()),
            None => Err(self.page.flaw(at, "a cell is cut off")),
        }
    }

    fn cell(&self, pages: &Pages, i: usize) -> Result<Cell<'_>, Flaw> {
        let at = self.start(i)?;
        let cell = self.parse_cell(pages.usable(), at);
        cell.ok_or_else(|| self.page.flaw(at, "a cell is cut off"))
    }

    fn parse_cell(&self, usable: usize, at: usize) -> Option<Cell<'_>> {
        let bytes = self.page.bytes();
        let mut from = if self.inner { at + 4 } else { at };
        let (length, used) = varint(bytes.get(from..)?)?;
        from += used;
        let mut row = 0;
        if self.tree == Tree::Table {
            let (n, used) = varint(bytes.get(from..)?)?;
            from += used;
            row = n.cast_signed();
        }
        let local = local_length(usable, self.tree, length)?;
        let end = from.checked_add(local)?;
        let spills = local as u64 != length;
        Some(Cell {
            at,
            row,
            length,
            local: bytes.get(from..end)?,
            overflow: if spills {
                Some(be_u32(bytes, end)?)
            } else {
                None
            },
        })
    }

    /// The order of the key of cell `i` of an index, seen from `key`.
    fn compare(&self, pages: &Pages, i: usize, key: &[u8]) -> Result<Ordering, Error> {
        let cell = self.cell(pages, i)?;
        if let Some(value) = record::first(cell.local) {
            return Ok(order(value, key));
        }
        let bytes = cell.payload(pages, &self.page, LARGEST_KEY)?;
        match record::first(&bytes) {
            Some(value) => Ok(order(value, key)),
            None => Err(self.page.flaw(cell.at, "a key is cut off").into()),
        }
    }

    /// The row number that cell `i` of an index leads to: its last column.
    fn indexed_row(&self, pages: &Pages, i: usize) -> Result<i64, Error> {
        let cell = self.cell(pages, i)?;
        let bytes = cell.payload(pages, &self.page, LARGEST_KEY)?;
        let values = record::parse(&bytes).map_err(|what| self.page.flaw(cell.at, what))?;
        match values.last().and_then(|v| v.int()) {
            Some(row) => Ok(row),
            None => Err(self.page.flaw(cell.at, "a key leads to no row").into()),
        }
    }
}

impl<'a> Cell<'a> {
    /// The whole payload: what is on the page, and the chain of overflow pages.
    fn payload(&self, pages: &Pages, page: &Page, largest: u64) -> Result<Payload<'a>, Error> {
        let Some(mut next) = self.overflow else {
            return Ok(Payload::Borrowed(self.local));
        };
        let in_file = u64::from(pages.count()).saturating_mul(pages.usable() as u64);
        if self.length > largest.min(in_file) {
            let what = format!("a row claims {} bytes", self.length);
            return Err(page.flaw(self.at, what).into());
        }
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        // Not reserved in advance: the length is the file's claim.
        let mut bytes = self.local.to_vec();
        while bytes.len() < length {
            let page = pages.page(next)?;
            let (link, data) = page.bytes().split_at(4);
            let wanted = data.len().min(length - bytes.len());
            bytes.extend_from_slice(data.get(..wanted).unwrap_or(data));
            next = be_u32(link, 0).unwrap_or(0);
        }
        Ok(Payload::Owned(bytes))
    }
}

/// How much of a payload lies on the page itself.
fn local_length(usable: usize, tree: Tree, length: u64) -> Option<usize> {
    let largest = match tree {
        Tree::Table => usable - 35,
        Tree::Index => (usable - 12) * 64 / 255 - 23,
    };
    if length <= largest as u64 {
        return usize::try_from(length).ok();
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let beyond = length.checked_sub(least as u64)? % (usable as u64 - 4);
    let fitting = least.checked_add(usize::try_from(beyond).ok()?)?;
    Some(if fitting <= largest { fitting } else { least })
}

/// SQLite's order of values, for text in byte order: nothing, numbers, text, blobs.
fn order(value: Value<'_>, key: &[u8]) -> Ordering {
    match value {
        Value::Null | Value::Int(_) | Value::Real(_) => Ordering::Less,
        Value::Text(text) => text.cmp(key),
        Value::Blob(_) => Ordering::Greater,
    }
}

fn push_children(node: &Node, seen: &mut HashSet<u32>, todo: &mut Vec<u32>, flaws: &mut Flaws) {
    // Backwards, so that the leftmost comes off the stack first.
    for i in (0..=node.cells).rev() {
        match node.child_once(i, seen) {
            Ok(child) => todo.push(child),
            Err(flaw) => flaws.note(flaw),
        }
    }
}
