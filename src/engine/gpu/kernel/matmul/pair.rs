//! Two products in one dispatch: the gradients of a layer by its parameters and by its input.

use super::{FIELDS, Variant};
use crate::engine::gpu::kernel::names::renamed;
use crate::engine::gpu::kernel::{Binding, Field, Kernel};

/// Two kernels of the generator, of which neither reads what the other writes. Workgroups below a number do the first one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Without an epilogue.
    pub first: Variant,
    /// With any.
    pub second: Variant,
}

/// The suffix of the first one's names.
const SUFFIX: &str = "_first";

/// The first one's parameters, and how many workgroups do it.
fn others() -> impl Iterator<Item = (&'static str, usize)> {
    let own = FIELDS.into_iter().map(|(name, words)| (Pair::of_first(name), words));
    own.chain([("first_groups", 1)])
}

const ENTRY: &str = "    let index = flat_workgroup(group, groups);
    if index < params.first_groups {
        product_first(index, lane);
    } else {
        product(index - params.first_groups, lane);
    }
";

impl Pair {
    /// Returns whether one dispatch can do both on a device with so much workgroup memory.
    pub fn fits(&self, workgroup_bytes: u32) -> bool {
        let Self { first, second } = self;
        let bytes = first.workgroup_bytes() + second.workgroup_bytes();
        first.tiling.workgroup() == second.tiling.workgroup() && bytes <= workgroup_bytes
    }

    /// The name that its kernel has for a binding or field of the first one.
    pub fn of_first(name: &'static str) -> &'static str {
        match name {
            "a" => "a_first",
            "b" => "b_first",
            "c" => "c_first",
            "sums" => "sums_first",
            "m" => "first_m",
            "k" => "first_k",
            "n" => "first_n",
            "depth" => "first_depth",
            "batch" => "first_batch",
            "a_batch" => "first_a_batch",
            "b_batch" => "first_b_batch",
            other => other,
        }
    }

    /// The kernel: it binds what the second one binds, then what the first one does.
    pub fn kernel(&self) -> Kernel {
        let Self { first, second } = self;
        let bindings = second.bindings();
        let own = first.bound(bindings.len() as u32 + 1) + &first.functions();
        let own = renamed(&own, SUFFIX).replace("params.", "params.first_");
        let text = second.params(&others().collect::<Vec<_>>())
            + &second.bound(1)
            + &second.functions()
            + &own;
        let mut kernel = second.kernel_of(text + &second.entry(ENTRY));
        let renamed = first.bindings().into_iter();
        let renamed =
            renamed.map(|binding| Binding { name: Self::of_first(binding.name), ..binding });
        kernel.label = format!("{} beside {}", second.label(), first.label());
        kernel.bindings.extend(renamed);
        kernel.fields.extend(others().map(|(name, words)| Field { name, words }));
        kernel
    }
}
