//! Optimizers: update formulas over a parameter, its gradient and up to four state values.

mod adam;
mod adaptive;
mod averaged;
mod choice;
mod custom;
pub(crate) mod lbfgs;
mod lines;
mod momentum;
pub(crate) mod muon;
mod norms;
mod params;
mod santa;

pub(crate) use custom::SCALARS;

use super::Both;
use super::entries::registry;
use super::registry::{Choice, Entry, Kind, Values};
use crate::numeric::{Float, tree_sum};
use crate::random::Key;
use crate::shape::Shape;

/// An optimizer with its hyper-parameters, such as `Optimizer::adam()` or `"sgd(momentum=0.9)".parse()`.
///
/// Every optimizer has `lr`, `weight_decay` and `maximize`, and most have `decoupled`: if false, the decay is added to
/// the gradient; if true, it first shrinks the parameter by `lr * weight_decay`.
///
/// ```
/// use wgrad::Optimizer;
///
/// let adam = Optimizer::adam().learning_rate(0.02).with("eps", 1e-7)?;
/// assert_eq!(adam.to_string(), "adam(lr=0.02, eps=0.0000001)");
/// assert_eq!("nesterov".parse::<Optimizer>()?.to_string(), "sgd(momentum=0.9, nesterov=true)");
/// assert!(Optimizer::adam().with("beta1", 1.0).is_err());
/// # Ok::<(), wgrad::Error>(())
/// ```
pub type Optimizer = Choice<OptimizerKind>;

/// The maximum number of per-step scalars of an optimizer.
pub const MAX_SCALARS: usize = 21;

/// The maximum number of state values per parameter.
pub const MAX_STATES: usize = 4;

/// The names of the state values that gradient transforms keep beside those of an optimizer, for accumulated gradients
/// and for a mean of the parameters.
pub(crate) const TRANSFORM_STATES: [&str; 2] = ["accumulated_grad", "mean"];

/// The scalars of one step, computed in `f64` on the host.
pub type Scalars<F = f64> = [F; MAX_SCALARS];

/// The definition of an optimizer.
#[derive(Debug)]
pub struct OptimizerKind {
    /// The WGSL struct `Scalars` and function `update`, and `measure` if norms are used.
    pub shader: &'static str,
    /// The inputs of the formula in addition to an element's parameter, gradient and state.
    pub takes: Takes,
    /// The values carried from step to step in addition to the parameters' state.
    pub carried: Option<Carried>,
    /// The names of the state values, as in PyTorch; a configuration uses the first few.
    pub states: &'static [&'static str],
    /// The number of state values of a configuration.
    pub state_count: fn(&Values) -> usize,
    /// The initial value of each state value.
    pub state_init: fn(&Values) -> [f64; MAX_STATES],
    /// The names of the scalars, which are the fields of the WGSL struct.
    pub scalars: &'static [&'static str],
    /// The scalars of update number t (from 1) at the given learning rate.
    pub schedule: fn(&Values, f64, f64) -> Scalars,
    /// True if `schedule` receives the learning rate of the previous update; the first update uses its own.
    pub late: bool,
    /// The reference passes.
    pub passes: UpdatePasses,
}

registry! { OptimizerKind, "optimizer", [
    momentum::ENTRIES, adaptive::ENTRIES, adam::ENTRIES, averaged::ENTRIES, norms::ENTRIES, lbfgs::ENTRIES,
    muon::ENTRIES, lines::ENTRIES, santa::ENTRIES,
] }

/// The inputs of an update formula in addition to one element's parameter, gradient and state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// None.
    Element,
    /// Per-tensor values; the formula applies the multiplier and the decay itself.
    Tensor {
        /// True if they include two sums over the tensor, whose terms the WGSL function `measure` computes.
        norms: bool,
    },
    /// Two normal random values, and per-tensor values as for [`Takes::Tensor`].
    Noise,
    /// One value of the element's row and one of its column, stored in the last state value (see [`Layout::Lines`]) and
    /// updated by the WGSL functions `term`, `join` and `settle`.
    Lines {
        /// True if two sums over the tensor are also included, as for [`Takes::Tensor`].
        norms: bool,
        /// True if the formula uses the row and column values of the previous step.
        late: bool,
    },
    /// The latest steps and gradient changes of the whole network.
    History,
    /// Per-tensor values; the gradient of a matrix is replaced by its orthogonalized momentum.
    Orthogonal,
}

