//! The ops of a row. A tensor is an array of fours of its elements; what lies beyond its end is never read.

use super::{Four, RowBody, RowFunction, WeightSource, component};
use crate::error::{Error, Result};
use crate::ir::{Form, Op, Slot};
use crate::ops::{ActivationOp, ArithmeticOp, LinearOp, NormOp};
use crate::spec::activation::{ActivationKind, RowForm};
use crate::spec::norm::NormalizationKind;
use crate::spec::{Activation, Arithmetic, Normalization};

/// The most inputs or outputs that are written one by one.
const MOST_PARTS: usize = 64;

impl<'a> RowBody<'a> {
    /// Declares the input.
    pub(super) fn load(&mut self, inputs: usize) -> Result<()> {
        let x = self.variable(self.function.x)?;
        if inputs > MOST_PARTS {
            self.declare(self.function.x)?;
            self.w.line("var all = input;");
            self.w.block(format!("for (var i = 0u; i < {inputs}u; i++)"), |w| {
                w.line(format!("{x}[i / 4u][i % 4u] = all[i];"));
            });
            return Ok(());
        }
        let part = |i: usize| if i < inputs { format!("input[{i}]") } else { "0.0".into() };
        let four = |k: usize| {
            let parts = [0, 1, 2, 3].map(|part_of| part(4 * k + part_of));
            format!("vec4({})", parts.join(", "))
        };
        let fours: Vec<String> = (0..inputs.div_ceil(4)).map(four).collect();
        let count = fours.len();
        self.w.line(format!("var {x} = array<vec4<f32>, {count}>({});", fours.join(", ")));
        Ok(())
    }

    /// Returns the output.
    pub(super) fn give(&mut self, outputs: usize) -> Result<()> {
        let y = self.variable(self.function.y)?;
        if outputs <= MOST_PARTS {
            let parts: Vec<String> = (0..outputs as u32).map(|i| element(&y, i)).collect();
            self.w.line(format!("return array<f32, {outputs}>({});", parts.join(", ")));
            return Ok(());
        }
        self.w.line(format!("var output: array<f32, {outputs}>;"));
        self.w.block(format!("for (var i = 0u; i < {outputs}u; i++)"), |w| {
            w.line(format!("output[i] = {y}[i / 4u][i % 4u];"));
        });
        self.w.line("return output;");
        Ok(())
    }

    pub(super) fn ops(&mut self) -> Result<()> {
        let function: &'a RowFunction<'a> = self.function;
        let mut ops = function.program.ops().iter().peekable();
        while let Some(op) = ops.next() {
            self.describe(op)?;
            match op {
                Op::Linear(LinearOp::MatMul { a, b, out, form: Form::NT }) => {
                    let adds = |op: &&Op| match op {
                        Op::Linear(LinearOp::AddRow { row, out: to }) if to == out => Some(*row),
                        _ => None,
                    };
                    let bias = ops.peek().and_then(adds);
                    if bias.is_some() {
                        ops.next();
                    }
                    self.dense(*a, *b, bias, *out)?;
                }
                Op::Activation(ActivationOp::Forward { f, key: None, x, out }) => {
                    self.activation(f, *x, *out)?;
                }
                Op::Activation(ActivationOp::Parametric { f, x, weight, out }) => {
                    self.parametric(f, *x, *weight, *out)?;
                }
                Op::Norm(NormOp::Forward { f, x, weight, bias, out })
                    if f.kind() != NormalizationKind::BatchNorm =>
                {
                    self.normalize(*f, *x, [*weight, *bias], *out)?;
                }
                Op::Norm(NormOp::Evaluate { f, x, running, weight, bias, out }) => {
                    self.normalize_by(*f, *x, *running, [*weight, *bias], *out)?;
                }
                Op::Arithmetic(op) if op.f == Arithmetic::Add => self.add(op)?,
                _ => return Err(self.unsupported(&op.name())),
            }
        }
        Ok(())
    }

