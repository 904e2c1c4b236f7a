//! Recognising the end of a training step's forward pass that is a plain chain of layers, and its backward pass: one
//! dispatch can do both.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use crate::error::Error;
use crate::gpu::kernel::whole::{Figure, Gathered, Layer, Target, known_activation, known_loss};
use crate::ops::loss::{Layout, has_weighted_mean};
use crate::ops::{ActivationOp, LinearOp, LossOp, MetricOp, StepOp};
use crate::program::{DType, Form, LossInputs, Op, Place, Program, Slot};
use crate::spec::activation::{ActivationKind, Order};
use crate::spec::loss::{LossKind, TargetForm};
use crate::spec::{Activation, Loss, Metric, Reduction};

/// The most layers with parameters: compilers take a while for each, and the longer the more there are.
pub(super) const MOST_LAYERS: usize = 8;
/// The most parameters of a first layer that takes many columns.
const MOST_WEIGHTS: usize = 128 * 128;

/// A chain of layers with its loss and metrics.
#[derive(Debug)]
pub(super) struct Chain {
    /// The ops from its first layer forward to the same layer backward.
    pub span: Range<usize>,
    /// Whether the program begins with it.
    pub is_whole: bool,
    pub rows: usize,
    pub x: Gathered,
    pub target: Target,
    pub weight: Option<Gathered>,
    pub layers: Vec<Layer>,
    pub loss: Loss,
    pub form: TargetForm,
    pub terms: usize,
    pub upstream: f64,
    /// The loss first.
    pub figures: Vec<(Slot, Figure)>,
    /// The gradient by what the first layer takes, if anything before it asks for it.
    pub emits: Option<Slot>,
    /// The ops that are part of it, by number.
    pub ops: BTreeSet<usize>,
}

/// Why a program is no such step.
pub(super) enum Refusal {
    /// It is another one.
    Unsupported(String),
    /// It is none at all.
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::Unsupported(why)
    }
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Self::Unsupported(why.into())
    }
}

pub(super) type Judged<T> = std::result::Result<T, Refusal>;

/// A layer, what it reads and what it writes.
type Link = (Layer, Slot, Slot);

