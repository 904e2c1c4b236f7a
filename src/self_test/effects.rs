//! Checks, over all cases, that ops change exactly the operands that their effects declare.

use super::{Case, EXTRAS, cases};
use crate::engine::cpu::{Interpreter, InterpreterWeights};
use crate::ir::{DType, Op, Operand, Place, Program, Slot, StepEntry};

/// The fill value of an operand that an op must overwrite completely.
const BEFORE: f64 = 123.456;

struct InterpreterRun {
    interpreter: Interpreter<f64>,
    weights: InterpreterWeights<f64>,
}

/// The contents of all operands that an op can change.
type OperandContents = Vec<(Operand, Vec<u64>)>;

impl InterpreterRun {
    fn new(case: &Case) -> Self {
        let wide = |numbers: &Vec<f32>| numbers.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let params = case.params.iter().map(wide).collect();
        let optimizer = Case::optimizer(&case.program);
        let weights = InterpreterWeights::new(case.program.params(), params, optimizer, EXTRAS);
        let mut interpreter = Interpreter::new(case.program.clone());
        for (slot, numbers) in &case.numbers {
            interpreter.write(*slot, &wide(numbers)).unwrap();
        }
        for (slot, indices) in &case.indices {
            interpreter.write_indices(*slot, indices).unwrap();
        }
        Self { interpreter, weights }
    }

    fn apply(&mut self, op: usize, entry: &StepEntry) {
        self.interpreter.run_ops(op..op + 1, &mut self.weights, entry).unwrap();
    }

    fn memory(&self) -> OperandContents {
        let bits = |numbers: &[f64]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let all = |tensors: &[Vec<f64>]| bits(&tensors.concat());
        let states = self.weights.states.concat().concat();
        let mut memory = vec![
            (Operand::Params, all(&self.weights.params)),
            (Operand::Grads, all(&self.weights.grads)),
            (Operand::States, bits(&[states, self.weights.carried.clone()].concat())),
            (Operand::Step, vec![self.interpreter.step()]),
        ];
        for number in 0..self.interpreter.program().slots().len() {
            let slot = Slot(number);
            let indices = self.interpreter.read_indices(slot).unwrap();
            let mut words = bits(self.interpreter.read(slot).unwrap());
            words.extend(indices.iter().map(|index| u64::from(*index)));
            memory.push((Operand::Slot(slot), words));
        }
        memory
    }

    /// Fills the operands that an op writes without reading.
    fn overwrite(&mut self, op: &Op) {
        let program = self.interpreter.program().clone();
        let seen: Vec<_> = op.effects().seen().map(|operand| base(&program, operand)).collect();
        for operand in op.effects().writes {
            let Operand::Slot(slot) = base(&program, operand) else { continue };
            let info = program.slot(slot).unwrap();
            match info.place {
                _ if seen.contains(&Operand::Slot(slot)) => {}
                Place::Param(index) => self.weights.params[index].fill(BEFORE),
                Place::Grad(index) => self.weights.grads[index].fill(BEFORE),
                _ if info.dtype == DType::U32 => {
                    self.interpreter.write_indices(slot, &vec![123; info.shape.len()]).unwrap();
                }
                _ => self.interpreter.write(slot, &vec![BEFORE; info.shape.len()]).unwrap(),
            }
        }
    }
}

fn base(program: &Program, operand: Operand) -> Operand {
    let Operand::Slot(slot) = operand else { return operand };
    Operand::Slot(program.slot(slot).unwrap().base(slot))
}

/// Returns whether the effects of an op declare a change of `place`.
fn may_change(program: &Program, op: &Op, place: Operand) -> bool {
    let kind = |operand| match base(program, operand) {
        Operand::Slot(slot) => Some(program.slot(slot).unwrap().place),
        _ => None,
    };
    op.effects().changed().any(|operand| match place {
        Operand::Params if matches!(kind(operand), Some(Place::Param(_))) => true,
        Operand::Grads if matches!(kind(operand), Some(Place::Grad(_))) => true,
        _ => base(program, operand) == base(program, place),
    })
}

#[test]
fn ops_change_what_they_say_and_make_as_a_whole_what_they_say() {
    let mut ops = 0;
    for case in cases::all().unwrap() {
        let [mut own, mut spoilt] = [InterpreterRun::new(&case), InterpreterRun::new(&case)];
        for step in 0..case.steps {
            let entry = case.rule.entry(step);
            for (number, op) in case.program.ops().iter().enumerate() {
                let before = own.memory();
                spoilt.overwrite(op);
                own.apply(number, &entry);
                spoilt.apply(number, &entry);
                let after = own.memory();
                let name = format!("{}, step {step}: {}", case.name, op.name());
                for ((place, before), (_, after)) in before.iter().zip(&after) {
                    let changes = may_change(&case.program, op, *place);
                    assert!(changes || before == after, "{name} changes {place:?}");
                }
                assert_eq!(after, spoilt.memory(), "{name}: {:?}", op.effects());
                ops += 1;
            }
        }
    }
    assert!(ops > 500, "{ops} ops");
}
