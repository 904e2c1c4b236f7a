//! Runs a program once on the GPU and on the `f64` reference, each output fenced in by sentinels.

use std::sync::OnceLock;

use wgrad::embed::{Choices, Class, Gpu, View};
use wgrad::ir::{DType, Interpreter, InterpreterWeights, Plan, Slot, StepEntry};
use wgrad::random::{Key, Stream};
use wgrad::{Program, Shape};

use super::adapter::{self, Adapter, adapter};
use super::kernel::read_back;
use super::tolerance::{Tolerance, check};

/// How many sentinels lie before and after each output.
const FENCE: usize = 1024;
/// No kernel writes it.
const SENTINEL: u32 = 0xdead_beef;

/// A device of this test run with limits of one's own and those features of a browser's that wgrad makes use of.
pub fn open(limits: wgpu::Limits) -> Gpu {
    let features = Gpu::recommended_features() & wgpu::Features::all_webgpu_mask();
    let with = |required_features| {
        let required_limits = limits.clone();
        let own = adapter::descriptor();
        wgpu::DeviceDescriptor { required_features, required_limits, ..own }
    };
    let opened = adapter::try_fresh_with(&with(features));
    let Adapter { device, queue, .. } =
        opened.unwrap_or_else(|| adapter::fresh_with(&with(wgpu::Features::empty())));
    Gpu::from_wgpu(&device, &queue)
}

/// The device of this test run, opened once: a host's, with default limits and no features.
pub fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| {
        let Adapter { device, queue, .. } = adapter();
        assert!(device.features().is_empty(), "{:?}", device.features());
        Gpu::from_wgpu(device, queue)
    })
}

/// The same adapter with the features that wgrad makes use of.
pub fn featured_gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| open(wgpu::Limits::default()))
}

/// Without features and with them, and with them as one that has memory of its own.
pub fn gpus() -> [&'static Gpu; 3] {
    static LARGE: OnceLock<Gpu> = OnceLock::new();
    let discrete = |own| Choices { class: Class::Discrete, ..own };
    let large = LARGE.get_or_init(|| featured_gpu().choosing(discrete(featured_gpu().choices())));
    [gpu(), featured_gpu(), large]
}

/// The same with four workgroups per dimension at most, so that small tensors fold the grid.
pub fn folding_gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    let limits =
        wgpu::Limits { max_compute_workgroups_per_dimension: 4, ..wgpu::Limits::default() };
    GPU.get_or_init(|| open(limits))
}

/// How many values of each kind a test takes; all of them with `WGRAD_FULL=1`.
pub fn count(usual: usize, full: usize) -> usize {
    if std::env::var("WGRAD_FULL").is_ok_and(|value| value == "1") { full } else { usual }
}

/// A program under test and what its inputs hold.
pub struct Case {
    pub program: Program,
    numbers: Vec<(Slot, Vec<f32>)>,
    indices: Vec<(Slot, Vec<u32>)>,
    pub entry: StepEntry,
}

/// What both engines gave for one slot.
pub struct Outcome {
    pub got: Vec<f32>,
    pub want: Vec<f64>,
}

impl Outcome {
    /// Fails unless every element is within `ulps` of the reference or `floor` away; gives their number.
    pub fn close(&self, name: &str, ulps: f64, floor: f64) -> usize {
        let Self { got, want } = self;
        assert_eq!(got.len(), want.len(), "{name}");
        if got.is_empty() {
            return 0;
        }
        let report = check(name, got, got, want, |_| Tolerance::ulps(ulps).floor(floor)).unwrap();
        assert!(report.failures == 0, "{report}");
        report.count
    }
}

impl Case {
    /// An empty program whose step has as many rows as there are.
    pub fn new(name: &str) -> Self {
        let entry = StepEntry::rows(usize::MAX);
        let program = Program::new(name, Vec::new());
        Self { program, numbers: Vec::new(), indices: Vec::new(), entry }
    }

    pub fn input(&mut self, extents: &[usize], data: &[f32]) -> Slot {
        let shape = Shape::new(extents).expect("a shape");
        assert_eq!(shape.len(), data.len(), "{extents:?}");
        let slot = self.program.input("input", shape, DType::F32);
        self.numbers.push((slot, data.to_vec()));
        slot
    }

    pub fn classes(&mut self, data: &[u32]) -> Slot {
        self.indices(&[data.len()], data)
    }

    pub fn indices(&mut self, extents: &[usize], data: &[u32]) -> Slot {
        let shape = Shape::new(extents).expect("a shape");
        assert_eq!(shape.len(), data.len(), "{extents:?}");
        let slot = self.program.input("classes", shape, DType::U32);
        self.indices.push((slot, data.to_vec()));
        slot
    }

