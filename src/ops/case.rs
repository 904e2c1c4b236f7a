//! Test programs for ops, as data, so that everything that runs ops runs the same ones.

use crate::error::Result;
use crate::ir::{DType, Program, Slot, Steps};
use crate::random::{Key, Stream};
use crate::shape::Shape;
use crate::spec::Optimizer;
use crate::spec::loss::Domain;

/// The number of rows and columns of most tensors.
pub(crate) const ROWS: usize = 13;
pub(crate) const COLS: usize = 24;

/// A program with its inputs.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub name: String,
    pub program: Program,
    pub params: Vec<Vec<f32>>,
    pub numbers: Vec<(Slot, Vec<f32>)>,
    pub indices: Vec<(Slot, Vec<u32>)>,
    pub rule: Steps,
    pub steps: u64,
}

/// Draws reproducible values.
pub(crate) fn draw(domain: Domain, seed: u64, len: usize) -> Vec<f32> {
    let key = Key::new(seed, Stream::Data(90));
    let number = |place: u32| match domain {
        Domain::Real => key.normal(0, place) as f32,
        Domain::Unit => 0.05 + 0.9 * key.uniform(0, place),
        Domain::Sign => {
            if key.uniform(0, place) < 0.5 {
                -1.0
            } else {
                1.0
            }
        }
        Domain::Positive => (key.normal(0, place).exp() + 0.05) as f32,
        Domain::AboveMinusOne => (key.normal(0, place).exp() - 0.95) as f32,
    };
    (0..len as u32).map(number).collect()
}

impl Case {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            program: Program::new("self test", Vec::new()),
            params: Vec::new(),
            numbers: Vec::new(),
            indices: Vec::new(),
            rule: Steps::new(Optimizer::sgd(), u32::MAX as usize),
            steps: 1,
        }
    }

    pub(crate) fn input(&mut self, extents: &[usize], numbers: Vec<f32>) -> Result<Slot> {
        let slot = self.program.input("input", Shape::new(extents)?, DType::F32);
        self.numbers.push((slot, numbers));
        Ok(slot)
    }

    pub(crate) fn real(&mut self, extents: &[usize]) -> Result<Slot> {
        let (seed, len) = (self.numbers.len() as u64, extents.iter().product());
        self.input(extents, draw(Domain::Real, seed, len))
    }

    pub(crate) fn classes(&mut self, extents: &[usize], indices: Vec<u32>) -> Result<Slot> {
        let slot = self.program.input("classes", Shape::new(extents)?, DType::U32);
        self.indices.push((slot, indices));
        Ok(slot)
    }
}

/// Rows of positive values that sum to 1.
pub(crate) fn soft_rows(len: usize, cols: usize) -> Vec<f32> {
    let mut numbers = draw(Domain::Unit, 5, len);
    for row in numbers.chunks_mut(cols.max(1)) {
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|x| *x /= sum);
    }
    numbers
}
