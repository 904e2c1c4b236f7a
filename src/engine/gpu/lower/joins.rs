//! Matmuls fused with surrounding ops into one dispatch.

use std::collections::HashSet;
use std::ops::Range;

use super::Lowering;
use crate::engine::gpu::Gpu;
use crate::engine::gpu::choice::Class;
use crate::engine::gpu::kernel::fused_step::is_cheap_to_inline;
use crate::engine::gpu::kernel::matmul::{Epilogue, Tiling};
use crate::error::Result;
use crate::ir::{Form, Op, Product, Program, Slot};
use crate::ops::linear::{Fused, MatmulDispatch};
use crate::ops::{ActivationOp, LinearOp, UpdateOp};
use crate::spec::Activation;
use crate::spec::activation::{Order, Saves};
use crate::walk::change;

/// The largest number of results per invocation for which a CPU adapter's compiler copes with long inlined functions.
const FEW: u32 = 32;

/// The longest inner dimension that one workgroup sums alone in order to fuse an epilogue: with a split inner
/// dimension, the epilogue would need a dispatch of its own.
const JOINED: usize = 2048;

/// A fused dispatch: a matmul with its epilogue, or both matmuls of a layer's backward pass.
#[derive(Debug)]
pub(in crate::engine::gpu) struct Join {
    first: usize,
    ops: usize,
    product: Joined,
    /// The second matmul of a layer's backward pass: the gradient with respect to the input.
    other: Option<Joined>,
}

/// A matmul with its epilogue.
#[derive(Debug)]
pub(super) struct Joined {
    pub ops: usize,
    pub operands: [Slot; 3],
    pub form: Form,
    epilogue: Epilogue,
    /// The slots that the epilogue reads and writes, in the order of its bindings.
    others: Vec<Slot>,
    pub sums: Option<Slot>,
    hidden: Option<Slot>,
}

/// The number of ops of a training step that read each of its values.
pub(in crate::engine::gpu) struct ReadCounts {
    counts: Vec<usize>,
    trains: bool,
}

impl ReadCounts {
    pub(crate) fn of(program: &Program) -> Self {
        let trains =
            program.ops().iter().any(|op| matches!(op, Op::Update(UpdateOp::Update { .. })));
        let mut counts = vec![0; program.slots().len()];
        for op in program.ops() {
            let read: HashSet<Slot> =
                op.inputs().into_iter().map(|slot| program.base(slot)).collect();
            for slot in read {
                change(&mut counts, slot.0, |count| *count += 1);
            }
        }
        Self { counts, trains }
    }

    /// Returns whether only one op reads a value. Only true in a training step, whose values nothing outside reads.
    fn is_private(&self, program: &Program, slot: Slot) -> bool {
        self.trains && self.counts.get(program.base(slot).0) == Some(&1)
    }
}

impl Join {
    /// The range of fused ops.
    pub(crate) fn span(&self) -> Range<usize> {
        self.first..self.first + self.ops
    }

    /// The slots that need no memory.
    pub(crate) fn hidden(&self) -> impl Iterator<Item = Slot> {
        self.products().filter_map(|product| product.hidden)
    }

    fn products(&self) -> impl Iterator<Item = &Joined> {
        std::iter::once(&self.product).chain(&self.other)
    }

    /// The fused dispatch that begins at the first of some ops, if any.
    pub(crate) fn at(
        gpu: &Gpu,
        program: &Program,
        readers: &ReadCounts,
        ops: Range<usize>,
    ) -> Result<Option<Self>> {
        let first = ops.start;
        let most = gpu.limits().max_storage_buffers_per_shader_stage as usize;
        let one =
            Joined::at(gpu, program, readers, ops.clone())?.filter(|one| one.buffers() <= most);
        let Some(one) = one else { return Ok(None) };
        let after = first + one.ops..ops.end;
        // The gradients with respect to the parameters and to the input of a layer.
        let other = match one.form {
            Form::TN if gpu.choices().class.joins() => Joined::at(gpu, program, readers, after)?,
            _ => None,
        };
        let other = other.filter(|two| {
            let same = two.operands.first() == one.operands.first();
            two.form == Form::NN && same && one.buffers() + two.buffers() <= most
        });
        let ops = one.ops + other.as_ref().map_or(0, |two| two.ops);
        Ok((ops > 1).then_some(Self { first, ops, product: one, other }))
    }
}