/// Reads the ops of a program one after the other.
struct Reader<'a> {
    program: &'a Program,
    at: usize,
    /// The outputs beside the logits that the loss is taken of, and what makes them of those.
    outputs: Option<(Activation, Slot)>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a Op> {
        self.program.ops().get(self.at)
    }

    fn next(&mut self) -> Option<&'a Op> {
        let op = self.peek();
        self.at += 1;
        op
    }

    /// What the next op takes, if it is a layer's.
    fn input(&self) -> Option<Slot> {
        match self.peek()? {
            Op::Linear(LinearOp::MatMul { a: x, .. })
            | Op::Activation(ActivationOp::Forward { x, .. }) => Some(*x),
            _ => None,
        }
    }

    fn param(&self, slot: Slot) -> Option<usize> {
        match self.program.slot(slot).ok()?.place {
            Place::Param(index) => Some(index),
            _ => None,
        }
    }

    fn grad(&self, slot: Slot) -> Option<usize> {
        match self.program.slot(slot).ok()?.place {
            Place::Grad(index) => Some(index),
            _ => None,
        }
    }

    /// The gathers at the beginning: what they write, and what from.
    fn gathers(&mut self) -> Vec<(Slot, Gathered)> {
        let mut gathers = Vec::new();
        while let Some(Op::Step(StepOp::Gather { data, out, shuffle })) = self.peek() {
            gathers.push((*out, Gathered { data: *data, chosen: true, shuffle: *shuffle }));
            self.at += 1;
        }
        gathers
    }

    /// The layers of the forward pass, with what each reads and writes.
    fn forward(&mut self, x: Slot) -> Judged<(Vec<Link>, Slot)> {
        let mut layers = Vec::new();
        let mut current = x;
        loop {
            match self.peek() {
                Some(&Op::Linear(LinearOp::MatMul { a, b, out, form: Form::NT }))
                    if a == current =>
                {
                    self.at += 1;
                    let weight = self.param(b).ok_or("a product with what is no parameter")?;
                    let shape = self.program.shape(b)?;
                    let bias = match self.peek() {
                        Some(&Op::Linear(LinearOp::AddRow { row, out: to })) if to == out => {
                            self.at += 1;
                            Some(self.param(row).ok_or("a bias that is no parameter")?)
                        }
                        _ => None,
                    };
                    let (inputs, outputs) = (shape.cols(), shape.rows());
                    layers.push((Layer::Dense { weight, bias, inputs, outputs }, current, out));
                    current = out;
                }
                // Outputs beside a loss of their logits: a whole step leaves no outputs.
                Some(&Op::Activation(ActivationOp::Forward { f, x, out, .. }))
                    if x == current && self.is_judged(x) =>
                {
                    self.at += 1;
                    self.outputs = Some((f, out));
                    return Ok((layers, current));
                }
                Some(&Op::Activation(ActivationOp::Forward { f, key, x, out })) if x == current => {
                    self.at += 1;
                    layers.push((self.activation(f, key, x)?, x, out));
                    current = out;
                }
                _ => return Ok((layers, current)),
            }
        }
    }

    /// Whether the op after the next is the loss of this.
    fn is_judged(&self, x: Slot) -> bool {
        let after = self.program.ops().get(self.at + 1);
        matches!(after, Some(Op::Loss(LossOp::Loss { inputs, .. })) if inputs.predictions == [x])
    }

    /// The figure of a metric of these outputs, or of those beside their logits.
    fn metric(&self, op: &Op, y: Slot, wanted: Slot) -> Option<(Slot, Figure)> {
        let &Op::Metric(MetricOp { metric, prediction, target, value }) = op else { return None };
        let metric = match self.outputs {
            Some((f, out)) if out == prediction => metric.of_logits(&f),
            _ => (prediction == y).then_some(metric),
        };
        let fits = |metric: &Metric| target == wanted || *metric == Metric::OutsideUnit;
        metric.filter(fits).map(|metric| (value, Figure::Metric(metric)))
    }

    fn activation(&self, f: Activation, key: Option<crate::random::Key>, x: Slot) -> Judged<Layer> {
        let elementwise = match &f.entry().kind {
            ActivationKind::Elementwise(_) => true,
            ActivationKind::Stochastic(_) => key.is_some(),
            _ => false,
        };
        if !elementwise || !known_activation(&f) {
            return Err(format!("{f} is no elementwise activation of the library's").into());
        }
        let width = self.program.shape(x).map_or(0, |shape| shape.cols());
        Ok(Layer::Activation { f, key, width })
    }

    /// Checks that the backward pass is that of the layers, and gives the gradient by what the first of them takes, if the
    /// pass goes so far: it need not go beyond the first parameters.
    fn backward(&mut self, layers: &[Link], mut grad: Slot) -> Judged<Option<Slot>> {
        let first = layers.iter().position(is_dense).ok_or("no layer has parameters")?;
        for (number, (layer, x, y)) in layers.iter().enumerate().rev() {
            match layer {
                Layer::Dense { weight, bias, .. } => {
                    if bias.is_some() {
                        match self.next() {
                            Some(&Op::Linear(LinearOp::SumRows { x, out }))
                                if x == grad && self.grad(out) == *bias => {}
                            _ => return Err(OTHER.into()),
                        }
                    }
                    match self.next() {
                        Some(&Op::Linear(LinearOp::MatMul { a, b, out, form: Form::TN }))
                            if a == grad && b == *x && self.grad(out) == Some(*weight) => {}
                        _ => return Err(OTHER.into()),
                    }
                    match self.peek() {
                        Some(&Op::Linear(LinearOp::MatMul { a, b, out, form: Form::NN }))
                            if a == grad && self.param(b) == Some(*weight) =>
                        {
                            grad = out;
                            self.at += 1;
                        }
                        _ if number == first => return Ok(None),
                        _ => return Err(OTHER.into()),
                    }
                }
                Layer::Activation { f, key, .. } => match self.next() {
                    Some(Op::Activation(ActivationOp::Backward {
                        f: g,
                        order: Order::First,
                        key: same,
                        saved,
                        grad_out,
                        grad_in,
                    })) if g == f
                        && same == key
                        && *grad_out == grad
                        && [x, y, &grad].contains(&saved) =>
                    {
                        grad = *grad_in;
                    }
                    _ => return Err(OTHER.into()),
                },
            }
        }
        Ok(Some(grad))
    }
}

