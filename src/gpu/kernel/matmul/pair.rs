//! Two products in one dispatch: the gradients of a layer by its parameters and by its input.

use super::Variant;
use crate::gpu::kernel::names::renamed;
use crate::gpu::kernel::{Binding, Field, Kernel};

/// Two kernels of the generator, of which neither reads what the other writes. Workgroups below a number do the first one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Without an epilogue.
    pub first: Variant,
    /// With any.
    pub second: Variant,
}

/// What the names of the first one end with.
const SUFFIX: &str = "_first";

/// The first one's parameters, and how many workgroups do it.
const OTHERS: [(&str, usize); 8] = [
    ("first_m", 1),
    ("first_k", 1),
    ("first_n", 1),
    ("first_depth", 1),
    ("first_batch", 4),
    ("first_a_batch", 4),
    ("first_b_batch", 4),
    ("first_groups", 1),
];

const ENTRY: &str = "    let index = flat_workgroup(group, groups);
    if index < params.first_groups {
        product_first(index, lane);
    } else {
        product(index - params.first_groups, lane);
    }
";

impl Pair {
    /// Whether one dispatch can do both on a device with so much workgroup memory.
    pub fn fits(&self, workgroup_bytes: u32) -> bool {
        let Self { first, second } = self;
        let bytes = first.workgroup_bytes() + second.workgroup_bytes();
        first.tiling.workgroup() == second.tiling.workgroup() && bytes <= workgroup_bytes
    }

    /// The kernel: it binds what the second one binds, then what the first one does.
    pub fn kernel(&self) -> Kernel {
        let Self { first, second } = self;
        let bindings = second.bindings();
        let own = first.bound(bindings.len() as u32 + 1) + &first.functions();
        let own = renamed(&own, SUFFIX).replace("params.", "params.first_");
        let text = second.params(&OTHERS) + &second.bound(1) + &second.functions() + &own;
        let mut kernel = second.kernel_of(text + &second.entry(ENTRY));
        let renamed = first.bindings().into_iter().map(|binding| Binding {
            name: match binding.name {
                "a" => "a_first",
                "b" => "b_first",
                "c" => "c_first",
                _ => "sums_first",
            },
            ..binding
        });
        kernel.label = format!("{} beside {}", second.label(), first.label());
        kernel.bindings.extend(renamed);
        kernel.fields.extend(OTHERS.map(|(name, words)| Field { name, words }));
        kernel
    }
}
