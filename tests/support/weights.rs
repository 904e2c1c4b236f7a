//! A program over parameters, run step by step on the GPU and on the `f64` reference.

use wgrad::__internal::Op;
use wgrad::embed::{Gpu, Region};
use wgrad::ir::{Interpreter, InterpreterWeights, ParamInfo, Plan, PlanWeights, Slot, Steps};
use wgrad::{Optimizer, Program, Shape};

use super::kernel::read_back;

/// A parameter tensor without penalties.
pub fn param(extents: &[usize], multiplier: f64, decays: bool) -> ParamInfo {
    let shape = Shape::new(extents).expect("a shape");
    let name = format!("p{shape}");
    ParamInfo { name, shape, l1: 0.0, l2: 0.0, multiplier, decays, has_gradient: true }
}

/// One tensor's numbers from both engines.
pub struct Pair {
    pub got: Vec<f32>,
    pub want: Vec<f64>,
}

/// Both engines' weights and programs.
pub struct Comparison {
    gpu: Gpu,
    on_gpu: PlanWeights,
    plan: Plan,
    pub on_cpu: InterpreterWeights<f64>,
    interpreter: Interpreter<f64>,
    rule: Steps,
    step: u64,
    /// The largest magnitude that each state value has had on the reference, by state and tensor.
    pub peaks: Vec<Vec<Vec<f64>>>,
}

fn numbers(data: &[f32]) -> Vec<f64> {
    data.iter().map(|&x| f64::from(x)).collect()
}

impl Comparison {
    /// Parameters of the given values, state as the optimizer begins, step 0.
    pub fn new(gpu: &Gpu, program: Program, optimizer: Optimizer, params: &[Vec<f32>]) -> Self {
        Self::following(gpu, program, Steps::new(optimizer, 1), params)
    }

    /// The same by a rule of the test's own.
    pub fn following(gpu: &Gpu, program: Program, rule: Steps, params: &[Vec<f32>]) -> Self {
        let optimizer = rule.optimizer;
        let on_gpu = PlanWeights::new(gpu, program.params(), Some(&optimizer), 0).unwrap();
        let entry = rule.clone();
        let step = move |step| entry.entry(step);
        let plan = Plan::new(gpu, program.clone(), Some(&on_gpu), &[], 0, step).unwrap();
        let start = params.iter().map(|p| numbers(p)).collect();
        let on_cpu = InterpreterWeights::new(program.params(), start, Some(&optimizer), 0);
        let peaks = on_cpu.states.clone();
        let interpreter = Interpreter::new(program);
        let duel =
            Self { gpu: gpu.clone(), on_gpu, plan, on_cpu, interpreter, rule, step: 0, peaks };
        for (index, data) in params.iter().enumerate() {
            duel.write(&duel.on_gpu.param(index).unwrap(), data);
        }
        duel
    }

    fn write(&self, region: &Region, data: &[f32]) {
        self.gpu.queue().write_buffer(&region.buffer, region.offset, bytemuck::cast_slice(data));
    }

    fn read(&self, region: &Region, len: usize) -> Vec<f32> {
        let (device, queue) = (self.gpu.device(), self.gpu.queue());
        let bytes = read_back(device, queue, &region.buffer, region.offset, 4 * len as u64);
        bytemuck::pod_collect_to_vec(&bytes)
    }

    /// Writes an input on both sides.
    pub fn input(&mut self, slot: Slot, data: &[f32]) {
        self.plan.write(slot, data).unwrap();
        self.interpreter.write(slot, &numbers(data)).unwrap();
    }

    /// One step with the given gradients.
    pub fn step(&mut self, grads: &[Vec<f32>]) {
        for (index, data) in grads.iter().enumerate() {
            self.write(&self.on_gpu.grad(index).unwrap(), data);
            self.on_cpu.grads[index] = numbers(data);
        }
        self.plan.run(1).unwrap();
        let entry = self.interpreter.entry(|step| self.rule.entry(step));
        self.interpreter.run(&mut self.on_cpu, &entry).unwrap();
        self.step += 1;
        let now = self.on_cpu.states.iter().flatten().flatten();
        let peaks = self.peaks.iter_mut().flatten().flatten();
        peaks.zip(now).for_each(|(peak, state)| *peak = peak.max(state.abs()));
    }

    fn pairs(&self, region: impl Fn(usize) -> Region, want: &[Vec<f64>]) -> Vec<Pair> {
        let pair = |(index, want): (usize, &Vec<f64>)| Pair {
            got: self.read(&region(index), want.len()),
            want: want.clone(),
        };
        want.iter().enumerate().map(pair).collect()
    }

    pub fn params(&self) -> Vec<Pair> {
        self.pairs(|index| self.on_gpu.param(index).unwrap(), &self.on_cpu.params)
    }

    pub fn grads(&self) -> Vec<Pair> {
        self.pairs(|index| self.on_gpu.grad(index).unwrap(), &self.on_cpu.grads)
    }

    pub fn state(&self, state: usize) -> Vec<Pair> {
        let got = pollster::block_on(self.on_gpu.read_state(state)).unwrap();
        let pair = |(got, want): (Vec<f32>, &Vec<f64>)| Pair { got, want: want.clone() };
        got.into_iter().zip(&self.on_cpu.states[state]).map(pair).collect()
    }

    /// The largest error of a state value, relative to the largest it has been: state values pass through zero.
    pub fn state_error(&self) -> f64 {
        let states = self.peaks.iter().enumerate().flat_map(|(state, peaks)| {
            let errors = self.state(state).into_iter().zip(peaks);
            errors.map(|(pair, peaks)| worst(&pair, |i| peaks[i])).collect::<Vec<_>>()
        });
        states.fold(0.0, f64::max)
    }

    /// The figures of the last step: the GPU's and the reference's.
    pub fn figures(&mut self) -> ([f32; Op::MAX_RECORDED], Vec<f32>) {
        let last = self.step - 1..self.step;
        let rows = pollster::block_on(self.plan.records(last)).unwrap();
        (rows[0], self.interpreter.take_records().pop().unwrap())
    }
}

/// The largest error of `got` relative to a scale of its own for each element.
pub fn worst(pair: &Pair, scale: impl Fn(usize) -> f64) -> f64 {
    let errors = pair.got.iter().zip(&pair.want).enumerate().map(|(i, (&got, &want))| {
        let error = (f64::from(got) - want).abs();
        // NaN must not slip through a maximum.
        if error == 0.0 {
            0.0
        } else if error.is_nan() {
            f64::INFINITY
        } else {
            error / scale(i)
        }
    });
    errors.fold(0.0, f64::max)
}

/// The errors allowed to an optimizer's parameters and state after 100 steps, `state` being that of most.
pub fn bounds(optimizer: &str, state: f64) -> [f64; 2] {
    match optimizer {
        // The linear state is p sqrt(n) / lr: it takes up the rounding of p many times over.
        "ftrl" => [1e-4, 1e-3],
        // The momentum is divided by itself, down to 1e-3, which magnifies its rounding.
        "santa_e" | "santa_sss" => [1e-3, 1e-3],
        // A step near the end of the way is a small difference of large terms.
        "lbfgs" => [1e-4, 5e-2],
        _ => [1e-4, state],
    }
}
