//! Recognising the training step of a plain chain of layers, which two dispatches can do.

use crate::error::Result;
use crate::gpu::kernel::whole::{Figure, Gathered, Layer, Target, known_activation, known_loss};
use crate::program::{
    DType, Form, Layout, LossInputs, Op, Place, Program, Slot, has_weighted_mean,
};
use crate::spec::activation::{ActivationKind, Order};
use crate::spec::loss::{LossKind, TargetForm};
use crate::spec::{Activation, Loss, Reduction};

/// A chain of layers with its loss and metrics.
#[derive(Debug)]
pub(super) struct Chain {
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
    /// The ops that are part of it, by number.
    pub ops: Vec<usize>,
}

/// Why a program is no such step.
type Refusal = String;

type Judged<T> = std::result::Result<T, Refusal>;

/// A layer, what it reads and what it writes.
type Link = (Layer, Slot, Slot);

/// Reads the ops of a program one after the other.
struct Reader<'a> {
    program: &'a Program,
    at: usize,
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
        while let Some(Op::Gather { data, out, shuffle }) = self.peek() {
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
                Some(&Op::MatMul { a, b, out, form: Form::NT }) if a == current => {
                    self.at += 1;
                    let weight = self.param(b).ok_or("a product with what is no parameter")?;
                    let shape = self.program.shape(b).map_err(|error| error.to_string())?;
                    let bias = match self.peek() {
                        Some(&Op::AddRow { row, out: to }) if to == out => {
                            self.at += 1;
                            Some(self.param(row).ok_or("a bias that is no parameter")?)
                        }
                        _ => None,
                    };
                    let (inputs, outputs) = (shape.cols(), shape.rows());
                    layers.push((Layer::Dense { weight, bias, inputs, outputs }, current, out));
                    current = out;
                }
                Some(&Op::Activation { f, key, x, out }) if x == current => {
                    self.at += 1;
                    layers.push((self.activation(f, key, x)?, x, out));
                    current = out;
                }
                _ => return Ok((layers, current)),
            }
        }
    }

    fn activation(&self, f: Activation, key: Option<crate::random::Key>, x: Slot) -> Judged<Layer> {
        let elementwise = match &f.entry().kind {
            ActivationKind::Map(_) => true,
            ActivationKind::Noise(_) => key.is_some(),
            _ => false,
        };
        if !elementwise || !known_activation(&f) {
            return Err(format!("{f} is no elementwise activation of the library's"));
        }
        let width = self.program.shape(x).map_or(0, |shape| shape.cols());
        Ok(Layer::Activation { f, key, width })
    }

    /// Checks that the backward pass is that of the layers.
    fn backward(&mut self, layers: &[Link], mut grad: Slot) -> Judged<()> {
        let first = layers.iter().position(|(layer, ..)| matches!(layer, Layer::Dense { .. }));
        let first = first.ok_or("no layer has parameters")?;
        let other = || "a backward pass of another form".to_string();
        for (number, (layer, x, y)) in layers.iter().enumerate().skip(first).rev() {
            match layer {
                Layer::Dense { weight, bias, .. } => {
                    match self.next() {
                        Some(&Op::MatMul { a, b, out, form: Form::TN })
                            if a == grad && b == *x && self.grad(out) == Some(*weight) => {}
                        _ => return Err(other()),
                    }
                    if bias.is_some() {
                        match self.next() {
                            Some(&Op::SumRows { x, out })
                                if x == grad && self.grad(out) == *bias => {}
                            _ => return Err(other()),
                        }
                    }
                    if number > first {
                        match self.next() {
                            Some(&Op::MatMul { a, b, out, form: Form::NN })
                                if a == grad && self.param(b) == Some(*weight) =>
                            {
                                grad = out;
                            }
                            _ => return Err(other()),
                        }
                    }
                }
                Layer::Activation { f, key, .. } => match self.next() {
                    Some(Op::ActivationBackward {
                        f: g,
                        order: Order::First,
                        key: same,
                        saved,
                        grad_out,
                        grad_in,
                    }) if g == f
                        && same == key
                        && *grad_out == grad
                        && [x, y, &grad].contains(&saved) =>
                    {
                        grad = *grad_in;
                    }
                    _ => return Err(other()),
                },
            }
        }
        Ok(())
    }
}

