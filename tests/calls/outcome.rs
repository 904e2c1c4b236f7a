//! What a sequence of calls gave on a device, and how two of them differ.

use std::mem::discriminant;
use std::panic::{AssertUnwindSafe, catch_unwind};

use wgrad::{Device, Error, Result, Tensor};

use super::draw::Draw;
use crate::support::tolerance::Tolerance;

/// A call, and the numbers it gave.
pub struct Call {
    pub name: String,
    pub result: Result<Vec<f32>>,
    /// How far its numbers may be apart, relative to the largest of them, infinitely for those that need only be numbers;
    /// none: the engines need not agree on them.
    pub tolerance: Option<f64>,
}

/// The calls of a sequence as far as they went.
#[derive(Default)]
pub struct Outcome {
    /// Whether infinities are drawn.
    pub hostile: bool,
    /// Whether numbers are not compared.
    pub unjudged: bool,
    pub calls: Vec<Call>,
    /// The call under way.
    pub begun: String,
    pub panic: Option<String>,
}

impl Outcome {
    /// Notes what a call gave; its numbers, if they are to be compared.
    pub fn note(&mut self, tolerance: Option<f64>, result: Result<Vec<f32>>) -> bool {
        let fine = result.is_ok();
        let tolerance = tolerance.filter(|_| !self.unjudged);
        self.calls.push(Call { name: self.begun.clone(), result, tolerance });
        fine
    }

    /// Notes what a call gave that makes tensors, and gives these.
    pub fn tensors(&mut self, tolerance: f64, result: Result<Vec<Tensor>>) -> Vec<Tensor> {
        let made = result.and_then(|tensors| {
            let numbers = tensors.iter().map(numbers).collect::<Result<Vec<_>>>()?;
            Ok((tensors, numbers.concat()))
        });
        let (tensors, result) = match made {
            Ok((tensors, numbers)) => (tensors, Ok(numbers)),
            Err(error) => (Vec::new(), Err(error)),
        };
        self.note(Some(tolerance), result);
        tensors
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    match tensor.read() {
        Ok(array) => Ok(array.into_iter().collect()),
        Err(Error::Unsupported { .. }) => {
            Ok(tensor.read_indices()?.into_iter().map(|index| index as f32).collect())
        }
        Err(error) => Err(error),
    }
}

/// Plays a seed's sequence on a device.
pub fn run(seed: u64, device: &Device, play: fn(&mut Draw, &Device, &mut Outcome)) -> Outcome {
    let mut draw = Draw::new(seed);
    let mut outcome = Outcome { hostile: draw.hostile, ..Outcome::default() };
    let played = catch_unwind(AssertUnwindSafe(|| play(&mut draw, device, &mut outcome)));
    if let Err(panic) = played {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
        outcome.panic = Some(text.unwrap_or_default());
    }
    outcome
}

/// What is wrong: the kind of fault, and its details.
pub fn faults(cpu: &Outcome, gpu: &Outcome) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (engine, outcome) in [("cpu", cpu), ("gpu", gpu)] {
        if let Some(panic) = &outcome.panic {
            found.push((
                format!("{engine} panics: {}", kind(&outcome.begun)),
                format!("{}: {panic}", outcome.begun),
            ));
        }
        for call in &outcome.calls {
            if let Err(error @ Error::Internal(_)) = &call.result {
                found.push((
                    format!("{engine} internal: {}", kind(&call.name)),
                    format!("{}: {error}", call.name),
                ));
            }
        }
    }
    if !found.is_empty() {
        return found;
    }
    // A loss that overflows after many steps may do so on one engine only.
    let mut diverged = false;
    for (on_cpu, on_gpu) in cpu.calls.iter().zip(&gpu.calls) {
        if on_cpu.name != on_gpu.name {
            found.push((
                "the sequences part".into(),
                format!("{} and {}", on_cpu.name, on_gpu.name),
            ));
            return found;
        }
        let name = &on_cpu.name;
        match (&on_cpu.result, &on_gpu.result) {
            (Ok(want), Ok(got)) => {
                let is_far = on_cpu.tolerance == Some(f64::INFINITY) && kind(name) == "fit";
                diverged |= is_far && want.iter().chain(got).any(|loss| !loss.is_finite());
                let tolerance = on_cpu.tolerance.filter(|_| !diverged);
                let differ =
                    tolerance.and_then(|tolerance| difference(tolerance, cpu.hostile, want, got));
                if let Some(what) = differ {
                    found.push((format!("differs: {}", kind(name)), format!("{name}: {what}")));
                    return found;
                }
            }
            (Err(want), Err(got)) if discriminant(want) == discriminant(got) => {}
            // A device has limits that a host has not.
            (_, Err(Error::Limit { .. } | Error::OutOfMemory { .. })) => return found,
            (want, got) => {
                let text = |result: &Result<Vec<f32>>| match result {
                    Ok(_) => "Ok".to_string(),
                    Err(error) => error.to_string(),
                };
                let detail = format!("{name}: cpu {} | gpu {}", text(want), text(got));
                found.push((format!("one refuses: {}", kind(name)), detail));
                return found;
            }
        }
    }
    found
}

/// The name of a call without its operands.
fn kind(name: &str) -> &str {
    name.split(" of ").next().unwrap_or(name)
}

/// Where numbers differ that should not. Of infinities that were drawn an engine may make NaN where the other leaves a
/// number, but only if some number of the call is none on both.
fn difference(tolerance: f64, hostile: bool, want: &[f32], got: &[f32]) -> Option<String> {
    if want.len() != got.len() {
        return Some(format!("{} numbers and {}", want.len(), got.len()));
    }
    // Operands are of the order of 1: what is left of their difference keeps its error.
    let finite = want.iter().filter(|x| x.is_finite());
    let largest = finite.fold(1e-2_f64, |m, x| m.max(f64::from(x.abs())));
    let bound = Tolerance::ulps(64.0).floor(tolerance * largest);
    let both = want.iter().zip(got).any(|(want, got)| !want.is_finite() && !got.is_finite());
    let wrong = |(want, got): (&f32, &f32)| {
        let none = !want.is_finite() || !got.is_finite();
        let alike = overflows(*want, *got) || (hostile && both && none);
        !bound.accepts(*got, f64::from(*want)) && !alike
    };
    let at = want.iter().zip(got).position(wrong)?;
    Some(format!("number {at} of {}: cpu {:e}, gpu {:e}", want.len(), want[at], got[at]))
}

/// Whether one engine ends just below infinity and the other there.
fn overflows(want: f32, got: f32) -> bool {
    let large = |x: f32| x.abs() >= 1e38;
    large(want) && large(got) && want.is_sign_negative() == got.is_sign_negative()
}
