//! User-defined optimizers: entries like those of the table, built at run time.

use std::sync::Arc;

use super::params::{COUPLED, MAXIMIZE, decay, lr};
use super::{
    MAX_STATES, Optimizer, OptimizerKind, Scalars, Shared, TRANSFORM_STATES, Takes, UpdatePass,
    fill, update_slices,
};
use crate::error::{Error, Result};
use crate::numeric::Float;
use crate::random::{Key, Stream};
use crate::spec::Both;
use crate::spec::param::Param;
use crate::spec::registry::leak_str;

const PARAMS: &[Param] = &[lr(1e-3), decay(0.0), COUPLED, MAXIMIZE];

/// The scalars of a step, which a user-defined source takes.
pub(crate) const SCALARS: &str = "struct Scalars {\n    lr: f32,\n    step: f32,\n}\n";

/// The amount to subtract from a parameter, given it, its gradient, the states to change, the learning rate and the
/// number of the update, from 1.
type UpdateFormula = Arc<dyn Fn(f64, f64, &mut [f64; MAX_STATES], f64, f64) -> f64 + Send + Sync>;

impl Optimizer {
    /// An optimizer whose name and WGSL source have been checked.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the names of the states are not fit for files, or the formula is not one over as many
    /// states.
    pub(crate) fn define(
        name: &str,
        states: &[&str],
        text: &str,
        formula: UpdateFormula,
    ) -> Result<Self> {
        check_states(name, states)?;
        check_formula(name, states.len(), &formula)?;
        let names = states.iter().map(|state| leak_str(state)).collect();
        let kind = OptimizerKind {
            shader: leak_str(&format!("{text}\n{SCALARS}")),
            takes: Takes::Element,
            carried: None,
            states: Vec::leak(names),
            // All that it names.
            state_count: |_| usize::MAX,
            state_init: |_| [0.0; MAX_STATES],
            scalars: &["lr", "step"],
            schedule: |_, step, lr| fill([lr, step]),
            late: false,
            passes: Both { f32: pass(&formula), f64: pass(&formula) },
        };
        Ok(Self::own(name, PARAMS, kind))
    }
}

/// Wraps the formula as a pass over slices; in `f32` it computes in `f64` and rounds once.
fn pass<F: Float>(formula: &UpdateFormula) -> UpdatePass<F> {
    let formula = formula.clone();
    Box::leak(Box::new(
        move |shared: &Shared<F>,
              [lr, step, ..]: &Scalars<F>,
              params: &mut [F],
              grads: &[F],
              states: &mut [&mut [F]]| {
            let update = |_, param: F, grad: F, state: &mut [F; MAX_STATES]| {
                let mut wide = state.map(F::as_f64);
                let [param, grad, lr, step] = [param, grad, *lr, *step].map(F::as_f64);
                let delta = formula(param, grad, &mut wide, lr, step);
                *state = wide.map(F::of);
                F::of(delta)
            };
            update_slices(shared, shared.tensor.multiplier, params, grads, states, update);
        },
    ))
}

fn check_states(name: &str, states: &[&str]) -> Result<()> {
    let refuse = |message| Err(Error::unsupported(format!("custom optimizer '{name}'"), message));
    if states.len() > MAX_STATES {
        return refuse(format!("{} states; the most is {MAX_STATES}", states.len()));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    for (place, state) in states.iter().enumerate() {
        if !state.starts_with(|c: char| c.is_ascii_lowercase()) || !state.chars().all(plain) {
            return refuse(format!("the state '{state}' has no lower_snake_case name"));
        }
        if TRANSFORM_STATES.contains(state) {
            return refuse(format!("'{state}' is a state of gradient transforms; choose another"));
        }
        if states.iter().take(place).any(|other| other == state) {
            return refuse(format!("two states are named '{state}'"));
        }
    }
    Ok(())
}

/// Fails if the formula gives what is not finite for ordinary numbers, or writes a state that is not kept: the next step
/// would not find it.
fn check_formula(name: &str, states: usize, formula: &UpdateFormula) -> Result<()> {
    let key = Key::new(0, Stream::Data(91));
    let refuse = |message| Err(Error::unsupported(format!("custom optimizer '{name}'"), message));
    for element in 0..8 {
        let mut state = [0.0; MAX_STATES];
        let mut param = key.normal(0, element);
        for step in 1..=8 {
            let grad = key.normal(step, element);
            let delta = formula(param, grad, &mut state, 0.01, f64::from(step));
            if !delta.is_finite() || state.iter().any(|state| !state.is_finite()) {
                return refuse(format!(
                    "update {step} of the parameter {param} by the gradient {grad} gives {delta} and the states {state:?}"
                ));
            }
            if let Some(place) = (states..MAX_STATES).find(|k| state.get(*k) != Some(&0.0)) {
                return refuse(format!("its formula writes state {place}, and it has {states}"));
            }
            param -= delta;
        }
    }
    Ok(())
}
