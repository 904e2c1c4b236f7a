//! The matrix-product generator: one text for every tiling, unrolled, with named scalars. The forms NN, NT and TN differ only
//! in how a block of 4 x 4 elements is loaded.

mod body;
mod loops;
mod memory;
mod pair;

use std::fmt::Write as _;

use super::parts::{INDEX, MATH, NO_HYPER, read, text_of, write};
use super::{Binding, Field, Kernel, Text};
use crate::ir::Form;
use crate::spec::activation::ActivationKind;
use crate::spec::{Activation, Kind as _};

pub use pair::Pair;

/// The distribution of a product over workgroups and invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tiling {
    /// Rows and columns of the result that an invocation computes, multiples of 4.
    pub each: [u32; 2],
    /// Invocations along the rows, the columns and the inner side.
    pub lanes: [u32; 3],
    /// The way of the operands to the invocations.
    pub via: Via,
}

/// The way of a product's operands to the invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// Each invocation reads what it needs.
    Memory,
    /// Through workgroup memory.
    Workgroup,
    /// The invocations of a workgroup, which are one subgroup beside each other, read the rows of the left operand
    /// together and hand them to each other.
    Subgroup,
}

/// The number of inner indices that a staged workgroup takes at a time.
const STAGE: u32 = 16;

impl Tiling {
    /// Rows and columns of the result that a workgroup computes.
    pub const fn block(self) -> [u32; 2] {
        [self.each[0] * self.lanes[0], self.each[1] * self.lanes[1]]
    }

    /// True if results are stored in a loop: the compilers of CPU adapters, which have workgroups of eight, are slow for each
    /// memory access.
    const fn rolls(self) -> bool {
        self.workgroup() == 8
    }

    /// Invocations per workgroup.
    pub const fn workgroup(self) -> u32 {
        self.lanes[0] * self.lanes[1] * self.lanes[2]
    }
}

/// The operations on a result before it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Epilogue {
    /// A number per column is added.
    pub bias: bool,
    /// Then a function is applied.
    pub activation: Option<Activation>,
    /// The function's input is stored as well.
    pub keeps: bool,
    /// In place of that: the result is multiplied by the derivative of a function, from what its forward pass saved.
    pub derivative: Option<Activation>,
}

impl Epilogue {
    /// Returns whether the function can be part of an epilogue: it looks at one element at a time and draws no random numbers.
    pub fn takes(f: &Activation) -> bool {
        // A text of the caller's own was checked beside the texts of the templates only.
        let known = ActivationKind::all().iter().any(|entry| std::ptr::eq(*entry, f.entry()));
        known && matches!(f.entry().kind, ActivationKind::Elementwise(_))
    }

    fn function(&self) -> Option<Activation> {
        self.activation.or(self.derivative)
    }

    /// The parameters of the function.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.function().into_iter().flat_map(|f| f.pairs().collect::<Vec<_>>())
    }

    fn name(&self) -> String {
        let mut name = String::new();
        let parts = [(self.bias, ".bias"), (self.keeps, ".keep")];
        parts.iter().filter(|(on, _)| *on).for_each(|(_, part)| name += part);
        if let Some(f) = self.activation {
            let _ = write!(name, ".{}", f.name());
        }
        if let Some(f) = self.derivative {
            let _ = write!(name, ".d_{}", f.name());
        }
        name
    }

    /// The names of what it binds, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.bindings().map(|binding| binding.name)
    }

    fn bindings(&self) -> impl Iterator<Item = Binding> {
        let parts = [
            self.bias.then(|| read("bias")),
            self.keeps.then(|| write("kept")),
            self.derivative.map(|_| read("saved")),
        ];
        parts.into_iter().flatten()
    }
}

