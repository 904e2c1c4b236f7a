//! The ops over tensors.

use super::loss::Classes;
use super::{Lowering, groups};
use crate::error::Result;
use crate::gpu::kernel::catalogue;
use crate::gpu::memory::Region;
use crate::program::{Op, Slot};
use crate::random::Key;

/// Elements per block of the summing kernels.
pub(super) const SUM: usize = 1024;

/// Rows per workgroup of the kernel that sums them.
const BLOCK: usize = 4096;
/// How a sum becomes a figure.
#[derive(Clone, Copy)]
pub(super) struct Total {
    /// Sum the squares.
    pub square: bool,
    /// Divide by this many terms per participating row; 0 leaves the sum.
    pub terms_per_row: usize,
    /// How many rows there are at most.
    pub rows: usize,
}

impl Total {
    pub const SUM: Self = Self { square: false, terms_per_row: 0, rows: 0 };
}

impl Lowering<'_> {
    pub(super) fn op(&mut self, op: &Op) -> Result<()> {
        match op {
            Op::Gather { data, out, shuffle } => self.gather(*data, *out, *shuffle),
            Op::MatMul { a, b, out, form } => self.matmul(*a, *b, *out, *form),
            Op::AddRow { row, out } => self.add_row(*row, *out),
            Op::SumRows { x, out } => self.sum_rows(*x, *out),
            Op::Activation { f, key, x, out } => self.activation(f, *key, *x, *out),
            Op::ActivationBackward { f, order, key, saved, grad_out, grad_in } => {
                self.activation_backward(f, *order, *key, [*saved, *grad_out, *grad_in])
            }
            Op::Learned { f, x, weight, out } => self.learned(f, [*x, *weight, *out]),
            Op::LearnedBackward { f, x, weight, grad_out, grad_in, grad_weight } => {
                self.learned_backward(f, [*x, *weight, *grad_out, *grad_in], *grad_weight)
            }
            Op::Loss { loss, reduction, inputs, value, gradients } => {
                self.loss(loss, *reduction, inputs, *value, gradients)
            }
            Op::RowShares { target, class_weight, classes, ignored, reduction, out } => {
                let classes = Classes {
                    weight: class_weight.map(|slot| self.region(slot)).transpose()?,
                    count: *classes,
                    inner: 1,
                    ignored: *ignored,
                };
                let rows = self.shape(*out)?.len();
                let (target, out) = (self.region(*target)?, self.region(*out)?);
                self.row_shares(&classes, target, rows, *reduction, out)
            }
            Op::OneHot { target, out } => {
                let shape = self.shape(*out)?;
                let call = self
                    .call(catalogue::one_hot())
                    .bind("target_class", &self.region(*target)?)
                    .bind("y", &self.region(*out)?)
                    .field("len", shape.len())
                    .field("cols", shape.cols())
                    .groups(groups(shape.len(), 64));
                self.push(call)
            }
            Op::CheckClasses { target, classes, ignored, count, first } => {
                let shape = self.shape(*target)?;
                let rows = shape.axis(0).unwrap_or(1);
                let per_row = shape.len() / rows.max(1);
                // Where none is to be ignored, a class that is no fault stands for it.
                let ignored = ignored.unwrap_or(0);
                self.check_turns("check_classes", shape.len().div_ceil(1024))?;
                let call = self
                    .call(catalogue::check_classes())
                    .bind("target_class", &self.region(*target)?)
                    .bind("count", &self.region(*count)?)
                    .bind("first_row", &self.region(*first)?)
                    .fields([("rows", rows), ("cols", *classes), ("per_row", per_row)])
                    .field("ignored", ignored);
                self.push(call)
            }
            Op::Metric { metric, prediction, target, value } => {
                self.metric(*metric, [*prediction, *target], *value)
            }
            Op::Penalty { value, backward } => self.penalty(*value, *backward),
            Op::ClipValue { limit } => self.clip_value(*limit),
            Op::ClipNorm { max, norm } => self.clip_norm(*max, *norm),
            Op::ClipEach { max } => self.clip_each(*max),
            Op::GradientNoise { key } => self.gradient_noise(*key),
            Op::Accumulate { state } => self.accumulate(*state),
            Op::SkipNotFinite { skipped } => self.skip_not_finite(*skipped),
            Op::Average { state, follows } => self.average(*state, *follows),
            Op::Direction { optimizer } => self.direction(optimizer),
            Op::Update { optimizer, loss, key } => self.update(optimizer, *loss, *key),
            Op::Norm(op) => self.norm(op),
            Op::Tensor(op) => self.tensor(op),
            Op::Record { values } => self.record(values),
        }
    }

    fn gather(&mut self, data: Slot, out: Slot, shuffle: Option<Key>) -> Result<()> {
        let shape = self.shape(out)?;
        let cols = if self.shape(data)?.rank() == 1 { 1 } else { shape.cols() };
        let [key0, key1] = shuffle.map_or([0, 0], |key| key.0);
        let len = shape.len();
        let call = self
            .call(catalogue::gather())
            .bind("data", &self.region(data)?)
            .bind("y", &self.region(out)?)
            .fields([("rows", len / cols.max(1)), ("cols", cols)])
            .fields([("key0", key0), ("key1", key1)])
            .field("shuffle", shuffle.is_some())
            .groups(groups(len, 64));
        self.push(call)
    }

    fn add_row(&mut self, row: Slot, out: Slot) -> Result<()> {
        let shape = self.shape(out)?;
        let call = self
            .call(catalogue::add_row())
            .bind("row", &self.region(row)?)
            .bind("y", &self.region(out)?)
            .fields([("len", shape.len()), ("cols", shape.cols())])
            .groups(groups(shape.len(), 64))
            .flops(shape.len() as u64);
        self.push(call)
    }

    fn sum_rows(&mut self, x: Slot, out: Slot) -> Result<()> {
        let shape = self.shape(x)?;
        self.sum_blocks(self.region(x)?, shape.rows(), shape.cols(), self.region(out)?)
    }

    /// Sums rows into `out`, in as many rounds as it takes.
    pub(super) fn sum_blocks(
        &mut self,
        mut x: Region,
        mut rows: usize,
        cols: usize,
        out: Region,
    ) -> Result<()> {
        loop {
            let blocks = rows.div_ceil(BLOCK).max(1);
            let y = if blocks > 1 { self.scratch(blocks * cols)? } else { out.clone() };
            let call = self
                .call(catalogue::sum_rows())
                .bind("x", &x)
                .bind("y", &y)
                .fields([("rows", rows), ("cols", cols), ("block", BLOCK)])
                .groups(groups(cols, 32) * blocks as u64)
                .flops((rows * cols) as u64);
            self.push(call)?;
            if blocks == 1 {
                return Ok(());
            }
            (x, rows) = (y, blocks);
        }
    }

    /// Sums `len` numbers into `out`, in as many rounds as it takes.
    pub(super) fn sum(
        &mut self,
        mut x: Region,
        mut len: usize,
        out: Region,
        total: Total,
    ) -> Result<()> {
        let mut square = total.square;
        while len > SUM {
            let count = len.div_ceil(SUM);
            let partial = self.scratch(count)?;
            let round = Total { square, ..Total::SUM };
            self.sum_round(x, len, partial.clone(), 0, round)?;
            (x, len, square) = (partial, count, false);
        }
        self.sum_round(x, len, out, 0, Total { square, ..total })
    }

    /// One round: a sum per 1024 numbers, written from `offset` on.
    pub(super) fn sum_round(
        &mut self,
        x: Region,
        len: usize,
        y: Region,
        offset: usize,
        total: Total,
    ) -> Result<()> {
        let Total { square, terms_per_row, rows } = total;
        let blocks = self.blocks(len);
        let call = self
            .call(catalogue::sum(blocks.lanes))
            .bind("x", &x)
            .bind("y", &y)
            .fields(blocks.fields)
            .fields([("offset", offset), ("terms_per_row", terms_per_row), ("rows", rows)])
            .field("square", square)
            .groups(blocks.groups.max(1))
            .flops(len as u64);
        self.push(call)
    }
}
