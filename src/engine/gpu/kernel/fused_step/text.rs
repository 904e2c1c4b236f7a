//! The kernel of the first dispatch: files of `shaders/fused_step`, after the constants and functions that depend on the
//! network.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{FusedStep, Layer, StepMetric};
use crate::engine::gpu::kernel::names::renamed;
use crate::engine::gpu::kernel::parts::{
    INDEX, MATH, NO_SCALARS, RANDOM, STEP, read, shader, write,
};
use crate::engine::gpu::kernel::writer::Writer;
use crate::engine::gpu::kernel::{Access, Binding, Field, Kernel, Text};
use crate::spec::Activation;
use crate::spec::activation::ActivationKind;
use crate::spec::loss::{LossKind, TargetForm};
use crate::spec::metric::{Agreement, Mode};

/// The number of each activation's functions, by the activation's text.
pub(super) type Names = HashMap<String, usize>;

pub(super) const TURNS: &str = shader!("fused_step/turns");

impl FusedStep {
    /// The kernel of the first dispatch.
    pub fn kernel(&self) -> Kernel {
        let files = [INDEX, MATH, RANDOM, STEP, NO_SCALARS, TURNS, shader!("fused_step/step")];
        let mut parts: Vec<Text> = files.map(Text::file).to_vec();
        let whole = self.inputs.is_multiple_of(4);
        parts.push(match whole {
            true => Text::file(shader!("fused_step/input_fours")),
            false => Text::file(shader!("fused_step/input_elements")),
        });
        if self.emits {
            parts.push(match whole {
                true => Text::file(shader!("fused_step/emit_fours")),
                false => Text::file(shader!("fused_step/emit_elements")),
            });
        }
        parts.push(match self.form {
            TargetForm::Class => Text::file(shader!("fused_step/target_classes")),
            _ => Text::file(shader!("fused_step/target_values")),
        });
        parts.extend(self.loss_parts());
        if self.metrics.iter().any(|metric| metric.top().is_some()) {
            parts.push(Text::file(shader!("fused_step/metric_top")));
        }
        parts.push(Text::generated(self.text()));
        Kernel {
            label: "whole.step".to_string(),
            parts,
            bindings: self.bindings(),
            fields: Self::fields(),
            hyper: None,
            workgroup: self.lanes,
        }
    }

    /// The number of values per workgroup: its sums of the gradients, the recorded values, and the step's number in two
    /// parts.
    pub fn stride(&self) -> u32 {
        (self.params + self.metrics.len() as u32 + 2).next_multiple_of(64)
    }

    /// The columns of the network's output.
    pub fn outputs(&self) -> u32 {
        self.layers.last().map_or(1, |placed| placed.layer.outputs() as u32)
    }

    /// The parameters that vary with the batch, so that one kernel serves batches of any size.
    fn fields() -> Vec<Field> {
        ["rows", "data_rows", "blocks", "groups"].map(Field::word).to_vec()
    }

    fn bindings(&self) -> Vec<Binding> {
        let access = if self.uniform { Access::Uniform } else { Access::Read };
        let param = Binding { name: "param", access };
        let mut bindings =
            vec![read("steps"), param, read("data"), read("targets"), write("partial")];
        bindings.extend(self.weighted.then(|| read("row_weight")));
        bindings.extend(self.emits.then(|| write("dx")));
        bindings
    }

    /// The functions of the loss.
    fn loss_parts(&self) -> Vec<Text> {
        let entry = self.loss.entry();
        let values = constants(self.loss.values(), entry.params.len());
        let own = |shader: &str| -> Text {
            let own = renamed(shader, "_loss").replace("params.cols", "COLS");
            Text::generated(with_hyper(&own, "loss_hyper", "Hyper_loss", &values))
        };
        match &entry.kind {
            LossKind::Elementwise(map) => {
                vec![own(map.shader), Text::file(shader!("fused_step/loss_elementwise"))]
            }
            LossKind::Row(row) => vec![
                own(row.shader),
                Text::file(shader!("fused_step/loss_row")),
                match row.sums {
                    8 => Text::file(shader!("template/loss_sums_8")),
                    _ => Text::file(shader!("template/loss_sums_4")),
                },
                match row.peak {
                    true => Text::file(shader!("fused_step/loss_peak")),
                    false => Text::file(shader!("fused_step/loss_no_peak")),
                },
            ],
            LossKind::Ctc { .. } => Vec::new(),
        }
    }

