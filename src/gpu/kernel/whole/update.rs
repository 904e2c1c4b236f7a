//! The second dispatch: the sum of the partial gradients, the figures, and where nothing comes between, the update of the
//! parameters and the end of the step.

use std::fmt::Write as _;

use crate::gpu::kernel::parts::{
    INDEX, MATH, NO_SCALARS, OPTIMIZER_TYPES, STEP, read, shader, write,
};
use crate::gpu::kernel::{Access, Binding, Field, Kernel};
use crate::ops::update::kernels::formula;
use crate::spec::Optimizer;

/// Numbers that lie in parts, which are added up in the order of theirs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parts {
    /// The first one's place among the parameters, a multiple of 64.
    pub first: u32,
    /// How many numbers there are.
    pub len: u32,
    /// Where the first part lies, a multiple of 4.
    pub at: u32,
    /// How many parts there are.
    pub count: u32,
    /// How far apart they lie.
    pub stride: u32,
}

impl Parts {
    /// Four sums, those of the parameters in units of four at `i`.
    fn fours(self) -> String {
        let Self { first, len, at, count, stride } = self;
        let i = format!("i - {}u", first / 4);
        if stride.is_multiple_of(4) && len.is_multiple_of(4) {
            return format!("sum_of({}u + ({i}), {}u, {count}u)", at / 4, stride / 4);
        }
        let each = [0, 1, 2, 3]
            .map(|part| format!("sum_at({at}u + 4u * ({i}) + {part}u, {stride}u, {count}u)"));
        format!("select(vec4(0.0), vec4({}), below({i}, {len}u))", each.join(", "))
    }

    /// The place of a number of the first part, and how it is summed.
    fn one(self, number: u32) -> String {
        let Self { at, count, stride, .. } = self;
        format!("sum_at({}u, {stride}u, {count}u)", at + number)
    }
}

/// Where a figure is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    /// The sum of parts, by its number.
    Sum(u32),
    /// At this place among the scalars.
    Scalar(u32),
}

/// What the second dispatch does.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The optimizer, if the update is part of it, and then also the end of the step.
    pub optimizer: Option<Optimizer>,
    /// The gradients that lie in parts.
    pub parts: Vec<Parts>,
    /// Where the figures lie in parts, one after the other, and after them the step's number.
    pub figures: Parts,
    /// Parameters, padding included.
    pub params: u32,
    /// Rows of the batch.
    pub rows: u32,
    /// Each figure's terms per row if it is a mean; 0 for a sum.
    pub terms: Vec<u32>,
    /// Where the figures go: places among the scalars, or columns of the ring, each with where the figure is.
    pub places: Vec<(u32, Source)>,
    /// How many steps the ring holds.
    pub ring: u32,
}

impl Update {
    /// The kernel.
    pub fn kernel(&self) -> Kernel {
        let mut parts = vec![INDEX.into(), STEP.into(), self.text().into()];
        match &self.optimizer {
            None => parts.push(NO_SCALARS.into()),
            Some(optimizer) => {
                let states = match optimizer.states().len() {
                    0 => shader!("template/optimizer_states_0"),
                    1 => shader!("template/optimizer_states_1"),
                    _ => shader!("template/optimizer_states_2"),
                };
                let kind = &optimizer.entry().kind;
                let four = shader!("template/optimizer_four");
                let texts = [MATH, OPTIMIZER_TYPES, four, formula(kind.takes), states, kind.shader];
                parts.extend(texts.map(|part| part.into()));
            }
        }
        let label = self.optimizer.as_ref().map_or("sum", Optimizer::name);
        Kernel {
            label: format!("whole.update.{label}"),
            parts,
            bindings: self.bindings(),
            fields: vec![Field::unused(1)],
            hyper: None,
            workgroup: 64,
        }
    }

    /// Workgroups: one for the figures beside those for the parameters.
    pub fn workgroups(&self) -> u64 {
        u64::from(self.params.div_ceil(256)) + 1
    }

    fn bindings(&self) -> Vec<Binding> {
        let Some(optimizer) = &self.optimizer else {
            return vec![read("steps"), write("partial"), write("grad")];
        };
        let mut bindings = vec![write("steps"), read("blocks"), write("grad"), write("param")];
        let states = ["state_a", "state_b"].into_iter().take(optimizer.states().len());
        bindings.extend(states.map(write));
        bindings.extend([read("partial"), write("figures")]);
        bindings
    }

