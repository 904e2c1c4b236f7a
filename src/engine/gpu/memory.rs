//! Buffers: sizes are checked before the device sees them, tensors are padded to 64 elements.

use super::{DeviceId, Gpu};
use crate::error::{Error, Result};
use crate::ir::DType;
use crate::shape::{Shape, padded};

/// A range of a buffer, as a binding takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// The buffer.
    pub buffer: wgpu::Buffer,
    /// The offset of the range, in bytes.
    pub offset: u64,
    /// The length of the range, in bytes.
    pub bytes: u64,
    /// The device it is on; `None` for a buffer of the host.
    pub(super) owner: Option<DeviceId>,
}

impl Region {
    /// A whole buffer of the host.
    pub fn whole(buffer: wgpu::Buffer) -> Self {
        let bytes = buffer.size();
        Self { buffer, offset: 0, bytes, owner: None }
    }

    /// Splits it at a byte offset.
    pub(super) fn split(self, at: u64) -> [Self; 2] {
        let rest = Self { offset: self.offset + at, bytes: self.bytes - at, ..self.clone() };
        [Self { bytes: at, ..self }, rest]
    }

    pub(crate) fn words(&self) -> usize {
        self.bytes as usize / 4
    }

    pub(super) fn binding(&self) -> wgpu::BindingResource<'_> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.buffer,
            offset: self.offset,
            size: wgpu::BufferSize::new(self.bytes),
        })
    }

    /// Returns whether two regions share bytes.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.buffer == other.buffer
            && self.offset < other.offset + other.bytes
            && other.offset < self.offset + self.bytes
    }
}

/// Fails unless the caller's buffer has `bytes` bytes from `offset` on that can be bound, and includes the usage.
pub(super) fn check_place(
    what: &str,
    buffer: &wgpu::Buffer,
    offset: u64,
    bytes: u64,
    usage: wgpu::BufferUsages,
) -> Result<()> {
    let refuse = |of: &str, needed, limit| {
        let (what, unit) = (format!("{what}: {of}"), "bytes");
        Err(Error::Limit { what, needed, limit, unit })
    };
    let end = offset.saturating_add(bytes);
    if end > buffer.size() {
        return refuse("its end", end, buffer.size());
    }
    if !offset.is_multiple_of(256) {
        return refuse("the remainder of its offset by 256", offset % 256, 0);
    }
    let missing = usage - buffer.usage();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("the buffer's usage does not include {missing:?}");
    Err(Error::unsupported(what, message))
}

/// The usages of a tensor's buffer.
pub(super) const TENSOR: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::COPY_DST)
    .union(wgpu::BufferUsages::COPY_SRC);

/// The bytes that a tensor needs: kernels read four elements at once.
fn room(shape: Shape) -> u64 {
    (4 * shape.len().max(1) as u64).next_multiple_of(16)
}

/// A tensor in a buffer of the library or of the host application.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The memory of the tensor.
    pub region: Region,
    /// The shape of the tensor.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
}

impl View {
    /// A tensor of `f32` values of the given shape in `buffer` from byte `offset` on.
    ///
    /// # Errors
    /// [`Error::Limit`] unless the buffer has room up to the next multiple of 16 bytes and the offset is a multiple of
    /// 256; [`Error::Unsupported`] unless the buffer's usage includes `STORAGE`.
    pub fn new(buffer: &wgpu::Buffer, offset: u64, shape: Shape) -> Result<Self> {
        let region = Region { offset, bytes: room(shape), ..Region::whole(buffer.clone()) };
        let what = format!("a view of shape {shape} at byte {offset}");
        check_place(&what, buffer, offset, region.bytes, wgpu::BufferUsages::STORAGE)?;
        Ok(Self { region, shape, dtype: DType::F32 })
    }

