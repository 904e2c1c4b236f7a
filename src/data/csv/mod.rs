//! CSV files of numbers and class names.

mod classes;
mod options;
mod table;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::Path;

use classes::{ClassColumn, Labels};
use ndarray::{Array2, ArrayViewMut1};
use options::CsvTargets;
pub use options::{Column, CsvOptions, Missing};
use table::Table;

use super::{Dataset, Targets};
use crate::error::{Error, Result, cut};

/// Reads a CSV file of numbers, and of class names in the class column.
///
/// Cells may be quoted and surrounded by spaces; blank lines and trailing separators are skipped. If the header leaves
/// the first column unnamed, the column is left out unless it is chosen by its index. [`Dataset::notes`] says what was
/// left out or filled in.
///
/// ```no_run
/// use wgrad::data::{CsvOptions, Missing, read_csv};
///
/// let iris = read_csv("iris.csv", &CsvOptions::class("species").without(["id"]))?;
/// let houses = CsvOptions::values(["price"]).delimiter(b';').number_format(',', Some('.'));
/// let houses = read_csv("houses.csv", &houses.missing(Missing::Mean))?;
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] if the file cannot be read. [`Error::Data`] for a cell that is missing, unless
/// [`CsvOptions::missing`] accepts it, or not a finite number, a class that is no whole number although it is a number,
/// a row of different length, text that is not UTF-8 (each with its line and its column, counted from 1), a column that
/// does not exist, and a file without rows. [`Error::Target`] for a class that is not below the given number of classes.
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
/// let text = "width,height,kind\n1.5,2,round\n3,4.25,flat\n";
/// let data = read_csv_from(text.as_bytes(), "boxes", &CsvOptions::class("kind"))?;
/// assert_eq!((data.len(), data.features(), data.outputs()), (2, 2, 2));
/// assert_eq!(data.class_names(), ["flat", "round"]);
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
    let mut cells = Cells::new(&table, options)?;
    while table.advance()? {
        cells.push(&table)?;
    }
    cells.finish(&table, origin)
}

/// The columns that are read and their cells so far.
struct Cells<'a> {
    options: &'a CsvOptions,
    inputs: Vec<usize>,
    targets: Vec<usize>,
    /// The inputs by row; NaN where missing.
    x: Vec<f32>,
    values: Vec<f32>,
    classes: ClassColumn,
    rows: usize,
    dropped: usize,
    notes: Vec<String>,
}

impl<'a> Cells<'a> {
    fn new(table: &Table<'_>, options: &'a CsvOptions) -> Result<Self> {
        let find = |columns: &[options::Column]| -> Result<Vec<usize>> {
            columns.iter().map(|column| table.find(column)).collect()
        };
        let targets = match &options.targets {
            CsvTargets::Values(columns) => find(columns)?,
            CsvTargets::Class { column, .. } => vec![table.find(column)?],
        };
        let without = find(&options.without)?;
        let (mut inputs, mut notes) = (Vec::new(), Vec::new());
        match &options.inputs {
            Some(columns) => inputs = find(columns)?,
            None => inputs.extend((0..table.columns).filter(|index| !targets.contains(index))),
        }
        inputs.retain(|index| !without.contains(index));
        if options.inputs.is_none() && table.has_unnamed_first() && inputs.first() == Some(&0) {
            inputs.remove(0);
            notes.push("the first column has no name and is left out".to_string());
        }
        let (x, values, classes) = (Vec::new(), Vec::new(), ClassColumn::new(options));
        Ok(Self { options, inputs, targets, x, values, classes, rows: 0, dropped: 0, notes })
    }

