//! The engines that run programs: the reference on the CPU, and the GPU. They never meet.

#[path = "cpu/mod.rs"]
pub(crate) mod cpu;
#[path = "gpu/mod.rs"]
pub(crate) mod gpu;
