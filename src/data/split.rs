//! Random splits of a data set.

use super::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::random::{Key, Stream};

impl Dataset {
    /// Splits at random into a training part with `fraction` of the rows and a validation part with the rest.
    ///
    /// The size of the training part is `fraction` of all rows, rounded to the nearest integer (halves up). Both parts
    /// have at least one row unless `fraction` is 0 or 1, or the data set has fewer than two rows. Class targets are
    /// split by class: each class contributes its fraction rounded down, and the classes with the largest remainders
    /// contribute one more row, ties broken at random, so that the total is as stated. The same seed gives the same
    /// split on every platform. Both parts keep the order of the rows.
    ///
    /// ```
    /// let (train, validation) = wgrad::data::spiral(100, 3, 0)?.split(0.75, 7)?;
    /// assert_eq!((train.len(), validation.len()), (225, 75));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] if `fraction` is not within 0 to 1.
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(Error::parameter("dataset.split", "fraction", fraction, "0 to 1"));
        }
        let key = Key::new(seed, Stream::Split);
        let (mut train, mut validation) = (Vec::new(), Vec::new());
        let strata = self.strata();
        for (number, (stratum, quota)) in
            strata.iter().zip(quotas(&strata, fraction, key)).enumerate()
        {
            for (index, &row) in stratum.iter().enumerate() {
                // The number of rows and of labels is at most u32::MAX by construction, so the casts are lossless.
                let place = key.permute(number as u32, index as u32, stratum.len() as u32);
                if (place as usize) < quota { train.push(row) } else { validation.push(row) }
            }
        }
        train.sort_unstable();
        validation.sort_unstable();
        Ok((self.select(&train), self.select(&validation)))
    }

    /// Splits at random into `count` parts of equal size, to within a row, and returns each with the rest, as (training,
    /// validation): the folds of a cross-validation. Every class is spread evenly over the parts. The same seed gives
    /// the same folds on every platform; both parts keep the order of the rows.
    ///
    /// ```
    /// for (train, validation) in wgrad::data::spiral(100, 3, 0)?.folds(5, 7)? {
    ///     assert_eq!((train.len(), validation.len()), (240, 60));
    /// }
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] unless there are at least two folds and at most one per row.
    pub fn folds(&self, count: usize, seed: u64) -> Result<Vec<(Self, Self)>> {
        if count < 2 || count > self.len() {
            let valid = format!("it must be 2 to the {} rows", self.len());
            return Err(Error::parameter("dataset.folds", "count", count, valid));
        }
        let key = Key::new(seed, Stream::Split);
        let mut dealt = Vec::with_capacity(self.len());
        // Each stratum goes on where the last one ended, so that all parts are of one size.
        for (number, stratum) in self.strata().iter().enumerate() {
            let before = dealt.len();
            dealt.extend(stratum.iter().enumerate().map(|(index, &row)| {
                let place = key.permute(number as u32, index as u32, stratum.len() as u32);
                (row, (before + place as usize) % count)
            }));
        }
        dealt.sort_unstable();
        let part = |is_of: &dyn Fn(usize) -> bool| {
            let rows = dealt.iter().filter(|(_, fold)| is_of(*fold));
            self.select(&rows.map(|(row, _)| *row).collect::<Vec<_>>())
        };
        Ok((0..count).map(|k| (part(&|fold| fold != k), part(&|fold| fold == k))).collect())
    }

    /// The rows of each class that occurs, or all rows as one stratum.
    fn strata(&self) -> Vec<Vec<usize>> {
        match self.targets() {
            Targets::Values(_) => vec![(0..self.len()).collect()],
            Targets::Classes { labels, .. } => {
                // A map, because the user-defined number of classes may be far larger than the number of rows.
                let mut strata = std::collections::BTreeMap::<u32, Vec<usize>>::new();
                for (row, &label) in labels.iter().enumerate() {
                    strata.entry(label).or_default().push(row);
                }
                strata.into_values().collect()
            }
        }
    }
}

