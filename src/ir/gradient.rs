//! Reverse-mode differentiation of a program: its ops in reverse order, each by the rule of its family.

use std::collections::{HashMap, HashSet};

use super::{DType, Op, Operand, Place, Program, Slot};
use crate::error::{Error, Result};
use crate::ops::arithmetic::add;
use crate::walk::Walk;

/// The state of a backward pass through a program.
#[derive(Debug)]
pub(crate) struct Gradients {
    /// For each slot, the first slot with the same memory.
    owners: Vec<Slot>,
    /// The slots that the gradients are taken with respect to, and those that depend on them.
    needed: HashSet<Slot>,
    /// The gradients so far.
    of: HashMap<Slot, Slot>,
    /// The gradients with respect to the results of ops whose rule has been applied.
    made: HashMap<Slot, Slot>,
    /// Gradients of disjoint parts of a slot, not combined yet.
    parts: HashMap<Slot, Vec<(Slot, Walk<2>)>>,
    /// The last op that changes each slot.
    changed: HashMap<Slot, usize>,
    /// The op whose rule is being applied.
    at: usize,
}

impl Program {
    /// Adds ops that compute the gradients of `loss`, one element, with respect to each of `wrt`, in their shapes: by
    /// reverse-mode differentiation of the ops that the program has so far. Gradients that `wrt` does not need are not
    /// computed; a slot that `loss` does not depend on has a gradient of zeros.
    ///
    /// A rule consists of ops, so gradients of gradients are programs too, as far as these ops have rules:
    ///
    /// | ops | gradient | of the gradient | higher orders |
    /// |---|---|---|---|
    /// | arithmetic, matrix products, sums and means, copies, slices, concatenation, rows by index | yes | yes | yes |
    /// | elementwise activations | yes | w.r.t. the input if [f'' exists](crate::Activation::has_second) | no |
    /// | row-wise and parametric activations, other reductions | yes | no | no |
    /// | normalizations, losses w.r.t. predictions | yes | no | no |
    /// | running statistics w.r.t. the rows, losses w.r.t. target or weight, metrics, updates | no | no | no |
    ///
    /// A missing rule is an error that names the op.
    ///
    /// ```
    /// use wgrad::ir::{DType, Interpreter, InterpreterWeights, StepEntry};
    /// use wgrad::{Arithmetic, Program, Reduce, Shape};
    ///
    /// // d(sum of x^3)/dx = 3 x^2, and by x again 6 x.
    /// let mut program = Program::new("cubes", vec![]);
    /// let x = program.input("x", Shape::new(&[2])?, DType::F32);
    /// let square = program.arithmetic("square", Arithmetic::Mul, x, x)?;
    /// let cube = program.arithmetic("cube", Arithmetic::Mul, square, x)?;
    /// let sum = program.reduce("sum", Reduce::Sum, cube, &[])?;
    /// let first = program.gradients(sum, &[x])?[0];
    /// let sum = program.reduce("sum", Reduce::Sum, first, &[])?;
    /// let second = program.gradients(sum, &[x])?[0];
    /// let mut cpu = Interpreter::<f64>::new(program);
    /// cpu.write(x, &[1.0, -2.0])?;
    /// cpu.run(&mut InterpreterWeights::default(), &StepEntry::rows(1))?;
    /// assert_eq!(cpu.read(first)?, [3.0, 12.0]);
    /// assert_eq!(cpu.read(second)?, [6.0, -12.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] unless `loss` has one element; [`Error::Unsupported`] for indices, if an op on the path has no
    /// rule, or if a value that a rule reads is changed in place later.
    pub fn gradients(&mut self, loss: Slot, wrt: &[Slot]) -> Result<Vec<Slot>> {
        let shape = self.numbers("gradients", loss)?.shape;
        if shape.len() != 1 {
            return Err(Error::shape("gradients", format!("a loss is one number, not {shape}")));
        }
        let seed = self.fill("d loss", shape, 1.0);
        self.pullback((loss, seed), wrt)
    }