    fn text(&self) -> String {
        let mut text = "struct Params {\n    unused: u32,\n}\n\n\
                        @group(0) @binding(0) var<uniform> params: Params;\n"
            .to_string();
        for (number, Binding { name, access }) in (1..).zip(self.bindings()) {
            let access = if access == Access::Read { "read" } else { "read_write" };
            let ty = match name {
                "steps" => "Steps",
                "blocks" => "array<Block>",
                "figures" => "array<f32>",
                // Declared beside the functions that read them.
                "state_a" | "state_b" => continue,
                _ => "array<vec4<f32>>",
            };
            let _ =
                writeln!(text, "@group(0) @binding({number}) var<storage, {access}> {name}: {ty};");
        }
        let Self { params, rows, ring, .. } = self;
        let clock = self.figures.at + self.terms.len() as u32;
        let number = |at: u32| format!("partial[{}u][{}u]", at / 4, at % 4);
        // The first dispatch says which step this is: here the counter moves on.
        let counter = match self.optimizer {
            Some(_) => format!("u32({}) + (u32({}) << 16u)", number(clock), number(clock + 1)),
            None => "steps.counter".to_string(),
        };
        text += SUMS;
        for parts in &self.parts {
            let (first, end) = (parts.first / 4, (parts.first + parts.len).div_ceil(4));
            let _ = writeln!(
                text,
                "    if i >= {first}u && i < {end}u {{\n        return {};\n    }}",
                parts.fours()
            );
        }
        let _ = write!(
            text,
            "    return grad[i];\n}}\n\
             \n@compute @workgroup_size(64)\nfn main(\n    \
             @builtin(workgroup_id) group: vec3<u32>,\n    \
             @builtin(num_workgroups) groups: vec3<u32>,\n    \
             @builtin(local_invocation_index) lane: u32,\n) {{\n    \
             let index = flat_workgroup(group, groups);\n    let i = index * 64u + lane;\n    \
             let counter = {counter};\n    let now = counter % steps.capacity;\n",
        );
        let last = self.workgroups() - 1;
        let _ = writeln!(
            text,
            "    if index == {last}u {{\n        if lane != 0u {{\n            return;\n        }}"
        );
        let _ = writeln!(text, "        let rows = min({rows}u, steps.entries[now].rows);");
        for (number, terms) in (0u32..).zip(&self.terms) {
            let divisor = match terms {
                0 => String::new(),
                terms => format!(" / f32(max(rows * {terms}u, 1u))"),
            };
            let sum = self.figures.one(number);
            let _ = writeln!(text, "        let figure{number} = {sum}{divisor};");
        }
        for (place, from) in &self.places {
            let figure = match from {
                Source::Sum(number) => format!("figure{number}"),
                Source::Scalar(at) => number(*at),
            };
            let to = match self.optimizer {
                Some(_) => format!("figures[counter % {ring}u * 8u + {place}u]"),
                None => number(*place),
            };
            let _ = writeln!(text, "        {to} = {figure};");
        }
        if self.optimizer.is_some() {
            text += "        steps.counter = counter + 1u;\n";
        }
        let _ = writeln!(
            text,
            "        return;\n    }}\n    if 4u * i >= {params}u {{\n        return;\n    }}"
        );
        text += "    let sum = gradient(i);\n    grad[i] = sum;\n";
        if self.optimizer.is_some() {
            text += UPDATE;
        }
        text + "}\n"
    }
}

const SUMS: &str = "
// Four numbers' sums: where they lie and the parts' distance in units of four.
fn sum_of(at: u32, stride: u32, count: u32) -> vec4<f32> {
    var total = vec4(0.0);
    for (var part = 0u; part < count; part++) {
        total += partial[part * stride + at];
    }
    return total;
}

fn sum_at(at: u32, stride: u32, count: u32) -> f32 {
    var total = 0.0;
    for (var part = 0u; part < count; part++) {
        let own = part * stride + at;
        total += partial[own / 4u][own % 4u];
    }
    return total;
}

fn gradient(i: u32) -> vec4<f32> {
";

const UPDATE: &str = "    if steps.entries[now].updates == 1u {
        update_four(i, sum, settings(due_in(now)));
    }
";
