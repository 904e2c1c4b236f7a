//! What recording allocates on the host's heap beside what wgpu itself does.

#[path = "support/mod.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use wgrad::gpu::{Choices, Fusion, Plan, Weights};
use wgrad::prelude::*;
use wgrad::program::Steps;

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

/// Allocations of one recording of `steps` steps, through the plan and by a bare loop over the same dispatches, when
/// everything has been recorded before.
fn recorded(gpu: &Gpu, plan: &mut Plan, steps: u64) -> [u64; 2] {
    let mut through_the_plan = 0;
    for _ in 0..4 {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        through_the_plan = allocations(|| plan.encode(&mut encoder, steps).unwrap());
        gpu.queue().submit([encoder.finish()]);
        gpu.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
        plan.try_figures().unwrap();
    }
    let mut bare = 0;
    for _ in 0..4 {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        bare = allocations(|| {
            let descriptor =
                wgpu::ComputePassDescriptor { label: Some("wgrad steps"), ..Default::default() };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            for _ in 0..steps {
                for dispatch in plan.dispatches() {
                    pass.set_pipeline(dispatch.pipeline());
                    pass.set_bind_group(0, dispatch.bind_group(), &[]);
                    pass.dispatch_workgroups(dispatch.grid[0], dispatch.grid[1], 1);
                }
            }
        });
    }
    [through_the_plan, bare]
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
    let weights = Weights::new(&gpu, network.params(), Some(&optimizer), 0).unwrap();
    let goal = wgrad::nn::Goal {
        loss: Loss::mse(),
        reduction: Reduction::Mean,
        metrics: vec![],
        around: wgrad::nn::Around::default(),
        weighted: false,
        class_weights: None,
        checked: true,
        through: false,
    };
    let target = wgrad::nn::TargetKind::Values(1);
    let program = network.training(&goal, optimizer, target, (24, 24), 0).unwrap().program;
    let rule =
        Steps { schedule: Schedule::inverse_time(1e-3).unwrap(), ..Steps::new(optimizer, 24) };
    let mut plan =
        Plan::new(&gpu, program, Some(&weights), &[], 0, move |step| rule.entry(step)).unwrap();
    // The longest first: then there is room for everything.
    let counts = [256, 64, 16, 4, 1].map(|steps| (steps, recorded(&gpu, &mut plan, steps)));
    println!(
        "{} dispatches a step; steps, allocations [plan, bare]: {counts:?}",
        plan.dispatches().len()
    );
    let beside = counts.map(|(_, [plan, bare])| plan as i64 - bare as i64);
    // What is left is the same for 1 step and for 256: the copies of the table and of the figures, and their callbacks,
    // which wgpu keeps in boxes.
    assert!(beside.iter().all(|count| count == &beside[0]), "{counts:?}");
    assert!((0..=MOST_PER_RECORDING).contains(&beside[0]), "{counts:?}");
}

/// What wgpu allocates for two mapped buffers and four copies.
const MOST_PER_RECORDING: i64 = 24;
