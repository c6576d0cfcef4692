//! Rows, and the groups of rows that are one product.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::Arc;

use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};
use unicode_normalization::UnicodeNormalization;

use crate::ShopError;
use crate::catalogue::Slug;
use crate::csv::cell::is_formula;
use crate::csv::column::{Column, Field, Header};
use crate::csv::naming::fingerprint;
use crate::csv::strict::{Malformed, Strict};
use crate::csv::unreadable;

/// Variants of one product, at most; Shopify's own limit.
pub(super) const MAX_VARIANTS: usize = 2_048;
/// Pictures of one product, at most; Shopify's own limit.
pub(super) const MAX_IMAGES: usize = 250;
/// Bytes of one product's rows, at most.
const MAX_PRODUCT: usize = 16 << 20;

/// A row with its cells as they are meant, without the apostrophes that guard them.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The line of the file where it begins.
    pub(super) line: u64,
    /// The columns whose apostrophe was dropped although we had not put it there.
    pub(super) dropped: Vec<String>,
    header: Arc<Header>,
    cells: Vec<String>,
}

impl Row {
    fn new(header: &Arc<Header>, record: &StringRecord, line: u64) -> Self {
        let mut row = Self { line, dropped: Vec::new(), header: header.clone(), cells: Vec::new() };
        for (column, cell) in header.columns.iter().zip(record) {
            let meant = without_guard(column, cell, header.ours);
            if meant.is_some() && !header.ours {
                row.dropped.push(column.name().to_owned());
            }
            row.cells.push(meant.unwrap_or(cell).to_owned());
        }
        row
    }

    /// The cell of a column; empty when the file has no such column.
    pub(super) fn get(&self, field: Field) -> &str {
        self.header.place(field).and_then(|at| self.cells.get(at)).map_or("", String::as_str)
    }

    /// The cells of columns that are only kept, those with something in them.
    pub(super) fn kept(&self) -> impl Iterator<Item = (&str, &str)> {
        let cells = self.header.columns.iter().zip(&self.cells);
        cells.filter_map(|(column, cell)| match column {
            Column::Kept(name) if !cell.is_empty() => Some((name.as_str(), cell.as_str())),
            Column::Kept(_) | Column::Known(_) => None,
        })
    }

    /// Whether it is a variant: it has a price, a SKU or the value of an option. Any other row only adds a picture.
    pub(super) fn is_variant(&self) -> bool {
        let says = |field: Field| !self.get(field).trim().is_empty();
        says(Field::Price) || says(Field::Sku) || Field::OPTIONS.iter().any(|(_, value)| says(*value))
    }

    fn size(&self) -> usize {
        self.cells.iter().map(String::len).sum()
    }
}

/// The cell without its apostrophe; `None` when it has none to drop. In a file of ours each one is a guard. In others
/// it is one before numbers and codes, and before what would be a formula; elsewhere it belongs to the text.
fn without_guard<'a>(column: &Column, cell: &'a str, ours: bool) -> Option<&'a str> {
    let is_code = matches!(column, Column::Known(field) if field.is_code());
    let seen = if is_code { cell.trim_start() } else { cell };
    seen.strip_prefix('\'').filter(|rest| ours || is_code || is_formula(rest))
}

/// The rows of one product.
#[derive(Debug)]
pub(super) struct Group {
    /// The handle as the file has it.
    pub(super) handle: String,
    /// The handle as a slug.
    pub(super) slug: Slug,
    /// The first row.
    pub(super) first: Row,
    /// The others.
    pub(super) rest: Vec<Row>,
}

