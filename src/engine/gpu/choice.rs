//! The choice between the kernels of an op: a static table, so that reruns on one device give the same bits.

use super::kernel::Kernel;
use super::kernel::matmul::{Epilogue, Pair, Tiling, Variant, Via};
use crate::ir::{Form, Product};
use crate::spec::Activation;

/// The tilings of a matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatMul {
    /// 128 x 128 results per workgroup, through workgroup memory: for large products on large GPUs.
    Large,
    /// 64 x 64, through workgroup memory.
    Medium,
    /// 32 x 32, through workgroup memory: if there would be too few larger tiles.
    Small,
    /// 32 x 32 directly from memory: for GPUs with fast caches.
    Cached,
    /// 4 x 256: for a few rows.
    Row,
    /// 256 x 4: for a few columns.
    Column,
    /// 4 x 4, with the inner dimension split over 64 invocations: for small results with a long inner dimension.
    Deep,
    /// 16 x 128 directly from memory: for CPU adapters, on which barriers cost more than they save.
    Wide,
    /// 16 x 64 directly from memory: for CPU adapters.
    Tall,
    /// 64 x 4 directly from memory: for few columns on CPU adapters.
    Thin,
    /// 4 x 64 directly from memory: for few rows on CPU adapters.
    Flat,
    /// 4 x 4, with the inner dimension split over 8 invocations: for CPU adapters.
    Strip,
    /// 32 x 64, whose rows the 8 invocations of a subgroup load together: for CPU adapters.
    Shared,
    /// 64 x 64, as [`MatMul::Shared`].
    SharedTall,
    /// 32 x 32, as [`MatMul::Shared`].
    SharedNarrow,
}

impl MatMul {
    /// Every tiling.
    #[doc(hidden)]
    pub const ALL: [Self; 15] = [
        Self::Large,
        Self::Medium,
        Self::Small,
        Self::Cached,
        Self::Row,
        Self::Column,
        Self::Deep,
        Self::Wide,
        Self::Tall,
        Self::Thin,
        Self::Flat,
        Self::Strip,
        Self::Shared,
        Self::SharedTall,
        Self::SharedNarrow,
    ];

    /// The distribution over workgroups and invocations.
    #[doc(hidden)]
    pub const fn tiling(self) -> Tiling {
        use Via::{Memory, Subgroup, Workgroup};
        let (each, lanes, via) = match self {
            Self::Large => ([8, 8], [16, 16, 1], Workgroup),
            Self::Medium => ([8, 8], [8, 8, 1], Workgroup),
            Self::Small => ([4, 4], [8, 8, 1], Workgroup),
            Self::Cached => ([4, 4], [8, 8, 1], Memory),
            Self::Row => ([4, 4], [1, 64, 1], Memory),
            Self::Column => ([4, 4], [64, 1, 1], Memory),
            Self::Deep => ([4, 4], [1, 1, 64], Memory),
            Self::Wide => ([16, 16], [1, 8, 1], Memory),
            Self::Tall => ([16, 8], [1, 8, 1], Memory),
            Self::Thin => ([8, 4], [8, 1, 1], Memory),
            Self::Flat => ([4, 8], [1, 8, 1], Memory),
            Self::Strip => ([4, 4], [1, 1, 8], Memory),
            Self::Shared => ([32, 8], [1, 8, 1], Subgroup),
            Self::SharedTall => ([64, 8], [1, 8, 1], Subgroup),
            Self::SharedNarrow => ([32, 4], [1, 8, 1], Subgroup),
        };
        Tiling { each, lanes, via }
    }
}

/// The kind of an adapter, by which kernels are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A CPU: few cores, expensive barriers.
    Cpu,
    /// A GPU that uses the memory of the CPU.
    Integrated,
    /// A GPU with memory of its own.
    Discrete,
}

