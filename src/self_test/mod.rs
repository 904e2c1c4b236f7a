//! The self test: compares kernels with the CPU reference on the user's device.

mod cases;
#[cfg(test)]
mod effects;
#[cfg(not(target_family = "wasm"))]
pub mod export;
mod fused;
#[cfg(all(test, not(target_family = "wasm")))]
mod lowering;

use std::fmt;
use std::ops::Range;

use crate::engine::cpu::{self, Interpreter};
use crate::engine::gpu::{self, Choices, Fusion, Gpu, Plan};
use crate::error::{Error, Result};
use crate::ir::{DType, Op, Operand, Place, Program, Slot, StepEntry, Steps, WeightValues};
use crate::ops::UpdateOp;
use crate::spec::Optimizer;

pub(crate) use crate::ops::case::Case;

/// The tolerance against the `f64` reference, relative to the value itself and to the largest value of the same tensor:
/// far above rounding errors, far below those of a faulty driver.
const BOUND: [f64; 2] = [1e-3, 1e-5];

/// The number of state values that a program may keep in addition to those of its optimizer.
const EXTRAS: usize = 2;

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// All values agree; holds the largest error, relative to the largest value of the same tensor.
    Passed(f64),
    /// The device computes different values; names the op and the difference.
    Failed(String),
    /// The device lacks what the kernels need; names the limit.
    Refused(String),
}

/// The check of one program.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Check {
    /// The name of the case.
    pub name: String,
    /// The outcome.
    pub verdict: Verdict,
}

/// The results of the self test of a device.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SelfTest {
    /// All checks, in order.
    pub checks: Vec<Check>,
}

impl SelfTest {
    /// Returns whether there are checks and none of them failed. A refused check is not a failure, since the library
    /// also refuses the same program in normal use.
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.failures().next().is_none()
    }

    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| matches!(check.verdict, Verdict::Failed(_)))
    }

    /// The checks that the device's limits do not permit.
    pub fn refusals(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| matches!(check.verdict, Verdict::Refused(_)))
    }
}

impl fmt::Display for SelfTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, refused) = (self.failures().count(), self.refusals().count());
        write!(f, "{} checks, {failed} failed, {refused} refused", self.checks.len())?;
        for Check { name, verdict } in self.failures().chain(self.refusals()) {
            match verdict {
                Verdict::Failed(text) | Verdict::Refused(text) => write!(f, "\n  {name}: {text}")?,
                Verdict::Passed(_) => {}
            }
        }
        Ok(())
    }
}

/// Runs every op of the library on small tensors and compares the results with the reference, then matrix products in
/// each tiling that this device supports, and training steps of small networks as plans fuse them. Takes seconds, so
/// that an application can refuse a faulty driver or work around it. [`Trainer::self_test`] and
/// [`TrainingStep::self_test`] run the kernels of one network.
///
/// [`Trainer::self_test`]: crate::Trainer::self_test
/// [`TrainingStep::self_test`]: crate::embed::TrainingStep::self_test
///
/// ```no_run
/// # fn check(gpu: &wgrad::embed::Gpu) -> wgrad::Result<()> {
/// let report = wgrad::self_test(gpu)?;
/// assert!(report.passed(), "{report}");
/// # Ok(())
/// # }
/// ```
///
/// Submits work and waits for the device.
///
/// # Errors
/// [`Error::DeviceLost`], [`Error::Timeout`], [`Error::OutOfMemory`].
#[cfg(not(target_family = "wasm"))]
pub fn self_test(gpu: &Gpu) -> Result<SelfTest> {
    pollster::block_on(self_test_async(gpu))
}

/// As [`self_test`], without blocking.
///
/// # Errors
/// As [`self_test`].
pub async fn self_test_async(gpu: &Gpu) -> Result<SelfTest> {
    let mut report = SelfTest::default();
    // Op by op, so that a failure names the op; then fused as plans dispatch them.
    let one_by_one = gpu.choosing(Choices { fusion: Fusion::Never, ..gpu.choices() });
    for case in cases::all()? {
        report.checks.push(case.check(&one_by_one).await?);
    }
    for (gpu, case) in fused::all(gpu)? {
        report.checks.push(case.check(&gpu).await?);
    }
    Ok(report)
}

