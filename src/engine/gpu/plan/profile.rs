//! Profiling: the time of each dispatch of a step.

use std::fmt;
use std::time::Duration;

use super::{Dispatch, Plan};
use crate::engine::gpu::Gpu;
use crate::engine::gpu::memory::Region;
use crate::error::{Error, Result};

/// The times of a step, by dispatch where the device has timestamps; displayed as a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Profile {
    /// The number of steps that the times are averaged over.
    pub steps: u64,
    /// True if the times are device timestamps ([`wgpu::Features::TIMESTAMP_QUERY`]). Otherwise there is one row for
    /// the whole step, measured by the host's clock from submission to completion, including the round trip.
    pub by_device: bool,
    /// The dispatches of a step in order, or a single row for the step.
    pub rows: Vec<ProfileRow>,
}

/// The time of a dispatch or of a whole step.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProfileRow {
    /// The kernel's label.
    pub label: String,
    /// The mean time.
    pub time: Duration,
    /// The total bytes of the bindings.
    pub bytes: u64,
    /// The number of floating-point operations, where known.
    pub flops: u64,
}

impl Profile {
    /// The sum of the times. Dispatches may overlap on the device, so a step can take less.
    pub fn total(&self) -> Duration {
        self.rows.iter().map(|row| row.time).sum()
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (clock, total) = (if self.by_device { "device" } else { "host" }, self.total());
        writeln!(f, "mean of {} steps by the {clock}'s clock", self.steps)?;
        let seconds = |time: Duration| time.as_secs_f64().max(1e-9);
        for ProfileRow { label, time, bytes, flops } in &self.rows {
            let percent = 100.0 * time.as_secs_f64() / seconds(total);
            let rate = |count: u64| count as f64 / seconds(*time) / 1e9;
            let (micros, gb, gflop) = (time.as_secs_f64() * 1e6, rate(*bytes), rate(*flops));
            writeln!(
                f,
                "  {label:<44} {micros:>10.1} us {percent:>5.1} % {gb:>8.2} GB/s {gflop:>8.2} Gflop/s"
            )?;
        }
        writeln!(f, "  {:<44} {:>10.1} us", "total", total.as_secs_f64() * 1e6)
    }
}

/// The number of timestamps in a query set.
const QUERIES: usize = 4096;

/// The query sets and resolve buffer for the timestamps of a step.
struct Stamps {
    sets: Vec<wgpu::QuerySet>,
    resolved: Region,
}

impl Stamps {
    /// Creates two timestamps for each of `count` dispatches.
    fn new(gpu: &Gpu, count: usize) -> Result<Self> {
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let sets = (2 * count).div_ceil(QUERIES);
        let resolved = gpu.buffer("timestamps", (sets * QUERIES * 8) as u64, &[], usage)?;
        let label = Some("wgrad profile");
        let count = QUERIES as u32;
        let descriptor = wgpu::QuerySetDescriptor { label, ty: wgpu::QueryType::Timestamp, count };
        let made = || (0..sets).map(|_| gpu.device().create_query_set(&descriptor)).collect();
        Ok(Self { sets: gpu.scoped("timestamps", made)?, resolved })
    }

    /// The timestamp writes at the beginning and end of dispatch `number`.
    fn writes(&self, number: usize) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let (set, place) = (2 * number / QUERIES, (2 * number % QUERIES) as u32);
        Some(wgpu::ComputePassTimestampWrites {
            query_set: self.sets.get(set)?,
            beginning_of_pass_write_index: Some(place),
            end_of_pass_write_index: Some(place + 1),
        })
    }

    fn resolve(&self, encoder: &mut wgpu::CommandEncoder, count: usize) {
        for (number, set) in self.sets.iter().enumerate() {
            let used = (2 * count - number * QUERIES).min(QUERIES) as u32;
            let offset = (number * QUERIES * 8) as u64;
            encoder.resolve_query_set(set, 0..used, &self.resolved.buffer, offset);
        }
    }
}

