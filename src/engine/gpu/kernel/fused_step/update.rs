//! The second dispatch: the sum of the partial gradients, the recorded values, and where nothing comes between, the update of the
//! parameters and the end of the step.

use super::text::{TURNS, declared};
use crate::engine::gpu::kernel::parts::{
    INDEX, MATH, NO_SCALARS, OPTIMIZER_TYPES, STEP, read, shader, write,
};
use crate::engine::gpu::kernel::writer::Writer;
use crate::engine::gpu::kernel::{Binding, Field, Kernel, Text};
use crate::ir::Op;
use crate::ops::update::kernels::formula;
use crate::spec::Optimizer;

/// Numbers that lie in parts, which are added up in the order of theirs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parts {
    /// The first one's place among the parameters, a multiple of 64.
    pub first: u32,
    /// The number of values.
    pub len: u32,
    /// The offset of the first part, a multiple of 4.
    pub at: u32,
    /// The number of parts.
    pub count: u32,
    /// The distance between parts.
    pub stride: u32,
}

impl Parts {
    /// Four sums, those of the parameters in units of four at `i`.
    fn fours(self, count: &str) -> String {
        let Self { first, len, at, stride, .. } = self;
        let i = format!("i - {}u", first / 4);
        if stride.is_multiple_of(4) && len.is_multiple_of(4) {
            return format!("sum_of({}u + ({i}), {}u, {count})", at / 4, stride / 4);
        }
        let each = [0, 1, 2, 3]
            .map(|part| format!("sum_at({at}u + 4u * ({i}) + {part}u, {stride}u, {count})"));
        format!("select(vec4(0.0), vec4({}), below({i}, {len}u))", each.join(", "))
    }

    /// The sum of one number.
    fn one(self, number: u32) -> String {
        let Self { at, stride, .. } = self;
        format!("sum_at({}u, {stride}u, params.parts)", at + number)
    }
}

/// The location of a recorded value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    /// The sum of parts, by its number.
    Sum(u32),
    /// At this place among the scalars.
    Scalar(u32),
}

/// The second dispatch: sums the partial gradients and updates the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The optimizer, if the update is part of it, and then also the end of the step.
    pub optimizer: Option<Optimizer>,
    /// The gradients that other dispatches leave in parts.
    pub splits: Vec<Parts>,
    /// The gradients that the first dispatch leaves in a part per workgroup.
    pub own: Parts,
    /// The recorded values in the same parts, one after the other, and after them the step's number.
    pub figures: Parts,
    /// The number of parameters, padding included.
    pub params: u32,
    /// The terms per row of each recorded value if it is a mean; 0 for a sum.
    pub terms: Vec<u32>,
    /// The destinations of the recorded values, places among the scalars or columns of the ring, each with its source.
    pub places: Vec<(u32, Source)>,
    /// The number of steps that the ring holds.
    pub ring: u32,
}

impl Update {
    /// The kernel.
    pub fn kernel(&self) -> Kernel {
        let files = [INDEX, STEP, TURNS, shader!("fused_step/update")];
        let mut parts: Vec<Text> = files.map(Text::file).to_vec();
        match &self.optimizer {
            None => parts.extend([NO_SCALARS, shader!("fused_step/update_later")].map(Text::file)),
            Some(optimizer) => {
                let states = match optimizer.states().len() {
                    0 => shader!("template/optimizer_states_0"),
                    1 => shader!("template/optimizer_states_1"),
                    _ => shader!("template/optimizer_states_2"),
                };
                let kind = &optimizer.entry().kind;
                let four = shader!("template/optimizer_four");
                let now = shader!("fused_step/update_now");
                let files =
                    [MATH, OPTIMIZER_TYPES, four, formula(kind.takes), states, kind.shader, now];
                parts.extend(files.map(Text::file));
            }
        }
        parts.push(Text::generated(self.text()));
        let label = self.optimizer.as_ref().map_or("sum", Optimizer::name);
        Kernel {
            label: format!("whole.update.{label}"),
            parts,
            bindings: self.bindings(),
            fields: Self::fields(),
            hyper: None,
            workgroup: 64,
        }
    }

    /// The number of workgroups: one for the recorded values in addition to those for the parameters.
    pub fn workgroups(&self) -> u64 {
        u64::from(self.params.div_ceil(256)) + 1
    }

    fn fields() -> Vec<Field> {
        ["rows", "parts"].map(Field::word).to_vec()
    }

    fn bindings(&self) -> Vec<Binding> {
        let Some(optimizer) = &self.optimizer else {
            return vec![read("steps"), write("partial"), write("grad")];
        };
        let mut bindings = vec![write("steps"), read("blocks"), write("grad"), write("param")];
        let states = ["state_a", "state_b"].into_iter().take(optimizer.states().len());
        bindings.extend(states.map(write));
        bindings.extend([read("partial"), write("ring")]);
        bindings
    }

    /// The constants, bindings and functions that depend on the network.
    fn text(&self) -> String {
        let clock = self.figures.at + self.terms.len() as u32;
        let last = self.workgroups() - 1;
        // Optimizer states are declared beside the functions that read them.
        let text = declared(&Self::fields(), &self.bindings(), |name| match name {
            "steps" => Some("Steps"),
            "blocks" => Some("array<Block>"),
            "ring" => Some("array<f32>"),
            "state_a" | "state_b" => None,
            _ => Some("array<vec4<f32>>"),
        });
        let mut w = Writer::default();
        w.line(format!("const PARAMS = {}u;", self.params));
        w.line(format!("const LAST = {last}u;\nconst CLOCK = {clock}u;\nconst UNROLLS = false;"));
        w.block("fn gradient(i: u32) -> vec4<f32>", |w| {
            let splits = self.splits.iter().map(|parts| (parts, format!("{}u", parts.count)));
            for (parts, count) in splits.chain([(&self.own, "params.parts".to_string())]) {
                let (first, end) = (parts.first / 4, (parts.first + parts.len).div_ceil(4));
                w.block(format!("if i >= {first}u && i < {end}u"), |w| {
                    w.line(format!("return {};", parts.fours(&count)));
                });
            }
            w.line("return grad[i];");
        });
        w.block("fn record(counter: u32, rows: u32)", |w| self.record(w));
        text + &w.finish()
    }

    /// Writes the statements that store the recorded values and end the step.
    fn record(&self, w: &mut Writer) {
        for (number, terms) in (0u32..).zip(&self.terms) {
            let divisor = match terms {
                0 => String::new(),
                terms => format!(" / f32(max(rows * {terms}u, 1u))"),
            };
            let sum = self.figures.one(number);
            w.line(format!("let figure{number} = {sum}{divisor};"));
        }
        let place = |at: u32| format!("partial[{}u][{}u]", at / 4, at % 4);
        for (to, from) in &self.places {
            let value = match from {
                Source::Sum(number) => format!("figure{number}"),
                Source::Scalar(at) => place(*at),
            };
            let to = match self.optimizer {
                Some(_) => {
                    format!("ring[counter % {}u * {}u + {to}u]", self.ring, Op::MAX_RECORDED)
                }
                None => place(*to),
            };
            w.line(format!("{to} = {value};"));
        }
        if self.optimizer.is_some() {
            w.line("steps.counter = counter + 1u;");
        }
    }
}
