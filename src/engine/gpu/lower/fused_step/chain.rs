//! Pattern matching for layer chains: the longest plain chain of layers at the end of a training step's forward pass,
//! with its loss and backward pass, which one dispatch can execute.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use crate::engine::gpu::kernel::fused_step::{Layer, RowSource, StepMetric, Target, known_loss};
use crate::error::Error;
use crate::ir::{DType, Form, LossInputs, Op, Place, Program, Slot};
use crate::ops::loss::{LossLayout, has_weighted_mean};
use crate::ops::{ActivationOp, LinearOp, LossOp, MetricOp, StepOp};
use crate::spec::activation::{ActivationKind, Order};
use crate::spec::loss::{LossKind, TargetForm};
use crate::spec::{Activation, Loss, Metric, Reduction};

/// The maximum number of different layers with parameters: compile time grows faster than linearly with it.
pub(super) const MOST_LAYERS: usize = 8;
/// The maximum number of parameters of a first layer with many input columns.
const MOST_WEIGHTS: usize = 128 * 128;

/// A layer chain with its loss and metrics.
#[derive(Debug)]
pub(super) struct LayerChain {
    /// The ops from the forward pass of the first layer to its backward pass.
    pub span: Range<usize>,
    /// True if the program begins with the chain.
    pub is_whole: bool,
    pub rows: usize,
    pub x: RowSource,
    pub target: Target,
    pub weight: Option<RowSource>,
    pub layers: Vec<Layer>,
    pub loss: Loss,
    pub form: TargetForm,
    pub terms: usize,
    pub upstream: f64,
    /// The recorded values, the loss first.
    pub figures: Vec<(Slot, StepMetric)>,
    /// The gradient with respect to the input of the first layer, if layers before the chain need it.
    pub emits: Option<Slot>,
    /// The indices of the ops that are part of the chain.
    pub ops: BTreeSet<usize>,
}

/// The reason why a program has no such chain.
pub(super) enum Refusal {
    /// The program has another form.
    Unsupported(String),
    /// The program is invalid.
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

/// A layer with its input and output slots.
type Link = (Layer, Slot, Slot);

/// Reads the ops of a program one after the other.
struct Reader<'a> {
    program: &'a Program,
    at: usize,
    /// The output activation and its slot, if the loss is computed from logits.
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

    /// The input of the next op, if that is the forward pass of a layer.
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

    /// The gathers at the beginning: output and source of each.
    fn gathers(&mut self) -> Vec<(Slot, RowSource)> {
        let mut gathers = Vec::new();
        while let Some(Op::Step(StepOp::Gather { data, out, shuffle })) = self.peek() {
            gathers.push((*out, RowSource { data: *data, chosen: true, shuffle: *shuffle }));
            self.at += 1;
        }
        gathers
    }

