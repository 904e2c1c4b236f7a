//! Paths of optimizers over a surface. The host knows the surface and gives each step its gradient; the update is the
//! library's, on the chosen device.

use wgrad::ndarray::arr2;
use wgrad::prelude::*;

use crate::common::Result;
use crate::surface::Surface;

/// An optimizer and the points it comes to, the start first.
pub struct Path {
    pub optimizer: Optimizer,
    pub points: Vec<[f32; 2]>,
}

impl Path {
    fn new(optimizer: Optimizer, surface: &Surface) -> Self {
        Self { optimizer, points: vec![surface.start] }
    }

    pub fn last(&self) -> [f32; 2] {
        self.points[self.points.len() - 1]
    }

    /// The value where the path ends, or where it leaves the frame.
    pub fn value(&self, surface: &Surface) -> f64 {
        let value = surface.at(surface.nearest(self.last())).0;
        if value.is_nan() { f64::INFINITY } else { value }
    }
}

/// Walks from the start, until the steps or the frame end.
pub fn walk(device: &Device, optimizer: Optimizer, surface: &Surface, seed: u64) -> Result<Path> {
    let point = device.tensor(&arr2(&[surface.start]))?;
    let mut updater = device.updater(optimizer, &[&point])?.seed(seed)?;
    let mut path = Path::new(optimizer, surface);
    while path.points.len() <= surface.steps && surface.holds(path.last()) {
        let (value, gradient) = surface.at(path.last());
        updater.set_loss(value.abs() as f32);
        updater.step(&[&device.tensor(&arr2(&[gradient.map(|g| g as f32)]))?])?;
        let at = point.read()?;
        path.points.push([at[[0, 0]], at[[0, 1]]]);
    }
    Ok(path)
}
