//! Paths of optimizers over a surface. The host knows the surface and gives each step its gradient; the update is the
//! library's, on the chosen device.

use std::sync::mpsc;

use wgrad::embed::{Gpu, Region};
use wgrad::ir::{
    DType, Interpreter, InterpreterWeights, ParamInfo, Plan, PlanWeights, Slot, Steps,
};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};
use wgrad::{Program, Shape};

use crate::common::Result;
use crate::surface::Surface;

/// Steps between two confirmations of the step table.
const CONFIRM: usize = 64;

/// An optimizer and the points it comes to, the start first.
pub struct Path {
    pub optimizer: Optimizer,
    pub points: Vec<[f32; 2]>,
}

impl Path {
    fn new(optimizer: Optimizer, surface: &Surface) -> Self {
        Self { optimizer, points: vec![surface.start] }
    }

    pub fn last(&self) -> [f32; 2] {
        self.points[self.points.len() - 1]
    }

    /// The value where the path ends, or where it leaves the frame.
    pub fn value(&self, surface: &Surface) -> f64 {
        let value = surface.at(surface.nearest(self.last())).0;
        if value.is_nan() { f64::INFINITY } else { value }
    }
}

/// An update of one point, a matrix of one row; the loss is for the optimizers that look at it.
fn program(optimizer: Optimizer, seed: u64) -> Result<(Program, Slot)> {
    let name = "point".to_string();
    let shape = Shape::new(&[1, 2])?;
    let point = ParamInfo {
        name,
        shape,
        l1: 0.0,
        l2: 0.0,
        multiplier: 1.0,
        decays: true,
        has_gradient: true,
    };
    let mut program = Program::new("walk", vec![point]);
    let [height, zero] =
        ["height", "zero"].map(|name| program.input(name, Shape::scalar(), DType::F32));
    let (loss, _) = program.loss(Loss::l1(), Reduction::Sum, (height, zero), false)?;
    program.update(optimizer, Some(loss), Key::new(seed, Stream::Optimizer))?;
    program.record(&[])?;
    Ok((program, height))
}

/// Walks on the CPU reference.
pub fn on_cpu(optimizer: Optimizer, surface: &Surface, seed: u64) -> Result<Path> {
    let (program, height) = program(optimizer, seed)?;
    let start = vec![surface.start.to_vec()];
    let mut weights = InterpreterWeights::new(program.params(), start, Some(&optimizer), 0);
    let mut interpreter = Interpreter::<f32>::new(program);
    let rule = Steps::new(optimizer, 1);
    let mut path = Path::new(optimizer, surface);
    for step in 0..surface.steps as u64 {
        let (value, gradient) = surface.at(path.last());
        interpreter.write(height, &[value as f32])?;
        weights.grads[0] = gradient.map(|g| g as f32).to_vec();
        interpreter.run(&mut weights, &rule.entry(step))?;
        path.points.push([weights.params[0][0], weights.params[0][1]]);
        if !surface.holds(path.last()) {
            break;
        }
    }
    Ok(path)
}

/// One optimizer's place on the GPU.
struct Walker {
    path: Path,
    plan: Plan,
    weights: PlanWeights,
    height: Region,
}

impl Walker {
    fn new(gpu: &Gpu, optimizer: Optimizer, surface: &Surface, seed: u64) -> Result<Self> {
        let (program, height) = program(optimizer, seed)?;
        let weights = PlanWeights::new(gpu, program.params(), Some(&optimizer), 0)?;
        let rule = Steps::new(optimizer, 1);
        let plan = Plan::new(gpu, program, Some(&weights), &[], 0, move |step| rule.entry(step))?;
        let height = plan.region(height).expect("an input has memory").clone();
        let walker = Self { path: Path::new(optimizer, surface), plan, weights, height };
        write(gpu, &walker.weights.param(0)?, &surface.start);
        Ok(walker)
    }
}

fn write(gpu: &Gpu, region: &Region, numbers: &[f32]) {
    gpu.queue().write_buffer(&region.buffer, region.offset, bytemuck::cast_slice(numbers));
}

/// Walks on a GPU: a step of every optimizer is one submission.
pub fn on_gpu(
    gpu: &Gpu,
    optimizers: &[Optimizer],
    surface: &Surface,
    seed: u64,
) -> Result<Vec<Path>> {
    let walkers = optimizers.iter().map(|optimizer| Walker::new(gpu, *optimizer, surface, seed));
    let mut walkers = walkers.collect::<Result<Vec<_>>>()?;
    let landing = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("points"),
        size: 8 * walkers.len().max(1) as u64,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    for step in 0..surface.steps {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let walking = walkers.iter_mut().enumerate();
        let walking = walking.filter(|(_, walker)| surface.holds(walker.path.last()));
        for (number, walker) in walking {
            let (value, gradient) = surface.at(walker.path.last());
            write(gpu, &walker.height, &[value as f32]);
            write(gpu, &walker.weights.grad(0)?, &gradient.map(|g| g as f32));
            walker.plan.encode(&mut encoder, 1)?;
            let from = walker.weights.param(0)?;
            let to = 8 * number as u64;
            encoder.copy_buffer_to_buffer(&from.buffer, from.offset, &landing, to, 8);
        }
        gpu.queue().submit([encoder.finish()]);
        let points = read(gpu, &landing)?;
        for (walker, point) in walkers.iter_mut().zip(points) {
            if surface.holds(walker.path.last()) {
                walker.path.points.push(point);
                let done = walker.plan.next_step();
                if step % CONFIRM == CONFIRM - 1 {
                    pollster::block_on(walker.plan.records(done - 1..done))?;
                }
            }
        }
    }
    Ok(walkers.into_iter().map(|walker| walker.path).collect())
}

fn read(gpu: &Gpu, landing: &wgpu::Buffer) -> Result<Vec<[f32; 2]>> {
    let (sender, receiver) = mpsc::channel();
    landing.map_async(wgpu::MapMode::Read, .., move |outcome| {
        let _ = sender.send(outcome);
    });
    gpu.device().poll(wgpu::PollType::wait_indefinitely())?;
    receiver.recv()??;
    let points = bytemuck::pod_collect_to_vec(&landing.get_mapped_range(..)?);
    landing.unmap();
    Ok(points)
}
