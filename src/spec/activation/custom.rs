//! User-defined activations: entries like those of the table, built at run time.

use std::sync::Arc;

use super::initializer::XAVIER;
use super::{Activation, ActivationKind, ElementwiseKind, Map, Saves, Tolerance};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::registry::leak_str;

type ActivationFormula = Arc<dyn Fn(f64) -> f64 + Send + Sync>;

impl Activation {
    /// An elementwise activation whose name and WGSL source have been checked.
    pub(crate) fn define(
        name: &str,
        forward: &str,
        derivative: &str,
        reference: ActivationFormula,
        reference_derivative: ActivationFormula,
    ) -> Self {
        let kind = ElementwiseKind {
            shader: leak_str(&format!("{forward}\n{derivative}")),
            initializer: XAVIER,
            saves: Saves::Input,
            kinks: |_| Vec::new(),
            // The error of a user-defined formula is unknown.
            forward: Tolerance::ulps(f64::INFINITY),
            derivative: Tolerance::ulps(f64::INFINITY),
            passes: Both {
                f32: passes(&reference, &reference_derivative),
                f64: passes(&reference, &reference_derivative),
            },
            second: None,
        };
        Self::own(name, &[], ActivationKind::Elementwise(kind))
    }
}

/// Wraps the formulas as passes over slices; in `f32` they compute in `f64` and round once.
fn passes<F: Float>(forward: &ActivationFormula, derivative: &ActivationFormula) -> Map<F> {
    let (forward, derivative) = (forward.clone(), derivative.clone());
    Map {
        forward: Box::leak(Box::new(move |_: &_, x: &[F], y: &mut [F]| {
            x.iter().zip(y).for_each(|(x, y)| *y = F::of(forward(x.as_f64())));
        })),
        backward: Box::leak(Box::new(move |_: &_, x: &[F], g: &[F], out: &mut [F]| {
            let grads = x.iter().zip(g).zip(out);
            grads.for_each(|((x, &g), out)| *out = g * F::of(derivative(x.as_f64())));
        })),
    }
}
