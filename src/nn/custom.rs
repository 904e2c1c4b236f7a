//! User-defined layers.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ir::{DType, ParamInfo, Program, Slot};
use crate::shape::Shape;
use crate::spec::Initializer;

type Forward = dyn Fn(&mut Program, Slot, &[Slot]) -> Result<Slot> + Send + Sync;

/// A user-defined layer: a function that adds ops to a program. Its gradients follow from those of the ops
/// ([`Program::gradients`]), so it trains on both engines and in a host application's frame, and its parameters are
/// saved and loaded as `<layer>.<name>`.
///
/// The function takes the program, the input of shape (rows, columns) and the parameters in the order in which they
/// were added, and returns a slot of shape (rows, `outputs`). It is called for every program of the network, with any
/// number of rows, and must add the same ops each time.
///
/// ```
/// use wgrad::nn::Custom;
/// use wgrad::{
///     Activation, Arithmetic, Device, Fit, Initializer, Loss, Optimizer, Reduce, Sequential, Shape, Trainer, data,
/// };
///
/// // Radial basis functions of 16 centres: exp(-|x - c|^2).
/// let radial = Custom::new("radial", 16, |program, x, params| {
///     let rows = program.shape(x)?.rows();
///     let x = program.reshape("x", x, Shape::new(&[rows, 1, 2])?)?;
///     let apart = program.arithmetic("apart", Arithmetic::Sub, x, params[0])?;
///     let squares = program.arithmetic("squares", Arithmetic::Mul, apart, apart)?;
///     let distance = program.reduce("distance", Reduce::Sum, squares, &[-1])?;
///     let minus = program.scale("minus", distance, -1.0)?;
///     program.activation("near", Activation::exponential(), minus)
/// })
/// .param("centres", &[16, 2], Initializer::uniform());
///
/// let network = Sequential::new(2).layer(radial).dense(3);
/// let mut trainer = Trainer::new(network, Loss::cross_entropy(), Optimizer::adam()).on(&Device::cpu())?;
/// let history = trainer.fit(&data::spiral(10, 3, 0)?, Fit::epochs(3))?;
/// assert_eq!(trainer.network().params()[0].name, "0.centres");
/// # drop(history);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Custom {
    pub(super) name: String,
    outputs: usize,
    params: Vec<ParamSpec>,
    forward: Arc<Forward>,
}

/// A parameter of a layer that is not yet part of a network.
#[derive(Clone, Debug, PartialEq)]
struct ParamSpec {
    name: String,
    extents: Vec<usize>,
    initializer: Initializer,
}

impl Custom {
    /// Creates a layer without parameters whose output rows have `outputs` elements.
    pub fn new(
        name: impl Into<String>,
        outputs: usize,
        forward: impl Fn(&mut Program, Slot, &[Slot]) -> Result<Slot> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), outputs, params: Vec::new(), forward: Arc::new(forward) }
    }

    /// Adds a parameter. A matrix is initialized as a weight of shape (outputs, inputs), anything else with fan-in and
    /// fan-out equal to the extent of its last axis.
    pub fn param(mut self, name: &str, extents: &[usize], initializer: Initializer) -> Self {
        let (name, extents) = (name.to_string(), extents.to_vec());
        self.params.push(ParamSpec { name, extents, initializer });
        self
    }

    /// The number of parameters.
    pub(super) fn count(&self) -> usize {
        self.params.len()
    }

    /// The number of output elements per row.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The names, shapes and initializers of the parameters, checked.
    pub(super) fn params(&self) -> Result<Vec<(String, Shape, Initializer)>> {
        let checked = |(number, param): (usize, &ParamSpec)| {
            let ParamSpec { name, extents, initializer } = param;
            let taken = self.params.iter().take(number).any(|other| other.name == *name);
            let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let is_word = |word: &str| !word.is_empty() && word.chars().all(is_letter);
            if taken || !name.split('.').all(is_word) {
                let message = format!(
                    "'{name}' is no name for a parameter; use letters, digits, _ and inner points, each name once"
                );
                return Err(Error::unsupported(&self.name, message));
            }
            initializer.validate()?;
            if initializer.needs_matrix() && extents.len() != 2 {
                let message = format!("{} draws a matrix, not {extents:?}", initializer.name());
                return Err(Error::unsupported(&self.name, message));
            }
            Ok((name.clone(), Shape::new(extents)?, *initializer))
        };
        self.params.iter().enumerate().map(checked).collect()
    }

    /// Adds the layer and its gradient to a program of two rows, so that errors surface when the network is built.
    pub(super) fn try_out(&self, cols: usize, params: Vec<ParamInfo>) -> Result<()> {
        let count = params.len();
        let mut program = Program::new(&self.name, params);
        let x = program.input("x", Shape::new(&[2, cols])?, DType::F32);
        let params = (0..count).map(|index| program.param(index)).collect::<Result<Vec<_>>>()?;
        let y = self.forward(&mut program, x, &params)?;
        let upstream = program.input("dy", program.shape(y)?, DType::F32);
        let wrt: Vec<Slot> = std::iter::once(x).chain(params).collect();
        program.pullback((y, upstream), &wrt).map(drop)
    }

    /// Adds the layer's ops; fails unless the result has the declared shape and type.
    pub(super) fn forward(&self, program: &mut Program, x: Slot, params: &[Slot]) -> Result<Slot> {
        let y = (self.forward)(program, x, params)?;
        let (rows, found) = (program.shape(x)?.rows(), program.shape(y)?);
        if found.to_vec() == [rows, self.outputs] && program.slot(y)?.dtype == DType::F32 {
            return Ok(y);
        }
        let message =
            format!("{rows} rows became {found}, not values of [{rows}, {}]", self.outputs);
        Err(Error::shape(&self.name, message))
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.outputs, &self.params) == (&other.name, other.outputs, &other.params)
            && Arc::ptr_eq(&self.forward, &other.forward)
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, outputs, params, .. } = self;
        let mut text = f.debug_struct("Custom");
        let text = text.field("name", name).field("outputs", outputs).field("params", params);
        text.finish_non_exhaustive()
    }
}