/// Both engines at the same point of the same program.
struct Comparison<'a> {
    case: &'a Case,
    plan: Plan,
    weights: gpu::PlanWeights,
    interpreter: Interpreter<f64>,
    reference: cpu::InterpreterWeights<f64>,
    /// The largest error so far.
    worst: f64,
}

impl Case {
    /// Runs the program on both engines and compares the results after each run of ops that the plan dispatches
    /// together.
    pub(crate) async fn check(&self, gpu: &Gpu) -> Result<Check> {
        let verdict = match self.run(gpu).await {
            Ok(verdict) => verdict,
            Err(error @ (Error::Limit { .. } | Error::Unsupported { .. })) => {
                Verdict::Refused(error.to_string())
            }
            Err(Error::Internal(message)) => Verdict::Failed(message),
            Err(error @ Error::Shader { .. }) => Verdict::Failed(error.to_string()),
            Err(error) => return Err(error),
        };
        Ok(Check { name: self.name.clone(), verdict })
    }

    async fn run(&self, gpu: &Gpu) -> Result<Verdict> {
        let mut duel = Comparison::new(gpu, self)?;
        let runs: Vec<Range<usize>> = duel.plan.runs().collect();
        for step in 0..self.steps {
            let entry = self.rule.entry(step);
            duel.meet().await?;
            for run in &runs {
                duel.advance(run.clone(), &entry)?;
                let ops = self.program.ops().get(run.clone()).unwrap_or_default();
                if let Some(difference) = duel.compare(ops).await? {
                    let message = format!("{}, step {step}: {difference}", names(ops));
                    return Ok(Verdict::Failed(message));
                }
            }
            if let Some(difference) = duel.figures(step).await? {
                return Ok(Verdict::Failed(format!("step {step}: {difference}")));
            }
        }
        Ok(Verdict::Passed(duel.worst))
    }

    pub(crate) fn optimizer(program: &Program) -> Option<&Optimizer> {
        program.ops().iter().find_map(|op| match op {
            Op::Update(UpdateOp::Update { optimizer, .. }) => Some(optimizer),
            _ => None,
        })
    }
}

/// The names of the first and the last op of a run.
fn names(ops: &[Op]) -> String {
    match ops {
        [] => String::new(),
        [op] => op.name(),
        [first, .., last] => format!("{} to {}", first.name(), last.name()),
    }
}

/// Returns whether an op changes all parameters, gradients or states.
fn changes_arenas(op: &Op) -> bool {
    let is_arena = |operand| matches!(operand, Operand::Params | Operand::Grads | Operand::States);
    op.effects().changed().any(is_arena)
}

impl<'a> Comparison<'a> {
    fn new(gpu: &Gpu, case: &'a Case) -> Result<Self> {
        let program = case.program.clone();
        let optimizer = Case::optimizer(&program);
        let weights = gpu::PlanWeights::new(gpu, program.params(), optimizer, EXTRAS)?;
        weights.write_params(&case.params)?;
        let wide = |numbers: &Vec<f32>| numbers.iter().map(|&x| f64::from(x)).collect();
        let params = case.params.iter().map(wide).collect();
        let reference = cpu::InterpreterWeights::new(program.params(), params, optimizer, EXTRAS);
        let rule: Box<Steps> = Box::new(case.rule.clone());
        let plan = Plan::ruled(gpu, program.clone(), Some(&weights), &[], 0, rule)?;
        let mut interpreter = Interpreter::new(program);
        for (slot, numbers) in &case.numbers {
            plan.write(*slot, numbers)?;
            interpreter.write(*slot, &wide(numbers))?;
        }
        for (slot, indices) in &case.indices {
            plan.write_indices(*slot, indices)?;
            interpreter.write_indices(*slot, indices)?;
        }
        Ok(Self { case, plan, weights, interpreter, reference, worst: 0.0 })
    }

    /// Copies the device's values to the reference, so that errors do not accumulate from step to step.
    async fn meet(&mut self) -> Result<()> {
        let wide = |tensors: Vec<Vec<f32>>| -> Vec<Vec<f64>> {
            tensors.iter().map(|tensor| tensor.iter().map(|&x| f64::from(x)).collect()).collect()
        };
        let WeightValues { params, states, carried } = self.weights.read_values().await?;
        self.reference.params = wide(params);
        self.reference.states = states.into_iter().map(wide).collect();
        self.reference.carried = carried.into_iter().map(f64::from).collect();
        Ok(())
    }

