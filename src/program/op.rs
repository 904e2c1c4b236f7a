//! The ops of a program.

use super::{LossInputs, NormOp, Slot, TensorOp};
use crate::random::Key;
use crate::spec::activation::Order;
use crate::spec::{Activation, Loss, Metric, Optimizer, Reduction};

/// Which operands of a matrix product are transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// `a b`: a is (m, k), b is (k, n).
    NN,
    /// `a b^T`: a is (m, k), b is (n, k).
    NT,
    /// `a^T b`: a is (k, m), b is (k, n).
    TN,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::NN, Self::NT, Self::TN];

    /// The lower-case name: `nn`, `nt`, `tn`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NN => "nn",
            Self::NT => "nt",
            Self::TN => "tn",
        }
    }

    /// (m, k, n) of a product of an (ar, ac) by a (br, bc) matrix, if their inner sides agree.
    pub const fn sides(
        self,
        (ar, ac): (usize, usize),
        (br, bc): (usize, usize),
    ) -> Option<[usize; 3]> {
        let (m, k, inner, n) = match self {
            Self::NN => (ar, ac, br, bc),
            Self::NT => (ar, ac, bc, br),
            Self::TN => (ac, ar, br, bc),
        };
        if k == inner { Some([m, k, n]) } else { None }
    }
}

/// One op. Unless it says otherwise, tensors of more than two axes are seen as matrices: the last axis by all others.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// `out` = rows of `data`, chosen by the step's entry; with a key, in that epoch's random order. Rows of `out`
    /// beyond the step's row count become 0.
    Gather {
        /// All rows.
        data: Slot,
        /// The batch.
        out: Slot,
        /// The key of the order; without one the rows come in their own order.
        shuffle: Option<Key>,
    },
    /// `out = a b`, either operand transposed; leading axes are batch axes, as [`Product`](super::Product) says.
    MatMul {
        /// The left operand.
        a: Slot,
        /// The right operand.
        b: Slot,
        /// The product, (m, n) for each index of the batch axes.
        out: Slot,
        /// Which operand is transposed.
        form: Form,
    },
    /// Adds one row to every row of `out`, in place.
    AddRow {
        /// The row, one element per column.
        row: Slot,
        /// What it is added to.
        out: Slot,
    },
    /// `out` = the sum of the rows of `x`.
    SumRows {
        /// What is summed.
        x: Slot,
        /// One element per column.
        out: Slot,
    },
    /// `out = f(x)`; in place if `out` is `x`.
    Activation {
        /// The function.
        f: Activation,
        /// The key of its random numbers, if it draws any.
        key: Option<Key>,
        /// Its input.
        x: Slot,
        /// Its output.
        out: Slot,
    },
    /// `grad_in = f'(saved)^T grad_out`; `saved` is f's input or output, as its entry says.
    ActivationBackward {
        /// The function.
        f: Activation,
        /// Its first derivative, or in place of that its second.
        order: Order,
        /// The key of its random numbers, as forward.
        key: Option<Key>,
        /// What forward left for backward.
        saved: Slot,
        /// dL/dy.
        grad_out: Slot,
        /// dL/dx.
        grad_in: Slot,
    },
    /// `out = f(x)` with learned numbers.
    Learned {
        /// The function.
        f: Activation,
        /// Its input.
        x: Slot,
        /// Its learned numbers.
        weight: Slot,
        /// Its output, of the same shape.
        out: Slot,
    },
    /// The gradients of `f(x)` with learned numbers.
    LearnedBackward {
        /// The function.
        f: Activation,
        /// Its input.
        x: Slot,
        /// Its learned numbers.
        weight: Slot,
        /// dL/dy.
        grad_out: Slot,
        /// dL/dx.
        grad_in: Slot,
        /// dL/d(weight).
        grad_weight: Slot,
    },
    /// The loss over the rows that take part in this step, and its gradient.
    Loss {
        /// The loss.
        loss: Loss,
        /// How terms become the value.
        reduction: Reduction,
        /// The predictions, the target, weights.
        inputs: LossInputs,
        /// One number, or with [`Reduction::None`] one per term.
        value: Slot,
        /// dL/d(input) for each prediction, 0 in rows that take no part; none if they are not wanted.
        gradients: Vec<Slot>,
    },
    /// `out` = what each row's term is multiplied by in the value of a loss of class targets; 0 where the target is the
    /// ignored one, no class, or of a row that takes no part.
    RowShares {
        /// A class index per row.
        target: Slot,
        /// A weight per class, which the mean divides by.
        class_weight: Option<Slot>,
        /// How many classes there are.
        classes: usize,
        /// The target to be ignored.
        ignored: Option<u32>,
        /// How terms become the value.
        reduction: Reduction,
        /// One number per row.
        out: Slot,
    },
    /// `out` = 1 at each row's class, 0 elsewhere and in rows that take no part.
    OneHot {
        /// Class indices.
        target: Slot,
        /// A row per index.
        out: Slot,
    },
    /// Counts the class targets, among the rows that take part, that are no class.
    CheckClasses {
        /// Class indices.
        target: Slot,
        /// How many classes there are.
        classes: usize,
        /// An index that is no fault.
        ignored: Option<u32>,
        /// How many are no class: one number.
        count: Slot,
        /// The first row of those, exact below 2^24: one number, 0 if there is none.
        first: Slot,
    },
    /// The mean of a metric over the rows that take part in this step, or of one that has a term for each row those terms.
    Metric {
        /// The metric.
        metric: Metric,
        /// The predictions.
        prediction: Slot,
        /// The targets, as for losses.
        target: Slot,
        /// One number, or one per row.
        value: Slot,
    },
    /// The L1 and L2 penalties of all parameters; also added to the gradients.
    Penalty {
        /// One number.
        value: Slot,
        /// Whether the gradients take their share.
        backward: bool,
    },
    /// Clamps every gradient to [-limit, limit].
    ClipValue {
        /// The largest magnitude.
        limit: f64,
    },
    /// Scales all gradients by min(1, max / (norm + 1e-6)), the norm taken over all of them.
    ClipNorm {
        /// The largest norm.
        max: f64,
        /// The norm before clipping.
        norm: Slot,
    },
    /// Scales each tensor's gradient so that its norm is at most `max`.
    ClipEach {
        /// The largest norm.
        max: f64,
    },
    /// Adds normal noise of the step's deviation to the gradients.
    GradientNoise {
        /// The stream of random numbers.
        key: Key,
    },
    /// Gathers the gradients of a group of steps: each becomes the sum of a share of those so far, which the step's entry
    /// gives.
    Accumulate {
        /// The state value that holds the sum.
        state: usize,
    },
    /// Skips this step's update, and the mean's, if it is due and a gradient is NaN or infinite: nothing changes, and the
    /// next update has the number of this one.
    SkipNotFinite {
        /// 1 if the update is skipped, else 0.
        skipped: Slot,
    },
    /// Moves a mean of the parameters by the step's share.
    Average {
        /// The state value that holds the mean.
        state: usize,
        /// Whether the parameters become the mean when it moves.
        follows: bool,
    },
    /// Puts in the place of each matrix's gradient the momentum that an optimizer makes orthogonal.
    Direction {
        /// The optimizer.
        optimizer: Optimizer,
    },
    /// Updates all parameters from their gradients.
    Update {
        /// The optimizer.
        optimizer: Optimizer,
        /// The step's loss, for optimizers that look at it.
        loss: Option<Slot>,
        /// The stream of its random numbers.
        key: Key,
    },
    /// Normalizes.
    Norm(NormOp),
    /// Moves, combines or reduces tensors.
    Tensor(TensorOp),
    /// Ends a step: appends these numbers to the metrics ring and advances the step counter.
    Record {
        /// Up to [`Op::MAX_RECORDED`] slots of one number each.
        values: Vec<Slot>,
    },
}