impl Plan {
    /// Measures `steps` steps dispatch by dispatch. These are ordinary steps: a training step updates the parameters.
    /// Submits and waits for each step in turn, with each dispatch in its own pass, so a step takes somewhat longer
    /// than with [`Plan::encode`].
    ///
    /// ```
    /// use wgrad::ir::{Plan, StepEntry};
    /// use wgrad::prelude::*;
    ///
    /// # let Ok(gpu) = Gpu::new() else { return Ok(()) };
    /// let network = Sequential::new(2).dense(64).activation(Activation::relu()).dense(3).build()?;
    /// let weights = wgrad::ir::PlanWeights::new(&gpu, network.params(), None, 0)?;
    /// let program = network.inference(256)?.program;
    /// let mut plan = Plan::new(&gpu, program, Some(&weights), &[], 0, |_| StepEntry::rows(256))?;
    /// let profile = pollster::block_on(plan.profile(5))?;
    /// assert_eq!(profile.rows.len(), if profile.by_device { plan.dispatches().len() } else { 1 });
    /// println!("{profile}");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Empty`] for no steps; as [`Plan::run`] and [`Plan::read`].
    pub async fn profile(&mut self, steps: u64) -> Result<Profile> {
        if steps == 0 {
            return Err(Error::empty("profile", "it needs at least one step"));
        }
        let count = self.list.dispatches.len();
        let timed = self.gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY);
        if !timed || count == 0 {
            let time = self.time_of_a_step(steps).await?;
            let (bytes, flops) = self
                .list
                .dispatches
                .iter()
                .fold((0, 0), |(bytes, flops), own| (bytes + own.bytes, flops + own.flops));
            let row = ProfileRow { label: self.program.name().to_string(), time, bytes, flops };
            return Ok(Profile { steps, by_device: false, rows: vec![row] });
        }
        let stamps = Stamps::new(&self.gpu, count)?;
        let mut ticks = vec![0u64; count];
        for _ in 0..steps {
            self.gpu.clone().submit("profile", |encoder| self.encode_stamped(encoder, &stamps))?;
            let words = self.gpu.read_words("timestamps", &stamps.resolved, 4 * count).await?;
            for (sum, stamp) in ticks.iter_mut().zip(words.chunks_exact(4)) {
                let [begin, begin_high, end, end_high] = *stamp else { continue };
                let tick = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
                *sum += tick(end, end_high).saturating_sub(tick(begin, begin_high));
            }
        }
        let period = f64::from(self.gpu.queue().get_timestamp_period()) * 1e-9;
        let rows = self.list.dispatches.iter().zip(ticks).map(|(dispatch, ticks)| {
            let Dispatch { label, bytes, flops, .. } = dispatch;
            let time = Duration::from_secs_f64(ticks as f64 * period / steps as f64);
            ProfileRow { label: label.clone(), time, bytes: *bytes, flops: *flops }
        });
        Ok(Profile { steps, by_device: true, rows: rows.collect() })
    }

    /// Records one step, each dispatch in its own pass.
    fn encode_stamped(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        stamps: &Stamps,
    ) -> Result<()> {
        let count = self.list.dispatches.len();
        self.steps.begin(encoder, 1)?;
        for number in 0..count {
            self.pass(encoder, 1, number..number + 1, stamps.writes(number));
        }
        self.steps.end(encoder, 1, &self.memory.ring)?;
        stamps.resolve(encoder, count);
        Ok(())
    }

    /// The mean time of a step by the host's clock.
    async fn time_of_a_step(&mut self, steps: u64) -> Result<Duration> {
        let begin = crate::time::Instant::now();
        for _ in 0..steps {
            self.run(1)?;
            self.gpu.finished("profile").await?;
        }
        let time = begin.elapsed().div_f64(steps as f64);
        // A lost device appears to take no time: only a read-back proves that the steps were executed.
        let table = self.steps.region.clone();
        self.gpu.read_words("step counter", &table, 1).await?;
        Ok(time)
    }
}
