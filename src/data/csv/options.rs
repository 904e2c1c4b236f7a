//! The options for reading a CSV file.

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

/// The treatment of missing cells: empty ones and `NA`, `N/A`, `NaN`, `null` and `?` in any case.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Missing {
    /// Leaves out the rows with a missing cell in a column that is read.
    Drop,
    /// Replaces missing inputs by the mean of their column; a missing target is an error.
    Mean,
    /// Replaces missing inputs by this value; a missing target is an error.
    Value(f32),
}

/// The options for reading a CSV file: the target columns, the input columns (by default all others), the classes, and
/// the format of the text.
#[derive(Clone, Debug)]
#[must_use]
pub struct CsvOptions {
    pub(super) targets: CsvTargets,
    pub(super) inputs: Option<Vec<Column>>,
    pub(super) without: Vec<Column>,
    pub(super) missing: Option<Missing>,
    pub(super) header: bool,
    pub(super) delimiter: u8,
    pub(super) decimal: char,
    pub(super) thousands: Option<char>,
    pub(super) comment: Option<u8>,
}

#[derive(Clone, Debug)]
pub(super) enum CsvTargets {
    Values(Vec<Column>),
    Class {
        column: Column,
        classes: Option<usize>,
        ignored: Option<i64>,
        names: Option<Vec<String>>,
    },
}

impl CsvOptions {
    /// For regression: the target columns, in the order of the targets. If there are none, the file has inputs only and
    /// the targets have no columns.
    pub fn values<C: Into<Column>>(columns: impl IntoIterator<Item = C>) -> Self {
        Self::new(CsvTargets::Values(columns.into_iter().map(Into::into).collect()))
    }

    /// For classification: the column that holds the class.
    ///
    /// If every cell is a whole number from 0 (`2` or `2.0`), it is the class. Otherwise every distinct text, or
    /// -1, is a class, in sorted order: by value if all are numbers, else by text. The data set
    /// then has [`Dataset::class_names`](crate::Dataset::class_names).
    pub fn class(column: impl Into<Column>) -> Self {
        let (column, classes, ignored, names) = (column.into(), None, None, None);
        Self::new(CsvTargets::Class { column, classes, ignored, names })
    }

    fn new(targets: CsvTargets) -> Self {
        Self {
            targets,
            inputs: None,
            without: Vec::new(),
            missing: None,
            header: true,
            delimiter: b',',
            decimal: '.',
            thousands: None,
            comment: None,
        }
    }

    /// Sets the number of classes; the default is one more than the largest class in the file. Ignored for value
    /// targets.
    pub fn class_count(mut self, count: usize) -> Self {
        if let CsvTargets::Class { classes, .. } = &mut self.targets {
            *classes = Some(count);
        }
        self
    }

    /// Sets the names of the classes, in the order of the classes, such as those of an earlier file; another name in
    /// the file is then an error. Ignored for value targets.
    pub fn class_names<N: Into<String>>(mut self, given: impl IntoIterator<Item = N>) -> Self {
        if let CsvTargets::Class { names, .. } = &mut self.targets {
            *names = Some(given.into_iter().map(Into::into).collect());
        }
        self
    }

    /// Sets the class that marks rows without a target, such as -100; see
    /// [`Dataset::classes_ignoring`](crate::Dataset::classes_ignoring). Ignored for value targets.
    pub fn ignoring(mut self, class: i64) -> Self {
        if let CsvTargets::Class { ignored, .. } = &mut self.targets {
            *ignored = Some(class);
        }
        self
    }

    /// Takes these columns as inputs, in this order, instead of all that are no targets.
    pub fn inputs<C: Into<Column>>(self, columns: impl IntoIterator<Item = C>) -> Self {
        Self { inputs: Some(columns.into_iter().map(Into::into).collect()), ..self }
    }

    /// Leaves out these columns, such as an identifier.
    pub fn without<C: Into<Column>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.without.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Accepts missing cells, which are errors otherwise.
    pub fn missing(self, missing: Missing) -> Self {
        Self { missing: Some(missing), ..self }
    }

    /// Treats the first line as data; columns are then selected by index.
    pub fn no_header(self) -> Self {
        Self { header: false, ..self }
    }

    /// Sets the byte that separates cells; the default is a comma.
    pub fn delimiter(self, delimiter: u8) -> Self {
        Self { delimiter, ..self }
    }

    /// Sets the decimal separator, a point by default, and the separator between groups of three digits, none by
    /// default: `number_format(',', Some('.'))` reads 1.234,5.
    pub fn number_format(self, decimal: char, thousands: Option<char>) -> Self {
        Self { decimal, thousands, ..self }
    }

    /// Skips lines that begin with this byte, such as `b'#'`.
    pub fn comment(self, byte: u8) -> Self {
        Self { comment: Some(byte), ..self }
    }
}