impl Op {
    /// How many figures one step can record.
    pub const MAX_RECORDED: usize = 8;

    /// The op's name: family and member.
    pub fn name(&self) -> String {
        match self {
            Self::Gather { shuffle: Some(_), .. } => "gather.shuffled".into(),
            Self::Gather { .. } => "gather.in_order".into(),
            Self::MatMul { form, .. } => format!("matmul.{}", form.name()),
            Self::AddRow { .. } => "add_row".into(),
            Self::SumRows { .. } => "sum_rows".into(),
            Self::Activation { f, .. } | Self::Learned { f, .. } => {
                format!("activation.{f}.forward")
            }
            Self::ActivationBackward { f, order: Order::First, .. }
            | Self::LearnedBackward { f, .. } => format!("activation.{f}.backward"),
            Self::ActivationBackward { f, .. } => format!("activation.{f}.second"),
            Self::Loss { loss, reduction, .. } => {
                format!("loss.{loss}.{}", format!("{reduction:?}").to_lowercase())
            }
            Self::RowShares { reduction, .. } => {
                format!("row_shares.{}", format!("{reduction:?}").to_lowercase())
            }
            Self::OneHot { .. } => "one_hot".into(),
            Self::CheckClasses { classes, .. } => format!("check_classes({classes})"),
            Self::Metric { metric, .. } => format!("metric.{metric}"),
            Self::Penalty { .. } => "penalty".into(),
            Self::ClipValue { limit } => format!("clip_value(limit={limit})"),
            Self::ClipNorm { max, .. } => format!("clip_norm(max={max})"),
            Self::ClipEach { max } => format!("clip_each(max={max})"),
            Self::GradientNoise { .. } => "gradient_noise".into(),
            Self::Accumulate { .. } => "accumulate".into(),
            Self::SkipNotFinite { .. } => "skip_not_finite".into(),
            Self::Average { .. } => "average".into(),
            Self::Direction { optimizer } => format!("optimizer.{}.direction", optimizer.name()),
            Self::Update { optimizer, .. } => format!("optimizer.{optimizer}"),
            Self::Norm(op) => op.name(),
            Self::Tensor(op) => op.name(),
            Self::Record { .. } => "record".into(),
        }
    }
}