impl Chain {
    /// The chain that a program trains, or why it is none.
    pub fn of(program: &Program) -> Result<Judged<Self>> {
        let mut reader = Reader { program, at: 0 };
        let gathers = reader.gathers();
        let start = match reader.peek() {
            Some(Op::MatMul { a: x, .. } | Op::Activation { x, .. }) => *x,
            _ => return Ok(Err("it does not begin with a layer".into())),
        };
        let (layers, y) = match reader.forward(start) {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Some(Op::Loss { loss, reduction, inputs, value, gradients }) = reader.next() else {
            return Ok(Err("another op than a loss follows the layers".into()));
        };
        let source = |slot: Slot| {
            let gathered = gathers.iter().find(|(out, _)| *out == slot);
            gathered
                .map_or(Gathered { data: slot, chosen: false, shuffle: None }, |(_, from)| *from)
        };
        let shape = program.shape(y)?;
        let (target, form) = match Self::loss_form(program, loss, *reduction, inputs, y) {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let &[grad] = &gradients[..] else {
            return Ok(Err("a loss without its gradient".into()));
        };
        if let Err(refusal) = reader.backward(&layers, grad) {
            return Ok(Err(refusal));
        }
        let classes = program.slot(target)?.dtype == DType::U32;
        let layout = Layout::of(loss, shape);
        let terms = layout.terms_per_sample(loss, *reduction);
        let mut ops: Vec<usize> = (0..reader.at).collect();
        let mut figures = vec![(*value, Figure::Loss)];
        for (number, op) in program.ops().iter().enumerate().skip(reader.at) {
            if let Op::Metric { metric, prediction, target: same, value } = op
                && *prediction == y
                && *same == target
            {
                figures.push((*value, Figure::Metric(*metric)));
                ops.push(number);
            }
        }
        let chain = Self {
            rows: shape.rows(),
            x: source(start),
            target: Target { from: source(target), classes },
            weight: inputs.weight.map(source),
            layers: layers.into_iter().map(|(layer, ..)| layer).collect(),
            loss: *loss,
            form,
            terms,
            upstream: inputs.upstream,
            figures,
            ops,
        };
        Ok(chain.check(program))
    }

    /// The target and what it is, if the loss is one that a chain can have.
    fn loss_form(
        program: &Program,
        loss: &Loss,
        reduction: Reduction,
        inputs: &LossInputs,
        y: Slot,
    ) -> Judged<(Slot, TargetForm)> {
        let refuse = |why: &str| Err(format!("{loss} {why}"));
        let Some(target) = inputs.target.filter(|_| inputs.predictions == [y]) else {
            return refuse("takes more than a prediction and a target");
        };
        let dtype = program.slot(target).map_err(|error| error.to_string())?.dtype;
        let shape = program.shape(y).map_err(|error| error.to_string())?;
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
            LossKind::Map(map) if map.inputs == 1 => TargetForm::Values,
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
        let figures: Vec<Slot> = self.figures.iter().map(|(slot, _)| *slot).collect();
        let inside = |number: &usize| program.ops().get(*number);
        let hidden: Vec<Slot> = self
            .ops
            .iter()
            .filter_map(inside)
            .flat_map(Op::outputs)
            .filter(|slot| {
                let value = program.slot(*slot).is_ok_and(|info| info.place == Place::Value);
                value && !figures.contains(slot)
            })
            .collect();
        // Another view of a slot is the slot.
        let root = |slot: Slot| program.slot(slot).map_or(slot, |info| info.root(slot));
        for (number, op) in program.ops().iter().enumerate() {
            if !self.ops.contains(&number)
                && let Some(slot) =
                    op.inputs().into_iter().map(root).find(|slot| hidden.contains(slot))
            {
                return Err(format!("{} looks at slot {}", op.name(), slot.0));
            }
        }
        Ok(self)
    }

    /// What the chain keeps to itself: these slots get no memory.
    pub fn hidden(&self, program: &Program) -> Vec<Slot> {
        let figures: Vec<Slot> = self.figures.iter().map(|(slot, _)| *slot).collect();
        let outputs = self.ops.iter().filter_map(|number| program.ops().get(*number));
        let outputs = outputs.flat_map(Op::outputs).filter(|slot| !figures.contains(slot));
        outputs
            .filter(|slot| program.slot(*slot).is_ok_and(|info| info.place == Place::Value))
            .collect()
    }
}
