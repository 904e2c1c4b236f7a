//! The second dispatch: the sum of the partial gradients, the figures, and where nothing comes between, the update of the
//! parameters and the end of the step.

use std::fmt::Write as _;

use crate::gpu::kernel::catalogue::{
    INDEX, MATH, NO_SCALARS, OPTIMIZER_TYPES, STEP, read, shader, write,
};
use crate::gpu::kernel::{Access, Binding, Field, Kernel};
use crate::spec::Optimizer;

/// What the second dispatch does.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The optimizer, if the update is part of it, and then also the end of the step.
    pub optimizer: Option<Optimizer>,
    /// Workgroups of the first dispatch.
    pub groups: u32,
    /// Numbers per workgroup.
    pub stride: u32,
    /// Parameters, padding included.
    pub params: u32,
    /// Rows of the batch.
    pub rows: u32,
    /// Each figure's terms per row if it is a mean; 0 for a sum.
    pub terms: Vec<u32>,
    /// Where the figures go: places among the scalars, or columns of the ring, each with the figure's number.
    pub places: Vec<[u32; 2]>,
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
                let formula = shader!("template/optimizer_element");
                let four = shader!("template/optimizer_four");
                let own = optimizer.entry().kind.shader;
                let texts = [MATH, OPTIMIZER_TYPES, four, formula, states, own];
                parts.extend(texts.map(|part| part.into()));
            }
        }
        let label = self.optimizer.as_ref().map_or("sum", Optimizer::name);
        Kernel {
            label: format!("whole.update.{label}"),
            parts,
            bindings: self.bindings(),
            fields: ["unused"].map(|name| Field { name, words: 1 }).to_vec(),
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
            return vec![read("steps"), read("partial"), write("grad"), write("figures")];
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
        let Self { groups, stride, params, rows, ring, .. } = self;
        let clock = params + self.terms.len() as u32;
        let number = |at: u32| format!("partial[{}u][{}u]", at / 4, at % 4);
        // The first dispatch says which step this is: here the counter moves on.
        let counter = match self.optimizer {
            Some(_) => format!("u32({}) + (u32({}) << 16u)", number(clock), number(clock + 1)),
            None => "steps.counter".to_string(),
        };
        let _ = write!(
            text,
            "\nfn sum_at(i: u32) -> vec4<f32> {{\n    var total = vec4(0.0);\n    \
             for (var group = 0u; group < {groups}u; group++) {{\n        \
             total += partial[group * {}u + i];\n    }}\n    return total;\n}}\n\
             \n@compute @workgroup_size(64)\nfn main(\n    \
             @builtin(workgroup_id) group: vec3<u32>,\n    \
             @builtin(num_workgroups) groups: vec3<u32>,\n    \
             @builtin(local_invocation_index) lane: u32,\n) {{\n    \
             let index = flat_workgroup(group, groups);\n    let i = index * 64u + lane;\n    \
             let counter = {counter};\n    let now = counter % steps.capacity;\n",
            stride / 4
        );
        let last = self.workgroups() - 1;
        let _ = writeln!(
            text,
            "    if index == {last}u {{\n        if lane != 0u {{\n            return;\n        }}"
        );
        let _ = writeln!(text, "        let rows = min({rows}u, steps.entries[now].rows);");
        for (number, terms) in (0u32..).zip(&self.terms) {
            let at = params + number;
            let divisor = match terms {
                0 => String::new(),
                terms => format!(" / f32(max(rows * {terms}u, 1u))"),
            };
            let _ = writeln!(
                text,
                "        let figure{number} = sum_at({}u)[{}u]{divisor};",
                at / 4,
                at % 4
            );
        }
        for [place, figure] in &self.places {
            let at = match self.optimizer {
                Some(_) => format!("counter % {ring}u * 8u + {place}u"),
                None => format!("{place}u"),
            };
            let _ = writeln!(text, "        figures[{at}] = figure{figure};");
        }
        if self.optimizer.is_some() {
            text += "        steps.counter = counter + 1u;\n";
        }
        let _ = writeln!(
            text,
            "        return;\n    }}\n    if 4u * i >= {params}u {{\n        return;\n    }}"
        );
        text += "    let sum = sum_at(i);\n    grad[i] = sum;\n";
        if self.optimizer.is_some() {
            text += UPDATE;
        }
        text + "}\n"
    }
}

const UPDATE: &str = "    if steps.entries[now].sign != 0.0 {
        update_four(i, sum, settings(now));
    }
";