    /// Writes what an op does as a comment.
    fn describe(&mut self, op: &Op) -> Result<()> {
        let function = self.function;
        let what = match op {
            Op::Linear(LinearOp::MatMul { a, out, .. }) => {
                format!("dense, {} to {}", function.len(*a)?, function.len(*out)?)
            }
            Op::Activation(
                ActivationOp::Forward { f, .. } | ActivationOp::Parametric { f, .. },
            ) => f.to_string(),
            Op::Arithmetic(_) => "residual".to_string(),
            _ => op.name(),
        };
        self.w.line(format!("// {what}"));
        Ok(())
    }

    fn unsupported(&self, what: &str) -> Error {
        Error::unsupported("wgsl", format!("{what} has no form in a function of one row"))
    }

    /// The variable of a slot.
    pub(super) fn variable(&self, slot: Slot) -> Result<String> {
        let base = self.function.program.base(slot);
        if base == self.function.program.base(self.function.x) {
            return Ok("x".into());
        }
        let name = &self.function.program.slot(base)?.name;
        let place = name.strip_suffix(".y").unwrap_or_default();
        let is_place = !place.is_empty() && place.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        Ok(match is_place {
            true => format!("y{}", place.replace('.', "_")),
            false => format!("t{}", base.0),
        })
    }

    /// The variable of a slot after its declaration.
    pub(super) fn declare(&mut self, slot: Slot) -> Result<String> {
        let (variable, len) = (self.variable(slot)?, self.function.len(slot)?);
        self.w.line(format!("var {variable}: array<vec4<f32>, {}>;", len.div_ceil(4)));
        Ok(variable)
    }

    /// The variable of an op's output; that of its input in place.
    fn output(&mut self, x: Slot, out: Slot) -> Result<String> {
        let program = self.function.program;
        if program.base(x) == program.base(out) { self.variable(out) } else { self.declare(out) }
    }

    /// Writes statements for each four of `len` elements.
    fn each_four(&mut self, len: usize, mut body: impl FnMut(&mut Self, Four)) {
        let count = len.div_ceil(4) as u32;
        let is_loop = count > 4 && matches!(self.function.weights, WeightSource::Binding { .. });
        if !is_loop {
            return (0..count).for_each(|number| body(self, Four::Known(number)));
        }
        let outside = std::mem::take(&mut self.w);
        body(self, Four::Loop);
        let inside = std::mem::replace(&mut self.w, outside).finish();
        let head = format!("for (var i = 0u; i < {count}u; i++)");
        self.w.block(head, |w| w.line(inside));
    }

    fn activation(&mut self, f: &Activation, x: Slot, out: Slot) -> Result<()> {
        let (from, len) = (self.variable(x)?, self.function.len(x)?);
        match &f.entry().kind {
            ActivationKind::Elementwise(_) => {
                let (name, to) = (self.name_of(f), self.output(x, out)?);
                self.each_four(len, |body, at| {
                    body.w.line(format!("{to}[{at}] = {name}_each({from}[{at}]);"));
                });
                Ok(())
            }
            ActivationKind::Row(row) if row.form == RowForm::Softmax => self.softmax(f, x, out),
            ActivationKind::AxisResize(fold) if fold.gated => {
                let (name, to) = (self.name_of(f), self.declare(out)?);
                let half = self.function.len(out)? as u32;
                for i in 0..half {
                    let gate = element(&from, half + i);
                    let value = format!("{} * {name}_gate({gate}).x", element(&from, i));
                    self.w.line(format!("{} = {value};", element(&to, i)));
                }
                Ok(())
            }
            ActivationKind::AxisResize(_) if f.name() == "maxout" => {
                let to = self.declare(out)?;
                let outputs = self.function.len(out)?;
                let pieces = (len / outputs.max(1)) as u32;
                for i in 0..outputs as u32 {
                    // NaN stays NaN: it is not less than anything.
                    let largest = (1..pieces).fold(element(&from, i * pieces), |best, piece| {
                        let next = element(&from, i * pieces + piece);
                        format!("select({next}, {best}, {best} >= {next})")
                    });
                    self.w.line(format!("{} = {largest};", element(&to, i)));
                }
                Ok(())
            }
            _ => Err(self.unsupported(&f.to_string())),
        }
    }

