//! The range test of learning rates.

use std::ops::RangeInclusive;

use super::Trainer;
use super::feed::Feed;
use super::run::TrainingRun;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::ir::StepEntry;
use crate::spec::{Range, Schedule};

/// The weight of the past in the smoothed loss.
const SMOOTHING: f64 = 0.9;

/// The number of steps after which the smoothed loss no longer depends on the first few.
const SETTLED: usize = 10;

/// The multiple of the smallest loss at which a run counts as diverged.
const DIVERGED: f64 = 4.0;

/// The loss by learning rate, up to the rate at which training diverges.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LearningRateCurve {
    /// The learning rate of each step, ascending.
    pub rates: Vec<f64>,
    /// The loss of each step, before its update.
    pub losses: Vec<f64>,
    /// The losses as a running mean.
    pub smoothed: Vec<f64>,
    /// The rate from which the smoothed loss falls the fastest, after the first ten steps; `None` if it never falls.
    pub suggestion: Option<f64>,
}

impl Trainer {
    /// Trains for `steps` steps with a learning rate that grows exponentially over `rates`, and undoes it: the range test
    /// of Smith, "Cyclical Learning Rates for Training Neural Networks", 2017. The run ends for the curve where the
    /// smoothed loss is more than four times its smallest value so far.
    ///
    /// ```
    /// use wgrad::prelude::*;
    ///
    /// let data = data::spiral(100, 3, 0)?;
    /// let model = Sequential::new(2).dense(16).activation(Activation::relu()).dense(3);
    /// let mut trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam()).on(&Device::cpu())?;
    /// let curve = trainer.find_learning_rate(&data, 32, 1e-6..=10.0, 100)?;
    /// if let Some(rate) = curve.suggestion {
    ///     trainer.set_optimizer("lr", rate)?;
    /// }
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two steps, and unless the rates are greater than 0 and ascend; otherwise as
    /// [`Trainer::fit`].
    #[cfg(not(target_family = "wasm"))]
    pub fn find_learning_rate(
        &mut self,
        data: &Dataset,
        batch: usize,
        rates: RangeInclusive<f64>,
        steps: u64,
    ) -> Result<LearningRateCurve> {
        pollster::block_on(self.find_learning_rate_async(data, batch, rates, steps))
    }

    /// As [`Trainer::find_learning_rate`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::find_learning_rate`].
    pub async fn find_learning_rate_async(
        &mut self,
        data: &Dataset,
        batch: usize,
        rates: RangeInclusive<f64>,
        steps: u64,
    ) -> Result<LearningRateCurve> {
        let ramp = self.ramp(rates, steps)?;
        let mut rows = data;
        let standardized;
        let feed = if self.exceeds_device(data) {
            Feed::Streamed(&mut rows, Some(self.target_variance(data)))
        } else {
            standardized = self.standardized(data)?;
            Feed::Resident(&standardized)
        };
        let values = self.weights.read_values().await?;
        let schedule = std::mem::replace(&mut self.settings.schedule, ramp);
        let run = TrainingRun::begin(self, feed, Some(batch), false);
        self.settings.schedule = schedule;
        let mut run = run?;
        let fed = run.advance(self, steps).await;
        self.weights.write_values(&values)?;
        let (records, _) = fed?;
        let (layout, live) = (&run.io.record, run.live.read());
        let losses = records.iter().map(|record| layout.loss(record) + layout.penalty(record));
        let rate = |step| StepEntry::due(&*live, step, 0).rate;
        Ok(curve((self.step..).map(rate).zip(losses)))
    }

    /// The schedule of a rate that grows by the same factor with each update.
    fn ramp(&self, rates: RangeInclusive<f64>, steps: u64) -> Result<Schedule> {
        let (op, (first, last)) = ("find_learning_rate", rates.into_inner());
        Range::POSITIVE.check(op, "the first rate", first)?;
        Range::POSITIVE.check(op, "the last rate", last)?;
        if last <= first {
            let valid = format!("it must be greater than the first, {first}");
            return Err(Error::parameter(op, "the last rate", last, valid));
        }
        if steps < 2 {
            return Err(Error::parameter(op, "steps", steps, "it must be at least 2"));
        }
        let (begin, group) = (self.updates, self.settings.objective.transforms.group());
        let most = (steps.div_ceil(group) - 1).max(1) as f64;
        let rate = move |update: u64, _| {
            first * (last / first).powf(update.saturating_sub(begin) as f64 / most)
        };
        Ok(Schedule::custom("learning rate range test", rate))
    }
}

fn curve(points: impl Iterator<Item = (f64, f64)>) -> LearningRateCurve {
    let (mut rates, mut losses, mut smoothed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut mean, mut weight, mut least) = (0.0, 0.0, f64::INFINITY);
    for (rate, loss) in points {
        mean = SMOOTHING * mean + (1.0 - SMOOTHING) * loss;
        weight = SMOOTHING * weight + (1.0 - SMOOTHING);
        let smooth: f64 = mean / weight;
        if !smooth.is_finite() || smooth > DIVERGED * least {
            break;
        }
        least = least.min(smooth);
        rates.push(rate);
        losses.push(loss);
        smoothed.push(smooth);
    }
    // The rates are evenly spaced on a logarithmic scale, so that differences compare as slopes do.
    let around = (smoothed.len() / 8).max(2);
    let falls =
        smoothed.windows(around + 1).zip(&rates).skip(SETTLED).filter_map(|(part, rate)| {
            let slope = part.last()? - part.first()?;
            (slope < 0.0).then_some((slope, *rate))
        });
    let steepest = falls.min_by(|a, b| a.0.total_cmp(&b.0));
    let suggestion = steepest.map(|(_, rate)| rate);
    LearningRateCurve { rates, losses, smoothed, suggestion }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suggestion_is_where_the_loss_falls_the_fastest_before_it_diverges() {
        let rates: Vec<f64> = (0..60).map(|step| 1e-4 * 1.2f64.powi(step)).collect();
        let loss = |step: i32| match step {
            0..20 => 1.0,
            20..30 => 1.0 - 0.08 * f64::from(step - 20),
            30..40 => 0.2,
            _ => 0.2 * 2f64.powi(step - 40),
        };
        let curve = curve(rates.iter().copied().zip((0..60).map(loss)));
        assert!((20..30).any(|step| curve.suggestion == Some(rates[step])), "{curve:?}");
        assert!((42..55).contains(&curve.rates.len()), "{}", curve.rates.len());
        assert_eq!(curve.losses.len(), curve.smoothed.len());
    }

    #[test]
    fn a_loss_that_only_rises_suggests_no_rate_and_nan_ends_the_curve() {
        let points = [(1.0, 1.0), (2.0, 2.0), (3.0, 2.5), (4.0, f64::NAN), (5.0, 0.1)];
        let found = curve(points.into_iter());
        assert_eq!((found.suggestion, found.rates), (None, vec![1.0, 2.0, 3.0]));
        assert!(curve(std::iter::empty()).rates.is_empty());
    }
}