fn is_dense((layer, ..): &Link) -> bool {
    matches!(layer, Layer::Dense { .. })
}

/// Fails if there are more layers with parameters than compilers are quick with.
fn few(layers: &[Link]) -> Judged<()> {
    match layers.iter().filter(|link| is_dense(link)).count() {
        dense if dense > MOST_LAYERS => {
            Err(format!("{dense} layers; the most is {MOST_LAYERS}").into())
        }
        _ => Ok(()),
    }
}

const OTHER: &str = "a backward pass of another form";

impl Chain {
    /// The ops at which a chain may begin, the longest one first.
    pub fn starts(program: &Program) -> impl Iterator<Item = usize> {
        let before = program.ops().iter().enumerate();
        let before = before.take_while(|(_, op)| !matches!(op, Op::Loss(LossOp::Loss { .. })));
        let begins = |op: &Op| {
            matches!(
                op,
                Op::Linear(LinearOp::MatMul { form: Form::NT, .. })
                    | Op::Activation(ActivationOp::Forward { .. })
            )
        };
        before.filter(move |(_, op)| begins(op)).map(|(number, _)| number)
    }

    /// The chain that begins with an op and ends with the loss, or why there is none.
    pub fn of(program: &Program, start: usize) -> Judged<Self> {
        let mut reader = Reader { program, at: 0, outputs: None };
        let gathers = reader.gathers();
        let is_whole = reader.at == start;
        reader.at = start;
        let first = reader.input().ok_or("it does not begin with a layer")?;
        let (layers, y) = reader.forward(first)?;
        few(&layers)?;
        let Some(Op::Loss(LossOp::Loss { loss, reduction, inputs, value, gradients })) =
            reader.next()
        else {
            return Err("another op than a loss follows the layers".into());
        };
        let source = |slot: Slot| {
            let gathered = gathers.iter().find(|(out, _)| *out == slot);
            gathered
                .map_or(Gathered { data: slot, chosen: false, shuffle: None }, |(_, from)| *from)
        };
        let shape = program.shape(y)?;
        let (target, form) = Self::loss_form(program, loss, *reduction, inputs, y)?;
        let &[grad] = &gradients[..] else {
            return Err("a loss without its gradient".into());
        };
        let emits = reader.backward(&layers, grad)?;
        let classes = program.slot(target)?.dtype == DType::U32;
        let layout = Layout::of(loss, shape);
        let terms = layout.terms_per_sample(loss, *reduction);
        let mut ops: BTreeSet<usize> = (start..reader.at).collect();
        let taken = [Some(target), inputs.weight, is_whole.then_some(first)];
        let mut figures = vec![(*value, Figure::Loss)];
        for (number, op) in program.ops().iter().enumerate() {
            let gathered =
                matches!(op, Op::Step(StepOp::Gather { out, .. }) if taken.contains(&Some(*out)));
            let figure = reader.metric(op, y, target);
            if figure.is_some() || (gathered && number < start) {
                ops.insert(number);
            }
            figures.extend(figure);
        }
        let chain = Self {
            span: start..reader.at,
            is_whole,
            rows: shape.rows(),
            x: source(first),
            target: Target { from: source(target), classes },
            weight: inputs.weight.map(source),
            layers: layers.into_iter().map(|(layer, ..)| layer).collect(),
            loss: *loss,
            form,
            terms,
            upstream: inputs.upstream,
            figures,
            emits,
            ops,
        };
        chain.check(program)
    }

