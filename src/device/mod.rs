//! Devices: the CPU reference or a GPU. The only module that depends on both engines.

mod activation;
mod algebra;
mod executor;
mod loss;
mod tensor;
mod updater;

pub(crate) use executor::{Executor, Weights, WeightsCopy};
pub use loss::LossTensors;
pub use tensor::Tensor;
pub use updater::Updater;

use crate::engine::gpu::Gpu;
use crate::error::{Error, Result};
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
pub use crate::self_test::self_test;
#[doc(hidden)]
pub use crate::self_test::{Check, SelfTest, Verdict, self_test_async};

/// A compute device.
///
/// ```
/// let device = wgrad::Device::cpu();
/// assert_eq!(device.to_string(), "cpu");
/// ```
#[derive(Clone, Debug)]
pub enum Device {
    /// The CPU reference, in `f32`.
    Cpu,
    /// A GPU through WebGPU.
    Gpu(Gpu),
}

impl Device {
    /// The CPU reference.
    pub const fn cpu() -> Self {
        Self::Cpu
    }

    /// A hardware GPU if there is one, otherwise the CPU reference. The environment variable `WGRAD_DEVICE` overrides
    /// the choice; see [`Device::named`].
    ///
    /// # Errors
    /// As [`Device::named`].
    #[cfg(not(target_family = "wasm"))]
    pub fn auto() -> Result<Self> {
        pollster::block_on(Self::auto_async())
    }

    /// As [`Device::auto`], without blocking.
    ///
    /// # Errors
    /// As [`Device::named`].
    pub async fn auto_async() -> Result<Self> {
        match std::env::var("WGRAD_DEVICE") {
            Ok(name) if !name.is_empty() && name != "auto" => {
                Self::named_async(&name).await.map_err(|error| match error {
                    Error::NoAdapter(message) => {
                        Error::NoAdapter(format!("WGRAD_DEVICE: {message}"))
                    }
                    other => other,
                })
            }
            _ => Self::hardware_or_cpu().await,
        }
    }

    async fn hardware_or_cpu() -> Result<Self> {
        match Gpu::hardware().await {
            Ok(gpu) => Ok(Self::Gpu(gpu)),
            Err(Error::NoAdapter(_)) => Ok(Self::Cpu),
            Err(error) => Err(error),
        }
    }

    /// The device of this name: `cpu`, `gpu` (any adapter, hardware first), `auto` (as [`Device::auto`]), or a part of
    /// an adapter's name such as `llvmpipe` or `nvidia`.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if no adapter matches; it lists the available ones.
    #[cfg(not(target_family = "wasm"))]
    pub fn named(name: &str) -> Result<Self> {
        pollster::block_on(Self::named_async(name))
    }

    /// As [`Device::named`], without blocking.
    ///
    /// # Errors
    /// As [`Device::named`].
    pub async fn named_async(name: &str) -> Result<Self> {
        match name.to_lowercase().as_str() {
            "cpu" => Ok(Self::Cpu),
            "auto" => Box::pin(Self::auto_async()).await,
            "gpu" => Gpu::request().await.map(Self::Gpu),
            _ => Gpu::named(name).await.map(Self::Gpu),
        }
    }

    /// The most elements of a tensor on a GPU: those of one binding.
    pub(crate) fn most_elements(&self) -> Option<u64> {
        let limits = self.gpu()?.limits();
        Some(limits.max_storage_buffer_binding_size.min(limits.max_buffer_size) / 4)
    }

    /// The GPU; `None` for the CPU reference.
    pub fn gpu(&self) -> Option<&Gpu> {
        match self {
            Self::Cpu => None,
            Self::Gpu(gpu) => Some(gpu),
        }
    }
}

impl From<Gpu> for Device {
    fn from(gpu: Gpu) -> Self {
        Self::Gpu(gpu)
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(gpu) => gpu.fmt(f),
        }
    }
}
