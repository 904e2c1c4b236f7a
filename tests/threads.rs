//! The CPU engine on several threads: the same bits on any number of them.

use rayon::ThreadPoolBuilder;
use wgrad::ir::{DType, Form, Interpreter, InterpreterWeights, ParamInfo, Slot, StepEntry, Steps};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};
use wgrad::{Program, Shape};

use crate::support::values;

/// A program with its inputs, and the values whose bits are compared.
struct Work {
    program: Program,
    inputs: Vec<Slot>,
    outputs: Vec<Slot>,
}

impl Work {
    /// The bits of the outputs and of the parameters after two steps on as many threads.
    fn bits(&self, threads: usize) -> Vec<Vec<u32>> {
        let mut cpu = Interpreter::<f32>::new(self.program.clone());
        for slot in &self.inputs {
            let info = self.program.slot(*slot).unwrap();
            let len = info.shape.len();
            match info.dtype {
                DType::F32 => cpu.write(*slot, &values::linear(len, -3.0, 3.0)).unwrap(),
                DType::U32 => {
                    let classes: Vec<u32> = (0..len as u32).map(|i| i * 7 % 10).collect();
                    cpu.write_indices(*slot, &classes).unwrap();
                }
            }
        }
        let params: Vec<Vec<f32>> = self
            .program
            .params()
            .iter()
            .map(|param| values::linear(param.shape.len(), -1.0, 1.0))
            .collect();
        let optimizer = Optimizer::adam();
        let mut weights =
            InterpreterWeights::new(self.program.params(), params, Some(&optimizer), 0);
        weights.grads = weights.params.clone();
        let steps = Steps::new(optimizer, 1);
        let rule = |step| StepEntry { rows: u32::MAX, ..steps.entry(step) };
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| cpu.run_steps(2, &mut weights, rule)).unwrap();
        let read = |slot: &Slot| cpu.read(*slot).unwrap().to_vec();
        let all = self.outputs.iter().map(read).chain(weights.params);
        all.map(|values| values.into_iter().map(f32::to_bits).collect()).collect()
    }

    fn assert_same_on_any_number_of_threads(&self) {
        let alone = self.bits(1);
        for threads in [2, 3, 7] {
            assert!(self.bits(threads) == alone, "{} on {threads} threads", self.program.name());
        }
    }
}

fn work(name: &str, build: impl FnOnce(&mut Program) -> wgrad::Result<(Vec<Slot>, Vec<Slot>)>) {
    let mut program = Program::new(name, vec![]);
    let (inputs, outputs) = build(&mut program).unwrap();
    Work { program, inputs, outputs }.assert_same_on_any_number_of_threads();
}

#[test]
fn products_do_not_depend_on_the_number_of_threads() {
    for (form, [m, k, n]) in Form::ALL.into_iter().flat_map(|form| {
        [[301, 211, 187], [33, 513, 801], [1203, 97, 130]].map(|sides| (form, sides))
    }) {
        work(&format!("matmul.{} {m} {k} {n}", form.name()), |program| {
            let (a, b) = match form {
                Form::NN => ([m, k], [k, n]),
                Form::NT => ([m, k], [n, k]),
                Form::TN => ([k, m], [k, n]),
            };
            let a = program.input("a", Shape::new(&a)?, DType::F32);
            let b = program.input("b", Shape::new(&b)?, DType::F32);
            Ok((vec![a, b], vec![program.matmul("c", a, b, form)?]))
        });
    }
}

#[test]
fn elementwise_ops_and_losses_do_not_depend_on_the_number_of_threads() {
    let long = Shape::new(&[1_000_003]).unwrap();
    for f in [Activation::gelu(), Activation::sine(), Activation::tanh()] {
        work(f.name(), |program| {
            let x = program.input("x", long, DType::F32);
            Ok((vec![x], vec![program.activation("y", f, x)?]))
        });
    }
    for loss in [Loss::mse(), Loss::bce_with_logits()] {
        work(loss.name(), |program| {
            let [x, target] = ["x", "target"].map(|name| program.input(name, long, DType::F32));
            let loss = program.loss(loss, Reduction::Mean, (x, target), true)?;
            Ok((vec![x, target], std::iter::once(loss.0).chain(loss.1).collect()))
        });
    }
}

#[test]
fn rows_do_not_depend_on_the_number_of_threads() {
    let scores = Shape::new(&[3001, 113]).unwrap();
    for f in [Activation::softmax(), Activation::log_softmax()] {
        work(f.name(), |program| {
            let x = program.input("x", scores, DType::F32);
            Ok((vec![x], vec![program.activation("y", f, x)?]))
        });
    }
    work("cross_entropy", |program| {
        let x = program.input("x", scores, DType::F32);
        let target = program.input("target", Shape::new(&[3001])?, DType::U32);
        let loss = program.loss(Loss::cross_entropy(), Reduction::Mean, (x, target), true)?;
        Ok((vec![x, target], std::iter::once(loss.0).chain(loss.1).collect()))
    });
}

#[test]
fn updates_do_not_depend_on_the_number_of_threads() {
    let param = |(number, len): (usize, &usize)| ParamInfo {
        name: format!("{number}.weight"),
        shape: Shape::new(&[*len]).unwrap(),
        l1: 0.0,
        l2: 0.0,
        multiplier: 1.0,
        decays: true,
        has_gradient: true,
    };
    let params = [400_001, 3, 70_000, 1000].iter().enumerate().map(param).collect();
    let mut program = Program::new("adam", params);
    program.update(Optimizer::adam(), None, Key::new(0, Stream::Optimizer)).unwrap();
    Work { program, inputs: vec![], outputs: vec![] }.assert_same_on_any_number_of_threads();
}
