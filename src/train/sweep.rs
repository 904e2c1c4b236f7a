//! Comparisons of settings by several runs each.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::builder::TrainerBuilder;
use super::fit::Fit;
use super::history::{Evaluation, Figure, History};
use crate::data::Dataset;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::threads::on_all_cores;

type Build<'a> = Box<dyn Fn(&Dataset) -> Result<TrainerBuilder> + Send + Sync + 'a>;

/// A comparison of settings: each trains on every split of the data with every seed, and is judged by the mean of its
/// losses on the validation data. On the CPU the runs share the cores, on a GPU they follow each other; either way the
/// results have the same bits.
///
/// ```
/// use wgrad::prelude::*;
///
/// let splits = data::spiral(50, 3, 0)?.folds(3, 0)?;
/// let mut sweep = Sweep::over(&splits);
/// for rate in [0.01, 0.1] {
///     let model = Sequential::new(2).dense(16).activation(Activation::relu()).dense(3);
///     let adam = Optimizer::adam().learning_rate(rate);
///     sweep = sweep.setting(adam, move |_| {
///         Ok(Trainer::new(model.clone(), Loss::cross_entropy(), adam))
///     });
/// }
/// let table = sweep.run(&Device::cpu(), |validation| Fit::epochs(20).validate(validation))?;
/// println!("{table}");
/// assert_eq!(table.best().unwrap().runs.len(), 3);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[must_use = "call `run`"]
pub struct Sweep<'a> {
    splits: &'a [(Dataset, Dataset)],
    settings: Vec<(String, Build<'a>)>,
    seeds: u64,
}

impl<'a> Sweep<'a> {
    /// Creates a comparison without settings over pairs of training and validation data: one, or those of
    /// [`Dataset::folds`].
    pub fn over(splits: &'a [(Dataset, Dataset)]) -> Self {
        Self { splits, settings: Vec::new(), seeds: 1 }
    }

    /// Adds a setting. `build` gets the training data, such as for a [`Standardize`](crate::data::Standardize); the
    /// sweep sets the seed.
    pub fn setting(
        mut self,
        name: impl fmt::Display,
        build: impl Fn(&Dataset) -> Result<TrainerBuilder> + Send + Sync + 'a,
    ) -> Self {
        self.settings.push((name.to_string(), Box::new(build)));
        self
    }

    /// Trains each setting with this many seeds, from 0 on, on every split; 1 by default.
    pub fn seeds(self, count: u64) -> Self {
        Self { seeds: count, ..self }
    }

    /// Trains and evaluates everything. `fit` gets the validation data. A run whose loss becomes NaN continues, and comes
    /// last.
    ///
    /// # Errors
    /// [`Error::Empty`] without a setting, a split or a seed; the first error of any run.
    pub fn run(
        &self,
        device: &Device,
        fit: impl for<'f> Fn(&'f Dataset) -> Fit<'f> + Sync,
    ) -> Result<SweepTable> {
        let jobs = self.jobs();
        if jobs.is_empty() {
            return Err(Error::empty("sweep", "it needs a setting, a split and a seed"));
        }
        let next = AtomicUsize::new(0);
        let work = || {
            let take = || jobs.get(next.fetch_add(1, Ordering::Relaxed));
            let done = std::iter::from_fn(take).map(|job| (*job, self.train(*job, device, &fit)));
            done.collect::<Vec<_>>()
        };
        let mut done = match device {
            Device::Cpu => on_all_cores(jobs.len(), &work)?,
            Device::Gpu(_) => work(),
        };
        done.sort_by_key(|(job, _)| *job);
        let runs = done.into_iter().map(|(_, run)| run).collect::<Result<Vec<_>>>()?;
        let of_setting = jobs.len() / self.settings.len().max(1);
        let rows = self.settings.iter().zip(runs.chunks(of_setting));
        Ok(SweepTable { rows: rows.map(|((name, _), runs)| SweepRow::new(name, runs)).collect() })
    }

    /// The setting, split and seed of every run.
    fn jobs(&self) -> Vec<(usize, usize, u64)> {
        let of_setting = |setting| {
            let splits = 0..self.splits.len();
            splits.flat_map(move |split| (0..self.seeds).map(move |seed| (setting, split, seed)))
        };
        (0..self.settings.len()).flat_map(of_setting).collect()
    }

    fn train(
        &self,
        (setting, split, seed): (usize, usize, u64),
        device: &Device,
        fit: &(impl for<'f> Fn(&'f Dataset) -> Fit<'f> + Sync),
    ) -> Result<SweepRun> {
        let missing = || Error::Internal(format!("there is no run {setting}, {split}"));
        let (_, build) = self.settings.get(setting).ok_or_else(missing)?;
        let (training, validation) = self.splits.get(split).ok_or_else(missing)?;
        let mut trainer = build(training)?.seed(seed).on(device)?;
        let history = trainer.fit(training, fit(validation).continue_on_nan())?;
        Ok(SweepRun { split, seed, history, validation: trainer.evaluate(validation)? })
    }
}

