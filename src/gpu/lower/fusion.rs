//! What is done together: a whole step, or else a product with what surrounds it.

use std::ops::Range;

use super::whole;
use super::{Lowering, matmul::Fused};
use crate::error::Result;
use crate::gpu::choice::{Class, Fusion};
use crate::gpu::kernel::matmul::{Epilogue, Tiling};
use crate::gpu::kernel::whole::is_light;
use crate::gpu::{Gpu, View, Weights};
use crate::program::{Form, Op, Product, Program, Slot};
use crate::spec::Activation;
use crate::spec::activation::{Order, Saves};

/// How many results of an invocation are few.
const FEW: u32 = 32;

/// How the ops of a program become dispatches.
#[derive(Debug)]
pub(in crate::gpu) enum Plan {
    /// The whole step in two.
    Whole(Box<whole::Plan>),
    /// Each op by itself, and every value can be looked at.
    Apart,
    /// Each op by itself, but for these.
    Joins(Vec<Join>),
}

/// A product that one dispatch does together with the ops after it.
#[derive(Debug)]
pub(in crate::gpu) struct Join {
    first: usize,
    ops: usize,
    operands: [Slot; 3],
    form: Form,
    epilogue: Epilogue,
    /// What the epilogue reads and writes, in its order.
    others: Vec<Slot>,
    sums: Option<Slot>,
    hidden: Option<Slot>,
}

/// How a program is lowered.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) if it must be a whole step and is none.
pub(in crate::gpu) fn prepare(
    gpu: &Gpu,
    program: &Program,
    weights: Option<&Weights>,
    views: &[(Slot, View)],
) -> Result<Plan> {
    if let Some(whole) = whole::prepare(gpu, program, weights, views)? {
        return Ok(Plan::Whole(Box::new(whole)));
    }
    // Views of one buffer may be bound beside each other in ways that one dispatch must not.
    if gpu.choices().fusion == Fusion::Never || !views.is_empty() {
        return Ok(Plan::Apart);
    }
    let mut joins = Vec::new();
    let mut at = 0;
    while at < program.ops().len() {
        let join = Join::at(gpu, program, at)?;
        at += join.as_ref().map_or(1, |join| join.ops);
        joins.extend(join);
    }
    Ok(Plan::Joins(joins))
}

impl Plan {
    /// The slots that get no memory.
    pub fn hidden(&self, program: &Program) -> Vec<Slot> {
        match self {
            Self::Whole(whole) => whole.hidden(program),
            Self::Apart => Vec::new(),
            Self::Joins(joins) => joins.iter().filter_map(|join| join.hidden).collect(),
        }
    }
}

impl Join {
    /// The ops that it does.
    pub fn ops(&self) -> Range<usize> {
        self.first..self.first + self.ops
    }

    /// The product at `first` with what it can take along, if there is any.
    fn at(gpu: &Gpu, program: &Program, first: usize) -> Result<Option<Self>> {
        let mut rest = program.ops().iter().skip(first);
        let Some(&Op::MatMul { a, b, out, form }) = rest.next() else { return Ok(None) };
        let sides = [a, b, out].map(|slot| program.shape(slot));
        let [a_shape, b_shape, out_shape] = sides;
        let product = Product::into(form, a_shape?, b_shape?, out_shape?)?;
        let (epilogue, others) = (Epilogue::default(), Vec::new());
        let mut join = Self {
            first,
            ops: 1,
            operands: [a, b, out],
            form,
            epilogue,
            others,
            sums: None,
            hidden: None,
        };
        let mut next = rest.next();
        if let Some(&Op::SumRows { x, out: sums }) = next
            && form == Form::TN
            && x == a
            && product.count() == 1
        {
            (join.sums, join.ops) = (Some(sums), 2);
        } else if gpu.product(form, &product).1 >= product.k {
            if let Some(&Op::AddRow { row, out: to }) = next
                && to == out
            {
                join.epilogue.bias = true;
                join.others.push(row);
                join.ops += 1;
                next = rest.next();
            }
            // The compiler of a CPU adapter takes minutes for a long function at each of many results.
            let Tiling { each: [rows, cols], .. } = gpu.product(form, &product).0;
            let few = gpu.choices().class != Class::Cpu || rows * cols <= FEW;
            join.take(program, next, |f| Epilogue::takes(f) && (few || is_light(f)));
        }
        let buffers = 3 + join.others.len() + usize::from(join.sums.is_some());
        let most = gpu.limits().max_storage_buffers_per_shader_stage as usize;
        Ok((join.ops > 1 && buffers <= most).then_some(join))
    }

    /// Takes an activation along, or the derivative of one.
    fn take(&mut self, program: &Program, next: Option<&Op>, takes: impl Fn(&Activation) -> bool) {
        let [_, _, product] = &mut self.operands;
        match next {
            Some(Op::Activation { f, key: None, x, out }) if *x == *product && takes(f) => {
                self.epilogue.activation = Some(*f);
                if x != out && f.saves() != Saves::Input && is_private(program, *x) {
                    self.hidden = Some(*x);
                } else if x != out {
                    self.epilogue.keeps = true;
                    self.others.push(*x);
                }
                *product = *out;
                self.ops += 1;
            }
            Some(Op::ActivationBackward {
                f,
                order: Order::First,
                key: None,
                saved,
                grad_out,
                grad_in,
            }) if *grad_out == *product
                && saved != grad_out
                && !self.epilogue.bias
                && takes(f)
                && is_private(program, *grad_out) =>
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

/// Whether only one op looks at a value: in a training step, whose values are nobody else's.
fn is_private(program: &Program, slot: Slot) -> bool {
    let trains = program.ops().iter().any(|op| matches!(op, Op::Update { .. }));
    let root = |slot: Slot| program.slot(slot).map_or(slot, |info| info.root(slot));
    let reads = |op: &&Op| op.inputs().iter().any(|other| root(*other) == root(slot));
    trains && program.ops().iter().filter(reads).count() == 1
}

impl Lowering<'_> {
    /// Lowers the ops of a program but for those that are joined.
    pub(super) fn joined(&mut self, joins: &[Join]) -> Result<()> {
        let program = self.program;
        let mut joins = joins.iter().peekable();
        let mut until = 0;
        for (number, op) in program.ops().iter().enumerate() {
            self.marks.push(self.jobs.len());
            if number < until {
                self.inside.push(number);
            } else if let Some(join) = joins.next_if(|join| join.first == number) {
                until = number + join.ops;
                self.join(join)?;
            } else {
                self.op(op)?;
            }
        }
        Ok(())
    }

    fn join(&mut self, join: &Join) -> Result<()> {
        let [a, b, out] = join.operands;
        let operands =
            join.others.iter().map(|slot| self.region(*slot)).collect::<Result<Vec<_>>>()?;
        let sums = join.sums.map(|slot| self.region(slot)).transpose()?;
        let fused = Fused { epilogue: join.epilogue, operands, sums };
        self.matmul_with(a, b, out, join.form, fused)
    }
}
