//! Checked shapes of up to six axes, row-major.

use crate::error::{Error, Result};

/// The maximum number of axes of a shape.
pub(crate) const MAX_AXES: usize = 6;

/// The extents of a tensor, row-major, outermost axis first.
///
/// A shape's element count always fits a `u32`, the index type of the kernels.
///
/// ```
/// let shape = wgrad::Shape::new(&[2, 3, 4])?;
/// assert_eq!(shape.len(), 24);
/// assert_eq!(shape.to_string(), "[2, 3, 4]");
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    axes: [u32; MAX_AXES],
    rank: usize,
}

impl Shape {
    /// Creates a shape with the given extents. An empty slice gives a scalar; zero extents are allowed.
    ///
    /// # Errors
    /// [`Error::Limit`] for more than six axes or more than `u32::MAX` elements.
    pub fn new(extents: &[usize]) -> Result<Self> {
        let limit = |needed, limit, unit| {
            let what = format!("the shape {extents:?}");
            Err(Error::Limit { what, needed, limit, unit })
        };
        if extents.len() > MAX_AXES {
            return limit(extents.len() as u64, MAX_AXES as u64, "axes");
        }
        let max = u64::from(u32::MAX);
        // Zero extents are skipped, so that [2^20, 2^20, 0] is refused like any shape whose strides overflow.
        let product = extents
            .iter()
            .filter(|&&extent| extent > 0)
            .try_fold(1u64, |product, &extent| product.checked_mul(extent as u64))
            .unwrap_or(u64::MAX);
        if product > max {
            return limit(product, max, "elements");
        }
        let mut axes = [1; MAX_AXES];
        for (axis, &extent) in axes.iter_mut().zip(extents) {
            *axis = extent as u32;
        }
        Ok(Self { axes, rank: extents.len() })
    }

    /// The shape of a scalar: no axes.
    pub const fn scalar() -> Self {
        Self { axes: [1; MAX_AXES], rank: 0 }
    }

    /// The number of axes.
    #[doc(hidden)]
    pub const fn rank(&self) -> usize {
        self.rank
    }

    /// The number of elements: the product of the extents.
    pub fn len(&self) -> usize {
        self.extents().product()
    }

    /// Returns whether an extent is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The extents, outermost first.
    pub fn extents(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator {
        self.axes.into_iter().take(self.rank).map(|extent| extent as usize)
    }

    /// The extents as a vector, outermost first.
    pub fn to_vec(&self) -> Vec<usize> {
        self.extents().collect()
    }

    /// The extent of one axis, if it exists.
    pub(crate) fn axis(&self, axis: usize) -> Option<usize> {
        self.extents().nth(axis)
    }

    /// The extent of the last axis; 1 for a scalar.
    pub fn cols(&self) -> usize {
        self.extents().next_back().unwrap_or(1)
    }

    /// The number of rows of the tensor seen as a matrix: the product of all extents but the last.
    pub fn rows(&self) -> usize {
        self.extents().rev().skip(1).product()
    }

    /// The index of the axis `dim`, which counts from the last axis if negative. A scalar has one axis of length 1.
    pub(crate) fn axis_number(&self, dim: isize) -> Option<usize> {
        let rank = self.rank.max(1);
        let number = if dim < 0 { rank.checked_add_signed(dim)? } else { dim as usize };
        (number < rank).then_some(number)
    }

    /// The products of the extents before an axis, along it and after it. `dim` counts from the last axis if negative.
    /// `None` if there is no such axis.
    ///
    /// ```
    /// let shape = wgrad::Shape::new(&[2, 3, 4, 5])?;
    /// assert_eq!(shape.split(-2), Some([6, 4, 5]));
    /// assert_eq!(shape.split(4), None);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    #[doc(hidden)]
    pub fn split(&self, dim: isize) -> Option<[usize; 3]> {
        let number = self.axis_number(dim)?;
        let outer = self.extents().take(number).product();
        let inner = self.extents().skip(number + 1).product();
        Some([outer, self.axis(number).unwrap_or(1), inner])
    }

    /// The same shape with one extent replaced.
    pub(crate) fn with_axis(&self, dim: isize, extent: usize) -> Result<Self> {
        let mut extents = if self.rank == 0 { vec![1] } else { self.to_vec() };
        let place = self.axis_number(dim).and_then(|number| extents.get_mut(number));
        place.into_iter().for_each(|place| *place = extent);
        Self::new(&extents)
    }

    /// A matrix of the same columns with another number of rows.
    pub(crate) fn with_rows(&self, rows: usize) -> Result<Self> {
        Self::new(&[rows, self.cols()])
    }
}

impl From<Shape> for Vec<usize> {
    fn from(shape: Shape) -> Self {
        shape.to_vec()
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.extents()).finish()
    }
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Tensors are padded to a multiple of this many elements: 256 bytes, the strictest offset alignment a device may
/// require.
pub(crate) const PAD: usize = 64;

/// The number of elements that a tensor of `len` occupies in memory; never 0, since WebGPU rejects empty bindings.
pub(crate) fn padded(len: usize) -> usize {
    len.max(1).next_multiple_of(PAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_with_more_elements_than_u32_is_refused() {
        assert!(Shape::new(&[65_536, 65_535]).is_ok());
        let error = Shape::new(&[65_536, 65_536]).unwrap_err().to_string();
        assert!(error.contains("65536, 65536") && error.contains("4294967295"), "{error}");
        assert!(Shape::new(&[usize::MAX, usize::MAX]).is_err());
        assert!(Shape::new(&[1 << 20, 1 << 20, 0]).is_err());
    }

    #[test]
    fn a_shape_with_seven_axes_is_refused() {
        assert!(Shape::new(&[1; 7]).unwrap_err().to_string().contains("7 axes"));
    }

    #[test]
    fn rows_and_cols_see_any_tensor_as_a_matrix() {
        let shape = Shape::new(&[2, 3, 4]).unwrap();
        assert_eq!((shape.rows(), shape.cols()), (6, 4));
        assert_eq!(
            (Shape::scalar().rows(), Shape::scalar().cols(), Shape::scalar().len()),
            (1, 1, 1)
        );
        assert_eq!(Shape::new(&[0, 5]).unwrap().len(), 0);
    }
}
