//! A CSV file read row by row.

use csv::{ErrorKind, Position, Reader, ReaderBuilder, StringRecord, Trim};

use super::options::{Column, CsvOptions};
use crate::error::{Error, Result, cut};

/// The texts that mark a missing cell, in lower case.
const MISSING: [&str; 6] = ["", "na", "n/a", "nan", "null", "?"];

/// A CSV file positioned at a row, with the context for errors.
pub(super) struct Table<'a> {
    text: &'a [u8],
    reader: Reader<&'a [u8]>,
    origin: &'a str,
    options: &'a CsvOptions,
    header: Option<StringRecord>,
    /// The number of columns of the first line, without an unnamed one that a trailing separator makes.
    pub columns: usize,
    row: StringRecord,
    /// True if `row` holds the first line, read in advance and not yet returned.
    ahead: bool,
}

/// A reader of lines with any number of cells, the header among them.
fn reader<'a>(text: &'a [u8], options: &CsvOptions) -> Reader<&'a [u8]> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(options.delimiter)
        .comment(options.comment)
        .trim(Trim::All)
        .from_reader(text)
}

impl<'a> Table<'a> {
    pub(super) fn open(text: &'a [u8], origin: &'a str, options: &'a CsvOptions) -> Result<Self> {
        let reader = reader(text, options);
        let (row, header) = (StringRecord::new(), None);
        let mut table =
            Self { text, reader, origin, options, header, columns: 0, row, ahead: false };
        if !table.read()? {
            return Err(Error::data(origin, "the file is empty"));
        }
        table.columns = table.row.len();
        let trails = table.columns > 1 && table.row.iter().next_back() == Some("");
        if trails && (options.header || table.always_trails()) {
            table.columns -= 1;
        }
        if options.header {
            table.header = Some(table.row.clone());
        } else {
            table.ahead = true;
        }
        Ok(table)
    }

    /// Returns whether every line ends with a separator.
    fn always_trails(&self) -> bool {
        let rest = self.text.get(self.reader.position().byte() as usize..).unwrap_or_default();
        let ends = |row: csv::Result<csv::ByteRecord>| {
            row.is_ok_and(|row| row.len() == self.columns && row.iter().next_back() == Some(b""))
        };
        reader(rest, self.options).into_byte_records().all(ends)
    }

    /// Reads the next line that is not blank; returns false at the end of the file.
    fn read(&mut self) -> Result<bool> {
        loop {
            let read = self.reader.read_record(&mut self.row);
            let read = read.map_err(|error| self.unreadable(error))?;
            let is_blank = self.row.len() == 1 && self.row.get(0) == Some("") && self.columns != 1;
            if !read || !is_blank {
                return Ok(read);
            }
        }
    }

    fn unreadable(&self, error: csv::Error) -> Error {
        let origin = format!("{}, line {}", self.origin, self.line(error.position()));
        match error.into_kind() {
            ErrorKind::Utf8 { err, .. } => Error::data(
                format!("{origin}, column {}", err.field() + 1),
                "the cell is not UTF-8 text",
            ),
            other => Error::data(origin, cut(&format!("{other:?}"))),
        }
    }

    /// Advances to the next row; returns false at the end of the file.
    pub(super) fn advance(&mut self) -> Result<bool> {
        if !std::mem::take(&mut self.ahead) && !self.read()? {
            return Ok(false);
        }
        let (cells, columns) = (self.row.len(), self.columns);
        let trails = cells == columns + 1 && self.row.get(columns) == Some("");
        if cells == columns || trails {
            return Ok(true);
        }
        let origin = format!("{}, line {}", self.origin, self.line(self.row.position()));
        Err(Error::data(origin, format!("{cells} cells where the first line has {columns}")))
    }

    /// The name of a column, or its number counted from 1.
    pub(super) fn title(&self, index: usize) -> String {
        let title = self.header.as_ref().and_then(|header| header.get(index)).unwrap_or_default();
        if title.is_empty() { format!("column {}", index + 1) } else { cut(title).into_owned() }
    }

    /// Returns whether the header leaves the first of several columns unnamed, as tools do that write row numbers.
    pub(super) fn has_unnamed_first(&self) -> bool {
        self.columns > 1 && self.header.as_ref().is_some_and(|header| header.get(0) == Some(""))
    }

