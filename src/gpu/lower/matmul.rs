//! Matrix products.

use super::{Lowering, groups};
use crate::error::Result;
use crate::gpu::kernel::catalogue;
use crate::gpu::kernel::matmul::{Epilogue, Variant};
use crate::gpu::memory::Region;
use crate::program::{Form, Product, Slot};

/// A product with what surrounds it.
#[derive(Clone, Debug, Default)]
pub(super) struct Fused {
    pub epilogue: Epilogue,
    /// What the epilogue reads and writes, in its order.
    pub operands: Vec<Region>,
    /// Where the sums of the left operand's rows go.
    pub sums: Option<Region>,
}

impl Lowering<'_> {
    pub(super) fn matmul(&mut self, a: Slot, b: Slot, out: Slot, form: Form) -> Result<()> {
        self.matmul_with(a, b, out, form, Fused::default())
    }

    pub(super) fn matmul_with(
        &mut self,
        a: Slot,
        b: Slot,
        out: Slot,
        form: Form,
        fused: Fused,
    ) -> Result<()> {
        let product = Product::into(form, self.shape(a)?, self.shape(b)?, self.shape(out)?)?;
        let Product { m, k, n, .. } = product;
        let (tiling, depth) = self.gpu.choices().product(&product);
        let (parts, len) = (k.div_ceil(depth).max(1), product.count() * m * n);
        let [rows, cols] = tiling.block().map(|side| side as usize);
        let tiles = groups(m, rows) * groups(n, cols) * (product.count() * parts) as u64;
        let variant = Variant {
            fours: [m, k, n].map(|side| side.is_multiple_of(4)),
            edge: !m.is_multiple_of(rows) || !n.is_multiple_of(cols) || !k.is_multiple_of(16),
            batched: product.count() > 1,
            split: parts > 1,
            sums: fused.sums.is_some(),
            epilogue: fused.epilogue,
            ..Variant::plain(form, tiling)
        };
        let target = self.region(out)?;
        let c = if parts > 1 { self.scratch(parts * len)? } else { target.clone() };
        let sums = match &fused.sums {
            Some(_) if parts > 1 => Some(self.scratch(parts * m)?),
            sums => sums.clone(),
        };
        let axes = [product.batch, product.a_strides, product.b_strides].into_iter().flatten();
        let fields = [m, k, n, depth].into_iter().chain(axes);
        let fields: Vec<u32> = fields.map(|field| field as u32).collect();
        let mut bindings = vec![self.region(a)?, self.region(b)?, c.clone()];
        bindings.extend(fused.operands);
        bindings.extend(sums.clone());
        let flops = 2 * len as u64 * k as u64;
        let values = fused.epilogue.values();
        self.push(variant.kernel(), &fields, &values, bindings, tiles, flops)?;
        if parts > 1 {
            self.sum_parts(c, parts, len, target)?;
            if let (Some(partial), Some(sums)) = (sums, fused.sums) {
                self.sum_parts(partial, parts, m, sums)?;
            }
        }
        Ok(())
    }

    fn sum_parts(&mut self, x: Region, parts: usize, len: usize, y: Region) -> Result<()> {
        let (fields, flops) = ([len as u32, parts as u32], (len * parts) as u64);
        self.push(catalogue::sum_parts(), &fields, &[], vec![x, y], groups(len, 64), flops)
    }
}
