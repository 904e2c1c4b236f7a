//! Test programs of the family.

use crate::error::Result;
use crate::ops::case::{Case, ROWS};
use crate::spec::Metric;

/// All cases of the family.
pub(crate) fn all() -> Result<Vec<Case>> {
    let metrics = [
        Metric::Accuracy,
        Metric::TopK { k: 2 },
        Metric::R2 { variance: 1.0 },
        Metric::BinaryAccuracy { threshold: 0.5 },
        Metric::RegressionAccuracy { tolerance: 0.5 },
        Metric::OutsideUnit,
        Metric::Mse,
        Metric::Mae,
    ];
    let of_metric = |metric: Metric| {
        let mut case = Case::new(format!("metric.{metric}"));
        let (prediction, target) = (case.real(&[ROWS, 5])?, case.real(&[ROWS, 5])?);
        case.program.metric(metric, prediction, target)?;
        Ok(case)
    };
    metrics.into_iter().map(of_metric).chain([confusion()]).collect()
}

/// A confusion matrix that ignores one class.
fn confusion() -> Result<Case> {
    let mut case = Case::new("metric.confusion_matrix");
    let scores = case.real(&[ROWS, 5])?;
    let classes = case.classes(&[ROWS], (0..ROWS).map(|row| (row * 3 % 5) as u32).collect())?;
    case.program.confusion_matrix_ignoring(scores, classes, Some(2))?;
    Ok(case)
}
