//! Frame budgets: the number of training steps that fit into a given device time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::staging::Downloads;
use super::{Gpu, Plan};
use crate::error::{Error, Result};

/// The device time that one recording may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget(Duration);

impl Budget {
    /// A budget in microseconds.
    pub const fn micros(micros: u64) -> Self {
        Self(Duration::from_micros(micros))
    }

    /// A budget in milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

/// The upper bound on any budget: drivers reset a device whose submission runs for one to two seconds.
const LONGEST: Duration = Duration::from_millis(250);

/// The largest growth factor from one recording to the next.
const GROWTH: f64 = 1.5;

fn grown(steps: u64) -> f64 {
    (steps as f64 * GROWTH).max(steps as f64 + 1.0)
}

/// The number of recent host-side times kept to find the minimum, without timestamps.
const REMEMBERED: usize = 64;

/// The estimate of the number of steps that fit into a budget.
#[derive(Debug)]
pub(super) struct StepBudget {
    clock: Clock,
    /// The number of steps of the next recording, not yet rounded.
    steps: f64,
}

#[derive(Debug)]
enum Clock {
    RecordingTimes(Box<RecordingTimes>),
    /// Times from recording to the completion callback, as seen by the host.
    Done {
        found: Arc<Mutex<Vec<(u64, Duration)>>>,
        times: VecDeque<Duration>,
    },
}

/// Device timestamps of recordings.
#[derive(Debug)]
struct RecordingTimes {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// Each tagged with the number of steps it measures.
    downloads: Downloads<u64>,
    /// Nanoseconds per tick.
    period: f64,
}

impl RecordingTimes {
    fn new(gpu: &Gpu) -> Result<Self> {
        let label = Some("wgrad timestamps");
        let descriptor =
            wgpu::QuerySetDescriptor { label, ty: wgpu::QueryType::Timestamp, count: 2 };
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let buffer = wgpu::BufferDescriptor { label, size: 16, usage, mapped_at_creation: false };
        let (queries, resolved) = gpu.scoped("timestamps", || {
            (gpu.device().create_query_set(&descriptor), gpu.device().create_buffer(&buffer))
        })?;
        let period = f64::from(gpu.queue().get_timestamp_period());
        Ok(Self { queries, resolved, downloads: Downloads::new(gpu), period })
    }

    /// The steps and nanoseconds of the next recording that has completed.
    fn next(&mut self) -> Result<Option<(u64, f64)>> {
        while let Some((steps, words)) = self.downloads.next()? {
            if let Some([begin, begin_high, end, end_high]) = words {
                let tick = |low: &u32, high: &u32| u64::from(*high) << 32 | u64::from(*low);
                let ticks = tick(end, end_high).saturating_sub(tick(begin, begin_high));
                return Ok(Some((steps, ticks as f64 * self.period)));
            }
        }
        Ok(None)
    }
}

impl StepBudget {
    fn new(gpu: &Gpu) -> Result<Self> {
        let clock = if gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            Clock::RecordingTimes(Box::new(RecordingTimes::new(gpu)?))
        } else {
            Clock::Done { found: Arc::default(), times: VecDeque::with_capacity(REMEMBERED + 1) }
        };
        Ok(Self { clock, steps: 1.0 })
    }

    /// The bytes of the timestamp buffers.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.clock {
            Clock::RecordingTimes(stamps) => stamps.resolved.size() + stamps.downloads.bytes(),
            Clock::Done { .. } => 0,
        }
    }

    /// Updates the estimate from completed recordings.
    fn settle(&mut self, budget: Duration) -> Result<()> {
        match &mut self.clock {
            Clock::RecordingTimes(stamps) => {
                while let Some((steps, nanoseconds)) = stamps.next()? {
                    let fitting = budget.as_nanos() as f64 * steps as f64 / nanoseconds.max(1.0);
                    // Averages with the old estimate, so that one outlier frame does not dominate.
                    self.steps = ((self.steps + fitting) / 2.0).min(grown(steps));
                }
            }
            Clock::Done { found, times } => {
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                for (steps, time) in found.drain(..) {
                    // The host notices completion late, by about the same delay each time: only the excess over the
                    // fastest recording counts.
                    times.push_back(time);
                    if times.len() > REMEMBERED {
                        times.pop_front();
                    }
                    let least = times.iter().min().copied().unwrap_or_default();
                    let more = (time - least).as_secs_f64() / budget.as_secs_f64().max(1e-9);
                    self.steps = match more {
                        more if more > 1.0 => steps as f64 * (1.0 / more).max(0.25),
                        _ => grown(steps),
                    };
                }
            }
        }
        Ok(())
    }
}

impl Plan {
    /// Records as many steps as fit into the budget, at least one, and returns their number. The time per step is
    /// estimated from timestamps where the device has them ([`wgpu::Features::TIMESTAMP_QUERY`]), otherwise from
    /// completion callbacks; the first recordings are short. Whatever the budget, a recording stays far below the
    /// time-outs at which drivers reset a device.
    ///
    /// # Errors
    /// As [`Plan::encode`].
    #[doc(hidden)]
    pub fn encode_within(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        budget: Budget,
    ) -> Result<u64> {
        let budget = budget.0.min(LONGEST);
        if budget.is_zero() {
            let message = "the budget is zero; skip the recording instead";
            return Err(Error::unsupported("encode_within", message));
        }
        let mut step_budget = match self.step_budget.take() {
            Some(step_budget) => step_budget,
            None => StepBudget::new(self.gpu())?,
        };
        let outcome = self.encode_paced(encoder, budget, &mut step_budget);
        self.step_budget = Some(step_budget);
        outcome
    }

    fn encode_paced(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        budget: Duration,
        step_budget: &mut StepBudget,
    ) -> Result<u64> {
        step_budget.settle(budget)?;
        step_budget.steps = step_budget.steps.min(self.most_steps() as f64 / 4.0).max(1.0);
        let steps = step_budget.steps as u64;
        match &mut step_budget.clock {
            Clock::RecordingTimes(stamps) => {
                let writes = wgpu::ComputePassTimestampWrites {
                    query_set: &stamps.queries,
                    beginning_of_pass_write_index: Some(0),
                    end_of_pass_write_index: Some(1),
                };
                self.encode_timed(encoder, steps, Some(writes))?;
                encoder.resolve_query_set(&stamps.queries, 0..2, &stamps.resolved, 0);
                stamps.downloads.record(encoder, &[(&stamps.resolved, 0, 4)], steps)?;
            }
            Clock::Done { found, .. } => {
                self.encode_timed(encoder, steps, None)?;
                when_done(encoder, steps, found.clone());
            }
        }
        Ok(steps)
    }
}

/// Stores the time from now until the completion of the commands is reported.
fn when_done(encoder: &wgpu::CommandEncoder, steps: u64, found: Arc<Mutex<Vec<(u64, Duration)>>>) {
    let recorded = crate::time::Instant::now();
    encoder.on_submitted_work_done(move || {
        let time = (steps, recorded.elapsed());
        found.lock().unwrap_or_else(PoisonError::into_inner).push(time);
    });
}