    /// The constants, bindings and functions that depend on the network.
    fn text(&self) -> String {
        let mut text = self.constants() + &self.declarations();
        let mut names = Names::new();
        for placed in &self.layers {
            if let Layer::Activation { f, .. } = placed.layer {
                let number = names.len();
                names.entry(f.to_string()).or_insert_with(|| {
                    text += &activation_text(&f, number);
                    number
                });
            }
        }
        for (number, metric) in self.metrics.iter().enumerate() {
            if let StepMetric::Metric(metric) = metric
                && let Some(agreement) = metric.agrees()
            {
                text += &agreement_text(number, agreement);
            }
        }
        let mut w = Writer::default();
        self.functions(&mut w);
        self.forward(&mut w, &names);
        self.backward(&mut w, &names);
        text + &w.finish()
    }

    fn constants(&self) -> String {
        let last = self.layers.last().map_or(0, |placed| placed.y);
        let cols = self.outputs();
        let numbers = [
            ("LANES", self.lanes),
            ("BLOCK", self.block),
            ("INPUTS", self.inputs),
            ("INPUT_FOURS", self.inputs.div_ceil(4)),
            ("COLS", cols),
            ("COL_FOURS", cols.div_ceil(4)),
            ("TERMS", self.terms),
            ("METRICS", self.metrics.len() as u32),
            ("PARAMS", self.params),
            ("STRIDE", self.stride()),
            ("MEMORY", self.memory),
            ("OUTPUT", last),
            ("GRAD", self.grad),
        ];
        let flags = [("APART", self.apart), ("UNROLLS", !self.is_on_cpu())];
        let mut text = String::new();
        for (name, number) in numbers {
            let _ = writeln!(text, "const {name} = {number}u;");
        }
        for (name, flag) in flags {
            let _ = writeln!(text, "const {name} = {flag};");
        }
        text
    }

    fn declarations(&self) -> String {
        let uniform = format!("array<vec4<f32>, {}>", self.params / 4);
        declared(&Self::fields(), &self.bindings(), |name| {
            Some(match name {
                "steps" => "Steps",
                "targets" if self.form == TargetForm::Class => "array<u32>",
                "param" if self.uniform => &uniform,
                "param" | "partial" => "array<vec4<f32>>",
                "data" | "dx" if self.inputs.is_multiple_of(4) => "array<vec4<f32>>",
                _ => "array<f32>",
            })
        })
    }

    /// Writes the functions that the files call.
    fn functions(&self, w: &mut Writer) {
        // The barrier of a subgroup suffices if it is the whole workgroup: on CPU adapters it is a vector, whose invocations
        // run in step. llvmpipe makes a coroutine of a kernel with other barriers.
        let barrier = if self.broadcasts { "subgroupBarrier();" } else { "workgroupBarrier();" };
        w.block("fn barrier()", |w| w.line(barrier));
        let source = match (self.chosen, self.shuffle) {
            (false, _) => "row".to_string(),
            (true, None) => "steps.entries[now].start + row".to_string(),
            (true, Some(key)) => format!(
                "permute(vec2({}u, {}u), steps.entries[now].epoch, steps.entries[now].start + row, steps.entries[now].total)",
                key.0[0], key.0[1]
            ),
        };
        w.block("fn source_at(row: u32, now: u32) -> u32", |w| w.line(format!("return {source};")));
        let weight = if self.weighted { "row_weight[sources[i]]" } else { "1.0" };
        w.block("fn weight_of_row(i: u32) -> f32", |w| w.line(format!("return {weight};")));
        let upstream = number(self.upstream);
        w.block("fn upstream() -> f32", |w| w.line(format!("return {upstream};")));
        w.block("fn row_metrics(i: u32, is_active: bool)", |w| {
            for (number, metric) in self.metrics.iter().enumerate().skip(1) {
                let value = match metric.top() {
                    Some(k) => format!("is_in_top(i, {}u)", k.min(self.outputs() as usize)),
                    None => format!("metric_{number}(i)"),
                };
                let place = format!("terms[{number}u * BLOCK + i]");
                w.line(format!("{place} = select(0.0, {value}, is_active);"));
            }
        });
    }
}