/// A kernel of the generator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variant {
    /// The operand that is transposed, if any.
    pub form: Form,
    /// The distribution over workgroups and invocations.
    pub tiling: Tiling,
    /// True for each of m, k and n that is a multiple of 4: rows of such a length are read and written by fours.
    pub fours: [bool; 3],
    /// Some workgroup reaches over an edge.
    pub edge: bool,
    /// There is more than one product.
    pub batched: bool,
    /// The inner side is shared by several workgroups; their partial products lie one after the other in c.
    pub split: bool,
    /// Column sums of the left operand's rows along the inner side are stored as well: the gradient of a bias.
    pub sums: bool,
    /// The operations on a result before it is stored.
    pub epilogue: Epilogue,
}

const FIELDS: [(&str, usize); 7] =
    [("m", 1), ("k", 1), ("n", 1), ("depth", 1), ("batch", 4), ("a_batch", 4), ("b_batch", 4)];

impl Variant {
    /// One product whose sides are what they may be, without an epilogue.
    pub fn plain(form: Form, tiling: Tiling) -> Self {
        Self {
            form,
            tiling,
            fours: [false; 3],
            edge: false,
            batched: false,
            split: false,
            sums: false,
            epilogue: Epilogue::default(),
        }
    }

    /// The kernel.
    pub fn kernel(&self) -> Kernel {
        let entry = self.entry("    product(flat_workgroup(group, groups), lane);\n");
        self.kernel_of(self.params(&[]) + &self.bound(1) + &self.functions() + &entry)
    }

    /// The kernel with this text beside the function of its epilogue.
    fn kernel_of(&self, text: String) -> Kernel {
        let mut parts = vec![Text::file(INDEX), Text::generated(text)];
        let mut hyper = None;
        if let Some(f) = self.epilogue.function()
            && let ActivationKind::Elementwise(map) = &f.entry().kind
        {
            parts.extend([Text::file(MATH), text_of(f.entry(), map.shader)]);
            if f.entry().params.is_empty() {
                parts.push(Text::file(NO_HYPER));
            }
            hyper = Some(f.entry().params.iter().map(|param| param.name).collect());
        }
        Kernel {
            label: self.label(),
            parts,
            bindings: self.bindings(),
            fields: FIELDS.map(|(name, words)| Field { name, words }).to_vec(),
            hyper,
            workgroup: self.tiling.workgroup(),
        }
    }

    fn label(&self) -> String {
        let Tiling { each: [rows, cols], lanes: [down, across, deep], via } = self.tiling;
        let way = match via {
            Via::Memory => "direct",
            Via::Workgroup => "staged",
            Via::Subgroup => "shared",
        };
        let mut label =
            format!("matmul.{}.{way}_{rows}x{cols}_{down}x{across}x{deep}", self.form.name());
        let [m, k, n] = self.fours;
        let flags = [
            (m, ".m4"),
            (k, ".k4"),
            (n, ".n4"),
            (self.edge, ".edge"),
            (self.batched, ".batched"),
            (self.split, ".split"),
            (self.sums, ".sums"),
        ];
        flags.iter().filter(|(on, _)| *on).for_each(|(_, name)| label += name);
        label + &self.epilogue.name()
    }

    fn bindings(&self) -> Vec<Binding> {
        let sums = self.sums.then(|| write("sums"));
        let first = [read("a"), read("b"), write("c")];
        first.into_iter().chain(self.epilogue.bindings()).chain(sums).collect()
    }

    /// Returns whether an iteration along the inner side takes one inner index. Compilers of CPU adapters are slow for each load,
    /// and where no operand has four of the inner side beside each other, as many loads give less text.
    const fn loads_lines(&self) -> bool {
        let [_, inner_fours, _] = self.fours;
        let along = !matches!(self.form, Form::TN) && inner_fours;
        self.tiling.rolls() && self.tiling.lanes[2] == 1 && !along
    }

    /// The functions, of which `product` computes the results of a workgroup.
    fn functions(&self) -> String {
        let mut text = match self.loads_lines() {
            true => self.line("a", self.form != Form::TN) + &self.line("b", self.form == Form::NT),
            false => self.load("a", self.form != Form::TN) + &self.load("b", self.form == Form::NT),
        };
        text += &self.finish();
        text += &self.store();
        if self.sums {
            text += memory::STORE_SUMS;
        }
        text + &self.product()
    }
}
