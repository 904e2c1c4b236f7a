//! Cases of fusion: matrix products in every tiling of the device with the ops fused with them, and fused steps.

use super::Case;
use super::cases::objective;
use crate::engine::gpu::{Choices, Fusion, Gpu, MatMul};
use crate::error::Result;
use crate::ir::{Form, Steps};
use crate::nn::{GradientTransforms, Network, Objective, Sequential, TargetKind};
use crate::spec::{Activation, Loss, Metric, Optimizer};

/// All cases, each with a device that selects the kernels to run it with.
pub(super) fn all(gpu: &Gpu) -> Result<Vec<(Gpu, Case)>> {
    let own = gpu.choices();
    let mut cases = Vec::new();
    for matmul in own.tilings() {
        let gpu = gpu.choosing(Choices { matmul: Some(matmul), fusion: Fusion::Layers, ..own });
        cases.push((gpu.clone(), products(matmul)?));
        cases.push((gpu, layers(matmul)?));
    }
    let whole = gpu.choosing(Choices { fusion: Fusion::Whole, ..own });
    for case in [whole_step()?, gathered()?, clipped()?] {
        cases.push((whole.clone(), case));
    }
    cases.push((gpu.choosing(Choices { fusion: Fusion::Auto, ..own }), last_layers()?));
    Ok(cases)
}

/// Products with ragged dimensions, and one with an inner dimension that is split among several workgroups. [`layers`]
/// covers dimensions that are multiples of four.
fn products(matmul: MatMul) -> Result<Case> {
    let mut case = Case::new(format!("matmul, {matmul:?}"));
    let ragged = Form::ALL.map(|form| (form, [37, 65, 29]));
    for (form, [m, k, n]) in ragged.into_iter().chain([(Form::TN, [12, 520, 8])]) {
        let (left, right) = match form {
            Form::NN => ([m, k], [k, n]),
            Form::NT => ([m, k], [n, k]),
            Form::TN => ([k, m], [k, n]),
        };
        let (a, b) = (case.real(&left)?, case.real(&right)?);
        case.program.matmul("c", a, b, form)?;
    }
    Ok(case)
}

/// Two steps of a network's training on `rows` rows in batches of `batch`.
fn steps(
    name: String,
    network: &Network,
    objective: &Objective,
    optimizer: Optimizer,
    (rows, batch): (usize, usize),
) -> Result<Case> {
    let target = match objective.loss.takes_classes() {
        true => TargetKind::Class,
        false => TargetKind::Values(network.outputs()),
    };
    let io = network.training(objective, optimizer, target, (rows, batch), 3)?;
    let rule = Steps { batch, transforms: objective.transforms, ..Steps::new(optimizer, rows) };
    Case::training(name, network, &io, rule, &objective.loss)
}

/// Products fused with a bias and an activation, stored or not, with its derivative, and with the gradient of a bias.
/// The activations are simple because some compilers are slow on long functions in large tiles; those have their own
/// cases.
fn layers(matmul: MatMul) -> Result<Case> {
    let network = Sequential::new(20)
        .dense(36)
        .activation(Activation::hard_tanh())
        .dense(130)
        .activation(Activation::relu())
        .dense(7)
        .build()?;
    let objective = objective(Loss::mse(), GradientTransforms::default());
    let name = format!("fused layers, {matmul:?}");
    steps(name, &network, &objective, Optimizer::sgd(), (72, 72))
}

/// The whole step of a classifier, including the update.
fn whole_step() -> Result<Case> {
    let network = Sequential::new(2).dense(19).activation(Activation::relu()).dense(3).build()?;
    let objective = Objective {
        metrics: vec![Metric::Accuracy],
        checked: false,
        through: false,
        ..objective(Loss::cross_entropy(), GradientTransforms::default())
    };
    steps("whole step".into(), &network, &objective, Optimizer::adam(), (61, 61))
}

/// A step too wide to be fused as a whole; its sums over the rows are computed in partial sums.
fn last_layers() -> Result<Case> {
    let network = Sequential::new(132)
        .dense(40)
        .activation(Activation::relu())
        .dense(20)
        .activation(Activation::silu())
        .dense(3)
        .build()?;
    let objective = Objective {
        checked: false,
        through: false,
        ..objective(Loss::mse(), GradientTransforms::default())
    };
    steps("wide step".into(), &network, &objective, Optimizer::adam(), (520, 520))
}

/// A fused step with row weights, a shuffled batch and dropout.
fn gathered() -> Result<Case> {
    let network = Sequential::new(5)
        .dense(16)
        .activation(Activation::silu())
        .dropout(0.25)
        .dense(4)
        .build()?;
    let objective = Objective {
        weighted: true,
        checked: false,
        through: false,
        ..objective(Loss::huber(), GradientTransforms::default())
    };
    let momentum = Optimizer::sgd().with("momentum", 0.9)?;
    steps("whole step of a batch".into(), &network, &objective, momentum, (40, 16))
}

/// A fused step up to the gradients, which are clipped before a separate update.
fn clipped() -> Result<Case> {
    let network = Sequential::new(3).dense(8).activation(Activation::tanh()).dense(2).build()?;
    let transforms = GradientTransforms { clip_norm: Some(0.25), ..GradientTransforms::default() };
    let objective =
        Objective { checked: false, through: false, ..objective(Loss::mse(), transforms) };
    steps("whole step, clipped".into(), &network, &objective, Optimizer::rmsprop(), (24, 24))
}