impl Class {
    fn of(info: &wgpu::AdapterInfo) -> Self {
        match info.device_type {
            wgpu::DeviceType::Cpu => Self::Cpu,
            wgpu::DeviceType::DiscreteGpu | wgpu::DeviceType::VirtualGpu => Self::Discrete,
            wgpu::DeviceType::IntegratedGpu | wgpu::DeviceType::Other => Self::Integrated,
        }
    }

    /// The number of workgroups that keep the adapter busy.
    const fn workgroups(self) -> usize {
        match self {
            Self::Cpu => 8,
            Self::Integrated => 64,
            Self::Discrete => 256,
        }
    }

    /// Returns whether ops that could be dispatched one by one are worth fusing: on a CPU a dispatch costs little, and long
    /// functions take long to compile and run no faster.
    pub(super) const fn joins(self) -> bool {
        !matches!(self, Self::Cpu)
    }

    /// The number of blocks of work per workgroup, if there are enough to keep all workgroups busy.
    pub(crate) fn turns(self, blocks: u64) -> u64 {
        (blocks / (4 * self.workgroups() as u64)).clamp(1, 8)
    }

    fn tiling(self, form: Form, [m, k, n]: [usize; 3], subgroups: bool) -> MatMul {
        if self == Self::Cpu {
            // Of tilings with 32, 64 and 128 vec4 in registers, each takes twice as long to compile as the one before and is
            // up to a fifth faster, most for TN, whose loop is the shortest.
            let work = m.saturating_mul(k).saturating_mul(n);
            let [large, largest] =
                if form == Form::TN { [1 << 24, 1 << 28] } else { [1 << 26, 1 << 27] };
            return match (m, n) {
                (65.., 9..) if subgroups && work >= largest => MatMul::SharedTall,
                (17.., 9..) if subgroups && work >= large => MatMul::Shared,
                (9.., 9..) if subgroups => MatMul::SharedNarrow,
                (..=8, ..=8) if k >= 64 => MatMul::Strip,
                (_, ..=4) => MatMul::Thin,
                (..=4, _) => MatMul::Flat,
                _ if work < 1 << 24 || n <= 64 => MatMul::Tall,
                _ => MatMul::Wide,
            };
        }
        match (m, n) {
            (..=16, ..=16) if k >= 256 => MatMul::Deep,
            (..=8, _) => MatMul::Row,
            (_, ..=8) => MatMul::Column,
            _ if m * n >= 1 << 22 && self == Self::Discrete => MatMul::Large,
            _ if m * n >= 1 << 18 => MatMul::Medium,
            _ => MatMul::Small,
        }
    }
}

/// The minimum depth of a split of the inner dimension.
const LEAST_DEPTH: usize = 256;

/// The maximum depth that one workgroup sums: llvmpipe ends the loops of an invocation after 65 535 iterations, and shorter
/// sums are more accurate.
const MOST_DEPTH: usize = 16_384;

/// The kernels that plans are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choices {
    /// The kind of the adapter.
    pub class: Class,
    /// True if invocations may exchange values within a subgroup: of 8 on a CPU adapter, whose device also needs
    /// `SUBGROUP_BARRIER`; of any size on a GPU.
    pub subgroups: bool,
    /// The tiling of all matrix products, instead of those of the table.
    pub matmul: Option<MatMul>,
    /// True if the library's own kernels keep all of WebGPU's run-time checks. User-defined ones always do.
    pub checked: bool,
    /// The fusion of ops into dispatches.
    pub fusion: Fusion,
}

/// The fusion of a program's ops into dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fusion {
    /// A whole training step of a small network in two dispatches; otherwise each product with its bias, activation or
    /// derivative, and with the gradient of the bias. On GPUs also the two products of a layer's backward pass in one
    /// dispatch, and the last layers, if they are narrow, with the loss and their backward pass.
    Auto,
    /// As [`Fusion::Auto`], but without fused steps.
    Layers,
    /// Each op by itself, so that a host can record between any two.
    Never,
    /// Whole training steps only; any other program is refused.
    Whole,
}