    /// The layers of the forward pass, with their slots, and the slot of the last output.
    fn forward(&mut self, x: Slot) -> Judged<(Vec<Link>, Slot)> {
        let mut layers = Vec::new();
        let mut current = x;
        loop {
            match self.peek() {
                Some(&Op::Linear(LinearOp::MatMul { a, b, out, form: Form::NT }))
                    if a == current =>
                {
                    self.at += 1;
                    let weight = self.param(b).ok_or("a matmul whose weight is not a parameter")?;
                    let shape = self.program.shape(b)?;
                    let bias = match self.peek() {
                        Some(&Op::Linear(LinearOp::AddRow { row, out: to })) if to == out => {
                            self.at += 1;
                            Some(self.param(row).ok_or("a bias that is not a parameter")?)
                        }
                        _ => None,
                    };
                    let (inputs, outputs) = (shape.cols(), shape.rows());
                    layers.push((Layer::Dense { weight, bias, inputs, outputs }, current, out));
                    current = out;
                }
                // An output activation whose logits the loss takes: a fused step does not store the outputs.
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

    /// Returns whether the op after the next is the loss of `x`.
    fn is_judged(&self, x: Slot) -> bool {
        let after = self.program.ops().get(self.at + 1);
        matches!(after, Some(Op::Loss(LossOp::Loss { inputs, .. })) if inputs.predictions == [x])
    }

    /// The recorded value of a metric of these outputs, or of the activated outputs of these logits.
    fn metric(&self, op: &Op, y: Slot, wanted: Slot) -> Option<(Slot, StepMetric)> {
        let &Op::Metric(MetricOp { metric, prediction, target, value }) = op else { return None };
        let metric = match self.outputs {
            Some((f, out)) if out == prediction => metric.of_logits(&f),
            _ => (prediction == y).then_some(metric),
        };
        let fits = |metric: &Metric| target == wanted || *metric == Metric::OutsideUnit;
        metric.filter(fits).map(|metric| (value, StepMetric::Metric(metric)))
    }

    fn activation(&self, f: Activation, key: Option<crate::random::Key>, x: Slot) -> Judged<Layer> {
        let elementwise = match &f.entry().kind {
            ActivationKind::Elementwise(_) => true,
            ActivationKind::Stochastic(_) => key.is_some(),
            _ => false,
        };
        if !elementwise || !f.entry().is_builtin() {
            return Err(format!("{f} is not a built-in elementwise activation").into());
        }
        let width = self.program.shape(x).map_or(0, |shape| shape.cols());
        Ok(Layer::Activation { f, key, width })
    }

    /// Checks that the next ops are the backward pass of the layers. Returns the gradient with respect to the input of
    /// the first layer, if the pass computes it: it may end at the first layer with parameters.
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

/// Fails if there are more than [`MOST_LAYERS`] layers with parameters; of equal ones in a row, which one loop computes,
/// three count.
fn few(layers: &[Link]) -> Judged<()> {
    let mut units: Vec<Vec<&Layer>> = Vec::new();
    for (layer, ..) in layers {
        match (layer, units.last_mut()) {
            (Layer::Dense { .. }, _) => units.push(vec![layer]),
            (_, Some(unit)) => unit.push(layer),
            _ => {}
        }
    }
    let like = |a: &[&Layer], b: &[&Layer]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_like(b))
    };
    let repeats = units
        .windows(4)
        .filter(|four| four.windows(2).all(|two| matches!(two, [a, b] if like(a, b))));
    match units.len() - repeats.count() {
        dense if dense > MOST_LAYERS => {
            Err(format!("{dense} layers; the most is {MOST_LAYERS}").into())
        }
        _ => Ok(()),
    }
}

const OTHER: &str = "the backward pass has another form";

impl LayerChain {
    /// The indices of ops at which a chain may begin, the longest chain first.
    pub(crate) fn starts(program: &Program) -> impl Iterator<Item = usize> {
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

    /// The chain that begins with an op and ends with the loss, or the reason why there is none.
    pub(crate) fn of(program: &Program, start: usize) -> Judged<Self> {
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
            return Err("the op after the layers is not a loss".into());
        };
        let source = |slot: Slot| {
            let gathered = gathers.iter().find(|(out, _)| *out == slot);
            gathered
                .map_or(RowSource { data: slot, chosen: false, shuffle: None }, |(_, from)| *from)
        };
        let shape = program.shape(y)?;
        let (target, form) = Self::loss_form(program, loss, *reduction, inputs, y)?;
        let &[grad] = &gradients[..] else {
            return Err("the loss has no gradient".into());
        };
        let emits = reader.backward(&layers, grad)?;
        let classes = program.slot(target)?.dtype == DType::U32;
        let layout = LossLayout::of(loss, shape);
        let terms = layout.terms_per_sample(loss, *reduction);
        let mut ops: BTreeSet<usize> = (start..reader.at).collect();
        let taken = [Some(target), inputs.weight, is_whole.then_some(first)];
        let mut figures = vec![(*value, StepMetric::Loss)];
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

    /// The target and its form, if a chain supports the loss.
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
            return refuse("has predictions that are not a non-empty matrix");
        }
        if !known_loss(loss) || reduction == Reduction::None || inputs.class_weight.is_some() {
            return refuse(
                "is user-defined, not reduced to a scalar, weighted by class, or takes an index from its target",
            );
        }
        if has_weighted_mean(loss, reduction, Some(dtype), false) {
            return refuse("divides by the number of targets that are not ignored");
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
                known.copied().ok_or_else(|| format!("{loss} takes targets of another form"))?
            }
            _ => return refuse("is of another kind"),
        };
        Ok((target, form))
    }

    /// Fails if an op outside the chain reads an intermediate of the chain.
    fn check(self, program: &Program) -> Judged<Self> {
        let hidden: HashSet<Slot> = self.hidden(program).into_iter().collect();
        // An alias counts as its base.
        let base = |slot| program.base(slot);
        for (number, op) in program.ops().iter().enumerate() {
            if !self.ops.contains(&number)
                && let Some(slot) =
                    op.inputs().into_iter().map(base).find(|slot| hidden.contains(slot))
            {
                return Err(format!("{} reads slot {}", op.name(), slot.0).into());
            }
        }
        Ok(self)
    }

    /// The width of the widest layer. The input columns count, too, unless the chain is only the end of the layers and
    /// its first layer is small.
    pub(crate) fn widest(&self, inputs: usize) -> usize {
        let is_dense = |layer: &&Layer| matches!(layer, Layer::Dense { .. });
        let first = self.layers.iter().position(|layer| is_dense(&layer)).unwrap_or(0);
        let outputs = self.layers.iter().skip(first).map(Layer::outputs);
        let few = !self.is_whole
            && self.layers.get(first).is_some_and(|layer| layer.outputs() * inputs <= MOST_WEIGHTS);
        outputs.chain((!few).then_some(inputs)).max().unwrap_or(0)
    }

    /// The indices of the layers' parameters.
    pub(crate) fn params(&self) -> Vec<usize> {
        let params = self.layers.iter().map(|layer| match layer {
            Layer::Dense { weight, bias, .. } => [Some(*weight), *bias],
            Layer::Activation { .. } => [None; 2],
        });
        params.flatten().flatten().collect()
    }

    /// The intermediates of the chain: these slots need no memory.
    pub(crate) fn hidden(&self, program: &Program) -> Vec<Slot> {
        let figures = self.figures.iter().map(|(slot, _)| *slot);
        let shown: Vec<Slot> = figures.chain(self.emits).collect();
        let outputs = self.ops.iter().filter_map(|number| program.ops().get(*number));
        let outputs = outputs.flat_map(Op::outputs).filter(|slot| !shown.contains(slot));
        outputs
            .filter(|slot| program.slot(*slot).is_ok_and(|info| info.place == Place::Value))
            .collect()
    }
}