impl Takes {
    /// Returns whether sums over each tensor are used.
    pub fn norms(self) -> bool {
        matches!(self, Self::Tensor { norms: true } | Self::Lines { norms: true, .. })
    }
}

/// The layout of a state value for a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One element per parameter.
    Elements,
    /// For a matrix (the last axis by all others), one element per row, one per column and one for the whole matrix;
    /// for a vector, one per element.
    Lines,
    /// The given number of elements per parameter.
    Slots(usize),
}

impl Layout {
    /// The extents of the state value for a tensor of this shape.
    pub fn extents(self, shape: Shape) -> Vec<usize> {
        match self {
            Self::Elements => shape.to_vec(),
            Self::Lines => vec![self.len(shape)],
            Self::Slots(slots) => std::iter::once(slots).chain(shape.extents()).collect(),
        }
    }

    /// The number of elements of the state value for a tensor of this shape.
    pub fn len(self, shape: Shape) -> usize {
        match (self, sides(shape)) {
            (Self::Elements, _) => shape.len(),
            (Self::Slots(slots), _) => slots * shape.len(),
            (Self::Lines, [rows, 0]) => rows,
            (Self::Lines, _) if shape.is_empty() => 0,
            (Self::Lines, [rows, cols]) => rows + cols + 1,
        }
    }
}

/// The numbers of rows and columns of a tensor viewed as a matrix, in which all axes but the last are rows. A vector
/// has one row per element and 0 columns.
pub fn sides(shape: Shape) -> [usize; 2] {
    if shape.rank() < 2 { [shape.len(), 0] } else { [shape.rows(), shape.cols()] }
}

/// Values carried from step to step for the whole network, from which the device completes a step's scalars.
#[derive(Clone, Copy)]
pub struct Carried {
    /// The WGSL function `carry`.
    pub shader: &'static str,
    /// The names in a checkpoint; at most [`MAX_CARRIED`].
    pub names: &'static [&'static str],
    /// The initial values.
    pub initial: [f64; MAX_CARRIED],
    /// True if the loss is one of the inputs.
    pub takes_loss: bool,
    /// The reference: takes the step's scalars, the loss and the carried values; changes scalars and values in place.
    pub passes: CarryPasses,
}

/// The maximum number of values that an optimizer carries from step to step.
pub const MAX_CARRIED: usize = 4;

/// The reference of [`Carried`] for both floating-point types.
pub type CarryPasses = Both<Carry<f32>, Carry<f64>>;

/// The reference of [`Carried`].
pub type Carry<F> = fn(&mut Scalars<F>, F, &mut [F; MAX_CARRIED]);

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Carried").field(&self.names).finish()
    }
}

/// Computes the mean of a parameter from its current value and a state value.
pub type Mean = fn(&Values, f64, f64) -> f64;

/// The reference of an optimizer for both floating-point types.
pub type UpdatePasses = Both<UpdatePass<f32>, UpdatePass<f64>>;

impl std::fmt::Debug for UpdatePasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpdatePasses")
    }
}

/// The reference of an optimizer over the slices of one tensor.
pub type UpdatePass<F> =
    &'static (dyn Fn(&Shared<F>, &Scalars<F>, &mut [F], &[F], &mut [&mut [F]]) + Send + Sync);

/// The inputs that all optimizers have in common.
#[derive(Clone, Copy, Debug)]
pub struct Shared<F> {
    /// 1, or -1 to maximize.
    pub sign: F,
    /// The weight decay that is added to the gradient.
    pub coupled: F,
    /// The fraction by which the parameter shrinks before the update.
    pub shrink: F,
    /// The per-tensor values.
    pub tensor: TensorValues<F>,
    /// The position of the tensor's first element in the noise stream.
    pub noise: Noise,
}

/// The values that are the same for all elements of a tensor.
#[derive(Clone, Copy, Debug)]
pub struct TensorValues<F> {
    /// The learning-rate multiplier.
    pub multiplier: F,
    /// 1, or 0 for a tensor without weight decay.
    pub decays: F,
    /// Two sums over the tensor, if the optimizer uses norms.
    pub norms: [F; 2],
    /// The tensor's [`sides`].
    pub sides: [usize; 2],
}