    /// Adds the vector-Jacobian products: the gradients with respect to each of `wrt`, from the upstream gradient of
    /// `y`.
    pub(crate) fn pullback(
        &mut self,
        (y, upstream): (Slot, Slot),
        wrt: &[Slot],
    ) -> Result<Vec<Slot>> {
        for slot in wrt {
            self.numbers("gradients", *slot)?;
        }
        let ops = self.ops.clone();
        let mut gradients = Gradients::new(self, &ops, wrt);
        gradients.add(self, y, upstream)?;
        for (number, op) in ops.iter().enumerate().rev() {
            let effects = op.effects();
            let mut changed = effects.changed();
            if changed
                .any(|operand| slots(self, operand).iter().any(|slot| gradients.has(self, *slot)))
            {
                gradients.at = number;
                op.gradient(self, &mut gradients)?;
            }
        }
        let of = |slot: &Slot| {
            let (shape, name) = (self.shape(*slot)?, gradients.name(self, *slot));
            let found = gradients.whole(self, *slot)?;
            Ok(found.unwrap_or_else(|| self.fill(&name, shape, 0.0)))
        };
        wrt.iter().map(of).collect()
    }
}

impl Gradients {
    fn new(program: &Program, ops: &[Op], wrt: &[Slot]) -> Self {
        let mut first = HashMap::new();
        let owners = (0..program.slots.len()).map(Slot).map(|slot| {
            let base = program.base(slot);
            let place = program.slots.get(base.0).map(|info| info.place);
            match place {
                Some(Place::Param(_) | Place::Grad(_)) => *first.entry(place).or_insert(base),
                _ => base,
            }
        });
        let owners = owners.collect();
        let (needed, of, made, parts, changed) = Default::default();
        let mut gradients = Self { owners, needed, of, made, parts, changed, at: 0 };
        gradients.needed = wrt.iter().map(|slot| gradients.owner(program, *slot)).collect();
        for (number, op) in ops.iter().enumerate() {
            let effects = op.effects();
            let mut seen = effects.seen().flat_map(|operand| slots(program, operand));
            let depends = seen.any(|slot| gradients.needs(program, slot));
            for slot in effects.changed().flat_map(|operand| slots(program, operand)) {
                let owner = gradients.owner(program, slot);
                gradients.changed.insert(owner, number);
                if depends && program.slots.get(slot.0).is_some_and(|info| info.dtype == DType::F32)
                {
                    gradients.needed.insert(owner);
                }
            }
        }
        gradients
    }

    fn owner(&self, program: &Program, slot: Slot) -> Slot {
        self.owners.get(slot.0).copied().unwrap_or_else(|| program.base(slot))
    }

    /// The name of the gradient of a slot.
    pub(crate) fn name(&self, program: &Program, slot: Slot) -> String {
        format!("d {}", program.slots.get(slot.0).map_or("?", |info| info.name.as_str()))
    }

    /// Returns whether the gradient with respect to a slot is needed.
    pub(crate) fn needs(&self, program: &Program, slot: Slot) -> bool {
        self.needed.contains(&self.owner(program, slot))
    }

    /// The gradient with respect to a slot, in its shape, if the loss depends on it.
    pub(crate) fn get(&mut self, program: &mut Program, slot: Slot) -> Result<Option<Slot>> {
        let owner = self.owner(program, slot);
        self.join(program, owner)?;
        self.shaped(program, slot, self.of.get(&owner).copied())
    }

    /// The gradient with respect to a slot at the end of the backward pass. If an op overwrote the slot, it is the
    /// gradient with respect to that op's result: earlier contents do not contribute.
    fn whole(&mut self, program: &mut Program, slot: Slot) -> Result<Option<Slot>> {
        match self.made.get(&self.owner(program, slot)).copied() {
            Some(found) => self.shaped(program, slot, Some(found)),
            None => self.get(program, slot),
        }
    }

    fn shaped(
        &self,
        program: &mut Program,
        slot: Slot,
        found: Option<Slot>,
    ) -> Result<Option<Slot>> {
        let Some(found) = found else { return Ok(None) };
        let shape = program.shape(slot)?;
        if program.shape(found)? == shape {
            return Ok(Some(found));
        }
        program.reshape(&self.name(program, slot), found, shape).map(Some)
    }

    /// Returns whether the loss depends on a slot.
    pub(crate) fn has(&self, program: &Program, slot: Slot) -> bool {
        let owner = self.owner(program, slot);
        self.of.contains_key(&owner) || self.parts.contains_key(&owner)
    }

