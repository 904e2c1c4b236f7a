//! Kernels and their test cases as data, for hosts without this library.

mod record;

use std::collections::{BTreeSet, HashMap, HashSet};

use wgpu::naga::front::wgsl;
use wgpu::naga::valid::{Capabilities, ValidationFlags, Validator};

use super::{Case, cases, fused};
use crate::engine::gpu::kernel::{Access, Kernel, registry};
use crate::engine::gpu::{Choices, Fusion, Gpu, requirements};
use crate::error::{Error, Result};
use crate::ops;

/// The maximum number of cases per kernel.
const MAX_CASES: usize = 2;

/// A kernel with its cases.
#[derive(Clone, Debug)]
pub struct KernelExport {
    /// The kernel's label, followed by a number if several texts have it.
    pub name: String,
    /// The text, bindings and parameters.
    pub kernel: Kernel,
    /// Cases that dispatch it.
    pub cases: Vec<RecordedCase>,
    /// The names of kernels with cases that dispatch this one, too.
    pub also_in: BTreeSet<String>,
}

/// Dispatches with the contents of their buffers before and after.
#[derive(Clone, Debug)]
pub struct RecordedCase {
    /// The case of the self test, and the ops.
    pub name: String,
    /// The buffers before the first dispatch.
    pub buffers: Vec<BufferContents>,
    /// The dispatches, in order.
    pub dispatches: Vec<RecordedDispatch>,
    /// The results of the CPU reference.
    pub expected: Vec<Expected>,
}

/// The words of a buffer, 0 outside the runs.
#[derive(Clone, Debug)]
pub struct BufferContents {
    /// The number of words.
    pub len: usize,
    /// The first word and the contents of each run.
    pub runs: Vec<(usize, Vec<u32>)>,
}

/// A dispatch with its arguments.
#[derive(Clone, Debug)]
pub struct RecordedDispatch {
    /// The [name](KernelExport::name) of the kernel.
    pub kernel: String,
    /// The ranges that it binds; binding 0 is its uniform parameters.
    pub bindings: Vec<BoundRange>,
    /// The number of workgroups along x and y.
    pub grid: [u32; 2],
}

/// A range of a buffer at a binding.
#[derive(Clone, Debug)]
pub struct BoundRange {
    /// The number of the binding.
    pub binding: u32,
    /// The number of the buffer.
    pub buffer: usize,
    /// The offset of the range, in bytes.
    pub offset: u64,
    /// The length of the range, in bytes.
    pub bytes: u64,
}

/// Words of a buffer after the last dispatch.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The number of the buffer.
    pub buffer: usize,
    /// The offset of the first word, in bytes.
    pub offset: u64,
    /// The words.
    pub words: Vec<u32>,
    /// The tolerance, relative and absolute; 0 for integers.
    pub tolerance: [f64; 2],
}

/// Exports the kernels of the registry whose label contains `part`, and those that cases with such a name dispatch.
///
/// Lowers the cases of the self test on a device that computes nothing; inputs and expected outputs come from the CPU
/// reference.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) if a case cannot be lowered.
pub fn export(part: &str) -> Result<Vec<KernelExport>> {
    let mut names = KernelNames::default();
    for kernel in registry::all().iter().filter(|kernel| kernel.label.contains(part)) {
        names.of(kernel)?;
    }
    let mut recorded = Vec::new();
    for (gpu, case) in all()?.into_iter().filter(|(_, case)| case.name.contains(part)) {
        recorded.extend(pollster::block_on(record::cases(&gpu, &case, &mut names))?);
    }
    let kernels = names.kernels.into_iter().map(|(name, kernel)| {
        let (cases, also_in) = (Vec::new(), BTreeSet::new());
        KernelExport { name, kernel, cases, also_in }
    });
    let mut kernels: Vec<KernelExport> = kernels.collect();
    recorded.sort_by_key(|case| case.dispatches.len());
    recorded.into_iter().for_each(|case| add(&mut kernels, case));
    Ok(kernels)
}

/// Adds a case to the first kernel that it dispatches and that lacks cases, if there is one.
fn add(kernels: &mut [KernelExport], case: RecordedCase) {
    let is_used = |own: &KernelExport| case.dispatches.iter().any(|one| one.kernel == own.name);
    let lacks = |own: &KernelExport| own.cases.len() + own.also_in.len() < MAX_CASES;
    let Some(home) = kernels.iter().find(|own| is_used(own) && lacks(own)) else { return };
    let home = home.name.clone();
    for kernel in kernels.iter_mut().filter(|own| is_used(own)) {
        if kernel.name == home {
            kernel.cases.push(case.clone());
        } else {
            kernel.also_in.insert(home.clone());
        }
    }
}

/// All cases, each with a device of the class whose kernels it covers.
fn all() -> Result<Vec<(Gpu, Case)>> {
    let mut all = Vec::new();
    for class in requirements::CLASSES {
        let gpu = requirements::noop_gpu(class, &wgpu::Limits::default())?;
        let one_by_one = gpu.choosing(Choices { fusion: Fusion::Never, ..gpu.choices() });
        let single = cases::all()?.into_iter().chain(ops::variants()?);
        all.extend(single.map(|case| (one_by_one.clone(), case)));
        all.extend(fused::all(&gpu)?);
    }
    Ok(all)
}

/// The kernels so far, and their numbers by text.
#[derive(Default)]
struct KernelNames {
    kernels: Vec<(String, Kernel)>,
    by_text: HashMap<String, usize>,
}

impl KernelNames {
    /// The name of a kernel, and the kernel without the bindings that it declares but does not use: automatic layouts
    /// lack those.
    fn of(&mut self, kernel: &Kernel) -> Result<(String, Kernel)> {
        let text = kernel.source();
        let known = self.by_text.get(&text).and_then(|number| self.kernels.get(*number));
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let others = self.kernels.iter().filter(|(_, other)| other.label == kernel.label);
        let name = match others.count() {
            0 => kernel.label.clone(),
            count => format!("{}-{}", kernel.label, count + 1),
        };
        let mut kernel = kernel.clone();
        let unused = unused(&text).map_err(|error| Error::Internal(format!("{name}: {error}")))?;
        for binding in kernel.bindings.iter_mut().filter(|own| unused.contains(own.name)) {
            binding.access = Access::Absent;
        }
        self.by_text.insert(text, self.kernels.len());
        self.kernels.push((name.clone(), kernel.clone()));
        Ok((name, kernel))
    }
}

/// The variables that a shader declares but does not use.
fn unused(text: &str) -> Result<HashSet<String>, Box<dyn std::error::Error>> {
    let module = wgsl::parse_str(text)?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module)?;
    let main = info.get_entry_point(0);
    let unused = module.global_variables.iter().filter(|(own, _)| main[*own].is_empty());
    Ok(unused.filter_map(|(_, variable)| variable.name.clone()).collect())
}
