//! Optimizers: one update formula each, over a parameter, its gradient and up to four state values.

mod table;

use super::Both;
use super::registry::{Choice, Values};
use crate::numeric::Float;

/// An optimizer with its hyper-parameters, such as `Optimizer::adam()` or `"sgd(momentum=0.9)".parse()`.
///
/// Every optimizer has `lr`, `weight_decay`, `decoupled` (0: decay is added to the gradient, 1: it shrinks the
/// parameter by `lr * weight_decay` first) and `maximize`.
///
/// ```
/// use wgrad::Optimizer;
///
/// let adam = Optimizer::adam().learning_rate(0.02).with("eps", 1e-7)?;
/// assert_eq!(adam.to_string(), "adam(lr=0.02, eps=0.0000001)");
/// assert_eq!("nesterov".parse::<Optimizer>()?.to_string(), "sgd(momentum=0.9, nesterov=1)");
/// assert!(Optimizer::adam().with("beta1", 1.0).is_err());
/// # Ok::<(), wgrad::Error>(())
/// ```
pub type Optimizer = Choice<OptimizerKind>;

/// The most numbers an optimizer can take from the step table.
pub const MAX_SCALARS: usize = 24;

/// The most state values per parameter.
pub const MAX_STATES: usize = 4;

/// The numbers of one step, computed in `f64` on the host.
pub type Scalars<F = f64> = [F; MAX_SCALARS];

/// What an optimizer is.
#[derive(Debug)]
pub struct OptimizerKind {
    /// The WGSL struct `Scalars` and function `update`.
    pub shader: &'static str,
    /// The names of the state values, PyTorch's; a configuration uses the first few.
    pub states: &'static [&'static str],
    /// How many state values this configuration uses.
    pub state_count: fn(&Values) -> usize,
    /// The initial value of each state value.
    pub state_init: fn(&Values) -> [f64; MAX_STATES],
    /// The names of the scalars, the fields of the WGSL struct.
    pub scalars: &'static [&'static str],
    /// The scalars of update number t (from 1) at a learning rate.
    pub schedule: fn(&Values, f64, f64) -> Scalars,
    /// The reference.
    pub passes: UpdatePasses,
}

/// The reference of an optimizer for both number types.
pub type UpdatePasses = Both<Update<f32>, Update<f64>>;

impl std::fmt::Debug for UpdatePasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpdatePasses")
    }
}

/// The reference of an optimizer over the slices of one tensor.
pub type Update<F> = fn(&Shared<F>, &Scalars<F>, &mut [F], &[F], &mut [&mut [F]]);

/// What every optimizer does alike around its formula.
#[derive(Clone, Copy, Debug)]
pub struct Shared<F> {
    /// 1, or -1 to maximize.
    pub sign: F,
    /// Weight decay added to the gradient.
    pub coupled: F,
    /// The share by which the parameter shrinks first.
    pub shrink: F,
    /// The tensor's learning-rate multiplier.
    pub multiplier: F,
}

impl Optimizer {
    /// The same optimizer with another learning rate; a value that is not valid is refused when training is set up.
    pub fn learning_rate(self, rate: f64) -> Self {
        self.set("lr", rate)
    }

    /// The same optimizer with another weight decay; a value that is not valid is refused when training is set up.
    pub fn weight_decay(self, decay: f64) -> Self {
        self.set("weight_decay", decay)
    }

    /// The initial values of the state values that this configuration keeps per parameter.
    pub fn initial_state(&self) -> Vec<f64> {
        let initial = (self.entry().kind.state_init)(self.values());
        initial.into_iter().take(self.states().len()).collect()
    }

    /// The names of the state values that this configuration keeps per parameter.
    pub fn states(&self) -> &'static [&'static str] {
        let kind = &self.entry().kind;
        kind.states.get(..(kind.state_count)(self.values())).unwrap_or(kind.states)
    }
}

/// The first of a step's numbers, the others 0.
pub(crate) fn fill<const N: usize>(values: [f64; N]) -> Scalars {
    let mut scalars = [0.0; MAX_SCALARS];
    scalars.iter_mut().zip(values).for_each(|(place, value)| *place = value);
    scalars
}

/// Runs an update formula over slices.
pub(crate) fn update_slices<F: Float>(
    shared: &Shared<F>,
    params: &mut [F],
    grads: &[F],
    states: &mut [&mut [F]],
    update: impl Fn(F, F, &mut [F; MAX_STATES]) -> F,
) {
    // One loop per number of states, so that each compiles to straight contiguous passes.
    match states {
        [] => update_fixed(shared, params, grads, [], update),
        [a] => update_fixed(shared, params, grads, [a], update),
        [a, b] => update_fixed(shared, params, grads, [a, b], update),
        [a, b, c] => update_fixed(shared, params, grads, [a, b, c], update),
        [a, b, c, d, ..] => update_fixed(shared, params, grads, [a, b, c, d], update),
    }
}

#[allow(
    clippy::indexing_slicing,
    reason = "every slice is cut to the shortest length before the loop"
)]
fn update_fixed<F: Float, const N: usize>(
    shared: &Shared<F>,
    params: &mut [F],
    grads: &[F],
    states: [&mut [F]; N],
    update: impl Fn(F, F, &mut [F; MAX_STATES]) -> F,
) {
    let len =
        states.iter().map(|state| state.len()).fold(params.len().min(grads.len()), usize::min);
    let (params, grads) = (&mut params[..len], &grads[..len]);
    let states = states.map(|state| &mut state[..len]);
    for i in 0..len {
        let param = params[i];
        let grad = shared.sign * grads[i] + shared.coupled * param;
        let mut state = [F::zero(); MAX_STATES];
        for k in 0..N {
            state[k] = states[k][i];
        }
        let delta = update(param, grad, &mut state);
        for k in 0..N {
            states[k][i] = state[k];
        }
        params[i] = (param - shared.shrink * param) - shared.multiplier * delta;
    }
}

/// An optimizer from its formula, written once for `f32` and `f64`.
macro_rules! optimizer {
    ($file:literal, states: [$($state:literal),*], count: $count:expr, init: $init:expr,
     scalars: [$($scalar:ident),*], $values:pat_param, $t:ident, $lr:ident => $schedule:expr,
     $param:ident, $g:ident, $s:ident => $update:expr $(,)?) => {{
        fn schedule($values: &Values, $t: f64, $lr: f64) -> Scalars {
            fill($schedule)
        }
        #[allow(unused_variables)]
        fn update<F: Float>(
            shared: &Shared<F>,
            [$($scalar,)* ..]: &Scalars<F>,
            params: &mut [F],
            grads: &[F],
            states: &mut [&mut [F]],
        ) {
            $(let $scalar = *$scalar;)*
            update_slices(shared, params, grads, states, |$param, $g, $s| $update)
        }
        OptimizerKind {
            shader: include_str!(concat!("../../../shaders/optimizer/", $file, ".wgsl")),
            states: &[$($state),*],
            state_count: $count,
            state_init: $init,
            scalars: &[$(stringify!($scalar)),*],
            schedule,
            passes: Both { f32: update::<f32>, f64: update::<f64> },
        }
    }};
}
pub(crate) use optimizer;
