//! Which kernel runs an op that has several: a static table, so that reruns on one device give the same bits.

use super::kernel::{Kernel, catalogue};

/// The kernels of a matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatMul {
    /// Tiles in workgroup memory.
    Tile,
    /// Straight from memory, for adapters that run on a CPU.
    Register,
}

impl MatMul {
    /// Every kernel.
    pub const ALL: [Self; 2] = [Self::Tile, Self::Register];

    pub(super) fn kernel(self) -> Kernel {
        match self {
            Self::Tile => catalogue::matmul_tile(),
            Self::Register => catalogue::matmul_register(),
        }
    }

    /// The rows and columns of the result that one workgroup computes.
    pub(super) const fn tile(self) -> [usize; 2] {
        match self {
            Self::Tile => [32, 32],
            Self::Register => [8, 32],
        }
    }
}

/// The kernels that plans are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choices {
    /// For matrix products.
    pub matmul: MatMul,
}

impl Choices {
    /// What suits the adapter.
    pub(super) fn of(info: &wgpu::AdapterInfo) -> Self {
        let software = info.device_type == wgpu::DeviceType::Cpu;
        Self { matmul: if software { MatMul::Register } else { MatMul::Tile } }
    }
}
