//! Gradients of programs: random graphs against central differences in `f64`, and both engines against each other.

use crate::support;

use support::draw::Draw;
use support::run::{Case, Outcome, gpu, normal};
use wgrad::ir::{DType, Form, Interpreter, InterpreterWeights, LossInputs, Slot, StepEntry};
use wgrad::{
    Activation, Arithmetic, Error, Loss, Normalization, Program, Reduce, Reduction, Result, Shape,
};

const ROWS: usize = 5;
const COLS: usize = 6;
const LEN: usize = ROWS * COLS;

/// A node of a graph whose tensors all have the same shape; those before it may be taken more than once.
fn node(draw: &mut Draw, program: &mut Program, index: Slot, slots: &[Slot]) -> Result<Slot> {
    let (a, b) = (draw.one_of(slots), draw.one_of(slots));
    let smooth = [
        Activation::tanh(),
        Activation::sigmoid(),
        Activation::gelu(),
        Activation::silu(),
        Activation::softplus(),
        Activation::softmax(),
        Activation::log_softmax(),
    ];
    match draw.below(9) {
        0 => program.arithmetic("sum", Arithmetic::Add, a, b),
        1 => program.arithmetic("difference", Arithmetic::Sub, a, b),
        2 => {
            let product = program.arithmetic("product", Arithmetic::Mul, a, b)?;
            program.activation("bounded", Activation::tanh(), product)
        }
        3 => {
            let f = smooth[draw.below(smooth.len())];
            program.activation("activated", f, a)
        }
        4 => {
            let square = program.matmul("square", a, b, Form::NT)?;
            let square = program.scale("square", square, 0.1)?;
            program.matmul("mixed", square, a, Form::NN)
        }
        5 => program.normalize("normal", Normalization::layer_norm(), a, None, None),
        6 => {
            let (left, right) =
                (program.slice("left", a, 1, 0..2)?, program.slice("right", b, 1, 2..6)?);
            program.concatenate("joined", &[right, left], -1)
        }
        7 => {
            let means = program.reduce("means", Reduce::Mean, a, &[0])?;
            program.arithmetic("centred", Arithmetic::Sub, b, means)
        }
        _ => program.gather_rows("rows", a, index),
    }
}

/// Several losses of a random graph of two inputs, added up.
fn graph(draw: &mut Draw, program: &mut Program, index: Slot, inputs: [Slot; 2]) -> Result<Slot> {
    let mut slots = inputs.to_vec();
    for _ in 0..8 {
        let next = node(draw, program, index, &slots)?;
        slots.push(next);
    }
    let (a, b) = (draw.one_of(&slots[2..]), draw.one_of(&slots[2..]));
    let zeros = program.fill("target", Shape::new(&[ROWS, COLS])?, 0.25);
    let (first, _) =
        program.loss_of(Loss::mse(), Reduction::Mean, LossInputs::new(a, zeros), false)?;
    let (second, _) =
        program.loss_of(Loss::log_cosh(), Reduction::Sum, LossInputs::new(b, zeros), false)?;
    let third = program.reduce("third", Reduce::Logsumexp, slots[9], &[])?;
    let sum = program.axpy("sum", 0.5, second, first)?;
    program.arithmetic("loss", Arithmetic::Add, sum, third)
}

/// What a slot holds in `f64`.
fn value(
    program: &Program,
    inputs: [Slot; 2],
    data: &[Vec<f64>; 2],
    index: Slot,
    read: Slot,
) -> Vec<f64> {
    let mut cpu = Interpreter::<f64>::new(program.clone());
    for (slot, data) in inputs.into_iter().zip(data) {
        cpu.write(slot, data).unwrap();
    }
    cpu.write_indices(index, &ROW_INDICES).unwrap();
    cpu.run(&mut InterpreterWeights::default(), &StepEntry::rows(ROWS)).unwrap();
    cpu.read(read).unwrap().to_vec()
}

const ROW_INDICES: [u32; ROWS] = [3, 0, 3, 4, 1];