    pub(super) fn find(&self, column: &Column) -> Result<usize> {
        let refuse = |message| Err(Error::data(self.origin, message));
        let columns = self.columns;
        match (column, &self.header) {
            (Column::Index(index), _) if *index < columns => Ok(*index),
            (Column::Index(index), _) => {
                refuse(format!("there is no column with index {index}, only 0 to {}", columns - 1))
            }
            (Column::Name(name), None) => {
                refuse(format!("column '{}' is chosen by name, but there is no header", cut(name)))
            }
            (Column::Name(name), Some(header)) => {
                header.iter().position(|title| title == name).map_or_else(
                    || {
                        let titles = header.iter().take(columns).collect::<Vec<_>>().join(", ");
                        let (name, titles) = (cut(name), cut(&titles));
                        refuse(format!("there is no column '{name}', only {titles}"))
                    },
                    Ok,
                )
            }
        }
    }

    /// The number in a cell; `None` for a missing one, where that is accepted.
    pub(super) fn number(&self, index: usize) -> Result<Option<f32>> {
        let Some(cell) = self.cell(index)? else { return Ok(None) };
        match self.parse(cell) {
            Some(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.refuse(index, format!("'{}' is not a finite number", cut(cell)))),
        }
    }

    fn parse(&self, cell: &str) -> Option<f32> {
        let CsvOptions { decimal, thousands, .. } = *self.options;
        if (decimal, thousands) == ('.', None) {
            return cell.parse().ok();
        }
        let (whole, rest) = match cell.split_once(decimal) {
            Some((whole, rest)) => (whole, format!(".{rest}")),
            None => (cell, String::new()),
        };
        let digits = match thousands {
            Some(separator) if whole.contains(separator) => ungrouped(whole, separator)?,
            _ => whole.to_string(),
        };
        // A point that is no decimal separator must not be read as one.
        if digits.contains('.') { None } else { (digits + &rest).parse().ok() }
    }

    /// The text of a cell that holds a class; `None` for a missing one, where that is accepted.
    pub(super) fn class(&self, index: usize) -> Result<Option<&str>> {
        match self.cell(index)? {
            Some(cell) if is_missing(cell) => {
                Err(self.refuse(index, format!("'{cell}' marks a missing cell")))
            }
            cell => Ok(cell),
        }
    }

    fn cell(&self, index: usize) -> Result<Option<&str>> {
        match self.row.get(index).unwrap_or_default() {
            cell if self.options.missing.is_some() && is_missing(cell) => Ok(None),
            "" => Err(self.refuse(index, "the cell is empty".into())),
            cell => Ok(Some(cell)),
        }
    }

    /// An error about a cell of the current row.
    pub(super) fn refuse(&self, index: usize, message: String) -> Error {
        let title = self.header.as_ref().and_then(|header| header.get(index));
        let title = title.map(|title| format!(" ({})", cut(title))).unwrap_or_default();
        let line = self.line(self.row.position());
        Error::data(format!("{}, line {line}, column {}{title}", self.origin, index + 1), message)
    }

    /// The line on which the row at this position begins. The parser's own line number is off by one after a CR LF line
    /// ending, and assigns a row that follows empty lines or comments to the first of them.
    fn line(&self, position: Option<&Position>) -> usize {
        let mut start = position.map_or(0, Position::byte) as usize;
        loop {
            let rest = self.text.get(start..).unwrap_or_default();
            start += rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            match self.text.get(start) {
                Some(byte) if Some(*byte) == self.options.comment => {
                    let rest = self.text.get(start..).unwrap_or_default();
                    start += rest.iter().take_while(|byte| **byte != b'\n').count();
                }
                _ => break,
            }
        }
        self.text.iter().take(start).filter(|&&byte| byte == b'\n').count() + 1
    }
}

fn is_missing(cell: &str) -> bool {
    MISSING.iter().any(|text| cell.eq_ignore_ascii_case(text))
}

/// The digits of a whole number without the separators between its groups of three; `None` if they are elsewhere.
fn ungrouped(whole: &str, separator: char) -> Option<String> {
    let (sign, digits) = match whole.strip_prefix(['-', '+']) {
        Some(digits) => (whole.get(..1)?, digits),
        None => ("", whole),
    };
    let mut groups = digits.split(separator);
    let first = groups.next()?;
    let is_grouped = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3);
    is_grouped.then(|| sign.to_string() + &digits.replace(separator, ""))
}
