//! Kernel calls with arguments by name.

use super::Job;
use crate::engine::gpu::kernel::{Access, Binding, Field, Kernel};
use crate::engine::gpu::memory::Region;
use crate::error::{Error, Result};

/// A kernel with its bindings, fields and hyperparameters, in any order. [`Call::job`] fails unless each is given
/// exactly once.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    kernel: Kernel,
    bindings: Vec<(&'static str, Region)>,
    fields: Vec<(&'static str, Vec<u64>)>,
    hyper: Vec<(&'static str, f64)>,
    groups: u64,
    flops: u64,
}

/// The value of a field.
pub(crate) trait Words {
    /// The words of the value; [`Call::job`] refuses words of more than 32 bits.
    fn words(self) -> Vec<u64>;
}

macro_rules! words {
    ($($ty:ty: $word:expr;)*) => {
        $(impl Words for $ty {
            fn words(self) -> Vec<u64> {
                let word: fn($ty) -> u64 = $word;
                vec![word(self)]
            }
        })*
    };
}

words! {
    u32: u64::from;
    usize: |number| number as u64;
    bool: u64::from;
    f32: |number| number.to_bits().into();
}

impl<W: Words, const N: usize> Words for [W; N] {
    fn words(self) -> Vec<u64> {
        self.into_iter().flat_map(W::words).collect()
    }
}

impl Call {
    /// A call of one workgroup without arguments.
    pub(crate) fn new(kernel: Kernel) -> Self {
        let (bindings, fields, hyper) = (Vec::new(), Vec::new(), Vec::new());
        Self { kernel, bindings, fields, hyper, groups: 1, flops: 0 }
    }

    /// Binds a region to a variable.
    pub(crate) fn bind(mut self, name: &'static str, region: &Region) -> Self {
        self.bindings.push((name, region.clone()));
        self
    }

    /// Binds a region, if given, to a variable that not every variant of the kernel has.
    pub(crate) fn bind_some(self, name: &'static str, region: Option<&Region>) -> Self {
        match region {
            Some(region) => self.bind(name, region),
            None => self,
        }
    }

    /// Binds regions to several variables.
    pub(crate) fn bind_all(
        mut self,
        regions: impl IntoIterator<Item = (&'static str, Region)>,
    ) -> Self {
        self.bindings.extend(regions);
        self
    }

    /// Sets a field of `Params`.
    pub(crate) fn field(mut self, name: &'static str, value: impl Words) -> Self {
        self.fields.push((name, value.words()));
        self
    }

    /// Sets several fields of `Params`.
    pub(crate) fn fields<W: Words>(
        mut self,
        fields: impl IntoIterator<Item = (&'static str, W)>,
    ) -> Self {
        self.fields.extend(fields.into_iter().map(|(name, value)| (name, value.words())));
        self
    }

    /// Sets fields of `Hyper`.
    pub(crate) fn hyper(mut self, values: impl IntoIterator<Item = (&'static str, f64)>) -> Self {
        self.hyper.extend(values);
        self
    }

    /// Sets the number of workgroups.
    pub(crate) fn groups(self, groups: u64) -> Self {
        Self { groups, ..self }
    }

    /// Sets the number of floating-point operations, for reports.
    pub(crate) fn flops(self, flops: u64) -> Self {
        Self { flops, ..self }
    }

    /// Returns whether the kernel has a variable of this name.
    pub(crate) fn binds(&self, name: &str) -> bool {
        self.kernel.bound().any(|binding| binding.name == name)
    }

    /// Builds the dispatch.
    ///
    /// # Errors
    /// [`Error::Internal`] for a name that is missing, given twice or unknown to the kernel, or a field with another
    /// number of words; [`Error::Limit`] for a value of more than 32 bits; [`Error::Unsupported`] if memory that one
    /// binding writes is also bound through another.
    pub(in crate::engine::gpu) fn job(self) -> Result<Job> {
        let Self { kernel, bindings, fields, hyper, groups, flops } = self;
        let label = &kernel.label;
        let bindings = in_order(label, kernel.bound().map(|binding| binding.name), bindings)?;
        let names = kernel.fields.iter().map(|field| field.name);
        let fields = in_order(label, names.filter(|name| *name != Field::UNUSED), fields)?;
        let hyper = in_order(label, kernel.hyper.iter().flatten().copied(), hyper)?;
        check_overlaps(&kernel, &bindings)?;
        let words = kernel.words(&field_words(&kernel, fields)?, &hyper)?;
        Ok(Job { kernel, words, bindings, groups, flops })
    }
}

/// Sorts the values into the order of the names.
fn in_order<T>(
    label: &str,
    names: impl Iterator<Item = &'static str>,
    mut given: Vec<(&'static str, T)>,
) -> Result<Vec<T>> {
    let names: Vec<&str> = names.collect();
    let place = |name: &str| names.iter().position(|other| *other == name);
    let refuse = |what: &str, name: &str| Err(Error::Internal(format!("{label}: {what} '{name}'")));
    if let Some((name, _)) = given.iter().find(|(name, _)| place(name).is_none()) {
        return refuse("it takes no", name);
    }
    given.sort_by_key(|(name, _)| place(name));
    if let Some((name, _)) = given.windows(2).find_map(|two| match two {
        [one, other] if one.0 == other.0 => Some(one),
        _ => None,
    }) {
        return refuse("given twice:", name);
    }
    match names.iter().find(|name| given.iter().all(|(other, _)| other != *name)) {
        Some(name) => refuse("not given:", name),
        None => Ok(given.into_iter().map(|(_, value)| value).collect()),
    }
}

/// The words of the fields, with 0 for padding fields.
fn field_words(kernel: &Kernel, values: Vec<Vec<u64>>) -> Result<Vec<u32>> {
    let mut values = values.into_iter();
    let mut all = Vec::new();
    for field in &kernel.fields {
        let words = match field.name {
            Field::UNUSED => vec![0; field.words],
            _ => values.next().unwrap_or_default(),
        };
        if words.len() != field.words {
            let (given, wanted) = (words.len(), field.words);
            let message =
                format!("{}: {given} words for '{}' of {wanted}", kernel.label, field.name);
            return Err(Error::Internal(message));
        }
        for needed in words {
            let word = u32::try_from(needed).map_err(|_| Error::Limit {
                what: format!("'{}' of {}", field.name, kernel.label),
                needed,
                limit: u32::MAX.into(),
                unit: "as a number of 32 bits",
            })?;
            all.push(word);
        }
    }
    Ok(all)
}

/// Fails if one dispatch reads and writes a buffer through different bindings, which WebGPU refuses.
fn check_overlaps(kernel: &Kernel, bindings: &[Region]) -> Result<()> {
    for (number, (binding, region)) in kernel.bound().zip(bindings).enumerate() {
        let others = kernel.bound().zip(bindings).take(number);
        for (other, other_region) in others.filter(|(_, other)| other.buffer == region.buffer) {
            let writes = |binding: &Binding| binding.access == Access::ReadWrite;
            let mixed = writes(binding) != writes(other);
            if mixed || (writes(binding) && region.overlaps(other_region)) {
                let message = format!("'{}' and '{}' share a buffer", other.name, binding.name);
                return Err(Error::unsupported(&kernel.label, message));
            }
        }
    }
    Ok(())
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::Call;
    use crate::engine::gpu::lower::Job;
    use crate::engine::gpu::memory::Region;
    use crate::engine::gpu::requirements;
    use crate::error::{Error, Result};
    use crate::ops::arrange::kernels as tensor;

    fn memory() -> Result<Region> {
        let gpu = requirements::noop_gpu(wgpu::DeviceType::Cpu, &wgpu::Limits::default())?;
        gpu.storage("memory", 64, &[])
    }

    fn message(job: Result<Job>) -> String {
        job.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn names_in_any_order_go_where_the_kernel_has_them() {
        let (y, fill) = (memory().unwrap(), || Call::new(tensor::fill()));
        let job = fill().field("value", 1.5).bind("y", &y).field("len", 7usize).groups(3).job();
        let Job { words, bindings, groups, .. } = job.unwrap();
        assert_eq!(words.get(..2), Some(&[7, 1.5f32.to_bits()][..]));
        assert_eq!((bindings, groups), (vec![y], 3));
    }

    #[test]
    fn a_wrong_missing_or_double_name_is_refused_with_the_kernels_label() {
        let (y, fill) = (memory().unwrap(), || Call::new(tensor::fill()));
        let whole = || fill().bind("y", &y).field("len", 1usize).field("value", 0.0);
        assert!(whole().job().is_ok());
        let faults = [
            (whole().bind("x", &y), "it takes no 'x'"),
            (whole().field("size", 1u32), "it takes no 'size'"),
            (whole().hyper([("eps", 0.0)]), "it takes no 'eps'"),
            (whole().bind("y", &y), "given twice: 'y'"),
            (whole().field("len", 1u32), "given twice: 'len'"),
            (fill().field("len", 1u32).field("value", 0.0), "not given: 'y'"),
            (fill().bind("y", &y).field("len", 1u32), "not given: 'value'"),
            (fill().bind("y", &y).field("len", [1u32; 2]).field("value", 0.0), "2 words for 'len'"),
        ];
        for (call, fault) in faults {
            let text = message(call.job());
            assert!(text.contains("tensor.fill") && text.contains(fault), "{text}");
        }
    }

    #[test]
    fn a_number_of_more_than_32_bits_is_refused() {
        let call = Call::new(tensor::fill()).bind("y", &memory().unwrap()).field("value", 0.0);
        let job = call.field("len", u32::MAX as usize + 1).job();
        assert!(matches!(job, Err(Error::Limit { .. })), "{job:?}");
    }

    #[test]
    fn memory_that_is_read_and_written_at_once_is_refused() {
        let x = memory().unwrap();
        let call = Call::new(crate::ops::linear::kernels::sum_parts()).bind("x", &x).bind("y", &x);
        let text = message(call.field("len", 1u32).field("parts", 1u32).job());
        assert!(text.contains("'x' and 'y' share a buffer"), "{text}");
    }
}
