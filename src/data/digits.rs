//! The handwritten digits included in the library.

use ndarray::Array2;

use super::{Dataset, Targets};

/// The number of pixels of an image.
const PIXELS: usize = 64;

/// The images: 64 pixels of one byte each, from 0 to 16, followed by the label; see `PROVENANCE.md` next to the file.
const FILE: &[u8] = include_bytes!("digits.bin");

/// A data set of 1797 handwritten digits: 8×8 grey levels from 0 to 1, rows × 64, row-major; ten classes.
///
/// The test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, UCI Machine Learning
/// Repository, CC BY 4.0), as included in scikit-learn. The rows are in the order of the original file, which groups
/// them by writer. For validation, use `digits().split(0.8, 0)`, the split behind the examples and the published
/// results, rather than the last rows.
///
/// ```
/// let digits = wgrad::data::digits();
/// assert_eq!((digits.len(), digits.features(), digits.outputs()), (1797, 64, 10));
/// ```
pub fn digits() -> Dataset {
    let images = || FILE.chunks_exact(PIXELS + 1).filter_map(<[u8]>::split_last);
    let labels: Vec<u32> = images().map(|(&label, _)| u32::from(label)).collect();
    let mut inputs = Array2::zeros((labels.len(), PIXELS));
    for (grey, &pixel) in inputs.iter_mut().zip(images().flat_map(|(_, pixels)| pixels)) {
        *grey = f32::from(pixel) / 16.0;
    }
    Dataset::trusted(inputs, Targets::Classes { labels, classes: 10 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_counts(data: &Dataset) -> [usize; 10] {
        let mut counts = [0; 10];
        for &label in data.targets().labels().unwrap() {
            counts[label as usize] += 1;
        }
        counts
    }

    #[test]
    fn there_are_1797_digits_of_ten_classes() {
        let digits = digits();
        assert_eq!((FILE.len(), digits.len()), (1797 * 65, 1797));
        assert_eq!(class_counts(&digits), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn the_first_digit_is_the_zero_of_the_original() {
        let digits = digits();
        let image = digits.inputs().row(0).mapv(|grey| (grey * 16.0) as u32);
        assert_eq!(image.as_slice().unwrap()[..8], [0, 0, 5, 13, 9, 1, 0, 0]);
        assert_eq!(digits.targets().labels().unwrap()[..5], [0, 1, 2, 3, 4]);
        assert!(digits.inputs().iter().all(|grey| (0.0..=1.0).contains(grey)));
        let total: f32 = digits.inputs().iter().map(|grey| grey * 16.0).sum();
        assert_eq!(total, 561_718.0);
    }

    #[test]
    fn the_split_of_the_examples_holds_four_fifths_of_every_class() {
        let (train, validation) = digits().split(0.8, 0).unwrap();
        assert_eq!((train.len(), validation.len()), (1438, 359));
        assert_eq!(class_counts(&train), [142, 146, 142, 146, 145, 146, 145, 143, 139, 144]);
        assert_eq!(class_counts(&validation), [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]);
    }
}