impl Group {
    /// All rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

/// Reads a file group by group.
#[derive(Debug)]
pub(super) struct Groups {
    reader: Reader<Strict<BufReader<File>>>,
    header: Arc<Header>,
    record: StringRecord,
    ahead: Option<Row>,
    seen: HashSet<u128>,
}

impl Groups {
    /// Reads the header of a file that stands at its beginning.
    pub(super) fn start(file: File) -> Result<Self, ShopError> {
        let mut bytes = BufReader::with_capacity(1 << 16, file);
        let starts_with_mark = bytes.fill_buf().map_err(|error| io_failed(&error))?.starts_with(b"\xef\xbb\xbf");
        bytes.consume(if starts_with_mark { 3 } else { 0 });
        let mut reader = ReaderBuilder::new().from_reader(Strict::new(bytes));
        let header = Arc::new(Header::read(reader.headers().map_err(refused)?)?);
        Ok(Self { reader, header, record: StringRecord::new(), ahead: None, seen: HashSet::new() })
    }

    /// The next product's rows; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Group>, ShopError> {
        let ahead = self.ahead.take();
        let Some(first) = ahead.map_or_else(|| self.row(), |row| Ok(Some(row)))? else { return Ok(None) };
        let handle = first.get(Field::Handle).trim().to_owned();
        let slug = self.slug(&handle, first.line)?;
        let mut group = Group { handle, slug, first, rest: Vec::new() };
        let mut size = group.first.size();
        while let Some(row) = self.row()? {
            if row.get(Field::Handle).trim() != group.handle {
                self.ahead = Some(row);
                break;
            }
            size += row.size();
            if group.rest.len() > MAX_VARIANTS + MAX_IMAGES || size > MAX_PRODUCT {
                let most = format!("{MAX_VARIANTS} variants, {MAX_IMAGES} pictures and 16 MiB");
                return Err(unreadable(row.line, format!("the product {} has more than {most}", group.handle)));
            }
            group.rest.push(row);
        }
        Ok(Some(group))
    }

    /// The next row that has anything in it.
    fn row(&mut self) -> Result<Option<Row>, ShopError> {
        while self.reader.read_record(&mut self.record).map_err(refused)? {
            if !self.record.iter().all(|cell| cell.trim().is_empty()) {
                return Ok(Some(Row::new(&self.header, &self.record, self.line())));
            }
        }
        Ok(None)
    }

    /// The line where the record begins that was read last; the parser's own count begins at the empty lines before.
    fn line(&self) -> u64 {
        let breaks: usize = self.record.iter().map(|cell| cell.matches('\n').count()).sum();
        self.reader.position().line().saturating_sub(1 + u64::try_from(breaks).unwrap_or(0))
    }

    fn slug(&mut self, handle: &str, line: u64) -> Result<Slug, ShopError> {
        if handle.is_empty() {
            return Err(unreadable(line, "the row has no Handle"));
        }
        let slug = Slug::from_words(&handle.nfc().collect::<String>());
        let slug = slug.ok_or_else(|| unreadable(line, "the Handle has neither letter nor digit"))?;
        if !self.seen.insert(fingerprint(slug.as_str())) {
            let reason = format!("the handle {handle} comes again; rows of one product stand together, sort by Handle");
            return Err(unreadable(line, reason));
        }
        Ok(slug)
    }
}

/// What a failure to read the bytes means.
pub(super) fn io_failed(error: &std::io::Error) -> ShopError {
    unreadable(0, format!("the file cannot be read: {error}"))
}

fn refused(error: csv::Error) -> ShopError {
    let line = |position: Option<csv::Position>| position.map_or(1, |position| position.line());
    match error.into_kind() {
        ErrorKind::Io(error) => match error.downcast::<Malformed>() {
            Ok(malformed) => unreadable(malformed.line, malformed.reason),
            Err(error) => io_failed(&error),
        },
        ErrorKind::Utf8 { pos, .. } => {
            unreadable(line(pos), "there are characters that are not UTF-8; save the file as CSV in UTF-8")
        }
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            unreadable(line(pos), format!("the row has {len} cells where the first row has {expected_len}"))
        }
        other => unreadable(0, format!("the file cannot be read: {other:?}")),
    }
}
