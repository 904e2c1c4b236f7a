//! The generator of kernels for whole training steps of small networks: forward pass, loss and backward pass of blocks of
//! rows in one dispatch, activations in workgroup memory, and a partial gradient per workgroup; then a second dispatch that
//! adds up the partial gradients and updates the parameters.

mod backward;
mod cost;
mod forward;
mod gradient;
mod run;
mod text;
mod tile;
mod update;

use crate::ir::Slot;
use crate::random::Key;
use crate::spec::activation::{ActivationKind, Saves};
use crate::spec::loss::{LossKind, TargetForm};
use crate::spec::{Activation, Loss, Metric};

pub use forward::is_cheap_to_inline;
pub use update::{Parts, Source, Update};

/// A layer of a chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layer {
    /// `y = x W^T + b`; the parameters by number.
    Dense {
        /// The weight's number.
        weight: usize,
        /// The bias's number.
        bias: Option<usize>,
        /// Columns of x.
        inputs: usize,
        /// Columns of y.
        outputs: usize,
    },
    /// An elementwise function.
    Activation {
        /// The function.
        f: Activation,
        /// The key of its random numbers.
        key: Option<Key>,
        /// Columns.
        width: usize,
    },
}

impl Layer {
    /// Columns of the layer's result.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Dense { outputs, .. } => *outputs,
            Self::Activation { width, .. } => *width,
        }
    }
}

/// Rows of a tensor, all of them or chosen by the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowSource {
    /// The tensor.
    pub data: Slot,
    /// True if the step's entry gives the rows.
    pub chosen: bool,
    /// The key of their random order.
    pub shuffle: Option<Key>,
}

/// The targets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// The rows.
    pub from: RowSource,
    /// True for class indices.
    pub classes: bool,
}

/// A value that a step records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepMetric {
    /// The value of the loss.
    Loss,
    /// A metric.
    Metric(Metric),
}

impl Layer {
    /// Returns whether one text serves both layers: they differ at most in the places of their parameters and tensors.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Dense { bias, inputs, outputs, .. },
                Self::Dense { bias: other, inputs: k, outputs: n, .. },
            ) => (bias.is_some(), inputs, outputs) == (other.is_some(), k, n),
            (Self::Activation { f, width, .. }, Self::Activation { f: g, width: n, .. }) => {
                f == g && width == n && !is_stochastic(f)
            }
            _ => false,
        }
    }
}

impl StepMetric {
    /// The number of largest outputs among which a class must be, of a metric that counts classes.
    pub(super) fn top(&self) -> Option<usize> {
        match self {
            Self::Metric(metric) if metric.agrees().is_none() => Some(metric.top().unwrap_or(1)),
            _ => None,
        }
    }
}

/// Returns whether the loss is the library's own and takes no index from its target.
pub fn known_loss(loss: &Loss) -> bool {
    let indexes = match &loss.entry().kind {
        LossKind::Row(row) => {
            let others = ["own_class", "prediction_at", "target_values"];
            others.iter().any(|name| row.shader.contains(name))
        }
        LossKind::Elementwise(_) | LossKind::Ctc { .. } => false,
    };
    loss.entry().is_builtin() && !indexes
}

/// A layer with where its numbers lie: in the arena, and in workgroup memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlacedLayer {
    /// The layer.
    pub layer: Layer,
    /// The offsets of the weight and of the bias among the parameters of the chain.
    pub params: [u32; 2],
    /// The offset of its input in workgroup memory, in fours.
    pub x: u32,
    /// The destination of its output.
    pub y: u32,
}

/// A whole step, ready to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedStep {
    /// The layers.
    pub layers: Vec<PlacedLayer>,
    /// Columns of the input.
    pub inputs: u32,
    /// The loss.
    pub loss: Loss,
    /// The target.
    pub form: TargetForm,
    /// The gradient is that of a mean over this many terms per row; 0: of the sum.
    pub terms: u32,
    /// The factor of the gradient.
    pub upstream: f32,
    /// The figures, the loss first.
    pub metrics: Vec<StepMetric>,
    /// True if rows have weights.
    pub weighted: bool,
    /// True if the step's entry gives the rows.
    pub chosen: bool,
    /// The key of their random order.
    pub shuffle: Option<Key>,
    /// Rows of the batch.
    pub rows: u32,
    /// Rows of the data set.
    pub data_rows: u32,
    /// Rows of a block.
    pub block: u32,
    /// Invocations per workgroup.
    pub lanes: u32,
    /// True if they are one subgroup, whose invocations can broadcast values.
    pub broadcasts: bool,
    /// True if the parameters are bound as a uniform buffer.
    pub uniform: bool,
    /// Workgroups.
    pub groups: u32,
    /// The offset of the layers' parameters in the arena.
    pub base: u32,
    /// Their number, padding included.
    pub params: u32,
    /// True if the input's rows are those of the batch, whatever those of the targets are.
    pub apart: bool,
    /// True if the gradient with respect to the input is written.
    pub emits: bool,
    /// The offset of the gradient with respect to the network's output in workgroup memory, in fours.
    pub grad: u32,
    /// Fours of workgroup memory.
    pub memory: u32,
}

/// The limits that decide the size of a fused step.
#[derive(Clone, Copy, Debug)]
pub struct WorkgroupBudget {
    /// Rows of a block.
    pub block: u32,
    /// Bytes of workgroup memory.
    pub bytes: u32,
}

/// The maximum number of recorded values of a fused step: an invocation adds up the terms of each.
pub const MOST_RECORDED: u32 = 8;

/// Places a chain's activations in workgroup memory; none if there is not enough. Gives the layers, the place of the gradient
/// by the network's output, and how many fours are used.
pub fn place(
    layers: &[(Layer, [u32; 2])],
    inputs: usize,
    budget: WorkgroupBudget,
) -> Option<(Vec<PlacedLayer>, u32, u32)> {
    let mut next = budget.block * tile::fours(inputs);
    let mut x = 0;
    let mut placed = Vec::with_capacity(layers.len());
    let mut after_dense = false;
    for (layer, params) in layers {
        // What backward does not take from its input may overwrite the output of a dense layer.
        let in_place = match layer {
            Layer::Activation { f, .. } => f.saves() != Saves::Input && !is_stochastic(f),
            Layer::Dense { .. } => false,
        };
        let y = if in_place && after_dense { x } else { next };
        if y == next {
            next += budget.block * tile::fours(layer.outputs());
        }
        placed.push(PlacedLayer { layer: *layer, params: *params, x, y });
        x = y;
        after_dense = matches!(layer, Layer::Dense { .. });
    }
    let outputs = layers.last().map_or(1, |(layer, _)| layer.outputs());
    let memory = next + budget.block * tile::fours(outputs);
    // The terms of the recorded values, and the rows' sources.
    let extra = 4 * budget.block * (MOST_RECORDED + 1);
    (16 * memory + extra <= budget.bytes).then_some((placed, next, memory))
}

fn is_stochastic(f: &Activation) -> bool {
    matches!(f.entry().kind, ActivationKind::Stochastic(_))
}
