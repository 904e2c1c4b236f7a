//! All cases of the self test: those of the ops, and networks.

use crate::error::Result;
use crate::ir::{Averaging, DType, Slot, Steps};
use crate::nn::{GradientTransforms, Network, Objective, ProgramIo, Sequential, TargetKind};
use crate::ops;
use crate::ops::case::{Case, draw, soft_rows};
use crate::spec::loss::{Domain, LossKind};
use crate::spec::{Activation, Loss, Optimizer, Reduction};

impl Case {
    /// Two steps of a network's training program on random inputs and targets that suit it.
    pub(crate) fn training(
        name: impl Into<String>,
        network: &Network,
        io: &ProgramIo,
        rule: Steps,
        loss: &Loss,
    ) -> Result<Self> {
        let mut case = Self { program: io.program.clone(), rule, steps: 2, ..Self::new(name) };
        case.rule.first_step = 0;
        case.rule.first_epoch = 0;
        (case.rule.first_update, case.rule.gathered) = (0, 0);
        case.params = network.initial(0);
        let len = |slot: Slot| io.program.shape(slot).map(|shape| shape.len());
        let x = match network.index_count() {
            Some(count) => (0..len(io.x)?).map(|i| (i * 7 % count.max(1)) as f32).collect(),
            None => draw(Domain::Real, 1, len(io.x)?),
        };
        case.numbers.push((io.x, x));
        if let Some(weight) = io.weight {
            case.numbers.push((weight, draw(Domain::Unit, 2, len(weight)?)));
        }
        case.numbers.extend(io.constants.iter().cloned());
        match io.target {
            Some(target) if io.program.slot(target)?.dtype == DType::U32 => {
                let count = network.outputs().max(1);
                let classes = (0..len(target)?).map(|row| (row * 5 % count) as u32).collect();
                case.indices.push((target, classes));
            }
            Some(target) => {
                let numbers = targets(loss, len(target)?, network.outputs());
                case.numbers.push((target, numbers));
            }
            // The caller writes the gradient.
            None => {
                if let Some(grad) = io.grad {
                    case.numbers.push((grad, draw(Domain::Real, 4, len(grad)?)));
                }
            }
        }
        Ok(case)
    }
}

/// Target values in the domain of a loss.
fn targets(loss: &Loss, len: usize, cols: usize) -> Vec<f32> {
    match &loss.entry().kind {
        LossKind::Elementwise(map) => draw(map.domain[1], 3, len),
        _ => soft_rows(len, cols),
    }
}

pub(crate) fn all() -> Result<Vec<Case>> {
    let mut cases = ops::cases()?;
    cases.extend([all_transforms()?, layers()?]);
    Ok(cases)
}

pub(crate) fn objective(loss: Loss, transforms: GradientTransforms) -> Objective {
    Objective {
        loss,
        reduction: Reduction::Mean,
        metrics: vec![],
        transforms,
        weighted: false,
        class_weights: None,
        linear_cross_entropy: false,
        checked: true,
        through: true,
    }
}

/// Batches in random order, row weights, penalties, and every gradient transform.
fn all_transforms() -> Result<Case> {
    let dense = |outputs| crate::nn::Dense::new(outputs).l1(1e-3, 0.0).l2(1e-3, 1e-3);
    let network = Sequential::new(6)
        .layer(dense(70))
        .activation(Activation::gelu())
        .dropout(0.25)
        .layer(dense(4))
        .build()?;
    let transforms = GradientTransforms {
        accumulate: Some(2),
        across_epochs: false,
        skip_not_finite: true,
        clip_value: Some(0.5),
        clip_each: Some(0.25),
        clip_norm: Some(0.5),
        noise: Some([0.01, 0.5]),
        average: Some(Averaging::Ema { decay: 0.5 }),
    };
    let (loss, optimizer) = (Loss::cross_entropy(), Optimizer::adamw());
    let class_weights = Some((1..=network.outputs()).map(|class| class as f32 / 4.0).collect());
    let objective = Objective { weighted: true, class_weights, ..objective(loss, transforms) };
    let io = network.training(&objective, optimizer, TargetKind::Class, (20, 8), 3)?;
    let rule = Steps { batch: 8, transforms, ..Steps::new(optimizer, 20) };
    Case::training("training", &network, &io, rule, &loss)
}

/// Normalization, residual and gated layers.
fn layers() -> Result<Case> {
    let network = Sequential::new(6)
        .dense(8)
        .layer_norm()
        .residual(|branch| branch.dense(8).activation(Activation::silu()).rms_norm())
        .batch_norm()
        .gated(6, Activation::glu())
        .dense(3)
        .build()?;
    let (loss, optimizer) = (Loss::mse(), Optimizer::sgd());
    let target = TargetKind::Values(3);
    let io = network.training(
        &objective(loss, GradientTransforms::default()),
        optimizer,
        target,
        (9, 9),
        0,
    )?;
    Case::training("layers", &network, &io, Steps::new(optimizer, 9), &loss)
}
