//! A program over one row as a WGSL function, to be called in a shader of a host's.

mod dense;
mod library;
mod ops;

use crate::engine::gpu::kernel::parts::MATH;
use crate::engine::gpu::kernel::writer::Writer;
use crate::error::{Error, Result};
use crate::ir::{Place, Program, Slot};
use crate::shape::padded;
use crate::spec::Activation;
use crate::spec::activation::ActivationKind;

/// A program whose ops compute each row by itself, as a function of a row.
pub(crate) struct RowFunction<'a> {
    pub program: &'a Program,
    /// The input, of one row.
    pub x: Slot,
    /// The output.
    pub y: Slot,
    /// The function's name, which begins every other name.
    pub name: &'a str,
    pub weights: WeightSource<'a>,
}

/// The place of the parameters.
#[derive(Clone, Copy)]
pub(crate) enum WeightSource<'a> {
    /// A storage buffer with the layout of [`Network::param_ranges`](crate::nn::Network::param_ranges).
    Binding { group: u32, binding: u32 },
    /// The text itself.
    Literals(&'a [Vec<f32>]),
}

/// The most parameters that are written as literals: compilers take long for more.
const MOST_LITERALS: usize = 5000;

/// The body of a function, and what it has used so far.
struct RowBody<'a> {
    function: &'a RowFunction<'a>,
    w: Writer,
    /// The activations, each with its name in the text.
    activations: Vec<(Activation, String)>,
    /// True once single weights are read.
    reads_words: bool,
}

/// The number of a four of values: known, or a loop's.
#[derive(Clone, Copy)]
enum Four {
    Known(u32),
    Loop,
}

impl std::fmt::Display for Four {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(number) => write!(f, "{number}u"),
            Self::Loop => f.write_str("i"),
        }
    }
}