    /// Removes and returns the gradient with respect to a slot that the op overwrites completely: earlier contents of
    /// the slot have no gradient.
    pub(crate) fn take(&mut self, program: &mut Program, slot: Slot) -> Result<Option<Slot>> {
        let (found, owner) = (self.get(program, slot)?, self.owner(program, slot));
        if let Some(whole) = self.of.remove(&owner) {
            self.made.entry(owner).or_insert(whole);
        }
        Ok(found)
    }

    /// Adds to the gradient with respect to a slot, if it is needed.
    pub(crate) fn add(&mut self, program: &mut Program, slot: Slot, gradient: Slot) -> Result<()> {
        let owner = self.owner(program, slot);
        if !self.needed.contains(&owner) {
            return Ok(());
        }
        let (name, shape) = (self.name(program, slot), program.shape(owner)?);
        let mut sum = gradient;
        if program.shape(sum)? != shape {
            sum = program.reshape(&name, sum, shape)?;
        }
        if let Some(before) = self.of.get(&owner) {
            sum = add(program, &name, *before, sum)?;
        }
        self.of.insert(owner, sum);
        Ok(())
    }

    /// Adds to some elements of the gradient with respect to a slot: `walk` pairs the elements of `part` with them.
    pub(crate) fn add_part(
        &mut self,
        program: &mut Program,
        slot: Slot,
        part: Slot,
        walk: Walk<2>,
    ) -> Result<()> {
        let owner = self.owner(program, slot);
        if !self.needed.contains(&owner) {
            return Ok(());
        }
        let others = self.parts.entry(owner).or_default();
        if others.iter().any(|(_, other)| !walk.is_disjoint(other, 1)) {
            self.join(program, owner)?;
        }
        self.parts.entry(owner).or_default().push((part, walk));
        Ok(())
    }

    /// Combines the parts of a gradient, with zeros elsewhere.
    fn join(&mut self, program: &mut Program, owner: Slot) -> Result<()> {
        let Some(parts) = self.parts.remove(&owner) else { return Ok(()) };
        let (name, shape) = (self.name(program, owner), program.shape(owner)?);
        let covered: usize = parts.iter().map(|(_, walk)| walk.len()).sum();
        let out = match covered == shape.len() {
            true => program.value(&name, shape),
            false => program.fill(&name, shape, 0.0),
        };
        for (part, walk) in parts {
            program.push_copy(part, out, walk, 1.0);
        }
        self.add(program, owner, out)
    }

    /// Returns a slot whose value a rule reads, if it is still the value that the op saw.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if a later op has changed it.
    pub(crate) fn value(&self, program: &Program, slot: Slot) -> Result<Slot> {
        let last = self.changed.get(&self.owner(program, slot)).copied().unwrap_or(0);
        if last <= self.at {
            return Ok(slot);
        }
        let info = program.slot(slot)?;
        let message = format!("'{}' of shape {} is changed after it", info.name, info.shape);
        let op = program.ops.get(self.at).map_or_else(String::new, Op::name);
        Err(Error::unsupported(format!("the gradient of {op}"), message))
    }

    /// Fails if the gradient with respect to one of these slots is needed.
    pub(crate) fn refuse(&self, program: &Program, op: &str, slots: &[Slot]) -> Result<()> {
        match slots.iter().find(|slot| self.needs(program, **slot)) {
            None => Ok(()),
            Some(slot) => {
                let info = program.slot(*slot)?;
                let message =
                    format!("it has no gradient by '{}' of shape {}", info.name, info.shape);
                Err(Error::unsupported(op, message))
            }
        }
    }
}

/// The slots of an operand: itself, or all slots of its kind.
fn slots(program: &Program, operand: Operand) -> Vec<Slot> {
    let all = (0..).map(Slot).zip(&program.slots);
    let of = |is_part: fn(Place) -> bool| {
        all.filter(|(_, info)| is_part(info.place)).map(|(slot, _)| slot).collect()
    };
    match operand {
        Operand::Slot(slot) => vec![slot],
        Operand::Params => of(|place| matches!(place, Place::Param(_))),
        Operand::Grads => of(|place| matches!(place, Place::Grad(_))),
        Operand::States | Operand::Step => Vec::new(),
    }
}
