//! The GPU dispatches.

use super::{LinearOp, kernels};
use crate::engine::gpu::kernel::matmul::{Epilogue, Pair, Variant, Via};
use crate::engine::gpu::lower::{Call, Lowering, groups};
use crate::engine::gpu::memory::Region;
use crate::error::Result;
use crate::ir::{Form, Product, Slot};

/// Rows per workgroup of the kernel that sums rows.
const BLOCK: usize = 4096;

/// The operations fused with a matrix product.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fused {
    pub epilogue: Epilogue,
    /// The operands of the epilogue.
    pub operands: Vec<(&'static str, Region)>,
    /// The destination of the sum of the left operand's rows.
    pub sums: Option<Slot>,
}

/// The prepared dispatch of a matrix product.
pub(crate) struct MatmulDispatch {
    variant: Variant,
    bindings: Vec<(&'static str, Region)>,
    sides: [usize; 4],
    batch: [[usize; 4]; 3],
    groups: u64,
    flops: u64,
    /// The sums of partial results that must follow it.
    sums: Vec<Sum>,
}

/// A sum of parts that lie one after the other in memory.
struct Sum {
    from: Region,
    parts: usize,
    len: usize,
    to: Region,
}

impl MatmulDispatch {
    /// Binds the operands and dimensions to a call, under the names that the call's kernel has for them.
    fn given_to(&self, call: Call, own: impl Fn(&'static str) -> &'static str) -> Call {
        let bindings = self.bindings.iter().map(|(name, region)| (own(name), region.clone()));
        let sides = ["m", "k", "n", "depth"].map(&own).into_iter().zip(self.sides);
        let batch = ["batch", "a_batch", "b_batch"].map(&own).into_iter().zip(self.batch);
        call.bind_all(bindings).fields(sides).fields(batch)
    }
}

impl LinearOp {
    /// Adds the op's dispatches.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        match self {
            Self::MatMul { a, b, out, form } => lowering.matmul(*a, *b, *out, *form),
            Self::AddRow { row, out } => lowering.add_row(*row, *out),
            Self::SumRows { x, out } => lowering.sum_rows(*x, *out),
        }
    }
}

impl Lowering<'_> {
    fn matmul(&mut self, a: Slot, b: Slot, out: Slot, form: Form) -> Result<()> {
        let draft = self.matmul_dispatch([a, b, out], form, Fused::default())?;
        self.product(draft)
    }

    /// Prepares a matrix product without adding its dispatch.
    pub(crate) fn matmul_dispatch(
        &self,
        [a, b, out]: [Slot; 3],
        form: Form,
        fused: Fused,
    ) -> Result<MatmulDispatch> {
        let product = Product::into(form, self.shape(a)?, self.shape(b)?, self.shape(out)?)?;
        let Product { m, k, n, .. } = product;
        let (tiling, depth) = self.gpu.product(form, &product);
        // An epilogue needs the complete sum, so the inner dimension is not split.
        let depth = if fused.epilogue == Epilogue::default() { depth } else { depth.max(k) };
        let (parts, len) = (k.div_ceil(depth).max(1), product.count() * m * n);
        let [rows, cols] = tiling.block().map(|side| side as usize);
        let tiles = groups(m, rows) * groups(n, cols) * (product.count() * parts) as u64;
        let edge = !m.is_multiple_of(rows) || !n.is_multiple_of(cols) || !k.is_multiple_of(16);
        let variant = Variant {
            fours: [m, k, n].map(|side| side.is_multiple_of(4)),
            // On the CPU adapters that take these tilings, another kernel costs more than the comparisons.
            edge: edge || tiling.via == Via::Subgroup,
            batched: product.count() > 1,
            split: parts > 1,
            sums: fused.sums.is_some(),
            epilogue: fused.epilogue,
            ..Variant::plain(form, tiling)
        };
        let mut sums = Vec::new();
        let mut place = |slot: Slot, len: usize| -> Result<Region> {
            let to = self.region(slot)?;
            if parts == 1 {
                return Ok(to);
            }
            // The kernels that update the parameters add these up.
            if let Some(partial) = self.partials.get(&slot) {
                return Ok(partial.clone());
            }
            let from = self.scratch(parts * len)?;
            sums.push(Sum { from: from.clone(), parts, len, to });
            Ok(from)
        };
        let c = place(out, len)?;
        let row_sums = fused.sums.map(|slot| place(slot, m)).transpose()?;
        let mut bindings = vec![("a", self.region(a)?), ("b", self.region(b)?), ("c", c)];
        bindings.extend(fused.operands);
        bindings.extend(row_sums.map(|sums| ("sums", sums)));
        let (sides, flops) = ([m, k, n, depth], 2 * len as u64 * k as u64);
        let batch = [product.batch, product.a_strides, product.b_strides];
        Ok(MatmulDispatch { variant, bindings, sides, batch, groups: tiles, flops, sums })
    }

    /// Adds a product as a dispatch of its own.
    pub(crate) fn product(&mut self, draft: MatmulDispatch) -> Result<()> {
        let call = self.call(draft.variant.kernel()).hyper(draft.variant.epilogue.pairs());
        let call = draft.given_to(call, |name| name);
        self.push(call.groups(draft.groups).flops(draft.flops))?;
        self.sums(draft.sums)
    }

    /// Adds two products as one dispatch, or as two if one cannot do both.
    pub(crate) fn pair(&mut self, first: MatmulDispatch, second: MatmulDispatch) -> Result<()> {
        let pair = Pair { first: first.variant, second: second.variant };
        if !pair.fits(self.gpu.limits().max_compute_workgroup_storage_size) {
            self.product(first)?;
            return self.product(second);
        }
        let call = self.call(pair.kernel()).hyper(pair.second.epilogue.pairs());
        let call = first.given_to(second.given_to(call, |name| name), Pair::of_first);
        let call = call.field("first_groups", first.groups as usize);
        self.push(call.groups(first.groups + second.groups).flops(first.flops + second.flops))?;
        self.sums(first.sums)?;
        self.sums(second.sums)
    }

    fn add_row(&mut self, row: Slot, out: Slot) -> Result<()> {
        let shape = self.shape(out)?;
        let call = self
            .call(kernels::add_row())
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

    /// Sums rows into `out`, in as many rounds as needed.
    pub(crate) fn sum_blocks(
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
                .call(kernels::sum_rows())
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

    fn sums(&mut self, sums: Vec<Sum>) -> Result<()> {
        for Sum { from, parts, len, to } in sums {
            let call = self
                .call(kernels::sum_parts())
                .bind("x", &from)
                .bind("y", &to)
                .fields([("len", len), ("parts", parts)])
                .groups(groups(len, 64))
                .flops((len * parts) as u64);
            self.push(call)?;
        }
        Ok(())
    }
}
