//! What the calls are made of, drawn from a seed.

use wgrad::ndarray::{ArrayD, IxDyn};
use wgrad::spec::{Choice, Kind};

/// Counts that have caused trouble.
const COUNTS: [usize; 12] =
    [0, 1, 2, 3, 8, 255, 65_536, (1 << 24) + 1, 1 << 31, 1 << 32, usize::MAX / 2 + 1, usize::MAX];
/// Numbers that have.
const NUMBERS: [f64; 16] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1e39,
    -1e39,
    1e300,
    1e-46,
    -1e-46,
    9_007_199_254_740_992.0,
    0.0,
    -0.0,
    -1.0,
    1.0,
    2.0,
    0.5,
    1e-39,
];

/// A source of random choices: the same seed gives the same ones.
#[derive(Clone, Debug)]
pub struct Draw {
    state: u64,
    /// Whether numbers are drawn that overflow, vanish or are none.
    pub hostile: bool,
}

impl Draw {
    pub fn new(seed: u64) -> Self {
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
        Self { state, hostile: seed % 2 == 1 }
    }

    fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.word() % n.max(1) as u64) as usize
    }

    /// Whether one of `n` equally likely things happens.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// A small extent, seldom 0.
    pub fn extent(&mut self) -> usize {
        self.pick(&[1, 2, 3, 4, 5, 6, 8, 12, 17, 33, 64, 0])
    }

    /// A count, most often a small one.
    pub fn count(&mut self) -> usize {
        if self.one_in(5) { self.pick(&COUNTS) } else { 1 + self.below(5) }
    }

    /// A number for a parameter, most often a harmless one.
    pub fn number(&mut self) -> f64 {
        if self.hostile && self.one_in(3) {
            return self.pick(&NUMBERS);
        }
        (self.unit() * 64.0).round() / 64.0
    }

    /// Up to four axes, and seldom too many, of at most `2^12` elements.
    pub fn shape(&mut self) -> Vec<usize> {
        let axes = if self.one_in(20) { self.below(8) } else { 1 + self.below(3) };
        let mut left = 1 << 12;
        let mut extent = || {
            let extent = self.extent().min(left);
            left /= extent.max(1);
            extent
        };
        (0..axes).map(|_| extent()).collect()
    }

    /// Numbers of a shape; some arrays hold what is no number or hardly one.
    pub fn array(&mut self, shape: &[usize]) -> ArrayD<f32> {
        let hostile = self.hostile && self.one_in(4);
        let positive = self.one_in(3);
        let len = shape.iter().product();
        let mut number = || {
            if hostile && self.one_in(4) {
                return self.pick(&NUMBERS) as f32;
            }
            let x = self.normal() as f32;
            if positive { x.abs() } else { x }
        };
        let numbers: Vec<f32> = (0..len).map(|_| number()).collect();
        ArrayD::from_shape_vec(IxDyn(shape), numbers).unwrap()
    }

    /// Class indices, seldom one that is too large.
    pub fn labels(&mut self, len: usize, classes: usize) -> Vec<u32> {
        let limit = classes + usize::from(self.one_in(8));
        let mut labels: Vec<u32> = (0..len).map(|_| self.below(limit.max(1)) as u32).collect();
        if self.one_in(16) {
            labels.iter_mut().take(1).for_each(|label| *label = u32::MAX);
        }
        labels
    }

    /// An axis, seldom one that there is not.
    pub fn axis(&mut self, rank: usize) -> isize {
        if self.one_in(8) {
            return self.pick(&[isize::MIN, -7, 6, 100, isize::MAX]);
        }
        let axis = self.below(rank.max(1)) as isize;
        if self.one_in(2) { axis } else { axis - rank as isize }
    }

    /// An op of a registry, sometimes with one of its parameters set to any number that it takes.
    pub fn entry<K: Kind>(&mut self) -> Choice<K> {
        let all: Vec<Choice<K>> = Choice::all().collect();
        let op = self.pick(&all);
        let params = op.entry().params;
        if params.is_empty() || self.one_in(2) {
            return op;
        }
        let (name, value) = (params[self.below(params.len())].name, self.number());
        op.with(name, value).unwrap_or(op)
    }

    /// A name near one of a registry's, or far from it.
    pub fn name<K: Kind>(&mut self) -> String {
        let op: Choice<K> = self.entry();
        let text = op.to_string();
        match self.below(6) {
            0 => text,
            1 => text.to_uppercase(),
            2 => text.chars().rev().collect(),
            3 => format!(
                "{}({}={:e})",
                op.name(),
                self.pick(&["alpha", "lr", "dim", ""]),
                self.number()
            ),
            4 => format!("{text})("),
            _ => self
                .pick(&["", "\u{0}", "=", "(((((", "\u{1f600}", "a=b=c", "adam(lr=)"])
                .to_string(),
        }
    }
}