impl RowFunction<'_> {
    /// The text: the binding of the weights, the function, its forms for vectors, and what they call.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an op that has no such form or numbers that are no literals; [`Error::Limit`] for too
    /// many literals.
    pub(crate) fn text(&self) -> Result<String> {
        self.check_literals()?;
        let [inputs, outputs] = [self.len(self.x)?, self.len(self.y)?];
        let mut body = RowBody {
            function: self,
            w: Writer::within(1),
            activations: Vec::new(),
            reads_words: false,
        };
        body.load(inputs)?;
        body.ops()?;
        body.give(outputs)?;
        let RowBody { w, activations, reads_words, .. } = body;
        let name = self.name;
        let from = match self.weights {
            WeightSource::Binding { .. } => "the parameters are read from a buffer",
            WeightSource::Literals(_) => "the parameters are part of the text",
        };
        let mut parts = vec![format!("// A network of {inputs} to {outputs} numbers; {from}.")];
        if let WeightSource::Binding { group, binding } = self.weights {
            parts.push(format!(
                "@group({group}) @binding({binding}) var<storage, read> {name}_weights: array<vec4<f32>>;"
            ));
        }
        parts.push(format!(
            "fn {name}(input: array<f32, {inputs}>) -> array<f32, {outputs}> {{\n{}}}",
            w.finish()
        ));
        parts.extend(self.vector_form(inputs, outputs));
        if reads_words {
            parts.push(format!(
                "fn {name}_weight(i: u32) -> f32 {{\n    return {name}_weights[i / 4u][i % 4u];\n}}"
            ));
        }
        parts.extend(self.declarations(&activations));
        Ok(parts.join("\n\n") + "\n")
    }

    /// The same function of and to vectors, if both sides are short enough.
    fn vector_form(&self, inputs: usize, outputs: usize) -> Option<String> {
        let ty = |len: usize| match len {
            1 => Some("f32".to_string()),
            2..=4 => Some(format!("vec{len}<f32>")),
            _ => None,
        };
        let (from, to, name) = (ty(inputs)?, ty(outputs)?, self.name);
        let part = |value: &str, len: usize| -> String {
            let parts = (0..len).map(|i| format!("{value}[{i}]"));
            parts.collect::<Vec<_>>().join(", ")
        };
        let given = if inputs == 1 { "x".to_string() } else { part("x", inputs) };
        Some(format!(
            "fn {name}_vec(x: {from}) -> {to} {{\n    let y = {name}(array<f32, {inputs}>({given}));\n    return {to}({});\n}}",
            part("y", outputs)
        ))
    }

    /// The functions of the activations, and of the library what these call.
    fn declarations(&self, activations: &[(Activation, String)]) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        for (f, own_name) in activations {
            let (source, roots) = ops::source(f);
            if matches!(f.entry().kind, ActivationKind::Elementwise(_)) {
                let parts =
                    ["x", "y", "z", "w"].map(|part| format!("{own_name}_forward(x.{part})"));
                texts.push(format!(
                    "fn {own_name}_each(x: vec4<f32>) -> vec4<f32> {{\n    return vec4({});\n}}",
                    parts.join(", ")
                ));
            }
            let rename = |word: &str, is_library: bool| match is_library {
                true => format!("{}_{word}", self.name),
                false => format!("{own_name}_{word}"),
            };
            for text in library::needed([&source, MATH], &roots, &rename) {
                if !texts.contains(&text) {
                    texts.push(text);
                }
            }
        }
        texts
    }

    fn check_literals(&self) -> Result<()> {
        let WeightSource::Literals(values) = self.weights else { return Ok(()) };
        let count: usize = values.iter().map(Vec::len).sum();
        if count > MOST_LITERALS {
            return Err(Error::Limit {
                what: "the parameters of wgsl as literals (more belong into a binding)".into(),
                needed: count as u64,
                limit: MOST_LITERALS as u64,
                unit: "numbers",
            });
        }
        match values.iter().flatten().find(|value| !value.is_finite()) {
            Some(value) => Err(Error::unsupported(
                "wgsl",
                format!("a parameter is {value}, which is no literal"),
            )),
            None => Ok(()),
        }
    }

    /// The number of elements of a slot.
    fn len(&self, slot: Slot) -> Result<usize> {
        Ok(self.program.shape(slot)?.len())
    }

    /// The number of the parameter in a slot.
    fn param(&self, slot: Slot) -> Result<usize> {
        match self.program.slot(self.program.base(slot))?.place {
            Place::Param(index) => Ok(index),
            _ => Err(Error::unsupported("wgsl", "a weight that is computed")),
        }
    }

    /// The numbers of the parameters in slots, where there are any.
    fn params<const N: usize>(&self, slots: [Option<Slot>; N]) -> Result<[Option<usize>; N]> {
        let mut numbers = [None; N];
        for (number, slot) in numbers.iter_mut().zip(slots) {
            *number = slot.map(|slot| self.param(slot)).transpose()?;
        }
        Ok(numbers)
    }

    /// The word at which a parameter begins.
    fn start(&self, param: usize) -> u32 {
        let before = self.program.params().iter().take(param);
        before.map(|info| padded(info.shape.len()) as u32).sum()
    }

    /// Four words of a parameter, the first of which is a multiple of four.
    fn four(&self, param: usize, four: Four) -> String {
        match (self.weights, four) {
            (WeightSource::Literals(_), Four::Known(number)) => {
                let words = (0..4).map(|k| self.word(param, number * 4 + k));
                format!("vec4({})", words.collect::<Vec<_>>().join(", "))
            }
            (_, Four::Known(number)) => {
                format!("{}_weights[{}u]", self.name, self.start(param) / 4 + number)
            }
            (_, Four::Loop) => format!("{}_weights[{}u + i]", self.name, self.start(param) / 4),
        }
    }

    /// A known word of a parameter; 0 beyond its end.
    fn word(&self, param: usize, word: u32) -> String {
        match self.weights {
            WeightSource::Literals(values) => {
                let value = values.get(param).and_then(|values| values.get(word as usize));
                format!("{:?}", value.copied().unwrap_or(0.0))
            }
            WeightSource::Binding { .. } => {
                let at = self.start(param) + word;
                format!("{}_weights[{}u].{}", self.name, at / 4, component(at))
            }
        }
    }
}

/// The component of a vector that holds a word.
fn component(word: u32) -> char {
    match word % 4 {
        0 => 'x',
        1 => 'y',
        2 => 'z',
        _ => 'w',
    }
}