    fn softmax(&mut self, f: &Activation, x: Slot, out: Slot) -> Result<()> {
        let (from, len) = (self.variable(x)?, self.function.len(x)?);
        let (name, to) = (self.name_of(f), self.output(x, out)?);
        let head = format!("for (var i = 0u; i < {len}u; i++)");
        self.w.block("", |w| {
            w.line(format!("var row = {name}_Exponentials({name}_LEAST, 0.0);"));
            let score = format!("{name}_score({from}[i / 4u][i % 4u], i)");
            w.block(&head, |w| w.line(format!("row.top = max(row.top, {score});")));
            w.block(&head, |w| w.line(format!("row.sum += {name}_power({score}, row.top);")));
            w.block(&head, |w| {
                let exponent = format!("{name}_exponent({score}, row.top)");
                w.line(format!("{to}[i / 4u][i % 4u] = {name}_forward({exponent}, row);"));
            });
        });
        Ok(())
    }

    fn parametric(&mut self, f: &Activation, x: Slot, weight: Slot, out: Slot) -> Result<()> {
        let ActivationKind::Parametric(kind) = &f.entry().kind else {
            return Err(self.unsupported(&f.to_string()));
        };
        let function = self.function;
        let (from, len) = (self.variable(x)?, function.len(x)?);
        let (name, to) = (self.name_of(f), self.output(x, out)?);
        let param = function.param(weight)?;
        let channels = kind.channels(f.values(), len) as u32;
        for i in 0..len as u32 {
            let words = (0..4).map(|k| match k < kind.names.len() as u32 {
                true => function.word(param, k * channels + i % channels.max(1)),
                false => "0.0".into(),
            });
            let words = words.collect::<Vec<_>>().join(", ");
            let value = format!("{name}_forward({}, vec4({words}))", element(&from, i));
            self.w.line(format!("{} = {value};", element(&to, i)));
        }
        Ok(())
    }

    fn normalize(
        &mut self,
        f: Normalization,
        x: Slot,
        scale: [Option<Slot>; 2],
        out: Slot,
    ) -> Result<()> {
        let (from, len, to) = (self.variable(x)?, self.function.len(x)?, self.output(x, out)?);
        let head = format!("for (var i = 0u; i < {len}u; i++)");
        let (mean, spread) = (format!("{to}_mean"), format!("{to}_scale"));
        self.w.line(format!("var {mean} = 0.0;\nvar {spread} = 0.0;"));
        if f.kind() == NormalizationKind::LayerNorm {
            self.w.block(&head, |w| w.line(format!("{mean} += {from}[i / 4u][i % 4u];")));
            self.w.line(format!("{mean} /= {len}.0;"));
        }
        self.w.block(&head, |w| {
            let line = format!("let d = {from}[i / 4u][i % 4u] - {mean};\n{spread} += d * d;");
            w.line(line);
        });
        self.w
            .line(format!("{spread} = 1.0 / sqrt({spread} / {len}.0 + {:?});", f.epsilon() as f32));
        let [weight, bias] = self.function.params(scale)?;
        self.each_four(len, |body, at| {
            let value = format!("({from}[{at}] - {mean}) * {spread}");
            let value = body.scaled(value, weight, bias, at);
            body.w.line(format!("{to}[{at}] = {value};"));
        });
        Ok(())
    }