impl Joined {
    /// The matmul that some ops begin with, with the ops that can be fused into it.
    pub(crate) fn at(
        gpu: &Gpu,
        program: &Program,
        readers: &ReadCounts,
        ops: Range<usize>,
    ) -> Result<Option<Self>> {
        let mut rest = program.ops().iter().take(ops.end).skip(ops.start);
        let mut next = rest.next();
        // The bias gradient of a layer sums values that the matmul for the weight gradient loads anyway.
        let summed = match next {
            Some(&Op::Linear(LinearOp::SumRows { x, out })) => {
                next = rest.next();
                Some((x, out))
            }
            _ => None,
        };
        let Some(&Op::Linear(LinearOp::MatMul { a, b, out, form })) = next else {
            return Ok(None);
        };
        let sides = [a, b, out].map(|slot| program.shape(slot));
        let [a_shape, b_shape, out_shape] = sides;
        let product = Product::into(form, a_shape?, b_shape?, out_shape?)?;
        let mut joined = Self {
            ops: 1,
            operands: [a, b, out],
            form,
            epilogue: Epilogue::default(),
            others: Vec::new(),
            sums: None,
            hidden: None,
        };
        let mut next = rest.next();
        if let Some((x, sums)) = summed {
            if form != Form::TN || x != a || product.count() != 1 {
                return Ok(None);
            }
            (joined.sums, joined.ops) = (Some(sums), 2);
        } else if product.k <= JOINED || gpu.product(form, &product).1 >= product.k {
            if let Some(&Op::Linear(LinearOp::AddRow { row, out: to })) = next
                && to == out
            {
                joined.epilogue.bias = true;
                joined.others.push(row);
                joined.ops += 1;
                next = rest.next();
            }
            // The compiler of a CPU adapter takes minutes if a long function is inlined at each of many results.
            let Tiling { each: [rows, cols], .. } = gpu.product(form, &product).0;
            let few = gpu.choices().class != Class::Cpu || rows * cols <= FEW;
            let is_private = |slot: Slot| readers.is_private(program, slot);
            joined.take(next, is_private, |f| Epilogue::takes(f) && (few || is_cheap_to_inline(f)));
        }
        Ok(Some(joined))
    }

    /// The number of parts that the inner dimension is split into.
    pub(crate) fn parts(&self, gpu: &Gpu, program: &Program) -> Result<usize> {
        let [a, b, out] = self.operands.map(|slot| program.shape(slot));
        let product = Product::into(self.form, a?, b?, out?)?;
        Ok(product.k.div_ceil(gpu.product(self.form, &product).1))
    }

    /// The number of storage buffers that the dispatch binds.
    fn buffers(&self) -> usize {
        3 + self.others.len() + usize::from(self.sums.is_some())
    }

    /// Fuses the next op if it is an activation or the derivative of one.
    fn take(
        &mut self,
        next: Option<&Op>,
        is_private: impl Fn(Slot) -> bool,
        takes: impl Fn(&Activation) -> bool,
    ) {
        let [_, _, product] = &mut self.operands;
        match next {
            Some(Op::Activation(ActivationOp::Forward { f, key: None, x, out }))
                if *x == *product && takes(f) =>
            {
                self.epilogue.activation = Some(*f);
                if x != out && f.saves() != Saves::Input && is_private(*x) {
                    self.hidden = Some(*x);
                } else if x != out {
                    self.epilogue.keeps = true;
                    self.others.push(*x);
                }
                *product = *out;
                self.ops += 1;
            }
            Some(Op::Activation(ActivationOp::Backward {
                f,
                order: Order::First,
                key: None,
                saved,
                grad_out,
                grad_in,
            })) if *grad_out == *product
                && saved != grad_out
                && !self.epilogue.bias
                && takes(f)
                && is_private(*grad_out) =>
            {
                self.epilogue.derivative = Some(*f);
                self.others.push(*saved);
                self.hidden = Some(*grad_out);
                *product = *grad_in;
                self.ops += 1;
            }
            _ => {}
        }
    }
}

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &Join) -> Result<()> {
        let product = self.joined_dispatch(&join.product)?;
        match &join.other {
            None => self.product(product),
            Some(other) => {
                let other = self.joined_dispatch(other)?;
                self.pair(product, other)
            }
        }
    }

    fn joined_dispatch(&self, product: &Joined) -> Result<MatmulDispatch> {
        let Joined { epilogue, sums, form, .. } = *product;
        let named = epilogue.names().zip(&product.others);
        let operands = named.map(|(name, slot)| Ok((name, self.region(*slot)?)));
        let operands = operands.collect::<Result<_>>()?;
        self.matmul_dispatch(product.operands, form, Fused { epilogue, operands, sums })
    }
}
