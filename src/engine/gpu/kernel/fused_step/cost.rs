//! The work of a fused step.

use super::tile::fours;
use super::{FusedStep, Layer, PlacedLayer};

impl FusedStep {
    /// The maximum number of loop iterations of an invocation for a block.
    pub fn iterations(&self) -> u64 {
        let each = |count: u32| u64::from(count.div_ceil(self.lanes));
        let layer = |placed: &PlacedLayer| match placed.layer {
            Layer::Dense { inputs, outputs, .. } => {
                let (deep, wide) = (fours(inputs), fours(outputs));
                let (forward, back) = (self.forward_tile(outputs), self.input_tile(inputs));
                let weights = self.weight_tile(inputs, outputs);
                each(forward.tiles()) * u64::from(deep + 1 + forward.rows)
                    + each(back.tiles()) * u64::from(wide + 1 + back.rows)
                    + each(weights.tiles()) * u64::from(self.block + weights.rows + 1)
            }
            Layer::Activation { width, .. } => 2 * each(self.block * fours(width)),
        };
        let rows = each(self.block) * u64::from(4 * self.outputs() + 4);
        let head = u64::from(self.block) + each(self.block * self.inputs) + 200;
        self.layers.iter().map(layer).sum::<u64>() + rows * self.metrics.len() as u64 + head
    }

    /// The floating-point operations of a step's products.
    pub fn flops(&self) -> u64 {
        let layer = |placed: &PlacedLayer| match placed.layer {
            Layer::Dense { inputs, outputs, .. } => 6 * (inputs * outputs) as u64,
            Layer::Activation { .. } => 0,
        };
        u64::from(self.rows) * self.layers.iter().map(layer).sum::<u64>()
    }
}