    fn normalize_by(
        &mut self,
        f: Normalization,
        x: Slot,
        running: [Slot; 2],
        scale: [Option<Slot>; 2],
        out: Slot,
    ) -> Result<()> {
        let function = self.function;
        let (from, len, to) = (self.variable(x)?, function.len(x)?, self.output(x, out)?);
        let [mean, variance] = running;
        let (mean, variance) = (function.param(mean)?, function.param(variance)?);
        let [weight, bias] = function.params(scale)?;
        self.each_four(len, |body, at| {
            let spread =
                format!("sqrt({} + {:?})", function.four(variance, at), f.epsilon() as f32);
            let value = format!("({from}[{at}] - {}) / {spread}", function.four(mean, at));
            let value = body.scaled(value, weight, bias, at);
            body.w.line(format!("{to}[{at}] = {value};"));
        });
        Ok(())
    }

    /// A normalized value times its weight plus its bias.
    fn scaled(
        &self,
        value: String,
        weight: Option<usize>,
        bias: Option<usize>,
        at: Four,
    ) -> String {
        let value =
            weight.map_or(value.clone(), |w| format!("{value} * {}", self.function.four(w, at)));
        bias.map_or(value.clone(), |b| format!("{value} + {}", self.function.four(b, at)))
    }

    fn add(&mut self, op: &ArithmeticOp) -> Result<()> {
        let lens = [op.a, op.b, op.out].map(|slot| self.function.len(slot));
        let [a_len, b_len, len] = lens;
        let len = len?;
        if a_len? != len || b_len? != len {
            return Err(self.unsupported(&op.name()));
        }
        let (a, b) = (self.variable(op.a)?, self.variable(op.b)?);
        let to = self.declare(op.out)?;
        let factor =
            if op.alpha == 1.0 { String::new() } else { format!("{:?} * ", op.alpha as f32) };
        self.each_four(len, |body, at| {
            body.w.line(format!("{to}[{at}] = {factor}{a}[{at}] + {b}[{at}];"));
        });
        Ok(())
    }

    /// The name of an activation in the text: that of the first one with the same parameters.
    fn name_of(&mut self, f: &Activation) -> String {
        if let Some((_, name)) = self.activations.iter().find(|(own, _)| own == f) {
            return name.clone();
        }
        let alike = self.activations.iter().filter(|(own, _)| own.name() == f.name()).count();
        let number = if alike == 0 { String::new() } else { (alike + 1).to_string() };
        let name = format!("{}_{}{number}", self.function.name, f.name());
        self.activations.push((*f, name.clone()));
        name
    }
}

/// An element of a tensor.
fn element(variable: &str, i: u32) -> String {
    format!("{variable}[{}u].{}", i / 4, component(i))
}

/// The source of an activation with its parameters as numbers, and the declarations that a function of a row calls.
pub(super) fn source(f: &Activation) -> (String, Vec<&'static str>) {
    let (shader, roots, further) = match &f.entry().kind {
        ActivationKind::Elementwise(kind) => (kind.shader, vec!["forward"], ""),
        ActivationKind::Parametric(kind) => (kind.shader, vec!["forward"], ""),
        ActivationKind::AxisResize(kind) => (kind.shader, vec!["gate"], ""),
        ActivationKind::Row(kind) => (
            kind.shader,
            vec!["score", "exponent", "forward", "power", "Exponentials", "LEAST"],
            ROW,
        ),
        ActivationKind::Stochastic(kind) => (kind.shader, vec![], ""),
    };
    let mut text = format!("{shader}\n{further}").replace("LOWEST", "-3.4028234663852886e38");
    for (name, value) in f.pairs() {
        let value = value as f32;
        let number = if value < 0.0 { format!("({value:?})") } else { format!("{value:?}") };
        text = text.replace(&format!("params.hyper.{name}"), &number);
    }
    (text, roots)
}

/// The declarations that a row-wise activation's functions take and need.
const ROW: &str = "struct Exponentials {
    top: f32,
    sum: f32,
}

fn power(score: f32, top: f32) -> f32 {
    return safe_exp(exponent(score, top));
}
";
