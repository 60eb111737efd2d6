//! Pages of a database: from the file, or from the WAL where a newer one is committed there.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use unstale_packages::{Foreign, OpenFile};

use super::wal::WalIndex;
use super::{Error, Flaw};
use crate::bytes::{be_u16, be_u32};
use crate::root::read_at;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Length of the header of the file, in front of the first page's own.
const HEADER: usize = 100;
/// Pages kept in memory, in bytes. Looking up hundreds of paths walks the same inner pages again and again.
const CACHE: usize = 4 << 20;
/// More bytes than any honest request reads, several passes over the largest file included.
const MOST_READ: u64 = 3 << 30;
/// What looking at a page in the cache is reckoned as, in bytes.
const CACHED: u64 = 64;

/// One page.
#[derive(Clone, Debug)]
pub(super) struct Page {
    data: Rc<[u8]>,
    in_wal: bool,
    offset: u64,
    /// Where the tree's own header begins: behind the file's header on the first page.
    pub(super) body: usize,
}

impl Page {
    /// The bytes that trees may use.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// Where `at` of this page lies on disk.
    pub(super) fn place(&self, at: usize) -> super::Place {
        (self.in_wal, self.offset.saturating_add(at as u64))
    }

    /// A flaw of this page.
    pub(super) fn flaw(&self, at: usize, what: impl Into<String>) -> Flaw {
        let (in_wal, offset) = self.place(at);
        Flaw {
            in_wal,
            offset,
            what: what.into(),
        }
    }
}

/// All pages of a database, as of one moment.
pub(super) struct Pages {
    file: OpenFile,
    wal: Option<(OpenFile, Rc<WalIndex>)>,
    page_size: usize,
    usable: usize,
    count: u32,
    read: Cell<u64>,
    cache: RefCell<HashMap<u32, Page>>,
}

impl Pages {
    /// Reads the file's header and finds the committed pages in the WAL.
    pub(super) fn open(
        file: OpenFile,
        wal: Option<(OpenFile, Rc<WalIndex>)>,
    ) -> Result<Self, Error> {
        let size = rustix::fs::fstat(&file)
            .map_err(std::io::Error::from)?
            .st_size;
        let size = u64::try_from(size).unwrap_or_default();
        let header = read_at(&file, 0, HEADER)?;
        let (page_size, reserved) = parse_header(&header)?;
        let wal = wal.filter(|(_, index)| index.page_count > 0);
        if let Some((_, index)) = &wal
            && index.page_size() != Some(page_size)
        {
            let what = "the log has another page size than the database".to_owned();
            let (in_wal, offset) = (true, 8);
            return Err(Flaw {
                in_wal,
                offset,
                what,
            }
            .into());
        }
        let in_file = u32::try_from(size / page_size as u64).unwrap_or(u32::MAX);
        let count = wal.as_ref().map_or(in_file, |(_, index)| index.page_count);
        Ok(Self {
            file,
            wal,
            page_size,
            usable: page_size.saturating_sub(reserved),
            count,
            read: Cell::new(0),
            cache: RefCell::default(),
        })
    }

    /// How many bytes of a page trees may use.
    pub(super) fn usable(&self) -> usize {
        self.usable
    }

    /// How many pages there are.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// A page of a tree; kept for the next time.
    pub(super) fn tree_page(&self, number: u32) -> Result<Page, Error> {
        if let Some(page) = self.cache.borrow().get(&number) {
            self.count_read(page, CACHED)?;
            return Ok(page.clone());
        }
        let page = self.page(number)?;
        let mut cache = self.cache.borrow_mut();
        if cache.len().saturating_mul(self.page_size) >= CACHE {
            cache.clear();
        }
        cache.insert(number, page.clone());
        Ok(page)
    }

    /// A page that will not be wanted again soon.
    pub(super) fn page(&self, number: u32) -> Result<Page, Error> {
        let from_wal = self.wal.as_ref().and_then(|(file, index)| {
            let offset = index.page_offset(number)?;
            Some((file, offset))
        });
        let before = u64::from(number.saturating_sub(1));
        let (file, offset) = match from_wal {
            Some(found) => found,
            None => (&self.file, before.saturating_mul(self.page_size as u64)),
        };
        let in_wal = from_wal.is_some();
        let flaw = |what: String| Flaw {
            in_wal,
            offset,
            what,
        };
        if number == 0 || number > self.count {
            return Err(flaw(format!("page {number} of {} is asked for", self.count)).into());
        }
        let mut data = read_at(file, offset, self.page_size)?;
        if data.len() < self.page_size {
            return Err(flaw(format!("page {number} is cut off")).into());
        }
        data.truncate(self.usable);
        let page = Page {
            data: data.into(),
            in_wal,
            offset,
            body: if number == 1 { HEADER } else { 0 },
        };
        self.count_read(&page, self.page_size as u64)?;
        Ok(page)
    }

    fn count_read(&self, page: &Page, bytes: u64) -> Result<(), Flaw> {
        let read = self.read.get().saturating_add(bytes);
        self.read.set(read);
        if read > MOST_READ {
            return Err(page.flaw(0, "the trees lead in circles"));
        }
        if let Some(Err(late)) = self.file.foreign().map(Foreign::is_in_time) {
            return Err(page.flaw(0, late.to_string()));
        }
        Ok(())
    }
}

/// Page size and reserved bytes at the end of each page.
fn parse_header(header: &[u8]) -> Result<(usize, usize), Flaw> {
    let flaw = |offset: u64, what: &str| Flaw {
        in_wal: false,
        offset,
        what: what.to_owned(),
    };
    if header.is_empty() {
        return Err(flaw(0, "the file is empty"));
    }
    if !header.starts_with(MAGIC) || header.len() < HEADER {
        return Err(flaw(0, "not an SQLite database"));
    }
    // A one stands for 65536, which two bytes do not hold.
    let page_size = match be_u16(header, 16) {
        Some(1) => 65_536,
        Some(size) if size >= 512 && size.is_power_of_two() => usize::from(size),
        _ => return Err(flaw(16, "the page size is not a power of two from 512 on")),
    };
    if header.get(19).is_none_or(|read_version| *read_version > 2) {
        return Err(flaw(19, "written by a newer SQLite than this reads"));
    }
    // SQLite itself refuses less than 480 usable bytes.
    let reserved = usize::from(header.get(20).copied().unwrap_or(0));
    if page_size.saturating_sub(reserved) < 480 {
        return Err(flaw(20, "too little of a page is left for use"));
    }
    if be_u32(header, 56).is_some_and(|encoding| encoding > 1) {
        return Err(flaw(56, "text in UTF-16 is not supported"));
    }
    Ok((page_size, reserved))
}
