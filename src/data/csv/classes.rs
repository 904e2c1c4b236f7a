//! Class names and the classes that they become.

use std::collections::HashMap;

use super::options::{CsvOptions, CsvTargets};

/// The maximum length of a class name in bytes.
const LONGEST: usize = 256;

/// The classes of the rows read so far, numbered in the order in which they were seen.
pub(super) struct ClassColumn {
    seen: HashMap<String, usize>,
    /// The names in the order of their numbers.
    names: Vec<String>,
    /// The number of the class of each row; `None` for an ignored row.
    rows: Vec<Option<usize>>,
    ignored: Option<i64>,
    given: Option<Vec<String>>,
}

/// The labels of the rows and the names of the classes, if they have names.
pub(super) struct Labels {
    pub labels: Vec<i64>,
    pub classes: usize,
    pub names: Vec<String>,
}

impl ClassColumn {
    pub(super) fn new(options: &CsvOptions) -> Self {
        let (ignored, given) = match &options.targets {
            CsvTargets::Class { ignored, names, .. } => (*ignored, names.clone()),
            CsvTargets::Values(_) => (None, None),
        };
        Self { seen: HashMap::new(), names: Vec::new(), rows: Vec::new(), ignored, given }
    }

    /// Adds a row with this cell; fails with a message if it is no class.
    pub(super) fn push(&mut self, cell: &str) -> Result<(), String> {
        let whole = whole(cell);
        if self.ignored.is_some() && whole == self.ignored {
            self.rows.push(None);
            return Ok(());
        }
        let name = match whole {
            // Such numbers mark rows without a class more often than they are one.
            Some(..-1) if self.given.is_none() => {
                return Err(
                    "is not a class from 0; `ignoring` or `class_names` tells what it is".into()
                );
            }
            Some(number) => number.to_string(),
            None if cell.parse::<f64>().is_ok_and(f64::is_finite) => {
                return Err("is not a whole number, as a class is".into());
            }
            None if cell.len() > LONGEST => {
                return Err(format!(
                    "is no class name: it has {} bytes, at most {LONGEST}",
                    cell.len()
                ));
            }
            None => cell.to_string(),
        };
        if let Some(given) = self.given.as_ref().filter(|given| !given.contains(&name)) {
            return Err(format!("is none of the classes {}", given.join(", ")));
        }
        let (next, names) = (self.names.len(), &mut self.names);
        let number = *self.seen.entry(name).or_insert_with_key(|name| {
            names.push(name.clone());
            next
        });
        self.rows.push(Some(number));
        Ok(())
    }

    /// The labels: the numbers themselves if all are whole numbers from 0, otherwise places among the sorted names.
    pub(super) fn labels(self) -> Labels {
        let numbers = self.names.iter().map(|name| name.parse::<i64>().ok());
        let numbers: Option<Vec<i64>> = numbers.collect();
        let is_index = |number: &i64| (0..=i64::from(u32::MAX)).contains(number);
        let (of_class, classes, names) = match (self.given, numbers) {
            (Some(given), _) => (places(&self.names, &given), given.len(), given),
            (None, Some(numbers)) if numbers.iter().all(is_index) => {
                let classes = numbers.iter().max().map_or(0, |most| *most as usize + 1);
                (numbers, classes, Vec::new())
            }
            (None, numbers) => {
                let mut sorted = self.names.clone();
                match numbers {
                    Some(_) => sorted.sort_by_key(|name| name.parse::<i64>().unwrap_or(0)),
                    None => sorted.sort(),
                }
                (places(&self.names, &sorted), sorted.len(), sorted)
            }
        };
        let ignored = self.ignored.unwrap_or(-1);
        let label = |row: &Option<usize>| row.and_then(|class| of_class.get(class).copied());
        let labels = self.rows.iter().map(|row| label(row).unwrap_or(ignored)).collect();
        Labels { labels, classes, names }
    }
}

/// The place of each name in another order.
fn places(names: &[String], order: &[String]) -> Vec<i64> {
    let places: HashMap<&String, i64> = order.iter().zip(0..).collect();
    names.iter().map(|name| places.get(name).copied().unwrap_or(-1)).collect()
}

/// The whole number that a cell holds: `2`, `2.0`, `-1`.
fn whole(cell: &str) -> Option<i64> {
    let is_exact = |number: &f64| number.fract() == 0.0 && number.abs() < 9e15;
    cell.parse().ok().or_else(|| cell.parse().ok().filter(is_exact).map(|number| number as i64))
}