    /// Runs some ops on both engines.
    fn advance(&mut self, ops: Range<usize>, entry: &StepEntry) -> Result<()> {
        self.interpreter.run_ops(ops.clone(), &mut self.reference, entry)?;
        let gpu = self.plan.gpu().clone();
        gpu.submit("self test", |encoder| self.plan.encode_ops(encoder, ops)).map(drop)
    }

    /// The difference between the engines after some ops, if any. Slots that a fused dispatch does not store are
    /// skipped.
    async fn compare(&mut self, ops: &[Op]) -> Result<Option<String>> {
        let case = self.case;
        let program = &case.program;
        let mut in_arena = ops.iter().any(changes_arenas);
        for slot in ops.iter().flat_map(Op::outputs) {
            let info = program.slot(slot)?;
            let base = info.base(slot);
            match (program.slot(base)?.place, info.dtype) {
                (Place::Param(_) | Place::Grad(_), _) => in_arena = true,
                _ if self.plan.stored(base).is_none() => {}
                (_, dtype) => {
                    let difference = self.slot(base, dtype).await?;
                    if difference.is_some() {
                        return Ok(difference.map(|text| format!("'{}', {text}", info.name)));
                    }
                }
            }
        }
        if in_arena { self.arena().await } else { Ok(None) }
    }

    /// The difference between the recorded values of a step, if any.
    async fn figures(&mut self, step: u64) -> Result<Option<String>> {
        if !self.plan.is_counting() {
            return Ok(None);
        }
        let got = self.plan.records(step..step + 1).await?;
        let want = self.interpreter.take_records();
        for (got, want) in got.iter().zip(&want) {
            for (place, (got, want)) in got.iter().zip(want).enumerate() {
                if let Some(difference) = self.differ(&[*got], &[f64::from(*want)]) {
                    return Ok(Some(format!("figure {place}, {difference}")));
                }
            }
        }
        Ok(None)
    }

    async fn slot(&mut self, slot: Slot, dtype: DType) -> Result<Option<String>> {
        let got = self.plan.read_now(slot).await?;
        if dtype == DType::U32 {
            let indices = self.interpreter.read_indices(slot)?;
            let wrong = got.iter().zip(indices).position(|(got, want)| got.to_bits() != *want);
            return Ok(wrong.map(|place| format!("index {place} is another")));
        }
        let want = self.interpreter.read(slot)?.to_vec();
        Ok(self.differ(&got, &want))
    }

    async fn arena(&mut self) -> Result<Option<String>> {
        let mut pairs = vec![
            ("parameter", self.weights.read_params().await?, self.reference.params.clone()),
            ("gradient", self.weights.read_grads().await?, self.reference.grads.clone()),
        ];
        for (number, state) in self.reference.states.clone().into_iter().enumerate() {
            pairs.push(("state", self.weights.read_state(number).await?, state));
        }
        for (what, got, want) in pairs {
            for (number, (got, want)) in got.iter().zip(&want).enumerate() {
                if let Some(difference) = self.differ(got, want) {
                    return Ok(Some(format!("{what} {number}, {difference}")));
                }
            }
        }
        Ok(None)
    }

    /// The first difference that exceeds the tolerance, if any; updates the largest error.
    fn differ(&mut self, got: &[f32], want: &[f64]) -> Option<String> {
        let largest =
            want.iter().filter(|x| x.is_finite()).fold(0.0f64, |most, x| most.max(x.abs()));
        let largest = largest.max(f64::from(f32::MIN_POSITIVE));
        let [own, beside] = BOUND;
        for (place, (&got, &want)) in got.iter().zip(want).enumerate() {
            let (rounded, wide) = (want as f32, f64::from(got));
            if got.to_bits() == rounded.to_bits() || (got.is_nan() && want.is_nan()) {
                continue;
            }
            let error = (wide - want).abs();
            // An error that is NaN never passes.
            if error.is_nan() || error > own * want.abs() + beside * largest {
                return Some(format!("number {place} is {got:e}, not {rounded:e}"));
            }
            self.worst = self.worst.max(error / largest);
        }
        None
    }
}