    /// Adds the table's current row, or drops it.
    fn push(&mut self, table: &Table<'_>) -> Result<()> {
        let numbers = |columns: &[usize]| -> Result<Vec<Option<f32>>> {
            columns.iter().map(|&index| table.number(index)).collect()
        };
        let x = numbers(&self.inputs)?;
        let (class, values) = match (&self.options.targets, self.targets.first()) {
            (CsvTargets::Class { .. }, Some(&index)) => {
                (Some((index, table.class(index)?)), vec![])
            }
            _ => (None, numbers(&self.targets)?),
        };
        let of_values = self.targets.iter().zip(&values).find(|(_, value)| value.is_none());
        let of_class = class.filter(|(_, cell)| cell.is_none()).map(|(index, _)| index);
        let missing = of_class.or(of_values.map(|(index, _)| *index));
        if self.options.missing == Some(Missing::Drop) {
            if missing.is_some() || x.contains(&None) {
                self.dropped += 1;
                return Ok(());
            }
        } else if let Some(index) = missing {
            return Err(table.refuse(index, "the target is missing".into()));
        }
        if let Some((index, Some(cell))) = class {
            self.classes
                .push(cell)
                .map_err(|message| table.refuse(index, format!("'{}' {message}", cut(cell))))?;
        }
        self.x.extend(x.into_iter().map(|cell| cell.unwrap_or(f32::NAN)));
        self.values.extend(values.into_iter().flatten());
        self.rows += 1;
        Ok(())
    }

    fn finish(mut self, table: &Table<'_>, origin: &str) -> Result<Dataset> {
        if self.dropped > 0 {
            let (dropped, all) = (self.dropped, self.dropped + self.rows);
            self.notes.push(format!("{dropped} of {all} rows have missing cells and are left out"));
        }
        if self.rows == 0 {
            return Err(Error::data(origin, "there are no rows"));
        }
        let matrix = |columns: &[usize], cells| {
            Array2::from_shape_vec((self.rows, columns.len()), cells)
                .map_err(|error| Error::data(origin, error.to_string()))
        };
        let mut x = matrix(&self.inputs, self.x)?;
        for (mut column, &index) in x.columns_mut().into_iter().zip(&self.inputs) {
            self.notes.extend(
                fill(column.view_mut(), self.options.missing, || table.title(index))
                    .map_err(|message| Error::data(origin, message))?,
            );
        }
        let CsvTargets::Class { classes: count, ignored, .. } = self.options.targets else {
            let values = Targets::Values(matrix(&self.targets, self.values)?);
            return Ok(Dataset::new(x, values)?.noted(self.notes));
        };
        let Labels { labels, classes, names } = self.classes.labels();
        let classes = count.unwrap_or(classes);
        let data = match ignored {
            Some(ignored) => Dataset::classes_ignoring(x, labels, classes, ignored)?,
            None => {
                let labels = labels.into_iter().map(|label| label as u32).collect();
                Dataset::new(x, Targets::Classes { labels, classes })?
            }
        };
        let data = data.noted(self.notes);
        if names.len() == classes && classes > 0 { data.with_class_names(names) } else { Ok(data) }
    }
}

/// Replaces the missing cells of a column of inputs; returns a note about them. Fails for a mean of no cells.
fn fill(
    mut column: ArrayViewMut1<'_, f32>,
    missing: Option<Missing>,
    title: impl Fn() -> String,
) -> std::result::Result<Option<String>, String> {
    let count = column.iter().filter(|cell| cell.is_nan()).count();
    if count == 0 {
        return Ok(None);
    }
    let value = match missing {
        Some(Missing::Value(value)) => value,
        _ if count == column.len() => return Err(format!("{}: every cell is missing", title())),
        _ => {
            let present = column.iter().filter(|cell| !cell.is_nan());
            (present.map(|cell| f64::from(*cell)).sum::<f64>() / (column.len() - count) as f64)
                as f32
        }
    };
    column.iter_mut().filter(|cell| cell.is_nan()).for_each(|cell| *cell = value);
    let rows = column.len();
    Ok(Some(format!("{}: {count} of {rows} cells are missing and become {value}", title())))
}