impl Choices {
    /// The choices that suit an adapter.
    pub(super) fn of(info: &wgpu::AdapterInfo, features: wgpu::Features) -> Self {
        let class = Class::of(info);
        let eight = [info.subgroup_min_size, info.subgroup_max_size] == [8, 8];
        let needed = match class {
            Class::Cpu => wgpu::Features::SUBGROUP | wgpu::Features::SUBGROUP_BARRIER,
            _ => wgpu::Features::SUBGROUP,
        };
        Self {
            class,
            subgroups: features.contains(needed) && (class != Class::Cpu || eight),
            matmul: None,
            checked: false,
            fusion: Fusion::Auto,
        }
    }

    /// The tilings that products of some shape or other take.
    pub(crate) fn tilings(&self) -> Vec<MatMul> {
        if let Some(matmul) = self.matmul {
            return vec![matmul];
        }
        let sides = [4, 8, 16, 64, 512, 2048];
        let products = sides.into_iter().flat_map(|m| sides.map(|n| [[m, 4, n], [m, 256, n]]));
        let taken: Vec<MatMul> = products
            .flatten()
            .flat_map(|sides| Form::ALL.map(|form| self.class.tiling(form, sides, self.subgroups)))
            .collect();
        MatMul::ALL.into_iter().filter(|tiling| taken.contains(tiling)).collect()
    }

    /// The tiling of a product, that which was measured if one was, and how much of its inner side a workgroup takes.
    pub(crate) fn product(
        &self,
        form: Form,
        product: &Product,
        tuned: Option<MatMul>,
    ) -> (Tiling, usize) {
        let Product { m, k, n, .. } = *product;
        let own = || self.class.tiling(form, [m, k, n], self.subgroups);
        let tiling = match self.matmul.or(tuned).unwrap_or_else(own).tiling() {
            Tiling { via: Via::Subgroup, .. } if !(self.subgroups && self.class == Class::Cpu) => {
                MatMul::Wide.tiling()
            }
            tiling => tiling,
        };
        let [rows, cols] = tiling.block().map(|side| side as usize);
        let tiles = m.div_ceil(rows) * n.div_ceil(cols) * product.count();
        let parts = (self.class.workgroups() / tiles.max(1)).min(k / LEAST_DEPTH);
        let depth = k.div_ceil(parts.max(1)).next_multiple_of(16).clamp(16, MOST_DEPTH);
        (tiling, depth)
    }
}

/// The plain kernels of every tiling, some of those with an epilogue, and some pairs.
pub(super) fn kernels() -> Vec<Kernel> {
    let mut variants = Vec::new();
    for (tiling, form) in MatMul::ALL.into_iter().flat_map(|way| Form::ALL.map(|form| (way, form)))
    {
        let plain = Variant::plain(form, tiling.tiling());
        variants.extend([
            Variant { fours: [true; 3], ..plain },
            Variant { fours: [true; 3], edge: true, batched: true, ..plain },
            Variant { split: true, sums: form == Form::TN, ..plain },
        ]);
    }
    let mut pairs = Vec::new();
    for fours in [[true; 3], [false; 3]] {
        let (gelu, relu) = (Some(Activation::gelu()), Some(Activation::relu()));
        let forward = Epilogue { bias: true, activation: gelu, keeps: true, derivative: None };
        let backward = Epilogue { derivative: relu, ..Epilogue::default() };
        for (form, epilogue) in [(Form::NT, forward), (Form::NN, backward)] {
            let plain = Variant::plain(form, MatMul::Tall.tiling());
            variants.push(Variant { fours, epilogue, ..plain });
        }
        for [first, second] in [[MatMul::Small, MatMul::Medium], [MatMul::Cached, MatMul::Row]] {
            let first = Variant { fours, sums: true, ..Variant::plain(Form::TN, first.tiling()) };
            let second = Variant::plain(Form::NN, second.tiling());
            pairs.push(Pair { first, second: Variant { fours, epilogue: backward, ..second } });
        }
    }
    variants.iter().map(Variant::kernel).chain(pairs.iter().map(Pair::kernel)).collect()
}