impl fmt::Debug for Sweep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.settings.iter().map(|(name, _)| name).collect();
        f.debug_struct("Sweep").field("settings", &names).finish_non_exhaustive()
    }
}

/// The results of a [`Sweep`], a row for each setting in the order in which they were added; displayed as a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SweepTable {
    /// The settings.
    pub rows: Vec<SweepRow>,
}

/// The runs of a setting.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SweepRow {
    /// The name.
    pub name: String,
    /// The means over the runs.
    pub mean: Evaluation,
    /// The standard deviation of the runs' losses.
    pub deviation: f64,
    /// The runs, by split and seed.
    pub runs: Vec<SweepRun>,
}

/// A run of a setting.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SweepRun {
    /// The index of the split.
    pub split: usize,
    /// The seed.
    pub seed: u64,
    /// The epochs.
    pub history: History,
    /// The results on the validation data after the last epoch.
    pub validation: Evaluation,
}

impl SweepRow {
    fn new(name: &str, runs: &[SweepRun]) -> Self {
        let count = runs.len() as f64;
        let mean = |of: &dyn Fn(&Evaluation) -> f64| {
            runs.iter().map(|run| of(&run.validation)).sum::<f64>() / count
        };
        let metrics = runs.first().map_or(&[][..], |run| &run.validation.metrics);
        let metric = |(name, _): &(String, f64)| {
            (name.clone(), mean(&|own| own.metric(name).unwrap_or(f64::NAN)))
        };
        let loss = mean(&Evaluation::loss);
        let evaluation = Evaluation {
            data_loss: mean(&|own| own.data_loss),
            penalty: mean(&|own| own.penalty),
            metrics: metrics.iter().map(metric).collect(),
        };
        let deviation = mean(&|own| (own.loss() - loss).powi(2)).sqrt();
        Self { name: name.to_string(), mean: evaluation, deviation, runs: runs.to_vec() }
    }
}

impl SweepTable {
    /// The setting of the smallest mean loss.
    pub fn best(&self) -> Option<&SweepRow> {
        let loss = |row: &&SweepRow| match row.mean.loss() {
            loss if loss.is_nan() => f64::INFINITY,
            loss => loss,
        };
        self.rows.iter().min_by(|a, b| loss(a).total_cmp(&loss(b)))
    }
}

impl fmt::Display for SweepTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(7);
        let metrics = self.rows.first().map_or(&[][..], |row| &row.mean.metrics);
        write!(f, "{:widest$}  {:>9}  {:>9}", "setting", "loss", "deviation")?;
        metrics.iter().try_for_each(|(name, _)| write!(f, "  {name:>9}"))?;
        for SweepRow { name, mean, deviation, .. } in &self.rows {
            let cells = [mean.loss(), *deviation].into_iter();
            write!(f, "\n{name:widest$}")?;
            for (cell, name) in cells.map(|cell| (cell, "")).chain(metrics_of(mean)) {
                let width = name.chars().count().max(9);
                write!(f, "  {:>width$}", Figure(cell).to_string())?;
            }
        }
        Ok(())
    }
}

fn metrics_of(mean: &Evaluation) -> impl Iterator<Item = (f64, &str)> {
    mean.metrics.iter().map(|(name, value)| (*value, name.as_str()))
}