    /// Fails unless kernels of the device can bind the view.
    pub(crate) fn check(&self, gpu: &Gpu, op: &str, what: &str) -> Result<()> {
        let Region { buffer, offset, bytes, owner } = &self.region;
        gpu.check_owner(op, what, *owner)?;
        check_place(what, buffer, *offset, *bytes, wgpu::BufferUsages::STORAGE)?;
        gpu.check_binding(what, *bytes)?;
        if *bytes >= room(self.shape) {
            return Ok(());
        }
        let (what, needed, limit) = (what.to_string(), room(self.shape), *bytes);
        Err(Error::Limit { what, needed, limit, unit: "bytes" })
    }

    /// Reinterprets the view as class indices (`u32`).
    pub fn indices(self) -> Self {
        Self { dtype: DType::U32, ..self }
    }
}

impl Gpu {
    /// Creates a storage buffer for `len` words, padded, filled with `contents` and then zeros.
    pub(super) fn storage(&self, what: &str, len: usize, contents: &[u32]) -> Result<Region> {
        self.buffer(what, padded(len) as u64 * 4, contents, TENSOR)
    }

    /// Creates a tensor with the given words.
    pub(crate) fn view(&self, shape: Shape, words: &[u32]) -> Result<View> {
        let what = format!("a tensor of shape {shape}");
        Ok(View { region: self.storage(&what, shape.len(), words)?, shape, dtype: DType::F32 })
    }

    pub(super) fn buffer(
        &self,
        what: &str,
        bytes: u64,
        contents: &[u32],
        usage: wgpu::BufferUsages,
    ) -> Result<Region> {
        self.check_binding(what, bytes)?;
        if self.shared.sketch {
            let size = wgpu::COPY_BUFFER_ALIGNMENT;
            let tiny =
                wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
            let buffer = self.scoped(what, || self.device().create_buffer(&tiny))?;
            return Ok(Region { buffer, offset: 0, bytes, owner: Some(self.id()) });
        }
        let label = format!("wgrad {what}");
        let mapped_at_creation = !contents.is_empty();
        let descriptor =
            wgpu::BufferDescriptor { label: Some(&label), size: bytes, usage, mapped_at_creation };
        let make = || {
            let buffer = self.device().create_buffer(&descriptor);
            if mapped_at_creation {
                let mapped = buffer.get_mapped_range_mut(..contents.len() as u64 * 4);
                if let Ok(mut view) = mapped {
                    view.copy_from_slice(bytemuck::cast_slice(contents));
                }
                buffer.unmap();
            }
            buffer
        };
        let buffer = self.allocating(what, make)?;
        Ok(Region { owner: Some(self.id()), ..Region::whole(buffer) })
    }

    /// Runs `make`, which needs memory; once more without the memory that is kept for later, if there is too little.
    fn allocating<T>(&self, what: &str, make: impl Fn() -> T) -> Result<T> {
        match self.scoped(what, &make) {
            Err(Error::OutOfMemory { .. }) if self.free_kept_memory() => self.scoped(what, make),
            outcome => outcome,
        }
    }

    /// Fails if the device cannot bind this number of bytes.
    fn check_binding(&self, what: &str, bytes: u64) -> Result<()> {
        let limits = self.limits();
        let limit = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        if bytes <= limit {
            return Ok(());
        }
        Err(Error::Limit { what: what.to_string(), needed: bytes, limit, unit: "bytes" })
    }

    /// Writes words to the start of a region, ordered with respect to all other submissions.
    pub(super) fn upload(&self, what: &str, region: &Region, contents: &[u32]) -> Result<()> {
        let bytes = contents.len() as u64 * 4;
        if bytes > region.bytes {
            return Err(Error::Limit {
                what: what.to_string(),
                needed: bytes,
                limit: region.bytes,
                unit: "bytes",
            });
        }
        if bytes == 0 || self.shared.sketch {
            return Ok(());
        }
        // The write precedes whatever is submitted from now on, and follows all that was submitted before.
        self.allocating(what, || {
            let contents = bytemuck::cast_slice(contents);
            self.queue().write_buffer(&region.buffer, region.offset, contents);
        })
    }
}

/// Reinterprets `f32` values as the words of a buffer.
pub(super) fn words(numbers: &[f32]) -> &[u32] {
    bytemuck::cast_slice(numbers)
}