    /// The target and what it is, if the loss is one that a chain can have.
    fn loss_form(
        program: &Program,
        loss: &Loss,
        reduction: Reduction,
        inputs: &LossInputs,
        y: Slot,
    ) -> Judged<(Slot, TargetForm)> {
        let refuse = |why: &str| Err(format!("{loss} {why}").into());
        let Some(target) = inputs.target.filter(|_| inputs.predictions == [y]) else {
            return refuse("takes more than a prediction and a target");
        };
        let dtype = program.slot(target)?.dtype;
        let shape = program.shape(y)?;
        if shape.rank() != 2 || shape.is_empty() {
            return refuse("is of more than rows and columns");
        }
        if !known_loss(loss) || reduction == Reduction::None || inputs.class_weight.is_some() {
            return refuse(
                "is the caller's own, not one number, weighted by class, or takes an index from its target",
            );
        }
        if has_weighted_mean(loss, reduction, Some(dtype), false) {
            return refuse("divides by the number of targets that count");
        }
        if let Some(weight) = inputs.weight
            && program.shape(weight).is_ok_and(|weight| weight.len() != shape.rows())
        {
            return refuse("has a weight per element");
        }
        let form = match &loss.entry().kind {
            LossKind::Elementwise(map) if map.inputs == 1 => TargetForm::Values,
            LossKind::Row(row) if row.inputs == 1 => {
                let wanted =
                    if dtype == DType::U32 { TargetForm::Class } else { TargetForm::Values };
                let known = row.targets.iter().find(|form| **form == wanted);
                known.copied().ok_or_else(|| format!("{loss} takes another target"))?
            }
            _ => return refuse("is of another kind"),
        };
        Ok((target, form))
    }

    /// Fails if something else looks at what only the chain knows.
    fn check(self, program: &Program) -> Judged<Self> {
        let hidden: HashSet<Slot> = self.hidden(program).into_iter().collect();
        // Another view of a slot is the slot.
        let base = |slot: Slot| program.slot(slot).map_or(slot, |info| info.base(slot));
        for (number, op) in program.ops().iter().enumerate() {
            if !self.ops.contains(&number)
                && let Some(slot) =
                    op.inputs().into_iter().map(base).find(|slot| hidden.contains(slot))
            {
                return Err(format!("{} looks at slot {}", op.name(), slot.0).into());
            }
        }
        Ok(self)
    }

    /// Its widest layer; the columns that it takes count if they make its first layer a large one.
    pub fn widest(&self, inputs: usize) -> usize {
        let is_dense = |layer: &&Layer| matches!(layer, Layer::Dense { .. });
        let first = self.layers.iter().position(|layer| is_dense(&layer)).unwrap_or(0);
        let outputs = self.layers.iter().skip(first).map(Layer::outputs);
        let few = !self.is_whole
            && self.layers.get(first).is_some_and(|layer| layer.outputs() * inputs <= MOST_WEIGHTS);
        outputs.chain((!few).then_some(inputs)).max().unwrap_or(0)
    }

    /// The parameters of its layers, by number.
    pub fn params(&self) -> Vec<usize> {
        let params = self.layers.iter().map(|layer| match layer {
            Layer::Dense { weight, bias, .. } => [Some(*weight), *bias],
            Layer::Activation { .. } => [None; 2],
        });
        params.flatten().flatten().collect()
    }

    /// What the chain keeps to itself: these slots get no memory.
    pub fn hidden(&self, program: &Program) -> Vec<Slot> {
        let figures = self.figures.iter().map(|(slot, _)| *slot);
        let shown: Vec<Slot> = figures.chain(self.emits).collect();
        let outputs = self.ops.iter().filter_map(|number| program.ops().get(*number));
        let outputs = outputs.flat_map(Op::outputs).filter(|slot| !shown.contains(slot));
        outputs
            .filter(|slot| program.slot(*slot).is_ok_and(|info| info.place == Place::Value))
            .collect()
    }
}