/// A position in the optimizer's random stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// The key of the stream.
    pub key: Key,
    /// The step number.
    pub step: u32,
    /// The index of the tensor's first element in the stream.
    pub first: u32,
}

impl Noise {
    /// Draws two normal random values for one element of the tensor.
    pub(crate) fn pair<F: Float>(&self, element: usize) -> [F; 2] {
        self.key.normals(self.step, self.first.wrapping_add(element as u32)).map(F::of)
    }
}

/// A step's scalars, padded with 0.
pub(crate) fn fill<const N: usize>(values: [f64; N]) -> Scalars {
    let mut scalars = [0.0; MAX_SCALARS];
    scalars.iter_mut().zip(values).for_each(|(place, value)| *place = value);
    scalars
}

/// Runs an update formula over slices. The formula returns the amount to subtract, which is multiplied by `factor`.
pub(crate) fn update_slices<F: Float>(
    shared: &Shared<F>,
    factor: F,
    params: &mut [F],
    grads: &[F],
    states: &mut [&mut [F]],
    update: impl Fn(usize, F, F, &mut [F; MAX_STATES]) -> F,
) {
    // One loop per number of states, so that each compiles to contiguous passes without branches.
    match states {
        [] => update_fixed(shared, factor, params, grads, [], update),
        [a] => update_fixed(shared, factor, params, grads, [a], update),
        [a, b] => update_fixed(shared, factor, params, grads, [a, b], update),
        [a, b, c] => update_fixed(shared, factor, params, grads, [a, b, c], update),
        [a, b, c, d, ..] => update_fixed(shared, factor, params, grads, [a, b, c, d], update),
    }
}

#[allow(
    clippy::indexing_slicing,
    reason = "every slice is cut to the shortest length before the loop"
)]
fn update_fixed<F: Float, const N: usize>(
    shared: &Shared<F>,
    factor: F,
    params: &mut [F],
    grads: &[F],
    states: [&mut [F]; N],
    update: impl Fn(usize, F, F, &mut [F; MAX_STATES]) -> F,
) {
    let len =
        states.iter().map(|state| state.len()).fold(params.len().min(grads.len()), usize::min);
    let (params, grads) = (&mut params[..len], &grads[..len]);
    let states = states.map(|state| &mut state[..len]);
    for i in 0..len {
        let grad = shared.sign * grads[i] + shared.coupled * params[i];
        let param = params[i] - shared.shrink * params[i];
        let mut state = [F::zero(); MAX_STATES];
        for k in 0..N {
            state[k] = states[k][i];
        }
        let delta = update(i, param, grad, &mut state);
        for k in 0..N {
            states[k][i] = state[k];
        }
        // A NaN gradient makes the parameter NaN, even if the formula ignores it.
        params[i] = if grad.is_nan() { grad } else { param - factor * delta };
    }
}

/// The per-tensor values, with the two sums of `measure` over the tensor.
pub(crate) fn measured<F: Float>(
    shared: &Shared<F>,
    params: &[F],
    grads: &[F],
    states: &[&mut [F]],
    measure: impl Fn(F, F, [F; MAX_STATES], F) -> [F; 2],
) -> TensorValues<F> {
    let at = |slice: &[F], i: usize| slice.get(i).copied().unwrap_or(F::zero());
    let terms = |i: usize| {
        let mut state = [F::zero(); MAX_STATES];
        state.iter_mut().zip(states).for_each(|(place, values)| *place = at(values, i));
        let param = at(params, i);
        let grad = shared.sign * at(grads, i) + shared.coupled * param;
        measure(param, grad, state, shared.tensor.decays)
    };
    let first = tree_sum(params.len(), &|i| terms(i)[0]);
    let second = tree_sum(params.len(), &|i| terms(i)[1]);
    TensorValues { norms: [first, second], ..shared.tensor }
}

