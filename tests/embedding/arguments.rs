//! What is wrong with an argument is never called a fault of the library's.

use std::sync::atomic::Ordering;

use wgrad::__internal::kernel::{Text, registry};
use wgrad::embed::View;
use wgrad::ir::{DType, Form, Interpreter, InterpreterWeights, Plan, PlanWeights, Slot, StepEntry};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};
use wgrad::{Error, Program, Result, Shape};

use super::host::{Host, ROWS, one_by_one, trainer};

fn shape(extents: &[usize]) -> Shape {
    Shape::new(extents).unwrap()
}

/// The sentence of an error that names the words and blames the caller.
#[track_caller]
fn blames<T>(outcome: Result<T>, words: &[&str]) {
    let Err(error) = outcome else { panic!("accepted, though {words:?}") };
    assert!(!matches!(error, Error::Internal(_)), "{error}");
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} are not all in: {text}");
}

/// A program with more slots than any other of these tests.
fn large() -> (Program, Slot) {
    let mut program = Program::new("large", Vec::new());
    let mut x = program.input("x", shape(&[4, 2]), DType::F32);
    for _ in 0..200 {
        x = program.activation("y", Activation::relu(), x).unwrap();
    }
    (program, x)
}

#[test]
fn a_parameter_gradient_or_state_that_there_is_not_is_refused_with_the_count() {
    let host = Host::new();
    let gpu = one_by_one(&Gpu::from_wgpu(&host.device, &host.queue));
    let step = trainer(&gpu).into_step(ROWS).unwrap();
    blames(step.parameter(99), &["parameter 99", "4"]);
    blames(step.parameter(4), &["parameter 4"]);
    let network = Sequential::new(2).dense(3).build().unwrap();
    let weights = PlanWeights::new(&gpu, network.params(), Some(&Optimizer::adam()), 0).unwrap();
    blames(weights.param(2), &["parameter 2", "2"]);
    blames(weights.grad(usize::MAX), &["parameter", "2"]);
    blames(weights.state(2, 0), &["state value 2", "2"]);
    blames(weights.state(0, 2), &["parameter 2"]);
    blames(pollster::block_on(weights.read_state(2)), &["state value 2"]);
    let history = PlanWeights::new(&gpu, network.params(), Some(&Optimizer::lbfgs()), 0).unwrap();
    let slots = (0..history.memory().parts().len()).map(|state| history.state(state, 0));
    for error in slots.filter_map(Result::err) {
        assert!(!matches!(error, Error::Internal(_)), "{error}");
    }
    let mut program = Program::new("own", network.params().to_vec());
    blames(program.param(2), &["parameter 2", "own", "2"]);
    blames(program.grad(7), &["parameter 7", "own"]);
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn a_slot_of_another_program_is_refused_by_every_call_that_takes_one() {
    let host = Host::new();
    let gpu = one_by_one(&Gpu::from_wgpu(&host.device, &host.queue));
    let (_, foreign) = large();
    let mut program = Program::new("own", Vec::new());
    let x = program.input("x", shape(&[4, 2]), DType::F32);
    let y = program.activation("y", Activation::relu(), x).unwrap();
    let words = ["another program", "own"];
    blames(program.slot(foreign), &words);
    blames(program.shape(foreign), &words);
    blames(program.clone().activation("y", Activation::tanh(), foreign), &words);
    blames(program.clone().matmul("y", x, foreign, Form::NT), &words);
    blames(program.clone().matmul_into(x, x, Form::NT, foreign), &words);
    blames(program.clone().add_row(foreign, x), &words);
    blames(program.clone().gather("batch", foreign, 2, None), &words);
    blames(program.clone().arithmetic("y", Arithmetic::Add, x, foreign), &words);
    blames(program.clone().reduce("y", Reduce::Sum, foreign, &[]), &words);
    blames(program.clone().concatenate("y", &[x, foreign], 0), &words);
    blames(program.clone().reshape("y", foreign, shape(&[8])), &words);
    blames(program.clone().record(&[foreign]), &words);
    blames(program.clone().metric(Metric::Accuracy, foreign, x), &words);

    let mut interpreter = Interpreter::<f64>::new(program.clone());
    blames(interpreter.read(foreign), &words);
    blames(interpreter.read_indices(foreign), &words);
    blames(interpreter.write(foreign, &[1.0]), &words);
    blames(interpreter.write_indices(foreign, &[1]), &words);

    let rule = |_| StepEntry::rows(usize::MAX);
    let view = View::new(&host.buffer(64, wgpu::BufferUsages::empty()), 0, shape(&[4, 2])).unwrap();
    let views = [(foreign, view.clone())];
    blames(Plan::new(&gpu, program.clone(), None, &views, 0, rule), &words);
    let mut plan = Plan::new(&gpu, program, None, &[], 0, rule).unwrap();
    let mut encoder = host.encoder();
    blames(plan.write(foreign, &[1.0]), &words);
    blames(plan.write_indices(foreign, &[1]), &words);
    blames(plan.upload(&mut encoder, foreign, &[1.0]), &words);
    blames(plan.upload_indices(&mut encoder, foreign, &[1]), &words);
    blames(pollster::block_on(plan.read(foreign)), &words);
    blames(plan.rebind(None, foreign, &view), &words);
    assert!(plan.region(foreign).is_none());
    blames(Plan::over(&gpu, &[view], &[], |_, _| Ok(vec![foreign])), &["another program"]);
    // The plan is as it was.
    plan.write(x, &[-1.0, 2.0]).unwrap();
    plan.run(1).unwrap();
    assert_eq!(pollster::block_on(plan.read(y)).unwrap()[..2], [0.0, 2.0]);
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

/// A program that changes its one layer's parameters in the way that `build` says.
fn changing(build: impl FnOnce(&mut Program) -> Result<()>) -> Result<Program> {
    let network = Sequential::new(2).dense(3).build()?;
    let mut program = Program::new("changing", network.params().to_vec());
    build(&mut program)?;
    Ok(program)
}

fn updating(optimizer: Optimizer) -> Result<Program> {
    changing(|program| program.update(optimizer, None, Key::new(0, Stream::Optimizer)))
}

#[test]
fn weights_that_do_not_belong_to_a_program_are_refused_on_both_engines() {
    let host = Host::new();
    let gpu = one_by_one(&Gpu::from_wgpu(&host.device, &host.queue));
    let of = |columns| Sequential::new(2).dense(columns).build().unwrap();
    let rule = |_| StepEntry::rows(ROWS);
    let optimizers: Vec<Optimizer> =
        Optimizer::all().filter(|optimizer| !optimizer.takes_loss()).collect();
    let own = of(3);
    let mut refused = 0;
    for needs in &optimizers {
        let Ok(program) = updating(*needs) else { continue };
        for has in optimizers.iter().map(Some).chain([None]) {
            let Ok(weights) = PlanWeights::new(&gpu, own.params(), has, 0) else { continue };
            match Plan::new(&gpu, program.clone(), Some(&weights), &[], 0, rule) {
                Ok(_) => assert!(needs.states().len() <= has.map_or(0, |has| has.states().len())),
                Err(error) => {
                    refused += 1;
                    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
                    assert!(error.to_string().contains("weights"), "{error}");
                    assert!(has != Some(needs), "{needs}: {error}");
                }
            }
            let params = own.params().iter().map(|p| vec![0.5f64; p.shape.len()]).collect();
            let mut weights = InterpreterWeights::new(own.params(), params, has, 0);
            let entry = StepEntry::rows(ROWS);
            let ran = Interpreter::<f64>::new(program.clone()).run(&mut weights, &entry);
            if let Err(error) = ran {
                assert!(matches!(error, Error::Unsupported { .. }), "{needs} on {has:?}: {error}");
                assert!(has != Some(needs), "{needs}: {error}");
            }
        }
    }
    assert!(refused > optimizers.len(), "{refused}");

    let adam = updating(Optimizer::adam()).unwrap();
    let optimizer = Optimizer::adam();
    for others in [of(4), Sequential::new(2).dense(3).dense(1).build().unwrap()] {
        let weights = PlanWeights::new(&gpu, others.params(), Some(&optimizer), 0).unwrap();
        let plan = Plan::new(&gpu, adam.clone(), Some(&weights), &[], 0, rule);
        blames(plan, &["weights", "changing"]);
        let params = others.params().iter().map(|p| vec![0.5f32; p.shape.len()]).collect();
        let mut weights = InterpreterWeights::new(others.params(), params, Some(&optimizer), 0);
        let mut interpreter = Interpreter::<f32>::new(adam.clone());
        blames(interpreter.run(&mut weights, &StepEntry::rows(ROWS)), &["weights", "changing"]);
    }
    blames(Plan::new(&gpu, adam.clone(), None, &[], 0, rule), &["weights", "changing"]);
    let adds: [fn(&mut Program); 3] = [
        |program| program.average(0, false),
        |program| program.accumulate(5),
        |program| program.average(usize::MAX, true),
    ];
    let lacking = adds.map(|add| {
        changing(|program| {
            add(program);
            Ok(())
        })
    });
    let weights = PlanWeights::new(&gpu, own.params(), None, 0).unwrap();
    for program in lacking.map(Result::unwrap) {
        blames(Plan::new(&gpu, program.clone(), Some(&weights), &[], 0, rule), &["state value"]);
        if let Err(error) = Gpu::required_limits(&program) {
            assert!(!matches!(error, Error::Internal(_)), "{error}");
        }
        let params = own.params().iter().map(|p| vec![0.5f32; p.shape.len()]).collect();
        let mut weights = InterpreterWeights::new(own.params(), params, None, 0);
        let mut interpreter = Interpreter::<f32>::new(program);
        blames(interpreter.run(&mut weights, &StepEntry::rows(ROWS)), &["state value"]);
    }
    let weights = PlanWeights::new(&gpu, own.params(), Some(&optimizer), 0).unwrap();
    let mut plan = Plan::new(&gpu, adam.clone(), Some(&weights), &[], 0, rule).unwrap();
    let other = PlanWeights::new(&gpu, of(4).params(), Some(&optimizer), 0).unwrap();
    blames(plan.change(Some(&other), adam), &["weights"]);
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn figures_that_are_not_there_words_that_do_not_fit_and_texts_that_do_not_compile_are_the_callers()
{
    let host = Host::new();
    let gpu = one_by_one(&Gpu::from_wgpu(&host.device, &host.queue));
    let mut step = trainer(&gpu).into_step(ROWS).unwrap();
    blames(pollster::block_on(step.records(0..3)), &["step 3"]);
    let mut encoder = host.encoder();
    step.encode(&mut encoder, 3).unwrap();
    blames(pollster::block_on(step.records(0..3)), &["step", "submitted"]);
    blames(pollster::block_on(step.records(u64::MAX - 1..u64::MAX)), &["step"]);
    let buffer = host.buffer(64, wgpu::BufferUsages::empty());
    let gone = View::new(&buffer, 0, shape(&[ROWS, 2])).unwrap();
    buffer.destroy();
    let options = wgrad::embed::StepOptions::rows(ROWS).inputs(gone);
    blames(trainer(&gpu).into_step(options), &["destroyed"]);
    let fill = registry::all().into_iter().find(|kernel| kernel.label == "tensor.fill").unwrap();
    blames(fill.words(&[1, 2, 3], &[]), &["tensor.fill", "3", "2"]);
    let mut broken = fill;
    broken.parts.push(Text::user("fn oops() -> f32 { return 1u; }"));
    blames(gpu.compile(&broken), &["tensor.fill"]);
    assert!(matches!(gpu.compile(&broken), Err(Error::Shader { .. })));
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn every_activation_goes_in_place_or_says_that_it_does_not() {
    let host = Host::new();
    let gpu = one_by_one(&Gpu::from_wgpu(&host.device, &host.queue));
    let rule = |_| StepEntry::rows(usize::MAX);
    for f in Activation::all() {
        let mut program = Program::new("in place", Vec::new());
        let x = program.input("x", shape(&[4, 6]), DType::F32);
        let built = program.activation_in_place(f, x).map(|()| program);
        let outcome = built.and_then(|program| Plan::new(&gpu, program, None, &[], 0, rule));
        if let Err(error) = outcome {
            assert!(!matches!(error, Error::Internal(_)), "{f}: {error}");
        }
    }
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}
