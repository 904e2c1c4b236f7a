//! The ops of muon, which orthogonalizes the gradient of each matrix.

use super::UpdateOp;
use crate::error::Result;
use crate::ir::{Form, Op, Program, Slot};
use crate::ops::ArrangeOp;
use crate::spec::optimizer::sides;
use crate::spec::{Activation, Arithmetic, Optimizer, Reduce};
use crate::walk::{Strides, Walk};

impl Program {
    /// Replaces each matrix's gradient by its momentum, orthogonalized by the Newton-Schulz iteration
    /// `x = a x + (b x x^T + c (x x^T)^2) x`, which starts from the momentum divided by its norm.
    pub(crate) fn orthogonalize(&mut self, optimizer: Optimizer) -> Result<()> {
        self.push(Op::Update(UpdateOp::Direction { optimizer }));
        for index in 0..self.params().len() {
            let takes_part = self.params().get(index).is_some_and(|param| {
                sides(param.shape)[1] > 0 && !param.shape.is_empty() && param.multiplier != 0.0
            });
            if takes_part {
                self.newton_schulz(&optimizer, index)?;
            }
        }
        Ok(())
    }

    fn newton_schulz(&mut self, optimizer: &Optimizer, index: usize) -> Result<()> {
        let value = |name: &str| optimizer.get(name).unwrap_or_default();
        let [a, b, c] = ["a", "b", "c"].map(value);
        let grad = self.grad(index)?;
        let shape = self.shape(grad)?;
        let norm = self.reduce("norm", Reduce::L2Norm, grad, &[])?;
        let least = value("eps");
        let least = Activation::threshold().with("threshold", least)?.with("value", least)?;
        let norm = self.activation("norm at least eps", least, norm)?;
        let mut x = self.arithmetic("x", Arithmetic::Div, grad, norm)?;
        // The smaller of the two products of x and its transpose.
        let tall = shape.rows() > shape.cols();
        let steps = value("ns_steps") as u64;
        for step in 1..=steps {
            let gram = self.matmul("gram", x, x, if tall { Form::TN } else { Form::NT })?;
            let square = self.matmul("gram squared", gram, gram, Form::NN)?;
            let sum = self.axpy("polynomial", b / c, gram, square)?;
            let (left, right) = if tall { (x, sum) } else { (sum, x) };
            let product = self.matmul("product", left, right, Form::NN)?;
            let next = self.axpy("next", a / c, x, product)?;
            let out = if step == steps { grad } else { self.value("x", shape) };
            self.scale_into(next, out, c)?;
            x = out;
        }
        Ok(())
    }

    fn scale_into(&mut self, x: Slot, out: Slot, scale: f64) -> Result<()> {
        let shape = self.shape(out)?;
        let walk = Walk::new(shape, [Strides::of(shape); 2]);
        self.push(Op::Arrange(ArrangeOp::Copy { x, out, walk, scale }));
        Ok(())
    }
}
