//! Normalizations against the reference, on shapes that end between workgroups, with rows that take no part.

use wgrad::__internal::spec::norm::NormalizationKind;
use wgrad::embed::Gpu;
use wgrad::ir::StepEntry;
use wgrad::{Normalization, Shape};

use crate::support::run::{Case, folding_gpu, gpu, gpus, normal};

fn of(kind: NormalizationKind) -> Normalization {
    match kind {
        NormalizationKind::LayerNorm => Normalization::layer_norm(),
        NormalizationKind::RmsNorm => Normalization::rms_norm(),
        NormalizationKind::BatchNorm => Normalization::batch_norm(),
    }
}

/// Forward and backward of `rows` rows of which `taking` take part.
fn trial(
    gpu: &Gpu,
    f: Normalization,
    (rows, cols): (usize, usize),
    taking: usize,
    affine: bool,
) -> usize {
    let name = format!("{} of [{rows}, {cols}], {taking} rows, affine {affine}", f.name());
    let mut case = Case::new(&name);
    case.entry = StepEntry::rows(taking);
    // A mean far from 0 costs digits.
    let data: Vec<f32> = normal(1, rows * cols).iter().map(|x| 3.0 * x + 5.0).collect();
    let x = case.input(&[rows, cols], &data);
    let weight = affine.then(|| case.input(&[cols], &normal(2, cols)));
    let bias = affine.then(|| case.input(&[cols], &normal(3, cols)));
    let grad_out = case.input(&[rows, cols], &normal(4, rows * cols));
    let y = case.program.normalize("y", f, x, weight, bias).unwrap();
    let row = Shape::new(&[cols]).unwrap();
    let by_weight = case.program.fill("d weight", row, 0.0);
    let operands = (x, weight);
    let dx = case.program.normalize_backward("dx", f, operands, grad_out, Some(by_weight)).unwrap();
    let outcomes = case.run(gpu, &[y, dx, by_weight]);
    let sums = 2e-6 * (rows as f64).sqrt().max(1.0);
    outcomes[0].close(&name, 8.0, 4e-6)
        + outcomes[1].close(&format!("{name}, dx"), 8.0, 2e-5)
        + outcomes[2].close(&format!("{name}, d weight"), 8.0, sums)
}

#[test]
fn rows_and_columns_are_normalized_forward_and_backward() {
    let shapes =
        [(1, 7), (2, 1), (5, 33), (64, 64), (1, 1031), (1031, 3), (257, 129), (3, 4099), (0, 5)];
    let mut checks = 0;
    for f in NormalizationKind::ALL.map(of) {
        for shape in shapes {
            // A few numbers can lie close together; what their difference is divided by magnifies its rounding.
            let f = if shape.0.min(shape.1) < 8 { f.eps(0.1) } else { f };
            for affine in [false, true] {
                checks += trial(gpu(), f, shape, shape.0, affine);
            }
        }
        checks += trial(gpu(), f, (300, 17), 123, true);
        checks += trial(gpu(), f.eps(0.1), (70_001, 2), 70_000, true);
        for gpu in gpus() {
            checks += trial(gpu, f, (290, 1030), 290, true);
        }
        checks += trial(folding_gpu(), f, (35, 40), 35, true);
    }
    println!("{checks} values");
}

#[test]
fn running_means_move_by_the_momentum_and_normalize_outside_training() {
    let f = Normalization::batch_norm().momentum(0.25);
    let mut checks = 0;
    for (rows, cols, taking) in [(1000, 65, 1000), (64, 3, 50), (5, 7, 1), (9, 4, 0), (2, 1, 2)] {
        let name = format!("{taking} of [{rows}, {cols}]");
        let mut case = Case::new(&name);
        case.entry = StepEntry::rows(taking);
        let x = case.input(&[rows, cols], &normal(1, rows * cols));
        let first: Vec<f32> = normal(2, cols).iter().map(|x| x.abs() + 0.5).collect();
        let (mean, variance) = (case.input(&[cols], &normal(3, cols)), case.input(&[cols], &first));
        let weight = case.input(&[cols], &normal(4, cols));
        let p = &mut case.program;
        let running = [p.copy("mean", mean).unwrap(), p.copy("variance", variance).unwrap()];
        p.track_norm(f, x, running).unwrap();
        let y = p.normalize_by("y", f, x, running, (Some(weight), None)).unwrap();
        let outcomes = case.run(gpu(), &[running[0], running[1], y]);
        for outcome in &outcomes {
            checks += outcome.close(&name, 8.0, 4e-6);
        }
        if taking < 2 {
            assert_eq!(outcomes[1].got, first, "{name}: one row has no sample variance");
        }
    }
    println!("{checks} values");
}

#[test]
fn operands_that_do_not_fit_are_refused_by_name() {
    let mut case = Case::new("refusals");
    let x = case.input(&[2, 3], &[0.0; 6]);
    let row = case.input(&[2], &[0.0; 2]);
    let p = &mut case.program;
    let message = |error: wgrad::Error| error.to_string();
    let layer = Normalization::layer_norm();
    let error = message(p.normalize("y", layer, x, Some(row), None).unwrap_err());
    assert!(error.contains("layer_norm") && error.contains("[2]"), "{error}");
    let error = message(p.normalize("y", layer.eps(-1.0), x, None, None).unwrap_err());
    assert!(error.contains("eps") && error.contains("-1"), "{error}");
    let error = message(p.track_norm(layer, x, [row, row]).unwrap_err());
    assert!(error.contains("batch_norm"), "{error}");
}
