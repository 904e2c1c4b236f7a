//! The one place where naga's run-time checks are turned off, and for which texts.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::{Kernel, Part, registry};

/// What is known of a kernel's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Nothing: some part of it is the caller's.
    None,
    /// It is the library's: every loop ends.
    Loops,
    /// A generator of the library made it: also, every index lies within what is bound, no divisor is 0, and workgroup
    /// memory is written before it is read.
    Whole,
}

impl Trust {
    pub fn of(kernel: &Kernel) -> Self {
        static TEXTS: OnceLock<HashSet<Part>> = OnceLock::new();
        let texts = TEXTS.get_or_init(|| {
            registry::written().into_iter().flat_map(|kernel| kernel.parts).collect()
        });
        let is_generated = |part: &Part| matches!(part, Part::Owned(_));
        let is_known = |part: &Part| is_generated(part) || texts.contains(part);
        match kernel.parts.iter().all(is_known) {
            false => Self::None,
            true if kernel.parts.iter().any(is_generated) => Self::Whole,
            true => Self::Loops,
        }
    }
}

/// Compiles a text with the checks that it needs.
///
/// Turning checks off is sound for these texts, and for no others:
///
/// * Loop bounds, which only matter to a loop without end: every loop of `shaders/` and of the generators counts towards a
///   bound taken from the parameters, or walks a permutation's cycle, which comes back.
/// * Bounds checks: generated texts compute their indices from sides that lowering took from the shapes of the very regions
///   it binds ([`Region`](crate::gpu::Region)s are at least as long as their shape), clamp them at every edge, and take no
///   index from data. Texts of `shaders/` keep these checks, for some of them take indices from data or from the step
///   table, which a caller may fill.
/// * Division: the divisors of generated texts are constants and extents, and a product without elements is not dispatched.
/// * Workgroup memory that is not zeroed: generated texts write every element before a barrier and read it after.
#[allow(unsafe_code, reason = "sound for the texts that Trust names, as said above")]
pub(super) fn module(
    device: &wgpu::Device,
    descriptor: wgpu::ShaderModuleDescriptor<'_>,
    trust: Trust,
) -> wgpu::ShaderModule {
    let mut checks = wgpu::ShaderRuntimeChecks::checked();
    match trust {
        Trust::None => return device.create_shader_module(descriptor),
        Trust::Loops => checks.force_loop_bounding = false,
        Trust::Whole => {
            checks.force_loop_bounding = false;
            checks.bounds_checks = false;
            checks.int_div_checks = false;
        }
    }
    // SAFETY: see above; `Trust::of` compares every part of the text with the library's own.
    unsafe { device.create_shader_module_trusted(descriptor, checks) }
}
