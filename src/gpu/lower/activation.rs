//! Activations.

use super::rows::ROW;
use super::{Lowering, groups};
use crate::error::{Error, Result};
use crate::gpu::kernel::{Kernel, Rows, activation as kernels};
use crate::gpu::memory::Region;
use crate::program::Slot;
use crate::random::Key;
use crate::shape::Shape;
use crate::spec::Activation;
use crate::spec::activation::{ActivationKind, LearnedKind, Order};
use crate::spec::registry::Values;

/// Elements per workgroup of the elementwise kernels: 64 invocations of 16.
const MAP: usize = 1024;
/// Elements per workgroup of the kernels with an element per invocation.
const EACH: usize = 64;

impl Lowering<'_> {
    pub(super) fn activation(
        &mut self,
        f: &Activation,
        key: Option<Key>,
        x: Slot,
        out: Slot,
    ) -> Result<()> {
        let rows = self.activation_rows(f, self.shape(x)?)?;
        let kernel = if x == out {
            kernels::in_place(f, rows)
                .ok_or_else(|| Error::Internal(format!("{f} does not work in place")))?
        } else {
            kernels::forward(f, rows)
        };
        let slots = if x == out { vec![out] } else { vec![x, out] };
        let len = self.shape(out)?.len();
        self.push_activation(kernel, f, key, self.shape(x)?, len, &slots)
    }

    pub(super) fn activation_backward(
        &mut self,
        f: &Activation,
        order: Order,
        key: Option<Key>,
        slots: [Slot; 3],
    ) -> Result<()> {
        let [_, _, grad_in] = slots;
        let shape = self.shape(grad_in)?;
        let kernel = match order {
            Order::First => kernels::backward(f, self.activation_rows(f, shape)?),
            Order::Second => kernels::second(f)
                .ok_or_else(|| Error::Internal(format!("{f} has no second derivative")))?,
        };
        self.push_activation(kernel, f, key, shape, shape.len(), &slots)
    }

    /// `shape` is that of f's input, `len` the number of results.
    fn push_activation(
        &mut self,
        kernel: Kernel,
        f: &Activation,
        key: Option<Key>,
        shape: Shape,
        len: usize,
        slots: &[Slot],
    ) -> Result<()> {
        let [key0, key1] = key.map_or([0, 0], |key| key.0);
        let [outer, cols, inner] = shape.split(f.dim().unwrap_or(-1)).unwrap_or_default();
        let word = |extent: usize| extent as u32;
        let mut bindings: Vec<Region> = Vec::new();
        let mut hyper: Values = *f.values();
        let (fields, count) = match &f.entry().kind {
            ActivationKind::Map(_) => (vec![word(len)], groups(len, MAP)),
            ActivationKind::Row(_) => {
                bindings.push(self.memory.steps.clone());
                let rows = if cols == 0 { 0 } else { outer * inner };
                let lanes = self.activation_lanes(f, outer * inner, cols)?;
                let fields = vec![word(rows), word(cols), word(inner), word(lanes), key0, key1];
                (fields, groups(rows, ROW / lanes))
            }
            ActivationKind::Noise(noise) => {
                bindings.push(self.memory.steps.clone());
                hyper = (noise.prepare)(f.values());
                (vec![word(len), key0, key1], groups(len, EACH))
            }
            ActivationKind::Fold(_) => {
                let out_cols = f.output_len(cols)?;
                // One lane looks at all the numbers that one comes of, four a turn.
                self.check_turns(f.name(), cols.checked_div(out_cols).unwrap_or(0).div_ceil(4))?;
                let fields = vec![word(len), word(cols), word(out_cols), word(inner)];
                (fields, groups(len, EACH))
            }
            ActivationKind::Learned(_) => {
                return Err(Error::Internal(format!("{f} without its learned numbers")));
            }
        };
        for slot in slots {
            bindings.push(self.region(*slot)?);
        }
        self.push(kernel, &fields, &hyper, bindings, count, 0)
    }

    pub(super) fn learned(&mut self, f: &Activation, slots: [Slot; 3]) -> Result<()> {
        let [x, _, _] = slots;
        let shape = self.shape(x)?;
        let (fields, _, _) = learned_fields(f, shape)?;
        let bindings = slots.into_iter().map(|slot| self.region(slot)).collect::<Result<_>>()?;
        let count = groups(shape.len(), EACH);
        self.push(kernels::forward(f, Rows::PLAIN), &fields, f.values(), bindings, count, 0)
    }

    /// The gradients of the learned numbers are sums of a term per element.
    pub(super) fn learned_backward(
        &mut self,
        f: &Activation,
        slots: [Slot; 4],
        grad_weight: Slot,
    ) -> Result<()> {
        let [x, ..] = slots;
        let shape = self.shape(x)?;
        let (fields, channels, learned) = learned_fields(f, shape)?;
        let numbers = channels * learned.names.len();
        let rows = shape.len().checked_div(channels).unwrap_or(0);
        let terms = self.scratch(rows * numbers)?;
        let bindings =
            slots.into_iter().map(|slot| self.region(slot)).collect::<Result<Vec<_>>>()?;
        let bindings = [bindings, vec![terms.clone()]].concat();
        let count = groups(shape.len(), EACH);
        self.push(kernels::backward(f, Rows::PLAIN), &fields, f.values(), bindings, count, 0)?;
        self.sum_blocks(terms, rows, numbers, self.region(grad_weight)?)
    }
}

/// The fields of the kernels with learned numbers, the channels, and the entry.
fn learned_fields(f: &Activation, shape: Shape) -> Result<(Vec<u32>, usize, &'static LearnedKind)> {
    let ActivationKind::Learned(learned) = &f.entry().kind else {
        return Err(Error::Internal(format!("{f} has no learned numbers")));
    };
    let channels = learned.channels(f.values(), shape.cols());
    let fields = [shape.len(), shape.cols(), channels, learned.names.len()];
    Ok((fields.map(|field| field as u32).to_vec(), channels, learned))
}
