//! Rows that the user draws, pastes or drops.

use wgrad::data::{CsvOptions, Targets, read_csv_from};
use wgrad::ndarray::{Array2, Axis};
use wgrad::prelude::*;

use crate::Result;
use crate::paint::COLOURS;
use crate::sets::REACH;

/// Reads rows of `x,y,class`, which are points of classes, or of `x,y`, which are those of a curve. A first row without
/// numbers is a header. Columns that reach out of the picture are scaled to -1 … 1.
///
/// # Errors
/// A message for another number of columns or more classes than there are colours; otherwise as [`read_csv_from`].
pub fn read(text: &str) -> Result<Dataset> {
    let first = text.lines().next().unwrap_or_default();
    let columns = first.split(',').count();
    let options = match columns {
        2 => CsvOptions::values([1]),
        3 => CsvOptions::class(2),
        _ => {
            return Err(format!("rows are x,y,class or x,y; the first is '{first}'").into());
        }
    };
    let is_header = first.split(',').take(2).all(|cell| cell.trim().parse::<f32>().is_err());
    let options = if is_header { options } else { options.no_header() };
    let data = read_csv_from(text.as_bytes(), "own data", &options)?;
    let names = data.class_names().to_vec();
    let (inputs, targets) = data.into_parts();
    let targets = match targets {
        Targets::Values(values) => Targets::Values(into_picture(values)),
        Targets::Classes { labels, classes } if classes <= COLOURS.len() => {
            Targets::Classes { labels, classes: classes.max(2) }
        }
        Targets::Classes { classes, .. } => {
            let most = COLOURS.len();
            return Err(
                format!("the page has colours for {most} classes, not for {classes}").into()
            );
        }
    };
    let data = Dataset::new(into_picture(inputs), targets)?;
    Ok(if names.len() < 2 { data } else { data.with_class_names(names)? })
}

/// Scales the columns that reach out of the picture.
fn into_picture(mut values: Array2<f32>) -> Array2<f32> {
    for mut column in values.axis_iter_mut(Axis(1)) {
        let (low, high) = column
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
        if low < -REACH || high > REACH {
            let (middle, half) = ((low + high) / 2.0, ((high - low) / 2.0).max(f32::MIN_POSITIVE));
            column.mapv_inplace(|value| (value - middle) / half);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_columns_are_points_of_classes() {
        let data = read("0.5,0.5,1\n-0.5,0.25,0\n").unwrap();
        assert_eq!(data.targets().labels(), Some(&[1, 0][..]));
        assert_eq!(data.inputs().row(0).to_vec(), [0.5, 0.5]);
    }

    #[test]
    fn two_columns_are_a_curve_and_a_header_is_none_of_it() {
        let data = read("x,y\n0,10\n100,30\n").unwrap();
        assert_eq!(data.inputs().column(0).to_vec(), [-1.0, 1.0]);
        assert_eq!(data.targets().values().unwrap().column(0).to_vec(), [-1.0, 1.0]);
    }

    #[test]
    fn names_of_classes_are_kept() {
        let data = read("length,width,kind\n1,2,cat\n3,4,dog\n").unwrap();
        assert_eq!(data.class_names(), ["cat", "dog"]);
    }

    #[test]
    fn other_columns_and_too_many_classes_are_refused() {
        assert!(read("1,2,3,4\n").unwrap_err().to_string().contains("x,y,class or x,y"));
        let many: String = (0..7).map(|class| format!("0,{class},{class}\n")).collect();
        assert!(read(&many).unwrap_err().to_string().contains("6 classes, not for 7"));
    }
}
