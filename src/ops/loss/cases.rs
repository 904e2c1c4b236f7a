//! Test programs of the family.

use crate::error::Result;
use crate::ir::{LinearInputs, LossInputs, TripletDistances};
use crate::ops::case::{Case, ROWS, draw, soft_rows};
use crate::spec::loss::{Domain, LossKind, TargetForm};
use crate::spec::{Activation, Loss, Reduction};

/// All cases of the family.
pub(crate) fn all() -> Result<Vec<Case>> {
    let mut cases = composed()?;
    // Rows whose length is a multiple of four have kernels of their own.
    for loss in Loss::all() {
        let cols: &[usize] = if loss.takes_classes() { &[5, 8] } else { &[5] };
        cases.extend(losses(loss, cols, LossForm { weighted: false, gradients: true })?);
    }
    Ok(cases)
}

/// Cases of further kernels: short and long rows, weighted or not, with and without gradients.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn variants() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for loss in Loss::all() {
        for [weighted, gradients] in [[false, true], [false, false], [true, true], [true, false]] {
            cases.extend(losses(loss, &[5, 8, 41, 44], LossForm { weighted, gradients })?);
        }
    }
    Ok(cases)
}

/// The form in which a loss is computed.
#[derive(Clone, Copy)]
struct LossForm {
    weighted: bool,
    gradients: bool,
}

impl LossForm {
    /// Adds the loss to the program.
    fn add(self, case: &mut Case, loss: Loss, mut inputs: LossInputs) -> Result<()> {
        if self.weighted {
            inputs.weight = Some(case.input(&[ROWS], draw(Domain::Unit, 21, ROWS))?);
        }
        case.program.loss_of(loss, Reduction::Mean, inputs, self.gradients).map(drop)
    }
}

/// A loss with every kind of target it takes.
fn losses(loss: Loss, cols: &[usize], form: LossForm) -> Result<Vec<Case>> {
    let name = |form: &str| format!("loss.{loss}{form}");
    match &loss.entry().kind {
        LossKind::Elementwise(map) => {
            let mut case = Case::new(name(""));
            let [first, target, second] = map.domain;
            let (extents, len) = ([ROWS, 5], ROWS * 5);
            let mut predictions = vec![case.input(&extents, draw(first, 1, len))?];
            if map.inputs > 1 {
                predictions.push(case.input(&extents, draw(second, 2, len))?);
            }
            let target = case.input(&extents, draw(target, 3, len))?;
            let inputs = LossInputs::of(&predictions, Some(target));
            form.add(&mut case, loss, inputs)?;
            Ok(vec![case])
        }
        LossKind::Row(row) => {
            let targets =
                row.targets.iter().flat_map(|target| cols.iter().map(move |cols| (target, cols)));
            targets.map(|(target, cols)| row_loss(loss, row.inputs, *target, *cols, form)).collect()
        }
        LossKind::Ctc { .. } => {
            let mut case = Case::new(name(""));
            let (time, samples, classes) = (7, 3, 4);
            let scores = case.real(&[time, samples, classes])?;
            let log_softmax = Activation::log_softmax();
            let x = case.program.activation("log-probabilities", log_softmax, scores)?;
            let target = case.classes(&[samples, 2], vec![1, 2, 3, 3, 2, 1])?;
            let lengths = case.classes(&[samples, 2], vec![7, 2, 6, 2, 5, 1])?;
            let inputs = LossInputs::new(x, target).lengths(lengths);
            case.program.loss_of(loss, Reduction::Mean, inputs, form.gradients)?;
            Ok(vec![case])
        }
    }
}

fn row_loss(
    loss: Loss,
    inputs: usize,
    target: TargetForm,
    cols: usize,
    form: LossForm,
) -> Result<Case> {
    let mut case = Case::new(format!("loss.{loss} {target:?} [{ROWS}, {cols}]"));
    let (extents, len) = ([ROWS, cols], ROWS * cols);
    let predictions = (0..inputs).map(|number| {
        let soft = matches!(loss.name(), "categorical_cross_entropy" | "dice");
        let numbers =
            if soft { soft_rows(len, cols) } else { draw(Domain::Real, 10 + number as u64, len) };
        case.input(&extents, numbers)
    });
    let predictions = predictions.collect::<Result<Vec<_>>>()?;
    let target = match target {
        TargetForm::Values => Some(case.input(&extents, soft_rows(len, cols))?),
        TargetForm::Class => {
            let classes = (0..ROWS).map(|row| (row * 3 % cols) as u32).collect();
            Some(case.classes(&[ROWS], classes)?)
        }
        TargetForm::ClassList => {
            // One class and the next one, then padding.
            let place = |place: usize| match place % cols {
                own @ 0..2 => ((place / cols + own) % cols) as u32,
                _ => u32::MAX,
            };
            Some(case.classes(&extents, (0..len).map(place).collect())?)
        }
        TargetForm::Number => Some(case.input(&[ROWS], draw(Domain::Sign, 20, ROWS))?),
        TargetForm::Nothing => None,
    };
    let inputs = LossInputs::of(&predictions, target);
    form.add(&mut case, loss, inputs)?;
    Ok(case)
}

/// Losses composed of several ops, and checks of class targets.
fn composed() -> Result<Vec<Case>> {
    let mut linear = Case::new("linear_cross_entropy");
    let (x, weight) = (linear.real(&[ROWS, 5])?, linear.real(&[7, 5])?);
    let bias = linear.real(&[7])?;
    let target = linear.classes(&[ROWS], (0..ROWS).map(|row| (row * 3 % 7) as u32).collect())?;
    let class_weight = linear.input(&[7], draw(Domain::Unit, 6, 7))?;
    let inputs = LinearInputs::new(x, weight, target).bias(bias).class_weight(class_weight);
    let inputs = LinearInputs { rows_at_once: Some(4), ..inputs };
    linear.program.linear_cross_entropy(Loss::cross_entropy(), Reduction::Mean, &inputs, true)?;
    let mut triplet = Case::new("triplet_margin_with_distance");
    let mut distance = |seed| triplet.input(&[ROWS], draw(Domain::Positive, seed, ROWS));
    let (positive, negative, swapped) = (distance(1)?, distance(2)?, Some(distance(3)?));
    let distances = TripletDistances { positive, negative, swapped };
    triplet.program.triplet_margin_with_distance(Reduction::Mean, 1.0, distances)?;
    let mut faults = Case::new("check_classes");
    let classes = (0..ROWS as u32).collect();
    let target = faults.classes(&[ROWS], classes)?;
    faults.program.check_classes(target, 7, Some(9))?;
    Ok(vec![linear, triplet, faults])
}
