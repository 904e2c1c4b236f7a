//! The data sets of the page, and the place of their points in its picture.

use std::f64::consts::{PI, TAU};

use wgrad::data::Targets;
use wgrad::ndarray::Array2;
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};

use crate::Result;

/// How far the picture reaches along each axis.
pub const REACH: f32 = 1.2;

/// The points of a generated data set.
const POINTS: usize = 300;

/// A choice of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// Three interleaved arms.
    Spiral,
    /// A ring around a disc.
    Circles,
    /// Opposite quadrants.
    Xor,
    /// Two half moons.
    Moons,
    /// One period of the sine.
    Sine,
    /// Rows of the user's.
    Own,
}

impl DataKind {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 6] =
        [Self::Spiral, Self::Circles, Self::Xor, Self::Moons, Self::Sine, Self::Own];

    /// The name in the page's address.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spiral => "spiral",
            Self::Circles => "circles",
            Self::Xor => "xor",
            Self::Moons => "moons",
            Self::Sine => "sine",
            Self::Own => "own",
        }
    }

    /// The data, with normal noise of this standard deviation; `own` are the user's rows.
    ///
    /// # Errors
    /// As [`own::read`](crate::own::read).
    pub fn data(self, noise: f64, own: &str, seed: u64) -> Result<Dataset> {
        let data = match self {
            Self::Spiral => Ok(data::spiral(POINTS / 3, 3, seed)?),
            Self::Circles => two_classes(seed, circle),
            Self::Xor => two_classes(seed, quadrant),
            Self::Moons => two_classes(seed, moon),
            Self::Sine => sine(),
            Self::Own => crate::own::read(own),
        }?;
        if noise > 0.0 { noisy(&data, noise, seed) } else { Ok(data) }
    }
}

fn sine() -> Result<Dataset> {
    let (x, y) = data::sine(POINTS)?.into_parts();
    Ok(Dataset::new(x.mapv(|x| 2.0 * x - 1.0), y)?)
}

/// The place and class of a point, from a number from 0 to 1 along its shape and two random ones.
type Shape = fn(f64, [f64; 2]) -> ([f64; 2], u32);

fn two_classes(seed: u64, shape: Shape) -> Result<Dataset> {
    let key = Key::new(seed, Stream::Data(1));
    let point = |row: usize| {
        let random = [0, 1].map(|axis| f64::from(key.uniform(axis, row as u32)));
        shape(row as f64 / POINTS as f64, random)
    };
    let inputs = Array2::from_shape_fn((POINTS, 2), |(row, axis)| point(row).0[axis] as f32);
    let labels = (0..POINTS).map(|row| point(row).1).collect();
    Ok(Dataset::new(inputs, Targets::Classes { labels, classes: 2 })?)
}

fn circle(along: f64, [angle, radius]: [f64; 2]) -> ([f64; 2], u32) {
    let is_ring = along >= 0.5;
    let radius = if is_ring { 0.75 + 0.25 * radius } else { 0.45 * radius.sqrt() };
    let (sin, cos) = (TAU * angle).sin_cos();
    ([radius * cos, radius * sin], u32::from(is_ring))
}

fn quadrant(_: f64, random: [f64; 2]) -> ([f64; 2], u32) {
    // A gap along the axes.
    let [x, y] =
        random.map(|value| 2.0 * value - 1.0).map(|value| 0.05_f64.copysign(value) + 0.95 * value);
    ([x, y], u32::from(x * y < 0.0))
}

fn moon(along: f64, [angle, _]: [f64; 2]) -> ([f64; 2], u32) {
    let (sin, cos) = (PI * angle).sin_cos();
    match along < 0.5 {
        true => ([0.65 * cos - 0.32, 0.65 * sin - 0.16], 0),
        false => ([0.32 - 0.65 * cos, 0.16 - 0.65 * sin], 1),
    }
}

/// Moves the points of classes in the plane, or the values of a curve.
fn noisy(data: &Dataset, deviation: f64, seed: u64) -> Result<Dataset> {
    let key = Key::new(seed, Stream::Data(2));
    let moved = |values: &Array2<f32>| {
        let shift = |(row, axis)| (deviation * key.normal(axis as u32, row as u32)) as f32;
        values + &Array2::from_shape_fn(values.dim(), shift)
    };
    Ok(match data.targets() {
        Targets::Values(values) => Dataset::new(data.inputs().clone(), moved(values))?,
        classes => Dataset::new(moved(data.inputs()), classes.clone())?,
    })
}

/// Three numbers a row for the page: the place of a point in the picture, and its class, or -1.
pub fn marks(data: &Dataset) -> Vec<f32> {
    let row = |(row, inputs): (usize, wgrad::ndarray::ArrayView1<'_, f32>)| match data.targets() {
        Targets::Values(values) => [inputs[0], values[[row, 0]], -1.0],
        Targets::Classes { labels, .. } => [inputs[0], inputs[1], labels[row] as f32],
    };
    data.inputs().rows().into_iter().enumerate().flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_points_lie_in_the_picture_and_depend_on_the_seed() {
        for kind in DataKind::ALL.into_iter().filter(|kind| *kind != DataKind::Own) {
            let data = kind.data(0.0, "", 0).unwrap();
            let marks = marks(&data);
            assert_eq!(marks.len(), 3 * data.len());
            for mark in marks.chunks(3) {
                assert!(mark[0].abs() <= REACH && mark[1].abs() <= REACH, "{kind:?} {mark:?}");
            }
            assert_eq!(data, kind.data(0.0, "", 0).unwrap());
            assert_ne!(data, kind.data(0.1, "", 0).unwrap());
        }
    }

    #[test]
    fn noise_moves_the_values_of_a_curve_and_not_its_inputs() {
        let [still, moved] = [0.0, 0.2].map(|noise| DataKind::Sine.data(noise, "", 0).unwrap());
        assert_eq!(still.inputs(), moved.inputs());
        assert_ne!(still.targets(), moved.targets());
    }
}
