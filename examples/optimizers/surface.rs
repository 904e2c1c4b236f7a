//! Functions of two numbers that are hard to descend, each in its own way.

use std::f64::consts::{PI, TAU};

/// A function with its gradient, where a path over it begins and how long it is.
pub struct Surface {
    pub name: &'static str,
    pub formula: &'static str,
    pub start: [f32; 2],
    pub steps: usize,
    /// The range of x and that of y; a path ends where it leaves them.
    pub frame: [[f64; 2]; 2],
    /// Where it is least in the frame, if that is a place inside it.
    pub least: &'static [[f64; 2]],
    function: fn(f64, f64) -> [f64; 3],
}

impl Surface {
    /// The value and the gradient at a point.
    pub fn at(&self, [x, y]: [f32; 2]) -> (f64, [f64; 2]) {
        let [value, dx, dy] = (self.function)(x.into(), y.into());
        (value, [dx, dy])
    }

    pub fn holds(&self, point: [f32; 2]) -> bool {
        point.iter().zip(self.frame).all(|(&p, [low, high])| (low..=high).contains(&f64::from(p)))
    }

    /// The nearest point of the frame.
    pub fn nearest(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [across, up] = self.frame;
        let near = |p: f32, [low, high]: [f64; 2]| f64::from(p).max(low).min(high) as f32;
        [near(x, across), near(y, up)]
    }
}

/// sin(πt) / (πt) and its derivative.
fn sinc(t: f64) -> [f64; 2] {
    let angle = PI * t;
    if angle.abs() < 1e-3 {
        return [1.0 - angle * angle / 6.0, -PI * angle / 3.0];
    }
    [angle.sin() / angle, (angle.cos() - angle.sin() / angle) / t]
}

/// tanh²(kt) and its derivative.
fn tanh_squared(k: f64, t: f64) -> [f64; 2] {
    let value = (k * t).tanh();
    [value * value, 2.0 * k * value * (1.0 - value * value)]
}

fn rastrigin(t: f64) -> [f64; 2] {
    [t * t - 10.0 * (TAU * t).cos() + 10.0, 2.0 * t + 10.0 * TAU * (TAU * t).sin()]
}

pub const SURFACES: [Surface; 8] = [
    Surface {
        name: "saddle",
        formula: "y² − x²",
        start: [1e-4, 4.0],
        steps: 128,
        frame: [[-5.0, 5.0], [-5.0, 5.0]],
        least: &[],
        function: |x, y| [y * y - x * x, -2.0 * x, 2.0 * y],
    },
    Surface {
        name: "plateau",
        formula: "tanh² x + tanh² y",
        start: [-1.0, 2.0],
        steps: 128,
        frame: [[-3.0, 3.0], [-3.0, 3.0]],
        least: &[[0.0, 0.0]],
        function: |x, y| {
            let ([a, dx], [b, dy]) = (tanh_squared(1.0, x), tanh_squared(1.0, y));
            [a + b, dx, dy]
        },
    },
    Surface {
        name: "sinc",
        formula: "(x² + y²)/10 − sinc x − sinc y",
        start: [-3.0, 4.0],
        steps: 1024,
        frame: [[-5.0, 5.0], [-5.0, 5.0]],
        least: &[[0.0, 0.0]],
        function: |x, y| {
            let ([a, dx], [b, dy]) = (sinc(x), sinc(y));
            [(x * x + y * y) / 10.0 - a - b, x / 5.0 - dx, y / 5.0 - dy]
        },
    },
    Surface {
        name: "ravine",
        formula: "(x² + y²)/8 + tanh² 10x",
        start: [-2.0, 2.0],
        steps: 256,
        frame: [[-3.0, 3.0], [-3.0, 3.0]],
        least: &[[0.0, 0.0]],
        function: |x, y| {
            let [a, dx] = tanh_squared(10.0, x);
            [(x * x + y * y) / 8.0 + a, x / 4.0 + dx, y / 4.0]
        },
    },
    Surface {
        name: "rosenbrock",
        formula: "(1 − x)² + 100 (y − x²)²",
        start: [-1.5, 2.0],
        steps: 512,
        frame: [[-2.2, 2.2], [-1.0, 3.2]],
        least: &[[1.0, 1.0]],
        function: |x, y| {
            let off = y - x * x;
            [(1.0 - x).powi(2) + 100.0 * off * off, 2.0 * (x - 1.0) - 400.0 * x * off, 200.0 * off]
        },
    },
    Surface {
        name: "beale",
        formula: "(1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²",
        start: [1.0, 1.5],
        steps: 512,
        frame: [[-4.5, 4.5], [-4.5, 4.5]],
        least: &[[3.0, 0.5]],
        function: |x, y| {
            let mut sums = [0.0; 3];
            for (power, at) in [(1, 1.5), (2, 2.25), (3, 2.625)] {
                let term = at - x + x * y.powi(power);
                sums[0] += term * term;
                sums[1] += 2.0 * term * (y.powi(power) - 1.0);
                sums[2] += 2.0 * term * x * f64::from(power) * y.powi(power - 1);
            }
            sums
        },
    },
    Surface {
        name: "himmelblau",
        formula: "(x² + y − 11)² + (x + y² − 7)²",
        start: [0.0, -0.5],
        steps: 256,
        frame: [[-5.0, 5.0], [-5.0, 5.0]],
        least: &[[3.0, 2.0], [-2.805118, 3.131312], [-3.779310, -3.283186], [3.584428, -1.848126]],
        function: |x, y| {
            let (a, b) = (x * x + y - 11.0, x + y * y - 7.0);
            [a * a + b * b, 4.0 * x * a + 2.0 * b, 2.0 * a + 4.0 * y * b]
        },
    },
    Surface {
        name: "rastrigin",
        formula: "20 + x² − 10 cos 2πx + y² − 10 cos 2πy",
        start: [-3.4, 3.7],
        steps: 512,
        frame: [[-5.12, 5.12], [-5.12, 5.12]],
        least: &[[0.0, 0.0]],
        function: |x, y| {
            let ([a, dx], [b, dy]) = (rastrigin(x), rastrigin(y));
            [a + b, dx, dy]
        },
    },
];
