//! The engines that run programs: the reference on the CPU, and the GPU. They never meet.

pub(crate) mod cpu;
pub(crate) mod gpu;
