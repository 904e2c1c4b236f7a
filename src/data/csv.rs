//! CSV files of numbers.

use std::io::Read;
use std::path::Path;

use csv::{ErrorKind, Position, Reader, ReaderBuilder, StringRecord, Trim};
use ndarray::Array2;

use super::{Dataset, Targets};
use crate::error::{Error, Result, cut};

/// A column of a table, selected by its name in the header or by its index, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// The column with this name in the header, compared exactly.
    Name(String),
    /// The column at this index, counted from 0.
    Index(usize),
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<String> for Column {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<usize> for Column {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// The options for reading a CSV file: the target columns (all others are inputs), the header and the delimiter.
#[derive(Clone, Debug)]
#[must_use]
pub struct CsvOptions {
    targets: CsvTargets,
    header: bool,
    delimiter: u8,
}

#[derive(Clone, Debug)]
enum CsvTargets {
    Values(Vec<Column>),
    Class { column: Column, classes: Option<usize>, ignored: Option<i64> },
}

impl CsvOptions {
    /// For regression: the target columns, in the order of the targets. If there are none, the file has inputs only and
    /// the targets have no columns.
    pub fn values<C: Into<Column>>(columns: impl IntoIterator<Item = C>) -> Self {
        Self::new(CsvTargets::Values(columns.into_iter().map(Into::into).collect()))
    }

    /// For classification: the column that holds the class, an integer from 0.
    pub fn class(column: impl Into<Column>) -> Self {
        Self::new(CsvTargets::Class { column: column.into(), classes: None, ignored: None })
    }

    fn new(targets: CsvTargets) -> Self {
        Self { targets, header: true, delimiter: b',' }
    }

    /// Sets the number of classes; the default is one more than the largest class in the file. Ignored for value
    /// targets.
    pub fn class_count(mut self, count: usize) -> Self {
        if let CsvTargets::Class { classes, .. } = &mut self.targets {
            *classes = Some(count);
        }
        self
    }

    /// Sets the class that marks rows without a target, such as -100; see [`Dataset::classes_ignoring`]. Ignored for
    /// value targets.
    pub fn ignoring(mut self, class: i64) -> Self {
        if let CsvTargets::Class { ignored, .. } = &mut self.targets {
            *ignored = Some(class);
        }
        self
    }

    /// Treats the first line as data; columns are then selected by index.
    pub fn no_header(mut self) -> Self {
        self.header = false;
        self
    }

    /// Sets the byte that separates cells; the default is a comma.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }
}

/// Reads a CSV file of numbers.
///
/// Cells may be quoted and surrounded by spaces; empty lines are skipped.
///
/// ```no_run
/// use wgrad::data::{CsvOptions, read_csv};
///
/// let iris = read_csv("iris.csv", &CsvOptions::class("species"))?;
/// let houses = read_csv("houses.csv", &CsvOptions::values(["price"]).delimiter(b';'))?;
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] if the file cannot be read. [`Error::Data`] for a cell that is missing or not a finite number, a class
/// that is not an integer from 0, a row of different length, text that is not UTF-8 (each with its line and its column,
/// counted from 1), a target column that does not exist, and a file without rows. [`Error::Target`] for a class that is
/// not below the given number of classes.
pub fn read_csv(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Dataset> {
    let path = path.as_ref();
    let file = std::fs::File::open(path).map_err(|source| Error::io(path, source))?;
    read_csv_from(file, &path.display().to_string(), options)
}

/// Reads CSV from any reader, as [`read_csv`] does; `origin` names the source in errors.
///
/// ```
/// use wgrad::data::{CsvOptions, read_csv_from};
///
/// let text = "width,height,kind\n1.5,2,0\n3,4.25,1\n";
/// let data = read_csv_from(text.as_bytes(), "boxes", &CsvOptions::class("kind"))?;
/// assert_eq!((data.len(), data.features(), data.outputs()), (2, 2, 2));
///
/// let broken = "width,height,kind\n1.5,,0\n";
/// let error = read_csv_from(broken.as_bytes(), "boxes", &CsvOptions::class("kind")).unwrap_err();
/// assert_eq!(error.to_string(), "boxes, line 2, column 2 (height): the cell is empty");
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// As [`read_csv`].
pub fn read_csv_from(mut reader: impl Read, origin: &str, options: &CsvOptions) -> Result<Dataset> {
    let mut text = Vec::new();
    let read = reader.read_to_end(&mut text);
    read.map_err(|source| Error::Io { path: origin.into(), source })?;
    let mut table = Table::open(&text, origin, options)?;
    let targets = match &options.targets {
        CsvTargets::Values(columns) => columns.iter().map(|c| table.find(c)).collect(),
        CsvTargets::Class { column, .. } => table.find(column).map(|index| vec![index]),
    }?;
    let inputs: Vec<usize> = (0..table.columns).filter(|index| !targets.contains(index)).collect();
    let (mut rows, mut x, mut values, mut labels) = (0, Vec::new(), Vec::new(), Vec::new());
    while table.advance()? {
        rows += 1;
        for &index in &inputs {
            x.push(table.number(index)?);
        }
        for &index in &targets {
            match options.targets {
                CsvTargets::Values(_) => values.push(table.number(index)?),
                CsvTargets::Class { ignored, .. } => labels.push(table.class(index, ignored)?),
            }
        }
    }
    if rows == 0 {
        return Err(Error::data(origin, "there are no rows"));
    }
    let matrix = |columns: &[usize], cells| {
        Array2::from_shape_vec((rows, columns.len()), cells)
            .map_err(|error| Error::data(origin, error.to_string()))
    };
    let x = matrix(&inputs, x)?;
    let CsvTargets::Class { classes, ignored, .. } = options.targets else {
        return Dataset::new(x, Targets::Values(matrix(&targets, values)?));
    };
    let counted = labels.iter().filter(|label| Some(**label) != ignored);
    let seen = counted.max().map_or(0, |&label| label as usize + 1);
    let classes = classes.unwrap_or(seen);
    match ignored {
        Some(ignored) => Dataset::classes_ignoring(x, labels, classes, ignored),
        None => {
            let labels = labels.into_iter().map(|label| label as u32).collect();
            Dataset::new(x, Targets::Classes { labels, classes })
        }
    }
}

/// A CSV file positioned at a row, with the context for errors.
struct Table<'a> {
    text: &'a [u8],
    reader: Reader<&'a [u8]>,
    origin: &'a str,
    header: Option<StringRecord>,
    /// The number of columns of the first line.
    columns: usize,
    row: StringRecord,
    /// True if `row` holds the first line, read in advance and not yet returned.
    ahead: bool,
}

impl<'a> Table<'a> {
    fn open(text: &'a [u8], origin: &'a str, options: &CsvOptions) -> Result<Self> {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(options.delimiter)
            .trim(Trim::All)
            .from_reader(text);
        let (row, header) = (StringRecord::new(), None);
        let mut table = Self { text, reader, origin, header, columns: 0, row, ahead: false };
        if !table.read()? {
            return Err(Error::data(origin, "the file is empty"));
        }
        table.columns = table.row.len();
        if options.header {
            table.header = Some(table.row.clone());
        } else {
            table.ahead = true;
        }
        Ok(table)
    }

    /// Reads the next line that is not empty; returns false at the end of the file.
    fn read(&mut self) -> Result<bool> {
        self.reader.read_record(&mut self.row).map_err(|error| {
            let origin = format!("{}, line {}", self.origin, self.line(error.position()));
            match error.into_kind() {
                ErrorKind::Utf8 { err, .. } => Error::data(
                    format!("{origin}, column {}", err.field() + 1),
                    "the cell is not UTF-8 text",
                ),
                other => Error::data(origin, cut(&format!("{other:?}"))),
            }
        })
    }

    /// Advances to the next row; returns false at the end of the file.
    fn advance(&mut self) -> Result<bool> {
        if !std::mem::take(&mut self.ahead) && !self.read()? {
            return Ok(false);
        }
        if self.row.len() == self.columns {
            return Ok(true);
        }
        let (cells, columns) = (self.row.len(), self.columns);
        let origin = format!("{}, line {}", self.origin, self.line(self.row.position()));
        Err(Error::data(origin, format!("{cells} cells where the first line has {columns}")))
    }

    fn find(&self, column: &Column) -> Result<usize> {
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
                        let titles = header.iter().collect::<Vec<_>>().join(", ");
                        let (name, titles) = (cut(name), cut(&titles));
                        refuse(format!("there is no column '{name}', only {titles}"))
                    },
                    Ok,
                )
            }
        }
    }

    fn number(&self, index: usize) -> Result<f32> {
        let cell = self.cell(index)?;
        match cell.parse::<f32>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(self.refuse(index, format!("'{}' is not a finite number", cut(cell)))),
        }
    }

    fn class(&self, index: usize, ignored: Option<i64>) -> Result<i64> {
        let cell = self.cell(index)?;
        let whole = "a class, a whole number from 0";
        let is_class =
            |class: &i64| ignored == Some(*class) || (0..=i64::from(u32::MAX)).contains(class);
        let class = cell.parse().ok().filter(is_class);
        class.ok_or_else(|| self.refuse(index, format!("'{}' is not {whole}", cut(cell))))
    }

    fn cell(&self, index: usize) -> Result<&str> {
        match self.row.get(index) {
            None | Some("") => Err(self.refuse(index, "the cell is empty".into())),
            Some(cell) => Ok(cell),
        }
    }

    fn refuse(&self, index: usize, message: String) -> Error {
        let title = self.header.as_ref().and_then(|header| header.get(index));
        let title = title.map(|title| format!(" ({})", cut(title))).unwrap_or_default();
        let line = self.line(self.row.position());
        Error::data(format!("{}, line {line}, column {}{title}", self.origin, index + 1), message)
    }

    /// The line on which the row at this position begins. The parser's own line number is off by one after a CR LF line
    /// ending, and assigns a row that follows empty lines to the first of them.
    fn line(&self, position: Option<&Position>) -> usize {
        let start = position.map_or(0, Position::byte) as usize;
        let ends = self.text.iter().skip(start).take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let start = start + ends.count();
        self.text.iter().take(start).filter(|&&byte| byte == b'\n').count() + 1
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn read(text: &str, options: &CsvOptions) -> Result<Dataset> {
        read_csv_from(text.as_bytes(), "t.csv", options)
    }

    fn refusal(text: &str, options: &CsvOptions) -> String {
        read(text, options).unwrap_err().to_string()
    }

    #[test]
    fn value_columns_become_targets_in_the_order_asked_for() {
        let text = "a,y,b,z\n1,2,3,4\n5,6,7,8e-1\n";
        let data = read(text, &CsvOptions::values(["z", "y"])).unwrap();
        assert_eq!(data.inputs(), array![[1., 3.], [5., 7.]]);
        assert_eq!(data.targets().values().unwrap(), array![[4., 2.], [0.8, 6.]]);
        assert_eq!(read(text, &CsvOptions::values([3, 1])).unwrap(), data);
        let inputs = read(text, &CsvOptions::values::<usize>([])).unwrap();
        assert_eq!((inputs.features(), inputs.outputs()), (4, 0));
    }

    #[test]
    fn a_class_column_becomes_labels() {
        let options = CsvOptions::class(2).no_header().delimiter(b';');
        let data = read("\u{feff}1; 2 ;\"1\"\r\n\r\n3;-4;0", &options).unwrap();
        assert_eq!(data.inputs(), array![[1., 2.], [3., -4.]]);
        assert_eq!(*data.targets(), Targets::Classes { labels: vec![1, 0], classes: 2 });
        assert_eq!(read("1;2;0", &options.clone().class_count(5)).unwrap().outputs(), 5);
        let error = read("1;2;5", &options.class_count(5)).unwrap_err();
        assert!(matches!(error, Error::Target { .. }), "{error}");
    }

    #[test]
    fn a_bad_cell_is_named_by_line_and_column() {
        let y = CsvOptions::values(["y"]);
        for (text, place) in [
            ("x,y\n1,2\n3,\n", "line 3, column 2 (y): the cell is empty"),
            ("x,y\r\n1,2\r\n3,4\r\nsix,4\r\n", "line 4, column 1 (x): 'six' is not a finite"),
            ("\n\nx,y\n\n\n1,nan\n", "line 6, column 2 (y): 'nan' is not a finite number"),
            ("x,y\n\"1\n\",2\n1e39,2", "line 4, column 1 (x): '1e39' is not a finite number"),
            ("x,y\n1,2\n3\n", "line 3: 1 cells where the first line has 2"),
            ("x,y\n1,2,3\n", "line 2: 3 cells where the first line has 2"),
        ] {
            let error = refusal(text, &y);
            assert!(error.starts_with(&format!("t.csv, {place}")), "{text:?}: {error}");
        }
        let class = CsvOptions::class(0).no_header();
        assert!(refusal("1,2\n-1,2\n", &class).starts_with("t.csv, line 2, column 1: '-1' is not"));
        let error = read_csv_from(&b"x,y\n1,\xff\n"[..], "t.csv", &y).unwrap_err().to_string();
        assert_eq!(error, "t.csv, line 2, column 2: the cell is not UTF-8 text");
    }

    #[test]
    fn error_texts_repeat_only_the_beginning_of_a_long_cell() {
        let long = "x".repeat(1_000_000);
        let y = CsvOptions::values(["y"]);
        for (text, options) in [
            (format!("x,y\n1,{long}\n"), &y),
            (format!("{long},y\n1,\n"), &CsvOptions::values([1])),
            (format!("{long},y\n,1\n"), &y),
            (format!("x,{long}\n1,2\n"), &y),
            (format!("x,y\n1,{long}\n"), &CsvOptions::class("y")),
            ("x,y\n1,2\n".to_string(), &CsvOptions::class(long.as_str())),
            ("1,2\n".to_string(), &CsvOptions::class(long.as_str()).no_header()),
        ] {
            let error = refusal(&text, options);
            assert!(error.len() < 300, "{} bytes: {}", error.len(), cut(&error));
        }
    }

    #[test]
    fn a_file_without_rows_is_refused() {
        let y = CsvOptions::values(["y"]);
        assert_eq!(refusal("", &y), "t.csv: the file is empty");
        assert_eq!(refusal("\n\r\n", &y), "t.csv: the file is empty");
        assert_eq!(refusal("x,y\n", &y), "t.csv: there are no rows");
    }

    #[test]
    fn a_target_column_that_does_not_exist_is_refused() {
        let error = refusal("x,y\n1,2\n", &CsvOptions::class("z"));
        assert_eq!(error, "t.csv: there is no column 'z', only x, y");
        let error = refusal("x,y\n1,2\n", &CsvOptions::class(2));
        assert_eq!(error, "t.csv: there is no column with index 2, only 0 to 1");
        let error = refusal("1,2\n", &CsvOptions::class("y").no_header());
        assert_eq!(error, "t.csv: column 'y' is chosen by name, but there is no header");
    }

    #[test]
    fn a_missing_file_is_an_io_error_with_its_path() {
        let error = read_csv("no/such.csv", &CsvOptions::class(0)).unwrap_err();
        assert!(matches!(error, Error::Io { .. }));
        assert!(error.to_string().starts_with("no/such.csv: "), "{error}");
    }
}
