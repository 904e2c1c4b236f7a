//! Reading results back, the only proof that work was executed.

use std::time::Duration;

use futures::channel::oneshot;

use super::platform::in_time;
use super::{Gpu, Region};
use crate::error::{Error, Result};
use crate::trace::{Instrument, span};

/// The longest wait for the device.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

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
        let bytes = len as u64 * 4;
        if bytes > region.bytes {
            return Err(Error::Limit {
                what: what.to_string(),
                needed: bytes,
                limit: region.bytes,
                unit: "bytes",
            });
        }
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.buffer(what, bytes, &[], usage)?.buffer;
        let submission = self.submit(what, |encoder| {
            encoder.copy_buffer_to_buffer(&region.buffer, region.offset, &staging, 0, bytes);
            Ok(())
        })?;
        let (sender, receiver) = oneshot::channel();
        self.scoped(what, || {
            staging.map_async(wgpu::MapMode::Read, .., move |outcome| {
                // The receiver is dropped only if the read was cancelled.
                let _ = sender.send(outcome);
            });
        })?;
        self.wait(what, Some(submission))?;
        let lost = |reason: String| self.note_lost(format!("{reason} (reading {what})"));
        match in_time(what, receiver).await? {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(lost(error.to_string())),
            Err(_) => return Err(lost("the device dropped the request".to_string())),
        }
        self.settle().await?;
        let view = staging.get_mapped_range(..).map_err(|error| lost(error.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
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
