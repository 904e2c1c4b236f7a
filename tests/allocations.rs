//! What recording allocates on the host's heap beside what wgpu itself does.

#[path = "support/mod.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wgrad::__internal::Dispatch;
use wgrad::embed::{Budget, Choices, Fusion};
use wgrad::ir::{Plan, PlanWeights, Steps};
use wgrad::prelude::*;

use support::adapter;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting what each thread asks for.
struct Counting;

// SAFETY: everything is done by the system's allocator; the count is a number without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread allocates in `work`.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

/// A host that records the same without wgrad: numbers up, the dispatches, numbers back.
struct Bare {
    up: wgpu::Buffer,
    down: wgpu::Buffer,
    table: wgpu::Buffer,
    done: Arc<AtomicU64>,
}

impl Bare {
    fn new(device: &wgpu::Device) -> Self {
        let buffer = |usage: wgpu::BufferUsages, mapped_at_creation| {
            let (label, size) = (Some("host"), 1 << 16);
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation })
        };
        let copied = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        Self {
            up: buffer(wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC, true),
            down: buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST, false),
            table: buffer(copied, false),
            done: Arc::default(),
        }
    }

    fn record(&self, encoder: &mut wgpu::CommandEncoder, dispatches: &[Dispatch], steps: u64) {
        // What came back from the recording before.
        if self.done.load(Ordering::SeqCst) > 0 {
            let counter = self.down.get_mapped_range(..64).unwrap()[0];
            self.done.fetch_add(u64::from(counter), Ordering::SeqCst);
            self.down.unmap();
        }
        self.up.get_mapped_range_mut(..64).unwrap().copy_from_slice(&[7; 64]);
        self.up.unmap();
        for at in [0, 64] {
            encoder.copy_buffer_to_buffer(&self.up, at, &self.table, at, 32);
        }
        self.back(encoder, &self.up, wgpu::MapMode::Write);
        let descriptor = wgpu::ComputePassDescriptor { label: Some("steps"), ..Default::default() };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        for _ in 0..steps {
            for dispatch in dispatches {
                pass.set_pipeline(dispatch.pipeline());
                pass.set_bind_group(0, dispatch.bind_group(), &[]);
                pass.dispatch_workgroups(dispatch.grid[0], dispatch.grid[1], 1);
            }
        }
        drop(pass);
        for at in [0, 64] {
            encoder.copy_buffer_to_buffer(&self.table, at, &self.down, at, 32);
        }
        self.back(encoder, &self.down, wgpu::MapMode::Read);
    }

    fn back(&self, encoder: &wgpu::CommandEncoder, buffer: &wgpu::Buffer, mode: wgpu::MapMode) {
        let done = self.done.clone();
        encoder.map_buffer_on_submit(buffer, mode, .., move |_| {
            done.fetch_add(1, Ordering::SeqCst);
        });
    }
}

/// Allocations of one recording, which is submitted and waited for.
fn submitted(gpu: &Gpu, record: &mut dyn FnMut(&mut wgpu::CommandEncoder)) -> u64 {
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let count = allocations(|| record(&mut encoder));
    gpu.queue().submit([encoder.finish()]);
    gpu.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
    count
}

/// Allocations of one recording of `steps` steps, by the plan and by the bare host with the dispatches of another one like it,
/// when as much was recorded before.
fn recorded(gpu: &Gpu, plan: &mut Plan, others: &Plan, steps: u64) -> [u64; 2] {
    let last = |record: &mut dyn FnMut(&mut wgpu::CommandEncoder)| {
        (0..8).map(|_| submitted(gpu, record)).last().unwrap()
    };
    let by_plan = last(&mut |encoder| plan.encode(encoder, steps).unwrap());
    plan.try_figures().unwrap();
    let bare = Bare::new(gpu.device());
    let by_host = last(&mut |encoder| bare.record(encoder, others.dispatches(), steps));
    [by_plan, by_host]
}

/// The same for recordings within a budget, whose end a bare host notes with a callback, too.
fn within(gpu: &Gpu, plan: &mut Plan, others: &Plan) -> [u64; 2] {
    let (mut by_plan, mut steps) = (0, 0);
    for _ in 0..8 {
        by_plan = submitted(gpu, &mut |encoder| {
            steps = plan.encode_within(encoder, Budget::micros(1)).unwrap();
        });
    }
    let bare = Bare::new(gpu.device());
    let mut record = |encoder: &mut wgpu::CommandEncoder| {
        bare.record(encoder, others.dispatches(), steps);
        let done = bare.done.clone();
        encoder.on_submitted_work_done(move || drop(done));
    };
    let by_host = (0..8).map(|_| submitted(gpu, &mut record)).last().unwrap();
    [by_plan, by_host]
}

#[test]
fn a_recorded_step_allocates_nothing_beside_what_wgpu_does() {
    let numbers: Vec<u8> = Vec::with_capacity(100);
    assert_eq!(allocations(|| drop(numbers.clone())), 0, "an empty vector needs nothing");
    assert_eq!(allocations(|| drop(vec![1, 2, 3])), 1, "what is allocated is counted");

    let host = adapter::fresh();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let gpu = gpu.choosing(Choices { fusion: Fusion::Never, ..gpu.choices() });
    let network =
        Sequential::new(2).dense(16).activation(Activation::tanh()).dense(1).build().unwrap();
    let optimizer = Optimizer::adam();
    let weights = PlanWeights::new(&gpu, network.params(), Some(&optimizer), 0).unwrap();
    let objective = wgrad::nn::Objective {
        loss: Loss::mse(),
        reduction: Reduction::Mean,
        metrics: vec![],
        transforms: wgrad::nn::GradientTransforms::default(),
        weighted: false,
        class_weights: None,
        linear_cross_entropy: false,
        checked: true,
        through: false,
    };
    let target = wgrad::nn::TargetKind::Values(1);
    let program = network.training(&objective, optimizer, target, (24, 24), 0).unwrap().program;
    let rule =
        Steps { schedule: Schedule::inverse_time(1e-3).unwrap(), ..Steps::new(optimizer, 24) };
    let build = || {
        let (program, rule) = (program.clone(), rule.clone());
        Plan::new(&gpu, program, Some(&weights), &[], 0, move |step| rule.entry(step)).unwrap()
    };
    let (mut plan, others) = (build(), build());
    // The longest first: then there is room for everything.
    let steps = [256, 64, 16, 4, 1];
    let counts = steps.map(|steps| (steps, recorded(&gpu, &mut plan, &others, steps)));
    println!("steps, allocations by plan and by bare host: {counts:?}");
    assert!(counts.iter().all(|(_, [by_plan, by_host])| by_plan == by_host), "{counts:?}");
    let [by_plan, by_host] = within(&gpu, &mut plan, &others);
    assert_eq!(by_plan, by_host, "within a budget");
}