    /// Runs both engines; fails if a sentinel changed.
    pub fn run(self, gpu: &Gpu, outputs: &[Slot]) -> Vec<Outcome> {
        let got = self.run_gpu(gpu, outputs);
        let cpu = self.run_cpu(&mut InterpreterWeights::default());
        let want = outputs.iter().map(|&slot| match self.dtype(slot) {
            DType::F32 => cpu.read(slot).unwrap().to_vec(),
            DType::U32 => as_numbers(cpu.read_indices(slot).unwrap()),
        });
        got.into_iter().zip(want).map(|(got, want)| Outcome { got, want }).collect()
    }

    fn dtype(&self, slot: Slot) -> DType {
        self.program.slot(slot).unwrap().dtype
    }

    /// The slot of the input of this number, in the order they were added.
    pub fn slot(&self, number: usize) -> Slot {
        self.numbers[number].0
    }

    /// The reference after one step.
    pub fn run_cpu(&self, weights: &mut InterpreterWeights<f64>) -> Interpreter<f64> {
        let mut cpu = self.interpreter();
        cpu.run(weights, &self.entry).unwrap();
        cpu
    }

    /// The reference with its inputs written.
    pub fn interpreter(&self) -> Interpreter<f64> {
        let mut cpu = Interpreter::<f64>::new(self.program.clone());
        for (slot, data) in &self.numbers {
            let data: Vec<f64> = data.iter().map(|&x| f64::from(x)).collect();
            cpu.write(*slot, &data).unwrap();
        }
        for (slot, data) in &self.indices {
            cpu.write_indices(*slot, data).unwrap();
        }
        cpu
    }

    fn run_gpu(&self, gpu: &Gpu, outputs: &[Slot]) -> Vec<Vec<f32>> {
        let fences: Vec<Fence> = outputs
            .iter()
            .map(|&slot| Fence::new(gpu, self.program.shape(slot).unwrap(), self.dtype(slot)))
            .collect();
        let views: Vec<(Slot, View)> =
            outputs.iter().zip(&fences).map(|(&slot, fence)| (slot, fence.view.clone())).collect();
        let entry = self.entry;
        let program = self.program.clone();
        let mut plan = Plan::new(gpu, program, None, &views, 0, move |_| entry).unwrap();
        for (slot, data) in &self.numbers {
            plan.write(*slot, data).unwrap();
        }
        for (slot, data) in &self.indices {
            plan.write_indices(*slot, data).unwrap();
        }
        plan.run(1).unwrap();
        let results = outputs.iter().zip(fences).map(|(&slot, fence)| {
            let words = fence.read(gpu, self.program.name());
            match self.dtype(slot) {
                DType::F32 => words.into_iter().map(f32::from_bits).collect(),
                DType::U32 => words.into_iter().map(|word| word as f32).collect(),
            }
        });
        results.collect()
    }
}

fn as_numbers(indices: &[u32]) -> Vec<f64> {
    indices.iter().map(|&index| f64::from(index)).collect()
}

/// A tensor in the middle of a buffer full of sentinels.
struct Fence {
    view: View,
}

impl Fence {
    fn new(gpu: &Gpu, shape: Shape, dtype: DType) -> Self {
        let words = vec![SENTINEL; 2 * FENCE + shape.len().next_multiple_of(4)];
        let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("fenced"),
            size: size_of_val(&words[..]) as u64,
            usage: wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&words));
        let view = View::new(&buffer, FENCE as u64 * 4, shape).unwrap();
        Self { view: View { dtype, ..view } }
    }

    /// The tensor's words; fails if anything around it changed.
    fn read(&self, gpu: &Gpu, name: &str) -> Vec<u32> {
        let buffer = &self.view.region.buffer;
        let bytes = read_back(gpu.device(), gpu.queue(), buffer, 0, buffer.size());
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes);
        let (before, rest) = words.split_at(FENCE);
        let (inside, after) = rest.split_at(self.view.shape.len());
        let intact = |part: &[u32]| part.iter().all(|&word| word == SENTINEL);
        assert!(intact(before), "{name} wrote before its output of shape {}", self.view.shape);
        assert!(intact(after), "{name} wrote after its output of shape {}", self.view.shape);
        inside.to_vec()
    }
}

/// Numbers that look random, the same in every run: normal, with a seed of their own.
pub fn normal(seed: u64, len: usize) -> Vec<f32> {
    let key = Key::new(seed, Stream::Data(99));
    (0..len as u32).map(|i| key.normal(0, i) as f32).collect()
}

/// Uniform numbers in [0, 1), the same in every run.
pub fn uniform(seed: u64, len: usize) -> Vec<f32> {
    let key = Key::new(seed, Stream::Data(98));
    (0..len as u32).map(|i| key.uniform(0, i)).collect()
}
