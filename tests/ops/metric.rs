//! Metrics: counts are exact, so that both engines give the same number.

use wgrad::Metric;
use wgrad::program::StepEntry;

use crate::support::run::{Case, folding_gpu, gpu, normal};

/// Numbers on a grid of 1/8, whose differences are exact; many are equal.
fn grid(seed: u64, len: usize) -> Vec<f32> {
    normal(seed, len).into_iter().map(|x| (x * 4.0).round() / 8.0).collect()
}

const METRICS: [Metric; 6] = [
    Metric::Accuracy,
    Metric::BinaryAccuracy { threshold: 0.5 },
    Metric::BinaryAccuracy { threshold: 0.0 },
    Metric::RegressionAccuracy { tolerance: 0.3 },
    Metric::Mse,
    Metric::Mae,
];

#[test]
fn every_metric_equals_the_reference_also_with_ties_and_short_batches() {
    let mut checks = 0;
    for (gpu, shapes) in [
        (gpu(), &[(1, 1), (1, 5), (7, 3), (65, 65), (1000, 10), (3, 200), (0, 4), (5000, 2)][..]),
        (folding_gpu(), &[(1, 1), (16, 7), (13, 70)]),
    ] {
        for &(rows, cols) in shapes {
            for metric in METRICS {
                for active in [rows, rows / 2, 0] {
                    for classes in [false, true] {
                        if classes && metric != Metric::Accuracy {
                            continue;
                        }
                        let name = format!("{metric} of [{rows}, {cols}], {active} rows");
                        let mut case = Case::new(&name);
                        case.entry = StepEntry::rows(active);
                        let x = case.input(&[rows, cols], &grid(1, rows * cols));
                        let target = if classes {
                            let classes = (0..rows).map(|row| (row % cols.max(1)) as u32);
                            case.classes(&classes.collect::<Vec<_>>())
                        } else {
                            case.input(&[rows, cols], &grid(2, rows * cols))
                        };
                        let value = case.program.metric(metric, x, target).unwrap();
                        let outcome = &case.run(gpu, &[value])[0];
                        let (got, want) = (f64::from(outcome.got[0]), outcome.want[0]);
                        assert!((got - want).abs() <= 3e-7 * want, "{name}: {got}, not {want}");
                        checks += 1;
                    }
                }
            }
        }
    }
    println!("{checks} metrics");
}

#[test]
fn of_equal_scores_the_first_counts() {
    for (target, right) in [(1u32, 1.0), (3, 0.0)] {
        let mut case = Case::new("ties");
        let x = case.input(&[1, 5], &[0.0, 2.0, 1.0, 2.0, 2.0]);
        let target = case.classes(&[target]);
        let value = case.program.metric(Metric::Accuracy, x, target).unwrap();
        let outcome = &case.run(gpu(), &[value])[0];
        assert_eq!((outcome.got[0], outcome.want[0]), (right as f32, right));
    }
}
