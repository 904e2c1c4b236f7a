//! What the native adapter computes.

use std::time::Instant;

use pollster::block_on;
use serde_json::Value;
use wgrad::prelude::*;
use wgrad_web_tests::runs::{self, Losses, Net};

use super::Outcome;

/// The largest relative difference of the first steps' losses, and that of the last epoch's.
const BOUNDS: [f64; 2] = [1e-4, 0.05];

/// A native checkpoint.
pub(crate) struct Checkpoint {
    /// The file, for the browser to resume from.
    pub bytes: Vec<u8>,
    /// The losses of the epochs after it.
    after: Vec<f64>,
}

impl Checkpoint {
    pub(crate) fn new(gpu: &Gpu) -> Outcome<Self> {
        let (bytes, after) = block_on(runs::checkpoint(gpu))?;
        Ok(Self { bytes, after })
    }
}

/// The native runs.
pub(crate) struct Reference {
    gpu: Gpu,
    /// By the name of the check, each with its seconds.
    runs: Vec<(String, Losses, f64)>,
    checkpoint: Checkpoint,
    limits: String,
}

impl Reference {
    pub(crate) fn new(gpu: Gpu, checkpoint: Checkpoint) -> Outcome<Self> {
        let mut runs = Vec::new();
        for (net, fused) in Net::ALL.iter().flat_map(|net| [(*net, true), (*net, false)]) {
            let name = format!("{}, {}", net.name(), if fused { "fused" } else { "op by op" });
            let begin = Instant::now();
            let losses = block_on(net.train(&gpu, fused))?;
            runs.push((name, losses, begin.elapsed().as_secs_f64()));
        }
        let limits = format!("{:?}", Gpu::required_limits(&Net::Digits.program()?)?);
        Ok(Self { gpu, runs, checkpoint, limits })
    }

    /// Compares what a check of the browser found; the answer is a line for the table.
    pub(crate) fn compare(
        &self,
        name: &str,
        found: &Value,
        sent: Option<&[u8]>,
    ) -> Outcome<String> {
        if let Some((_, own, seconds)) = self.runs.iter().find(|(run, ..)| run == name) {
            let (first, last) = (numbers(&found["first"])?, found["last"].as_f64());
            let first = difference(&first, &own.first, BOUNDS[0])?;
            let last = last.ok_or("there is no last loss")?;
            let end = difference(&[last], &[own.last], BOUNDS[1])?;
            let ends = format!("{last:.5}, natively {:.5} ({:.2} %)", own.last, 100.0 * end);
            let text = format!("first steps within {first:.0e}; at the end {ends}");
            return Ok(format!("{text}; natively {seconds:.1} s"));
        }
        match name {
            "checkpoint in" => {
                let worst =
                    difference(&numbers(&found["losses"])?, &self.checkpoint.after, BOUNDS[0])?;
                Ok(format!("a native checkpoint goes on within {worst:.0e}"))
            }
            "checkpoint out" => {
                let bytes = sent.ok_or("the page sent no checkpoint")?;
                let after = block_on(runs::resumed(&self.gpu, bytes))?;
                let worst = difference(&after, &numbers(&found["losses"])?, BOUNDS[0])?;
                if bytes != self.checkpoint.bytes {
                    return Err("its bytes are not those of the native file".into());
                }
                let len = bytes.len();
                Ok(format!(
                    "its {len} bytes are those of the native file, and go on within {worst:.0e}"
                ))
            }
            "required limits" if found["limits"] != self.limits.as_str() => {
                Err(format!("{}, natively {}", found["limits"], self.limits).into())
            }
            "required limits" => Ok("as natively".to_string()),
            "speed" => self.beside(found),
            _ => Ok(plain(found)),
        }
    }

    /// The browser's speed beside that of the native adapter, measured when the browser has ended.
    fn beside(&self, found: &Value) -> Outcome<String> {
        let number = |name| found[name].as_f64().ok_or_else(|| format!("there is no {name}"));
        let (first, steps) = (number("first step")?, number("steps")?);
        // Of a device that has compiled nothing, as the page's.
        let own = block_on(runs::speed(&Gpu::new()?))?;
        let first =
            format!("first step {:.0} ms, natively {:.0} ms", 1e3 * first, 1e3 * own.first_step);
        Ok(format!("{first}; {steps:.0} steps/s, natively {:.0}", own.steps))
    }
}

/// What a check found, as text.
fn plain(found: &Value) -> String {
    let fields = found.as_object().into_iter().flatten();
    let fields = fields.map(|(name, value)| match value {
        Value::String(text) => text.clone(),
        value => format!("{name} {value}"),
    });
    fields.collect::<Vec<_>>().join(", ")
}

fn numbers(list: &Value) -> Outcome<Vec<f64>> {
    let list = list.as_array().ok_or("there are no losses")?;
    list.iter()
        .map(|loss| loss.as_f64().ok_or_else(|| format!("a loss is {loss}").into()))
        .collect()
}

/// The largest relative difference, if it is within the bound.
fn difference(got: &[f64], want: &[f64], bound: f64) -> Outcome<f64> {
    if got.len() != want.len() || got.is_empty() {
        return Err(format!("{} losses, natively {}", got.len(), want.len()).into());
    }
    let relative = got.iter().zip(want).map(|(got, want)| (got - want).abs() / want.abs());
    let worst = relative.fold(0.0, f64::max);
    match worst <= bound && got.iter().all(|loss| loss.is_finite()) {
        true => Ok(worst),
        false => Err(format!("they differ by {worst:.1e}: {got:?}, natively {want:?}").into()),
    }
}
