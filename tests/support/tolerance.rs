//! The one comparison of a device's `f32` with an `f64` reference.

use std::fmt;

/// The smallest normal `f32`: below it a device may return 0.
pub const MIN_NORMAL: f64 = f32::MIN_POSITIVE as f64;

/// How far a result may be from the reference: `max(ulps * ulp(reference), floor)`.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    ulps: f64,
    floor: f64,
}

impl Tolerance {
    /// A bound in units in the last place; subnormal results may flush to 0.
    pub fn ulps(ulps: f64) -> Self {
        Self { ulps, floor: MIN_NORMAL }
    }

    /// With a least absolute error, for results that cancel by nature. Never a guard on its own.
    pub fn floor(self, floor: f64) -> Self {
        Self { floor: self.floor.max(floor), ..self }
    }

    /// With the flush to 0 of an intermediate value magnified by `scale`.
    pub fn flush_scale(self, scale: f64) -> Self {
        self.floor(MIN_NORMAL * scale.abs())
    }

    /// The largest error accepted beside `want`.
    pub fn limit(self, want: f64) -> f64 {
        (self.ulps * ulp(want)).max(self.floor)
    }

    /// Whether `got` is `want`: equal bits after rounding, both NaN, or near enough.
    pub fn accepts(self, got: f32, want: f64) -> bool {
        if got.is_nan() || want.is_nan() {
            return got.is_nan() && want.is_nan();
        }
        got.to_bits() == (want as f32).to_bits()
            || (f64::from(got) - want).abs() <= self.limit(want)
    }
}

/// The spacing of `f32` numbers at `x`.
pub fn ulp(x: f64) -> f64 {
    if !x.is_finite() {
        return 0.0;
    }
    let exponent = x.abs().max(MIN_NORMAL).log2().floor();
    (exponent - 23.0).exp2()
}

/// What a comparison of many values found.
#[derive(Debug)]
pub struct Report {
    name: String,
    pub count: usize,
    pub failures: usize,
    /// The worst error in ulp of the reference, among results above the floor, and its input.
    pub worst_ulps: f64,
    pub worst_input: f32,
    first_failures: Vec<(f32, f32, f64)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, count, failures, worst_ulps, worst_input, .. } = self;
        write!(f, "{name}: worst {worst_ulps:.2} ulp at {worst_input:e}, {failures}/{count} fail")?;
        for (x, got, want) in &self.first_failures {
            write!(f, "\n  x = {x:e} ({:#010x}): got {got:e}, want {want:e}", x.to_bits())?;
        }
        Ok(())
    }
}

impl Report {
    /// Fails the test unless every value was accepted.
    #[track_caller]
    pub fn assert(&self) {
        assert!(self.failures == 0, "{self}");
        println!("{self}");
    }
}

/// Compares `got` with `want`, both for `inputs`. No values at all is an error: an emptied loop proves nothing.
pub fn check(
    name: &str,
    inputs: &[f32],
    got: &[f32],
    want: &[f64],
    tolerance: impl Fn(f32) -> Tolerance,
) -> Result<Report, String> {
    if inputs.is_empty() || inputs.len() != got.len() || got.len() != want.len() {
        let lengths = (inputs.len(), got.len(), want.len());
        return Err(format!("{name}: inputs, results and references number {lengths:?}"));
    }
    let mut report = Report {
        name: name.to_owned(),
        count: got.len(),
        failures: 0,
        worst_ulps: 0.0,
        worst_input: f32::NAN,
        first_failures: Vec::new(),
    };
    for ((&x, &got), &want) in inputs.iter().zip(got).zip(want) {
        let bound = tolerance(x);
        if !bound.accepts(got, want) {
            report.failures += 1;
            if report.first_failures.len() < 5 {
                report.first_failures.push((x, got, want));
            }
        }
        let error = (f64::from(got) - want).abs();
        let ulps = error / ulp(want);
        if error > bound.floor && ulps.is_finite() && ulps > report.worst_ulps {
            (report.worst_ulps, report.worst_input) = (ulps, x);
        }
    }
    Ok(report)
}