/// Builds an optimizer from its formula, written once for `f32` and `f64`: `param, grad, state => amount to subtract`.
/// A formula with further inputs names them after the state: `tensor tensor` for [`TensorValues`], whose multiplier the
/// formula then applies itself, preceded by its `measure` if it has one, and then `noise noise`.
macro_rules! optimizer {
    ($file:literal, states: $state:tt, count: $count:expr, init: $init:expr,
     scalars: $scalar:tt, $values:pat_param, $t:ident, $lr:ident => $schedule:expr,
     $param:ident, $g:ident, $s:ident => $update:expr $(,)?) => {
        optimizer!(@ Takes::Element, $file, $state, $count, $init, $scalar, $values, $t, $lr => $schedule,
            |shared, params, grads, states| {
                let update = |_, $param: F, $g: F, $s: &mut [F; MAX_STATES]| $update;
                update_slices(shared, shared.tensor.multiplier, params, grads, states, update)
            })
    };
    ($file:literal, states: $state:tt, count: $count:expr, init: $init:expr,
     scalars: $scalar:tt, $values:pat_param, $t:ident, $lr:ident => $schedule:expr,
     $param:ident, $g:ident, $s:ident, tensor $tensor:ident, noise $noise:ident => $update:expr $(,)?) => {
        optimizer!(@ Takes::Noise, $file, $state, $count, $init, $scalar, $values, $t, $lr => $schedule,
            |shared, params, grads, states| {
                let $tensor = &shared.tensor;
                let update = |i, $param: F, $g: F, $s: &mut [F; MAX_STATES]| {
                    let $noise: [F; 2] = shared.noise.pair(i);
                    $update
                };
                update_slices(shared, F::one(), params, grads, states, update)
            })
    };
    ($file:literal, states: $state:tt, count: $count:expr, init: $init:expr,
     scalars: $scalar:tt, $values:pat_param, $t:ident, $lr:ident => $schedule:expr,
     $param:ident, $g:ident, $s:ident, tensor $tensor:ident => $update:expr $(,)?) => {
        optimizer!(@ Takes::Tensor { norms: false }, $file, $state, $count, $init, $scalar, $values, $t, $lr => $schedule,
            |shared, params, grads, states| {
                let $tensor = &shared.tensor;
                let update = |_, $param: F, $g: F, $s: &mut [F; MAX_STATES]| $update;
                update_slices(shared, F::one(), params, grads, states, update)
            })
    };
    ($file:literal, states: $state:tt, count: $count:expr, init: $init:expr,
     scalars: $scalar:tt, $values:pat_param, $t:ident, $lr:ident => $schedule:expr,
     measure: $mp:pat_param, $mg:pat_param, $ms:pat_param, $md:pat_param => $measure:expr,
     $param:ident, $g:ident, $s:ident, tensor $tensor:ident => $update:expr $(,)?) => {
        optimizer!(@ Takes::Tensor { norms: true }, $file, $state, $count, $init, $scalar, $values, $t, $lr => $schedule,
            |shared, params, grads, states| {
                let measure = |$mp: F, $mg: F, $ms: [F; MAX_STATES], $md: F| $measure;
                let $tensor = measured(shared, params, grads, states, measure);
                let update = |_, $param: F, $g: F, $s: &mut [F; MAX_STATES]| $update;
                update_slices(shared, F::one(), params, grads, states, update)
            })
    };
    (@ $takes:expr, $file:literal, [$($state:literal),*], $count:expr, $init:expr, [$($scalar:ident),* $(,)?],
     $values:pat_param, $t:ident, $lr:ident => $schedule:expr,
     |$shared:ident, $params:ident, $grads:ident, $states:ident| $pass:block) => {{
        fn schedule($values: &Values, $t: f64, $lr: f64) -> Scalars {
            fill($schedule)
        }
        #[allow(unused_variables)]
        fn update<F: Float>(
            $shared: &Shared<F>,
            [$($scalar,)* ..]: &Scalars<F>,
            $params: &mut [F],
            $grads: &[F],
            $states: &mut [&mut [F]],
        ) {
            $(let $scalar = *$scalar;)*
            $pass
        }
        OptimizerKind {
            shader: include_str!(concat!("../../../shaders/optimizer/", $file, ".wgsl")),
            takes: $takes,
            carried: None,
            states: &[$($state),*],
            state_count: $count,
            state_init: $init,
            scalars: &[$(stringify!($scalar)),*],
            schedule,
            late: false,
            passes: Both { f32: &update::<f32>, f64: &update::<f64> },
        }
    }};
}
pub(crate) use optimizer;