/// Declares the uniform parameters and the bindings with a type.
pub(super) fn declared<'a>(
    fields: &[Field],
    bindings: &[Binding],
    ty: impl Fn(&str) -> Option<&'a str>,
) -> String {
    let mut text = "struct Params {\n".to_string();
    for Field { name, .. } in fields {
        let _ = writeln!(text, "    {name}: u32,");
    }
    text += "}\n\n@group(0) @binding(0) var<uniform> params: Params;\n";
    for (number, Binding { name, access }) in (1..).zip(bindings) {
        let space = match access {
            Access::Uniform => "uniform",
            Access::Read => "storage, read",
            Access::ReadWrite => "storage, read_write",
            Access::Absent => continue,
        };
        let Some(ty) = ty(name) else { continue };
        let _ = writeln!(text, "@group(0) @binding({number}) var<{space}> {name}: {ty};");
    }
    text
}

/// The values of a struct of parameters as WGSL.
fn constants(values: &[f64], count: usize) -> String {
    values.iter().take(count).map(|value| number(*value as f32)).collect::<Vec<_>>().join(", ")
}

/// A number as WGSL: one that is not finite is no constant there, and of a subnormal one a compiler may make 0.
fn number(value: f32) -> String {
    if value.is_normal() || value.to_bits() == 0 {
        format!("{value:?}")
    } else {
        format!("from_bits({:#x}u)", value.to_bits())
    }
}

/// Gives an op's shader its parameters, through a function, since not every number is a constant.
fn with_hyper(text: &str, name: &str, ty: &str, values: &str) -> String {
    let text = text.replace("params.hyper", &format!("{name}()"));
    if !text.contains(&format!("struct {ty} ")) {
        return format!("{text}\n");
    }
    format!("{text}\nfn {name}() -> {ty} {{\n    return {ty}({values});\n}}\n")
}

fn activation_text(f: &Activation, number: usize) -> String {
    let entry = f.entry();
    let (shader, values) = match &entry.kind {
        ActivationKind::Elementwise(map) => (map.shader, constants(f.values(), entry.params.len())),
        ActivationKind::Stochastic(noise) => {
            let values = (noise.prepare)(f.values());
            (noise.shader, constants(&values, noise.fields.len()))
        }
        _ => return String::new(),
    };
    let suffix = format!("_{number}");
    let own = renamed(shader, &suffix);
    with_hyper(&own, &format!("hyper{suffix}"), &format!("Hyper{suffix}"), &values)
}

/// The function of a metric that adds up the agreement of the outputs and the targets of a row.
fn agreement_text(number: usize, agreement: Agreement) -> String {
    let mode = match agreement.mode {
        Mode::Near => 0.0,
        Mode::Side => 1.0,
        Mode::Explained => 2.0,
        Mode::Outside => 3.0,
        Mode::Distance => 4.0,
    };
    let own = renamed(shader!("metric/agreement"), &format!("_metric{number}"));
    let (name, ty) = (format!("metric_hyper_{number}"), format!("Hyper_metric{number}"));
    let text = with_hyper(&own, &name, &ty, &constants(&[mode, agreement.limit], 2));
    let mut w = Writer::default();
    w.block(format!("fn metric_{number}(row: u32) -> f32"), |w| {
        w.line("var total = 0.0;");
        w.block("for (var col = 0u; col < turns(COLS); col++)", |w| {
            let values = "score(row, col), target_weight(row, col)";
            w.line(format!("total += value_metric{number}({values});"));
        });
        w.line("return total;");
    });
    text + &w.finish()
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn every_number_is_written_so_that_its_bits_come_back() {
        for bits in (0..=u32::MAX).step_by(65_521).chain([0x8000_0000, 1, 0x7f80_0000, 0xff80_0000])
        {
            let text = number(f32::from_bits(bits));
            let own = text.strip_prefix("from_bits(0x").and_then(|rest| rest.strip_suffix("u)"));
            let back = own.map_or_else(
                || text.parse::<f32>().unwrap().to_bits(),
                |digits| u32::from_str_radix(digits, 16).unwrap(),
            );
            assert_eq!(back, bits, "{text}");
            assert!(own.is_some() || text.contains('.') || text.contains('e'), "{text}");
        }
    }
}
