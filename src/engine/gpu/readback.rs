//! Reading results back, the only proof that work was executed.

use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;

use super::platform::in_time;
use super::{Gpu, Pool, Region};
use crate::error::{Error, Result};
use crate::trace::{Instrument, span};

/// The longest wait for the device.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// The most bytes of buffers that are kept for later read-backs.
pub(super) const MOST_KEPT: u64 = 16 << 20;

/// The largest buffer that is kept: mapping a larger one takes longer than making it.
const LARGEST_KEPT: u64 = 1 << 20;

/// Words on their way from the device: they are those at the time of the copy, whenever they are read.
#[derive(Debug)]
pub(crate) struct Readback {
    buffer: wgpu::Buffer,
    bytes: u64,
    submission: wgpu::SubmissionIndex,
    /// False from the request for its contents until they are taken.
    is_idle: bool,
    pool: Arc<Pool>,
}

impl Drop for Readback {
    fn drop(&mut self) {
        // Whatever copies to the buffer next is submitted after this copy.
        if self.is_idle && self.buffer.size() <= LARGEST_KEPT {
            self.pool.give(self.buffer.clone());
        }
    }
}

impl Gpu {
    /// Reads `len` words from the start of a region, after everything submitted so far.
    ///
    /// On native platforms this polls the device and blocks until the words are available; in a browser it yields.
    pub(crate) async fn read_words(
        &self,
        what: &str,
        region: &Region,
        len: usize,
    ) -> Result<Vec<u32>> {
        let span = span!("read back", what = what, words = len);
        self.fetch_words(what, region, len).instrument(span).await
    }

    async fn fetch_words(&self, what: &str, region: &Region, len: usize) -> Result<Vec<u32>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        let readbacks = self.copy_words(what, &[(region, len)])?;
        let mut words = Vec::new();
        for readback in readbacks {
            words = self.finish(what, readback).await?;
        }
        Ok(words)
    }

    /// Submits copies of words from the start of regions, at least one of each, without waiting for them.
    pub(super) fn copy_words(
        &self,
        what: &str,
        parts: &[(&Region, usize)],
    ) -> Result<Vec<Readback>> {
        let mut buffers = Vec::with_capacity(parts.len());
        for (region, len) in parts {
            let (bytes, limit) = (*len as u64 * 4, region.bytes);
            if bytes > limit {
                let (what, unit) = (what.to_string(), "bytes");
                return Err(Error::Limit { what, needed: bytes, limit, unit });
            }
            buffers.push((self.readback_buffer(what, bytes)?, bytes));
        }
        let submission = self.submit(what, |encoder| {
            for ((region, _), (buffer, bytes)) in parts.iter().zip(&buffers) {
                encoder.copy_buffer_to_buffer(&region.buffer, region.offset, buffer, 0, *bytes);
            }
            Ok(())
        })?;
        let readback = |(buffer, bytes)| {
            let (submission, pool) = (submission.clone(), self.shared.readbacks.clone());
            Readback { buffer, bytes, submission, is_idle: true, pool }
        };
        Ok(buffers.into_iter().map(readback).collect())
    }

    fn readback_buffer(&self, what: &str, bytes: u64) -> Result<wgpu::Buffer> {
        let size = if bytes <= LARGEST_KEPT { bytes.next_power_of_two().max(256) } else { bytes };
        if let Some(buffer) = self.shared.readbacks.take(size) {
            return Ok(buffer);
        }
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        Ok(self.buffer(what, size, &[], usage)?.buffer)
    }

    /// Waits for words on their way.
    pub(super) async fn finish(&self, what: &str, mut readback: Readback) -> Result<Vec<u32>> {
        let (sender, receiver) = oneshot::channel();
        readback.is_idle = false;
        let Readback { buffer, bytes, submission, .. } = &readback;
        self.scoped(what, || {
            buffer.map_async(wgpu::MapMode::Read, ..*bytes, move |outcome| {
                // The receiver is dropped only if the read was cancelled.
                let _ = sender.send(outcome);
            });
        })?;
        self.wait(what, Some(submission.clone()))?;
        let lost = |reason: String| self.note_lost(format!("{reason} (reading {what})"));
        match in_time(what, receiver).await? {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(lost(error.to_string())),
            Err(_) => return Err(lost("the device dropped the request".to_string())),
        }
        self.settle().await?;
        let view = buffer.get_mapped_range(..*bytes).map_err(|error| lost(error.to_string()))?;
        let words = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        buffer.unmap();
        readback.is_idle = true;
        Ok(words)
    }

    /// Reads `f32` values; otherwise as [`Gpu::read_words`].
    pub(crate) async fn read_numbers(
        &self,
        what: &str,
        region: &Region,
        len: usize,
    ) -> Result<Vec<f32>> {
        Ok(bytemuck::cast_vec(self.read_words(what, region, len).await?))
    }
}
