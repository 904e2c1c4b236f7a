//! The triplet loss of distances that the caller computes.

use crate::error::{Error, Result};
use crate::ir::{LossInputs, Program, Slot, TripletDistances};
use crate::shape::Shape;
use crate::spec::{Loss, Range, Reduce, Reduction};

impl Program {
    /// Adds `max(0, d(a, p) - d(a, n) + margin)` per triplet, from user-defined distances, and its gradients with
    /// respect to each of them in the order of [`TripletDistances`]. With `swapped`, `min(d(a, n), d(p, n))` replaces
    /// `d(a, n)`; if both are equal, they get half of the gradient each. At the kink the gradient is 0. As
    /// `torch.nn.functional.triplet_margin_with_distance_loss`.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the margin is a positive number; [`Error::Shape`] unless the distances have the same
    /// shape; [`Error::Unsupported`] for indices.
    pub fn triplet_margin_with_distance(
        &mut self,
        reduction: Reduction,
        margin: f64,
        distances: TripletDistances,
    ) -> Result<(Slot, Vec<Slot>)> {
        let op = "triplet_margin_with_distance";
        Range::POSITIVE.check(op, "margin", margin)?;
        let TripletDistances { positive, negative, swapped } = distances;
        let shape = self.numbers(op, positive)?.shape;
        for other in [Some(negative), swapped].into_iter().flatten() {
            self.check_shape(op, other, shape)?;
        }
        let one = self.fill("one", shape, 1.0);
        // A margin ranking loss whose first input is to be larger than the second by the margin.
        let ranking = Loss::margin_ranking().with("margin", margin)?;
        let Some(swapped) = swapped else {
            let inputs = LossInputs::of(&[negative, positive], Some(one));
            let (value, mut gradients) = self.loss_of(ranking, reduction, inputs, true)?;
            gradients.reverse();
            return Ok((value, gradients));
        };
        let line = Shape::new(&[1, shape.len()])?;
        let lines = [self.reshape(op, negative, line)?, self.reshape(op, swapped, line)?];
        let both = self.concatenate(op, &lines, 0)?;
        let least = self.reduce(op, Reduce::Amin, both, &[0])?;
        let nearer = self.reshape(op, least, shape)?;
        let inputs = LossInputs::of(&[nearer, positive], Some(one));
        let (value, gradients) = self.loss_of(ranking, reduction, inputs, true)?;
        let &[by_nearer, by_positive] = &gradients[..] else {
            return Err(Error::Internal(format!("{op}: two gradients are missing")));
        };
        let by_nearer = self.reshape(op, by_nearer, Shape::new(&[shape.len()])?)?;
        let by_both = self.reduce_backward(op, Reduce::Amin, (both, least), by_nearer, &[0])?;
        let mut by = vec![by_positive];
        for line in 0..2 {
            let own = self.value(op, shape);
            self.rows_into(by_both, line..line + 1, own)?;
            by.push(own);
        }
        Ok((value, by))
    }
}