#[test]
fn gradients_of_random_graphs_are_those_of_differences_on_both_engines() {
    for seed in 0..200 {
        let mut case = Case::new("graph");
        let data = [normal(2 * seed, LEN), normal(2 * seed + 1, LEN)];
        let inputs = [0, 1].map(|number| case.input(&[ROWS, COLS], &data[number]));
        let index = case.indices(&[ROWS], &ROW_INDICES);
        let mut draw = Draw::new(seed);
        let loss = graph(&mut draw, &mut case.program, index, inputs).unwrap();
        let plain = case.program.clone();
        let grads = case.program.gradients(loss, &inputs).unwrap();
        let wide = data.clone().map(|data| data.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
        for (number, &grad) in grads.iter().enumerate() {
            let found = value(&case.program, inputs, &wide, index, grad);
            let largest = found.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            for _ in 0..3 {
                let place = draw.below(LEN);
                let moved = |by: f64| {
                    let mut data = wide.clone();
                    data[number][place] += by;
                    value(&plain, inputs, &data, index, loss)[0]
                };
                let want = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let near = (found[place] - want).abs() <= 1e-6 * (1.0 + largest);
                assert!(near, "graph {seed}: {} by {number}, {place}, not {want}", found[place]);
            }
        }
        if seed % 10 == 0 {
            for outcome in case.run(gpu(), &grads) {
                let largest = outcome.want.iter().fold(0.0f64, |most, x| most.max(x.abs()));
                outcome.close(&format!("graph {seed}"), 64.0, 1e-4 * (1.0 + largest));
            }
        }
    }
}

#[test]
fn what_is_not_asked_for_is_not_built() {
    let build = |asked: usize| {
        let mut program = Program::new("two", vec![]);
        let shape = Shape::new(&[4, 4]).unwrap();
        let inputs = ["a", "b"].map(|name| program.input(name, shape, DType::F32));
        let y = program.matmul("y", inputs[0], inputs[1], Form::NN).unwrap();
        let loss = program.reduce("loss", Reduce::Sum, y, &[]).unwrap();
        program.gradients(loss, &inputs[..asked]).unwrap();
        program.ops().iter().filter(|op| op.name().starts_with("matmul")).count()
    };
    assert_eq!([build(0), build(1), build(2)], [1, 2, 3]);
}

#[test]
fn what_the_loss_does_not_depend_on_has_a_gradient_of_zeros() {
    let mut case = Case::new("apart");
    let (a, b) = (case.input(&[3], &[1.0, 2.0, 3.0]), case.input(&[2], &[4.0, 5.0]));
    let loss = case.program.reduce("loss", Reduce::Sum, a, &[]).unwrap();
    let grads = case.program.gradients(loss, &[a, b]).unwrap();
    let [of_a, of_b] = &case.run(gpu(), &grads)[..] else { panic!("two gradients") };
    assert_eq!((&of_a.got[..], &of_b.got[..]), (&[1.0; 3][..], &[0.0; 2][..]));
}

#[test]
fn the_penalty_of_a_gradient_has_a_gradient() {
    // The norm of d(sum tanh(x w))/dx, as a gradient penalty takes it, by w.
    let mut case = Case::new("penalty");
    let x = case.input(&[3, 2], &[0.5, -1.0, 0.25, 0.75, -0.5, 1.5]);
    let weights = [0.3, -0.7];
    let w = case.input(&[2, 1], &weights);
    let y = case.program.matmul("y", x, w, Form::NN).unwrap();
    let y = case.program.activation("y", Activation::tanh(), y).unwrap();
    let sum = case.program.reduce("sum", Reduce::Sum, y, &[]).unwrap();
    let slope = case.program.gradients(sum, &[x]).unwrap()[0];
    let square = case.program.arithmetic("square", Arithmetic::Mul, slope, slope).unwrap();
    let penalty = case.program.reduce("penalty", Reduce::Sum, square, &[]).unwrap();
    let grad = case.program.gradients(penalty, &[w]).unwrap()[0];
    let exact = |w: [f64; 2]| -> f64 {
        let rows = [[0.5, -1.0], [0.25, 0.75], [-0.5, 1.5]];
        let slope = |row: &[f64; 2]| 1.0 - (row[0] * w[0] + row[1] * w[1]).tanh().powi(2);
        rows.iter().map(|row| slope(row).powi(2) * (w[0] * w[0] + w[1] * w[1])).sum()
    };
    let outcome = &case.run(gpu(), &[grad])[0];
    for place in 0..2 {
        let moved = |by: f64| {
            let mut w = weights.map(f64::from);
            w[place] += by;
            exact(w)
        };
        let want = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((outcome.want[place] - want).abs() < 1e-8, "{} not {want}", outcome.want[place]);
        assert!((f64::from(outcome.got[place]) - want).abs() < 1e-5, "{}", outcome.got[place]);
    }
}

#[test]
fn what_has_no_gradient_is_refused_by_name() {
    let mut program = Program::new("refused", vec![]);
    let shape = Shape::new(&[4, 3]).unwrap();
    let (x, t) = (program.input("x", shape, DType::F32), program.input("t", shape, DType::F32));
    let message = |result: Result<Vec<Slot>>| result.unwrap_err().to_string();
    let many = message(program.clone().gradients(x, &[x]));
    assert!(many.contains("one number, not [4, 3]"), "{many}");
    let (loss, _) = program.loss(Loss::mse(), Reduction::Mean, (x, t), false).unwrap();
    let by_target = message(program.clone().gradients(loss, &[t]));
    assert!(by_target.contains("no gradient by 't' of shape [4, 3]"), "{by_target}");
    let indices = program.input("i", Shape::new(&[4]).unwrap(), DType::U32);
    assert!(matches!(program.clone().gradients(loss, &[indices]), Err(Error::Unsupported { .. })));
    // What a rule looks at is changed after the op.
    let y = program.activation("y", Activation::tanh(), x).unwrap();
    let row = program.input("row", Shape::new(&[3]).unwrap(), DType::F32);
    program.add_row(row, y).unwrap();
    let sum = program.reduce("sum", Reduce::Sum, y, &[]).unwrap();
    let changed = message(program.gradients(sum, &[x]));
    assert!(changed.contains("'y' of shape [4, 3] is changed after it"), "{changed}");
}

#[test]
fn what_an_op_makes_has_a_gradient_like_what_it_takes() {
    let mut case = Case::new("intermediate");
    let x = case.input(&[2, 3], &normal(7, 6));
    let program = &mut case.program;
    let y = program.activation("y", Activation::tanh(), x).unwrap();
    let z = program.arithmetic("z", Arithmetic::Mul, y, y).unwrap();
    let left = program.slice("left", z, 1, 0..2).unwrap();
    let all = program.concatenate("all", &[left, z], 1).unwrap();
    let loss = program.reduce("loss", Reduce::Sum, all, &[]).unwrap();
    let grads = program.gradients(loss, &[z, y, x, loss]).unwrap();
    let outcomes = case.run(gpu(), &grads);
    for is_gpu in [false, true] {
        let read = |outcome: &Outcome| match is_gpu {
            true => outcome.got.clone(),
            false => outcome.want.iter().map(|x| *x as f32).collect(),
        };
        let [by_z, by_y, by_x, by_loss] = [0, 1, 2, 3].map(|number| read(&outcomes[number]));
        assert_eq!(by_z, [2.0, 2.0, 1.0, 2.0, 2.0, 1.0]);
        assert_eq!(by_loss, [1.0]);
        for (((x, by_z), by_y), by_x) in normal(7, 6).iter().zip(by_z).zip(by_y).zip(by_x) {
            let y = x.tanh();
            assert!((by_y - 2.0 * y * by_z).abs() < 1e-5, "{by_y} at {x}");
            assert!((by_x - by_y * (1.0 - y * y)).abs() < 1e-5, "{by_x} at {x}");
        }
    }
}

#[test]
fn gradients_of_parts_are_put_together_without_sums() {
    let build = |bounds: [usize; 4]| {
        let mut program = Program::new("parts", vec![]);
        let x = program.input("x", Shape::new(&[4, 6]).unwrap(), DType::F32);
        let parts = bounds.windows(2).map(|ends| program.slice("part", x, 1, ends[0]..ends[1]));
        let parts: Vec<Slot> = parts.collect::<Result<_>>().unwrap();
        let parts = parts.into_iter().map(|part| program.activation("y", Activation::tanh(), part));
        let parts: Vec<Slot> = parts.collect::<Result<_>>().unwrap();
        let all = program.concatenate("all", &parts, 1).unwrap();
        let loss = program.reduce("loss", Reduce::Sum, all, &[]).unwrap();
        let before = program.ops().len();
        program.gradients(loss, &[x]).unwrap();
        let added: Vec<String> = program.ops()[before..].iter().map(|op| op.name()).collect();
        ["fill(0)", "copy", "add"].map(|name| added.iter().filter(|op| *op == name).count())
    };
    // The sum's is one copy; each part is taken out of a tensor and put into another.
    assert_eq!(build([0, 2, 3, 6]), [0, 7, 0]);
    assert_eq!(build([0, 2, 3, 5]), [1, 7, 0]);
}
