//! Metrics: counts are exact, so that both engines give the same number.

use wgrad::Metric;
use wgrad::ir::StepEntry;

use crate::support::run::{Case, featured_gpu, folding_gpu, gpu, normal};

/// Numbers on a grid of 1/8, whose differences are exact; many are equal.
fn grid(seed: u64, len: usize) -> Vec<f32> {
    normal(seed, len).into_iter().map(|x| (x * 4.0).round() / 8.0).collect()
}

const METRICS: [Metric; 10] = [
    Metric::Accuracy,
    Metric::TopK { k: 3 },
    Metric::TopK { k: 100 },
    Metric::R2 { variance: 2.0 },
    Metric::BinaryAccuracy { threshold: 0.5 },
    Metric::BinaryAccuracy { threshold: 0.0 },
    Metric::RegressionAccuracy { tolerance: 0.3 },
    Metric::OutsideUnit,
    Metric::Mse,
    Metric::Mae,
];

#[test]
fn every_metric_equals_the_reference_also_with_ties_and_short_batches() {
    let mut checks = 0;
    for (gpu, shapes) in [
        (gpu(), &[(1, 1), (1, 5), (7, 3), (65, 65), (1000, 10), (3, 200), (0, 4), (5000, 2)][..]),
        (featured_gpu(), &[(1000, 10), (5000, 2)]),
        (folding_gpu(), &[(1, 1), (16, 7), (13, 70)]),
    ] {
        for &(rows, cols) in shapes {
            for metric in METRICS {
                for active in [rows, rows / 2, 0] {
                    for classes in [false, true] {
                        let of_rows = matches!(metric, Metric::Accuracy | Metric::TopK { .. });
                        if classes && !of_rows {
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
                        assert!(
                            (got - want).abs() <= 3e-7 * want.abs().max(0.1),
                            "{name}: {got}, not {want}"
                        );
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

#[test]
fn a_score_that_is_no_number_is_never_among_the_largest() {
    let mut case = Case::new("nan");
    let x = case.input(&[2, 3], &[f32::NAN, f32::NAN, f32::NAN, 1.0, f32::NAN, 2.0]);
    let target = case.classes(&[0, 2]);
    let value = case.program.metric(Metric::Accuracy, x, target).unwrap();
    let outcome = &case.run(gpu(), &[value])[0];
    assert_eq!((outcome.got[0], outcome.want[0]), (0.5, 0.5));
}

#[test]
fn a_confusion_matrix_counts_every_row_that_takes_part() {
    let (rows, cols) = (1000usize, 7usize);
    let (scores, active) = (grid(3, rows * cols), 900);
    let classes: Vec<u32> = (0..rows as u32).map(|row| row * row % 7).collect();
    let mut expected = vec![0.0f64; cols * cols];
    for (row, class) in scores.chunks(cols).zip(&classes).take(active) {
        let mut best = 0;
        row.iter().enumerate().for_each(|(i, x)| best = if *x > row[best] { i } else { best });
        expected[*class as usize * cols + best] += 1.0;
    }
    let mut case = Case::new("confusion matrix");
    case.entry = StepEntry::rows(active);
    let x = case.input(&[rows, cols], &scores);
    let target = case.classes(&classes);
    let matrix = case.program.confusion_matrix(x, target).unwrap();
    let outcome = &case.run(gpu(), &[matrix])[0];
    assert_eq!(outcome.want, expected);
    assert_eq!(outcome.got.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), expected);
}

#[test]
fn metrics_that_cannot_be_are_refused() {
    for metric in
        [Metric::TopK { k: 0 }, Metric::R2 { variance: 0.0 }, Metric::R2 { variance: f64::NAN }]
    {
        let mut case = Case::new("refused");
        let slots = [case.input(&[2, 2], &[0.0; 4]), case.input(&[2, 2], &[0.0; 4])];
        let message = case.program.metric(metric, slots[0], slots[1]).unwrap_err().to_string();
        assert!(message.contains("metric."), "{message}");
    }
}
