//! Test programs of the family.

use crate::error::Result;
use crate::ir::{Averaging, Form, GradientTransforms, ParamInfo, Program, Slot, Steps};
use crate::ops::case::{Case, ROWS, draw};
use crate::random::{Key, Stream};
use crate::shape::Shape;
use crate::spec::loss::Domain;
use crate::spec::{Activation, Optimizer, Reduce};

/// All cases of the family.
pub(crate) fn all() -> Result<Vec<Case>> {
    Optimizer::all().map(updated).chain([transformed()]).collect()
}

/// A weight and a bias with penalties, their gradients, and a scalar that stands in for the loss.
fn with_gradients(name: String) -> Result<(Case, Slot)> {
    let mut case = Case::new(name);
    let param = |name: &str, extents: &[usize]| {
        let (name, shape) = (name.to_string(), Shape::new(extents)?);
        let (l1, l2, multiplier) = (1e-3, 1e-3, 1.0);
        Ok(ParamInfo { name, shape, l1, l2, multiplier, decays: true, has_gradient: true })
    };
    case.program =
        Program::new("self test", vec![param("weight", &[70, 5])?, param("bias", &[70])?]);
    case.params = vec![draw(Domain::Real, 7, 350), draw(Domain::Real, 8, 70)];
    let data = case.real(&[2 * ROWS, 5])?;
    let program = &mut case.program;
    // Every step has different rows, so that its gradients are far from the previous ones.
    let x = program.gather("x", data, ROWS, None)?;
    let (weight, bias) = (program.param(0)?, program.param(1)?);
    let (d_weight, d_bias) = (program.grad(0)?, program.grad(1)?);
    let y = program.matmul("y", x, weight, Form::NT)?;
    program.add_row(bias, y)?;
    let loss = program.reduce("loss", Reduce::L2Norm, y, &[])?;
    let y = program.activation("y", Activation::tanh(), y)?;
    let upstream = program.scale("upstream", y, 0.125)?;
    program.matmul_into(upstream, x, Form::TN, d_weight)?;
    program.sum_rows_into(upstream, d_bias)?;
    case.steps = 2;
    Ok((case, loss))
}

/// Batches of half the rows.
fn steps(optimizer: Optimizer) -> Steps {
    Steps { batch: ROWS, ..Steps::new(optimizer, 2 * ROWS) }
}

fn updated(optimizer: Optimizer) -> Result<Case> {
    let (mut case, loss) = with_gradients(format!("optimizer.{optimizer}"))?;
    case.program.update(optimizer, Some(loss), Key::new(0, Stream::Optimizer))?;
    case.program.record(&[loss])?;
    case.rule = steps(optimizer);
    Ok(case)
}

/// All ops over gradients and parameters other than the update.
fn transformed() -> Result<Case> {
    let optimizer = Optimizer::adamw();
    let extra = optimizer.states().len();
    let (mut case, loss) = with_gradients("update.transforms".into())?;
    let program = &mut case.program;
    let penalty = program.penalty(true);
    program.accumulate(extra);
    program.clip_value(2.0)?;
    program.clip_each(3.0)?;
    let norm = program.clip_norm(4.0)?;
    program.gradient_noise(Key::new(1, Stream::GradientNoise));
    let skipped = program.skip_not_finite();
    program.update(optimizer, None, Key::new(0, Stream::Optimizer))?;
    program.average(extra + 1, false);
    program.record(&[loss, penalty, norm, skipped])?;
    let transforms = GradientTransforms {
        accumulate: Some(2),
        noise: Some([0.01, 0.5]),
        average: Some(Averaging::Ema { decay: 0.5 }),
        ..GradientTransforms::default()
    };
    case.rule = Steps { transforms, ..steps(optimizer) };
    Ok(case)
}