/// The number of training rows of each stratum: `fraction` of it rounded down, plus one for the strata with the largest
/// remainders, so that the total is `fraction` of all rows.
fn quotas(strata: &[Vec<usize>], fraction: f64, key: Key) -> Vec<usize> {
    let total: usize = strata.iter().map(Vec::len).sum();
    let rounded = (fraction * total as f64).round() as usize;
    let wanted = match total {
        2.. if fraction > 0.0 && fraction < 1.0 => rounded.clamp(1, total - 1),
        _ => rounded,
    };
    let quota = |stratum: &Vec<usize>| fraction * stratum.len() as f64;
    let parts = strata.iter().map(quota).enumerate();
    let mut parts: Vec<_> = parts.map(|(number, quota)| (number, quota, quota as usize)).collect();
    let missing = wanted.saturating_sub(parts.iter().map(|(.., quota)| quota).sum());
    let count = strata.len() as u32;
    // Ties of remainders are ordered at random, by a step of the stream that no stratum uses.
    let drawn = |number: usize| key.permute(u32::MAX, number as u32, count);
    parts.sort_by(|(a, of_a, _), (b, of_b, _)| {
        of_b.fract().total_cmp(&of_a.fract()).then_with(|| drawn(*a).cmp(&drawn(*b)))
    });
    parts.iter_mut().take(missing).for_each(|(.., quota)| *quota += 1);
    parts.sort_by_key(|(number, ..)| *number);
    parts.into_iter().map(|(.., quota)| quota).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::data;

    fn numbered(rows: usize) -> Dataset {
        let column = Array2::from_shape_fn((rows, 1), |(row, _)| row as f32);
        Dataset::new(&column, column.clone()).unwrap()
    }

    #[test]
    fn a_split_is_disjoint_complete_and_reproducible() {
        let data = numbered(101);
        let (train, validation) = data.split(0.8, 3).unwrap();
        assert_eq!((train.len(), validation.len()), (81, 20));
        let mut all: Vec<f32> = train.inputs().iter().chain(validation.inputs()).copied().collect();
        all.sort_unstable_by(f32::total_cmp);
        assert_eq!(all, (0..101).map(|row| row as f32).collect::<Vec<_>>());
        assert_eq!(data.split(0.8, 3).unwrap(), (train.clone(), validation));
        assert_ne!(data.split(0.8, 4).unwrap().0, train);
    }

    fn labelled(labels: Vec<u32>) -> Dataset {
        let inputs = Array2::from_shape_fn((labels.len(), 1), |(row, _)| row as f32);
        Dataset::new(inputs, Targets::Classes { labels, classes: usize::MAX }).unwrap()
    }

    fn count(part: &Dataset, class: u32) -> usize {
        part.targets().labels().unwrap().iter().filter(|&&label| label == class).count()
    }

    #[test]
    fn a_split_of_classes_takes_the_fraction_of_each_rounded_so_that_all_add_up() {
        let data = labelled((0..60).map(|row| u32::from(row % 6 == 0) * 4).collect());
        let (train, validation) = data.split(0.75, 0).unwrap();
        let of_train = (count(&train, 0), count(&train, 4));
        assert!([(37, 8), (38, 7)].contains(&of_train), "{of_train:?}");
        assert_eq!(count(&validation, 0) + of_train.0, 50);
        assert_eq!(count(&validation, 4) + of_train.1, 10);
    }

    #[test]
    fn many_small_classes_give_the_rows_that_were_asked_for() {
        for (classes, each, fraction, validation) in [(250, 4, 0.9, 100), (20, 2, 0.7, 12)] {
            let data = labelled((0..classes * each).map(|row| row / each).collect());
            let (train, rest) = data.split(fraction, 0).unwrap();
            assert_eq!((train.len() + rest.len(), rest.len()), (data.len(), validation));
            // The classes that contribute one more row are drawn at random, not taken from the front.
            let first = rest.targets().labels().unwrap()[0];
            let last = *rest.targets().labels().unwrap().last().unwrap();
            assert!(first < classes / 4 && last > classes * 3 / 4, "{first} {last}");
            assert!((0..classes).all(|class| count(&train, class) >= 1));
        }
    }

    #[test]
    fn both_parts_of_a_split_have_rows_unless_none_or_all_were_asked_for() {
        for data in [numbered(2), labelled(vec![7, 7]), labelled(vec![0, 1]), numbered(400)] {
            for fraction in [1e-9, 0.001, 0.5, 0.999, 1.0 - 1e-9] {
                let (train, validation) = data.split(fraction, 3).unwrap();
                assert!(!train.is_empty() && !validation.is_empty(), "{fraction}");
            }
            assert!(data.split(0.0, 3).unwrap().0.is_empty());
            assert!(data.split(1.0, 3).unwrap().1.is_empty());
        }
    }

    #[test]
    fn any_split_has_its_total_and_each_class_its_share_to_within_a_row() {
        let draw = Key::new(9, Stream::Data(0));
        for case in 0..300 {
            let random = |place: u32, below: u32| draw.permute(case, place % below, below);
            let (classes, rows) = (1 + random(0, 40), 2 + random(1, 300));
            let labels: Vec<u32> =
                (0..rows).map(|row| draw.permute(case + 1000, row, rows)).collect();
            let labels: Vec<u32> = labels.into_iter().map(|label| label % classes).collect();
            let fraction = f64::from(1 + random(2, 999)) / 1000.0;
            let data = labelled(labels);
            let (train, validation) = data.split(fraction, u64::from(case)).unwrap();
            assert_eq!(train.len() + validation.len(), data.len());
            let wanted = (fraction * f64::from(rows)).round() as usize;
            assert_eq!(train.len(), wanted.clamp(1, data.len() - 1), "{rows} rows, {fraction}");
            for class in 0..classes {
                let quota = fraction * count(&data, class) as f64;
                let got = count(&train, class) as f64;
                assert!((got - quota).abs() < 1.0 + 1e-9, "{got} of {quota}");
            }
        }
    }

    #[test]
    fn every_row_validates_in_one_fold_and_every_class_is_spread_evenly() {
        let draw = Key::new(11, Stream::Data(0));
        for case in 0..100 {
            let random = |place: u32, below: u32| draw.permute(case, place % below, below);
            let (classes, rows) = (1 + random(0, 9), 7 + random(1, 150));
            let labels = (0..rows).map(|row| draw.permute(case + 500, row, rows) % classes);
            let data = labelled(labels.collect());
            let count = 2 + random(2, 5) as usize;
            let folds = data.folds(count, u64::from(case)).unwrap();
            let mut seen = Vec::new();
            for (train, validation) in &folds {
                assert_eq!(train.len() + validation.len(), data.len());
                assert!(validation.len().abs_diff(data.len() / count) <= 1);
                for class in 0..classes {
                    let even = self::count(&data, class) / count;
                    assert!(self::count(validation, class).abs_diff(even) <= 1);
                }
                seen.extend(validation.inputs().iter().map(|row| *row as u32));
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..rows).collect::<Vec<_>>());
            assert_eq!(folds, data.folds(count, u64::from(case)).unwrap());
        }
        assert_ne!(numbered(40).folds(4, 0).unwrap(), numbered(40).folds(4, 1).unwrap());
        for count in [0, 1, 41] {
            let error = numbered(40).folds(count, 0).unwrap_err().to_string();
            assert!(error.contains("2 to the 40 rows"), "{error}");
        }
    }

    #[test]
    fn the_fraction_of_a_split_is_from_0_to_1() {
        let data = data::sine(10).unwrap();
        assert_eq!(data.split(0.0, 0).unwrap().0.len(), 0);
        assert_eq!(data.split(1.0, 0).unwrap().0, data);
        for fraction in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(data.split(fraction, 0), Err(Error::Parameter { .. })), "{fraction}");
        }
    }
}
