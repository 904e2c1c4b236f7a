//! User-defined losses: entries like those of the table, built at run time.

use std::sync::Arc;

use super::{Domain, ElementwiseLoss, Loss, LossKind, LossMap, MapInputs};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::registry::leak_str;

type LossFormula = Arc<dyn Fn(f64, f64) -> f64 + Send + Sync>;

impl Loss {
    /// An elementwise loss whose name and WGSL source have been checked.
    pub(crate) fn define(
        name: &str,
        text: &str,
        value: LossFormula,
        gradient: LossFormula,
    ) -> Self {
        let kind = ElementwiseLoss {
            shader: leak_str(text),
            inputs: 1,
            column_weight: false,
            domain: [Domain::Real; 3],
            kinks: |_, _| Vec::new(),
            threshold: None,
            passes: Both { f32: passes(&value, &gradient), f64: passes(&value, &gradient) },
        };
        Self::own(name, &[], LossKind::Elementwise(kind))
    }
}

/// Wraps the formulas as passes over slices; in `f32` they compute in `f64` and round once.
fn passes<F: Float>(value: &LossFormula, gradient: &LossFormula) -> LossMap<F> {
    fn pass<F: Float>(formula: &LossFormula, [y, t, _]: MapInputs<'_, F>, out: &mut [F]) {
        for (out, (y, t)) in out.iter_mut().zip(y.iter().zip(t)) {
            *out = F::of(formula(y.as_f64(), t.as_f64()));
        }
    }
    let (value, gradient) = (value.clone(), gradient.clone());
    LossMap {
        terms: Box::leak(Box::new(move |_: &_, inputs: MapInputs<'_, F>, out: &mut [F]| {
            pass(&value, inputs, out);
        })),
        gradient: Box::leak(Box::new(move |_: &_, inputs: MapInputs<'_, F>, _, out: &mut [F]| {
            pass(&gradient, inputs, out);
        })),
    }
}
